from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image

from pipeline.imaging.rights.manifest_store import manifest_store
from tests.certificates import write_chain

c2pa = pytest.importorskip("c2pa")

KINDS = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
    "TIFF": "image/tiff",
    "GIF": "image/gif",
}


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    chain, key = write_chain(tmp_path_factory.mktemp("keys"))
    info = c2pa.C2paSignerInfo("es256", chain.read_bytes(), key.read_bytes(), None)
    with c2pa.Signer.from_info(info) as signer:
        yield signer


def photograph(kind):
    file = BytesIO()  # noise: the thumbnail fills several segments of a JPEG
    Image.effect_noise((600, 400), 60).convert("RGB").save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_the_store_is_found_as_the_library_wrote_it(signer, kind):
    plain, signed = photograph(kind), BytesIO()
    with c2pa.Context() as context, c2pa.Builder.from_json("{}", context) as builder:
        capture = c2pa.C2paDigitalSourceType.DIGITAL_CAPTURE
        builder.set_intent(c2pa.C2paBuilderIntent.CREATE, capture)
        written = builder.sign(signer, KINDS[kind], BytesIO(plain), signed)
    assert manifest_store(plain) == b""
    assert manifest_store(signed.getvalue()) == bytes(written)
    for size in (0, 4, 40, len(plain) // 2, len(signed.getvalue()) - 200):
        manifest_store(signed.getvalue()[:size])  # what is torn costs nothing


@pytest.mark.parametrize("data", [b"", b"<html>", b"\xff\xd8\xff", b"GIF89a"])
def test_what_is_no_picture_has_none(data):
    assert manifest_store(data) == b""
