from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import pytest
from PIL import Image

from pipeline.credentials import Credentials, SigningConfig
from pipeline.errors import ErrorCode, FatalError, RowError
from pipeline.imaging.xmp import Provenance, source_uri, xmp_packet
from tests.certificates import write_chain

c2pa = pytest.importorskip("c2pa")

EDITED = source_uri("compositeWithTrainedAlgorithmicMedia")


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    chain, key = write_chain(tmp_path_factory.mktemp("keys"))
    return SigningConfig(certificates=str(chain), private_key=str(key))


def picture(format_name, color="red", **options):
    file = BytesIO()
    Image.new("RGB", (64, 48), color).save(file, format_name, **options)
    return file.getvalue()


def signed(config, format_name):
    packet = xmp_packet(Provenance(source_type="compositeWithTrainedAlgorithmicMedia"))
    options = {} if format_name == "PNG" else {"xmp": packet}
    return Credentials(config).sign(
        picture(format_name, **options),
        media_type=f"image/{format_name.lower()}",
        title="shoe/1",
        parent=picture("JPEG", "blue"),
        parent_type="image/jpeg",
        source_uri=EDITED,
    )


def read(data, media_type):
    with c2pa.Reader(media_type, BytesIO(data)) as reader:
        return json.loads(reader.json()), reader.get_validation_state()


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
def test_what_was_signed_can_be_read_back_and_holds(config, format_name):
    store, state = read(signed(config, format_name), f"image/{format_name.lower()}")
    manifest = store["manifests"][store["active_manifest"]]
    assert state == "Valid"
    assert manifest["title"] == "shoe/1"
    (parent,) = manifest["ingredients"]
    assert parent["relationship"] == "parentOf"
    (actions,) = (
        assertion["data"]["actions"]
        for assertion in manifest["assertions"]
        if assertion["label"].startswith("c2pa.actions")
    )
    assert [action["action"] for action in actions] == ["c2pa.opened", "c2pa.edited"]
    assert actions[1]["digitalSourceType"] == EDITED
    assert manifest["signature_info"]["issuer"] == "Backlot tests"


def test_a_pixel_changed_afterwards_breaks_the_signature(config):
    data = bytearray(signed(config, "PNG"))
    at = data.index(b"IDAT") + 10
    data[at] ^= 1
    _, state = read(bytes(data), "image/png")
    assert state == "Invalid"


def test_signing_changes_no_pixel_and_keeps_the_xmp(config):
    before, after = (
        Image.open(BytesIO(picture("JPEG"))),
        Image.open(BytesIO(signed(config, "JPEG"))),
    )
    assert before.tobytes() == after.tobytes()
    assert EDITED.encode() in after.info["xmp"]


def test_a_parent_that_cannot_be_one_costs_its_row(config):
    with pytest.raises(RowError) as caught:
        Credentials(config).sign(
            picture("PNG"),
            media_type="image/png",
            title="x",
            parent=picture("BMP"),
            parent_type="image/bmp",
            source_uri=EDITED,
        )
    assert caught.value.code == ErrorCode.UNSUPPORTED_FORMAT


def test_a_photograph_cannot_make_us_call_anyone(config):
    """Its XMP names a manifest elsewhere (C2PA 2.2, 11.4): nobody goes there."""
    asked = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        where = f"http://127.0.0.1:{server.server_port}/manifest.c2pa"
        packet = xmp_packet(Provenance(source_type="compositeSynthetic")).replace(
            b"<xmp:CreatorTool>",
            b'<dcterms:provenance xmlns:dcterms="http://purl.org/dc/terms/">'
            + where.encode()
            + b"</dcterms:provenance><xmp:CreatorTool>",
        )
        parent = picture("JPEG", "blue", xmp=packet)
        Credentials(config).sign(
            picture("JPEG"),
            media_type="image/jpeg",
            title="x",
            parent=parent,
            parent_type="image/jpeg",
            source_uri=EDITED,
        )
        server.shutdown()
    assert asked == []


def test_keys_that_are_missing_or_do_not_work_stop_the_run(config, tmp_path):
    with pytest.raises(FatalError, match="cannot be read"):
        Credentials(config.model_copy(update={"private_key": str(tmp_path / "none.pem")}))
    torn = tmp_path / "torn.pem"
    torn.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    with pytest.raises(FatalError, match=r"provenance\.sign"):
        Credentials(config.model_copy(update={"private_key": str(torn)}))
