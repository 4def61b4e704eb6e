"""What finished files say of themselves, read from the files."""

from __future__ import annotations

import hashlib
import json
from io import BytesIO

import numpy as np
import psutil
import pytest
from PIL import Image
from pydantic import ValidationError

from pipeline.errors import RowError
from pipeline.imaging.reading.limits import ImageLimits
from pipeline.imaging.writing.encoding import encode_alpha
from pipeline.manifest.shots import Brief, shots
from pipeline.models.generation.diffusion.diffusion_config import SdxlInpaintConfig
from pipeline.models.generation.generator import Background
from pipeline.models.weights import Checkpoint
from pipeline.stages import render as stage
from pipeline.stages.render import RenderConfig, RenderMapper
from pipeline.stages.rendering.provenance import ProvenanceConfig
from tests.certificates import write_chain

TERMS = "http://cv.iptc.org/newscodes/digitalsourcetype/"
PROMPT = "an oak table"


class Painter:
    """Stands where a trained generator would: grey everywhere."""

    revision = "weights at 1f2e3d"
    max_batch = 2
    draws_product = True
    device = "cpu"

    def generate(self, requests):
        return [
            Background(rgb_HWC=np.full(request.image_HWC.shape, 0.5, np.float32))
            for request in requests
        ]


def row(prompt=PROMPT, *, color=None, result=1, **asked):
    photo = np.full((96, 128, 3), 200, np.uint8)
    alpha = np.zeros((96, 128), np.float32)
    photo[30:60, 40:80], alpha[30:60, 40:80] = (150, 40, 30), 1
    file = BytesIO()
    Image.fromarray(photo).save(file, "PNG")
    return {
        "image_bytes": file.getvalue(),
        "alpha": encode_alpha(alpha),
        "alpha_colors": None,
        "prompt": prompt,
        "final_prompt": prompt.lstrip("*"),
        "seed": 3,
        "reference_bytes": [],
        "shot": shots(Brief(num_results=result, **asked), color)[-1].model_dump(mode="json"),
    }


@pytest.fixture
def made(monkeypatch):
    """Render a row with the studio or a trained generator; the columns and the file."""

    def make(asked, *, trained=True, **provenance):
        settings = {"provenance": provenance, "thumbnail_px": 0}
        if trained:
            monkeypatch.setattr(stage, "build_generator", lambda _: Painter())
            monkeypatch.setattr(stage, "bring_weights", lambda config: config)
            settings |= {
                "generator": SdxlInpaintConfig(checkpoint=Checkpoint(path="/nowhere")),
                "size": {"rule": "generator", "area_px": 16384, "multiple_px": 64},
            }
        config = RenderConfig.model_validate(settings)
        (outcome,) = RenderMapper(config, limits=ImageLimits(), num_threads=1).map_batch([asked])
        assert not isinstance(outcome, RowError), outcome
        return outcome, Image.open(BytesIO(outcome["picture"]))

    return make


@pytest.mark.parametrize(
    ("asked", "trained", "term"),
    [
        ({}, True, "compositeWithTrainedAlgorithmicMedia"),
        ({"prompt": "*" + PROMPT}, True, "trainedAlgorithmicMedia"),
        ({"channel": "google_shopping"}, True, "trainedAlgorithmicMedia"),
        ({"color": (9, 9, 9)}, True, "algorithmicallyEnhanced"),
        ({"color": (9, 99, 9), "result": 2}, True, "compositeWithTrainedAlgorithmicMedia"),
        ({}, False, "compositeSynthetic"),
        ({"channel": "google_shopping"}, False, "compositeSynthetic"),
        ({"color": (9, 9, 9)}, False, "algorithmicallyEnhanced"),
    ],
)
def test_each_way_of_making_a_picture_has_its_term(made, asked, trained, term):
    outcome, _ = made(row(**asked), trained=trained)
    assert outcome["provenance"]["source_type"] == TERMS + term


def test_pictures_by_a_trained_model_name_it_and_its_prompt(made):
    said = made(row(), prompt_writer="Acme")[1].info["xmp"].decode()
    for fact in ("sdxl-inpaint", "weights at 1f2e3d", PROMPT, "Acme"):
        assert fact in said
    assert PROMPT.encode() not in made(row(), prompt=False)[1].info["xmp"]
    assert b"AISystemUsed" not in made(row(), trained=False)[1].info["xmp"]


def test_it_can_be_left_unsaid_and_a_channel_that_wants_it_notices(made):
    outcome, picture = made(row(channel="google_shopping"), xmp=False)
    assert "xmp" not in picture.info
    assert outcome["provenance"]["source_type"] is None
    assert "metadata" in outcome["verdict"]["rules"]


def shot_by(**options):
    """A row whose photograph says whose it is, and how many pixels an inch has."""
    asked, file = row(), BytesIO()
    exif = Image.Exif()
    exif[315], exif[33432] = "Jörg Müller".encode(), "© 2026 Müller".encode()
    with Image.open(BytesIO(asked["image_bytes"])) as image:
        image.save(file, "JPEG", exif=exif, quality=95, **options)
    return asked | {"image_bytes": file.getvalue()}


def test_rights_are_taken_over_into_exif_and_xmp_unless_the_recipe_says_not(made):
    kept = made(shot_by())[1]
    assert kept.getexif()[33432].encode("latin-1").decode() == "© 2026 Müller"
    said = kept.info["xmp"].decode()
    for words in ("<rdf:li>Jörg Müller</rdf:li>", "© 2026 Müller", "AISystemUsed"):
        assert words in said
    dropped = made(shot_by(), exif="none")[1]
    assert not dropped.getexif()
    assert "Müller" not in dropped.info["xmp"].decode()
    alone = made(shot_by(), xmp=False)[1].info["xmp"].decode()
    assert "Jörg Müller" in alone
    assert "DigitalSourceType" not in alone


@pytest.mark.parametrize("format_name", ["jpeg", "png", "webp", "avif"])
@pytest.mark.parametrize(
    ("asked", "stated"),
    [({}, (300, 200)), ({"resolution": "none"}, None), ({"resolution": 72}, (72, 72))],
)
def test_the_resolution_is_the_photographs_unless_the_recipe_says_otherwise(
    made, format_name, asked, stated
):
    question = shot_by(dpi=(300, 200))
    question["shot"] = shots(Brief(output_format=format_name), None)[0].model_dump(mode="json")
    image = made(question, **asked)[1]
    exif = image.getexif()
    found = image.info.get("dpi")
    if format_name == "jpeg":  # Pillow makes 72 up where there is EXIF without a resolution
        found = image.info["jfif_density"] if image.info["jfif_unit"] == 1 else None
    elif format_name != "png":
        found = (exif[282], exif[283]) if 282 in exif else None
    assert found == (None if stated is None else pytest.approx(stated, abs=0.02))


@pytest.mark.parametrize("resolution", [0, -1, 5, 1e9, float("nan"), True, "high"])
def test_a_resolution_that_is_none_is_refused(resolution):
    with pytest.raises(ValidationError, match="resolution"):
        ProvenanceConfig(resolution=resolution)


def test_a_mark_is_on_the_picture_and_in_its_columns(made):
    plain, _ = made(row())
    marked, _ = made(row(), watermark={"text": "AI"})
    assert (plain["provenance"]["watermarked"], marked["provenance"]["watermarked"]) == (0, 1)
    assert plain["picture"] != marked["picture"]


def test_signed_files_hold_and_name_their_photograph(made, tmp_path):
    c2pa = pytest.importorskip("c2pa")
    chain, key = write_chain(tmp_path)
    asked = row(output_format="webp")
    outcome, _ = made(asked, sign={"certificates": str(chain), "private_key": str(key)})
    assert outcome["provenance"]["signed"]
    with c2pa.Reader("image/webp", BytesIO(outcome["picture"])) as reader:
        assert reader.get_validation_state() == "Valid"
        store = json.loads(reader.json())
    manifest = store["manifests"][store["active_manifest"]]
    (parent,) = manifest["ingredients"]
    assert parent["format"] == "image/png"
    assert hashlib.sha256(asked["image_bytes"]).hexdigest() in parent["description"]
    assert TERMS + "compositeWithTrainedAlgorithmicMedia" in json.dumps(manifest)


def test_rows_whose_signer_is_killed_are_signed_all_the_same(tmp_path):
    pytest.importorskip("c2pa")
    chain, key = write_chain(tmp_path)
    provenance = {"sign": {"certificates": str(chain), "private_key": str(key)}}
    config = RenderConfig(thumbnail_px=0, provenance=provenance)
    mapper = RenderMapper(config, limits=ImageLimits(), num_threads=1)
    for _ in range(2):
        for signer in psutil.Process().children():
            if "pipeline.stages.rendering.signer" in signer.cmdline():
                signer.kill()
        outcomes = mapper.map_batch([row(), row()])
        assert [outcome["provenance"]["signed"] for outcome in outcomes] == [True, True]
