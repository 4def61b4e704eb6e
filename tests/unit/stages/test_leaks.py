"""What is searched for in every signed file, whatever it was made from: anything of that."""

from __future__ import annotations

import hashlib
import json
import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import RowError
from pipeline.imaging.reading.limits import ImageLimits
from pipeline.imaging.rights.manifest_store import manifest_store
from pipeline.imaging.writing.encoding import OutputFormat, encode_alpha
from pipeline.manifest.shots import Brief, shots
from pipeline.stages.render import RenderConfig, RenderMapper
from tests.certificates import write_chain
from tests.parents import PLACE, edited_as_the_library_does, photograph, with_credentials, written

c2pa = pytest.importorskip("c2pa")

KINDS = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "MPO", "BMP", "JPEG2000", "credentials")

WINDOW, KNOWN = 32, 24
"""Bytes in succession that no two files share by chance; so many of them that every manifest has
are followed or preceded by a few of a random id, which may be the same."""

PICTURE = re.compile(
    rb"\xff\xd8\xff[\xe0-\xef\xdb]|\x89PNG\r\n\x1a\n|RIFF....WEBP|ftyp(?:avif|heic|mif1)|GIF8[79]a",
    re.DOTALL,
)
"""How picture files begin."""


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return write_chain(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def parents(keys, tmp_path_factory):
    camera = write_chain(tmp_path_factory.mktemp("camera"))
    return {
        kind: with_credentials(*camera) if kind == "credentials" else written(kind)
        for kind in KINDS
    }


@pytest.fixture(scope="module")
def made(keys, parents):
    """The finished files by format and by what they were made from: unsigned, and signed."""
    chain, key = keys
    sign = {"certificates": str(chain), "private_key": str(key)}
    plain, signing = (
        RenderMapper(
            RenderConfig(
                thumbnail_px=0, provenance={"exif": "capture", "sign": sign if is_signed else None}
            ),
            limits=ImageLimits(),
            num_threads=1,
        )
        for is_signed in (False, True)
    )
    found = {}
    for format_ in OutputFormat:
        for kind, file in parents.items():
            rows = [asked(file, format_)]
            pair = [mapper.map_batch(rows)[0] for mapper in (plain, signing)]
            assert not any(isinstance(outcome, RowError) for outcome in pair), pair
            assert [outcome["provenance"]["signed"] for outcome in pair] == [False, True]
            found[format_, kind] = tuple(outcome["picture"] for outcome in pair)
    return found


@pytest.mark.parametrize("format_", OutputFormat)
def test_content_credentials_of_the_photograph_are_named_by_their_hash(made, parents, format_):
    digest = hashlib.sha256(manifest_store(parents["credentials"])).hexdigest()
    for kind in KINDS:
        store, _ = store_of(made[format_, kind][1], format_.media_type)
        (parent,) = store["manifests"][store["active_manifest"]]["ingredients"]
        assert (digest in parent["description"]) == (kind == "credentials")


def test_a_row_is_told_what_is_not_carried_on(keys, parents):
    chain, key = keys
    sign = {"certificates": str(chain), "private_key": str(key)}
    config = RenderConfig(thumbnail_px=0, provenance={"sign": sign})
    mapper = RenderMapper(config, limits=ImageLimits(), num_threads=1)
    rows = [asked(parents[kind], OutputFormat.JPEG) for kind in ("JPEG", "credentials")]
    notes = [outcome["shot_notes"] for outcome in mapper.map_batch(rows)]
    assert [any("Content Credentials" in note for note in of_row) for of_row in notes] == [0, 1]


def asked(file, format_):
    alpha_HW = np.zeros((320, 320), np.float32)
    alpha_HW[80:240, 100:220] = 1
    return {
        "image_bytes": file,
        "alpha": encode_alpha(alpha_HW),
        "alpha_colors": None,
        "prompt": "an oak table",
        "final_prompt": "an oak table",
        "seed": 3,
        "reference_bytes": [],
        "shot": shots(Brief(output_format=format_.value), None)[0].model_dump(mode="json"),
    }


def windows(data, size=WINDOW):
    return {data[at : at + size] for at in range(len(data) - size + 1)}


def store_of(data, media_type):
    with c2pa.Reader(media_type, BytesIO(data)) as reader:
        assert reader.get_validation_state() == "Valid"
        return json.loads(reader.json()), reader.detailed_json()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("format_", OutputFormat)
def test_a_signature_costs_less_than_ten_kilobytes(made, format_, kind):
    unsigned, signed = made[format_, kind]
    assert 0 < len(signed) - len(unsigned) < 10_000


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("format_", OutputFormat)
def test_a_signed_file_has_no_picture_in_it_but_itself(made, format_, kind):
    _, signed = made[format_, kind]
    assert [found.start() for found in PICTURE.finditer(signed)] in ([0], [4])  # 4: AVIF's ftyp
    store, detailed = store_of(signed, format_.media_type)
    assert "thumbnail" not in json.dumps(store) + detailed


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("format_", OutputFormat)
def test_a_signed_file_has_no_bytes_of_its_photograph(made, parents, format_, kind):
    """But those that the unsigned file has, and those of any manifest."""
    unsigned, signed = made[format_, kind]
    others = made[format_, "BMP" if kind != "BMP" else "PNG"][1]
    known = windows(unsigned, KNOWN) | windows(others, KNOWN)
    shared = windows(signed) & windows(parents[kind])
    assert not {one for one in shared if known.isdisjoint(windows(one, KNOWN))}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("format_", OutputFormat)
def test_a_signed_file_tells_no_place_and_no_manifest_of_its_photograph(made, format_, kind):
    _, signed = made[format_, kind]
    store, detailed = store_of(signed, format_.media_type)
    assert len(store["manifests"]) == 1
    for said in (signed, json.dumps(store).encode(), detailed.encode()):
        for secret in (PLACE, "GPS", "stds.exif", "firmware", "IMG_0001"):
            assert secret.encode() not in said
    with Image.open(BytesIO(signed)) as image:
        assert 0x8825 not in image.getexif()  # the GPS IFD


def test_the_search_finds_what_the_library_leaves_by_itself(keys, parents):
    parent = parents["credentials"]
    leaking = edited_as_the_library_does(parent, *keys)
    store, _ = store_of(leaking, "image/jpeg")
    assert len(PICTURE.findall(leaking)) > 1
    assert "thumbnail" in json.dumps(store)
    assert len(store["manifests"]) == 2
    assert PLACE.encode() in leaking
    assert len(windows(leaking) & windows(parent)) > 1000


def test_what_is_signed_is_what_was_finished(made):
    for format_ in OutputFormat:
        unsigned, signed = (Image.open(BytesIO(file)) for file in made[format_, "JPEG"])
        assert unsigned.tobytes() == signed.tobytes()
        assert signed.size == photograph().size
