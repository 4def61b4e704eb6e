"""What a row can ask of its picture, through the whole render stage with the studio."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.reading.limits import ImageLimits
from pipeline.imaging.writing.encoding import encode_alpha
from pipeline.manifest.channels import channel_names, load_channel
from pipeline.manifest.shots import Brief, shots
from pipeline.stages.render import RenderConfig, RenderMapper

BOX = (slice(40, 100), slice(60, 100))
RED = (200, 30, 30)


@pytest.fixture(scope="module")
def mapper():
    config = RenderConfig(thumbnail_px=64, format="png")
    return RenderMapper(config, limits=ImageLimits(), num_threads=1)


def row(prompt="oak table, soft light", *, color=None, result=1, **asked):
    """A red box, slightly textured, on white paper."""
    rng = np.random.default_rng(0)
    photo = np.full((120, 160, 3), 250, np.uint8)
    photo[BOX] = RED + rng.integers(-8, 9, (60, 40, 1))
    alpha = np.zeros((120, 160), np.float32)
    alpha[BOX] = 1
    file = BytesIO()
    Image.fromarray(photo).save(file, "PNG")
    shot = shots(Brief(num_results=max(result, 1), **asked), color)[result - 1]
    return {
        "image_bytes": file.getvalue(),
        "alpha": encode_alpha(alpha),
        "alpha_colors": None,
        "prompt": prompt,
        "final_prompt": prompt,
        "seed": 7,
        "shot": shot.model_dump(mode="json"),
        "reference_bytes": [],
        "photo": photo,
    }


def made(mapper, asked):
    (outcome,) = mapper.map_batch([asked])
    assert not isinstance(outcome, RowError), outcome
    return outcome, np.asarray(Image.open(BytesIO(outcome["picture"])).convert("RGB"))


def refused(mapper, asked):
    (outcome,) = mapper.map_batch([asked])
    assert isinstance(outcome, RowError)
    assert outcome.code == ErrorCode.BAD_REQUEST
    return outcome.message


def test_a_plain_background_is_exactly_the_colour_and_the_product_exactly_the_photograph(mapper):
    asked = row(color=(51, 102, 153))
    outcome, picture = made(mapper, asked)
    outside = np.ones((120, 160), bool)
    outside[BOX] = False
    assert (picture[outside] == (51, 102, 153)).all()
    np.testing.assert_array_equal(picture[BOX], asked["photo"][BOX])
    assert outcome["prompt_understood"] == []


def test_a_white_background_is_white_in_a_jpeg_too(mapper):
    asked = row(
        color=(255, 255, 255),
        output_format="jpeg",
        placement="fit",
        margin=0.05,
        canvas_width=400,
        canvas_height=300,
        max_upscale=8,
    )
    _, picture = made(mapper, asked)
    found = np.flatnonzero((picture < 200).any(axis=(0, 2)))
    assert found[-1] - found[0] == pytest.approx(180, abs=3)
    # JPEG codes blocks of 8 px: none that holds only paper is anything but paper.
    far = picture[:, : (found[0] // 8 - 1) * 8]
    assert far.shape[1] > 80
    assert (far == 255).all()


def test_a_plain_background_may_have_a_shadow(mapper):
    _, picture = made(mapper, row(color=(255, 255, 255), shadow="soft"))
    assert (picture[102:, 60:110] < 240).any()
    assert (picture[:20] == 255).all()


@pytest.mark.parametrize("color", [(180, 60, 20), (250, 240, 230)])
def test_a_recoloured_set_has_the_colour_asked_for_and_its_product_untouched(mapper, color):
    asked = row("on a solid green background, with shadows and reflections", color=color, result=2)
    outcome, picture = made(mapper, asked)
    np.testing.assert_array_equal(picture[BOX], asked["photo"][BOX])
    paper = np.median(picture[:30].reshape(-1, 3), axis=0)
    assert np.abs(paper - color).max() < 40
    assert outcome["metrics"]["recolor_clipped"] < 0.01


def test_a_product_stands_where_it_was_asked_to(mapper):
    asked = row(color=(0, 255, 0), placement="bottom_right", canvas_width=300, canvas_height=240)
    outcome, picture = made(mapper, asked)
    assert picture.shape == (240, 300, 3)
    reddish = picture[..., 1] < 128
    rows, columns = np.flatnonzero(reddish.any(1)), np.flatnonzero(reddish.any(0))
    assert (rows[0], rows[-1]) == pytest.approx((120, 199), abs=2)
    assert columns.mean() == pytest.approx(200, abs=2)
    assert outcome["metrics"]["product_scale"] == pytest.approx(80 / 60, abs=0.02)
    assert (outcome["geometry"]["source_height"], outcome["height"]) == (240, 240)


def test_a_product_that_cannot_fill_its_box_says_so(mapper):
    outcome, _ = made(mapper, row(placement="fit", max_upscale=1.5))
    assert any("max_upscale" in note for note in outcome["shot_notes"])


@pytest.mark.parametrize("format_name", ["jpeg", "png", "webp", "avif"])
def test_the_file_has_the_size_and_format_asked_for(mapper, format_name):
    outcome, picture = made(mapper, row(output_width=80, output_format=format_name))
    assert picture.shape == (60, 80, 3)
    assert (outcome["height"], outcome["width"]) == (60, 80)
    assert Image.open(BytesIO(outcome["picture"])).format == format_name.upper()


def test_a_size_of_another_shape_is_refused(mapper):
    message = refused(mapper, row(output_width=100, output_height=100))
    assert message.startswith("output_width x output_height")


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({"output_width": 9000}, "file would be 9000 x 6750"),
        ({"placement": "fit", "canvas_width": 8000, "canvas_height": 8000}, "canvas would be 8000"),
        ({"placement": "padding:4000,4000,4000,4000"}, "canvas would be 8160 x 8120"),
    ],
)
def test_nothing_is_made_larger_than_the_largest_photograph(mapper, asked, what):
    assert what in refused(mapper, row(**asked))


def test_a_box_outside_the_canvas_is_refused(mapper):
    assert "reaches out of the canvas" in refused(mapper, row(placement="box:900,0,200,100"))


def test_shadows_can_be_left_out(mapper):
    _, none = made(mapper, row(shadow="none"))
    _, contact = made(mapper, row(shadow="contact"))
    assert contact[101:105, 65:95].mean() < none[101:105, 65:95].mean() - 10


def test_harmonised_products_stay_within_their_bound_and_metrics_say_how_far(mapper):
    warm = "oak table, candlelight, golden hour"
    off, _ = made(mapper, row(warm))
    on, _ = made(mapper, row(warm, harmonize="product"))
    strict, _ = made(mapper, row(warm, harmonize="strict"))
    assert off["metrics"]["shift_mean"] is None
    assert on["metrics"]["light_confidence"] == 1
    assert 0 < strict["metrics"]["shift_mean"] <= 1
    assert strict["metrics"]["shift_mean"] <= on["metrics"]["shift_mean"] <= 2
    assert on["metrics"]["shift_p95"] <= 4


def test_harmonising_the_background_alone_leaves_the_product(mapper):
    asked = row("oak table, golden hour", harmonize="background")
    outcome, picture = made(mapper, asked)
    np.testing.assert_array_equal(picture[BOX], asked["photo"][BOX])
    assert outcome["metrics"]["shift_max"] == 0


def test_what_the_generator_does_not_take_is_noted(mapper):
    outcome, _ = made(mapper, row(steps=20, negative_prompt="people", margin=0.1))
    assert [note.partition(" ")[0] for note in outcome["shot_notes"]] == [
        "margin",
        "steps",
        "negative_prompt",
    ]


def test_the_certificate_says_what_became_of_the_product(mapper):
    def certificate(**asked):
        return made(mapper, row(**asked))[0]["fidelity"]

    png = certificate()
    assert png["bit_equal"]
    assert png["interior_px"] == 60 * 40
    assert (png["psnr_db"], png["delta_e_max"]) == (None, 0)
    jpeg = certificate(output_format="jpeg")
    assert jpeg["bit_equal"]
    assert 30 < jpeg["psnr_db"] < 60
    assert 0 < jpeg["delta_e_mean"] < 2
    moved = certificate(placement="padding:3,4,5,6")
    assert moved["bit_equal"]
    enlarged = certificate(placement="fit", canvas_width=300, canvas_height=300)
    assert not enlarged["bit_equal"]
    assert enlarged["psnr_db"] is None
    shrunk = certificate(output_width=80)
    assert not shrunk["bit_equal"]
    assert shrunk["psnr_db"] > 30
    harmonised = certificate(prompt="oak table, golden hour", harmonize="product")
    assert not harmonised["bit_equal"]
    assert 0.1 < harmonised["delta_e_mean"] <= 2.1


def test_a_channel_is_asked_of_the_finished_file(mapper):
    asked = row(color=(255, 255, 255), channel="amazon_main", output_format="jpeg")
    verdict = made(mapper, asked)[0]["verdict"]
    assert verdict["channel"] == "amazon_main"
    assert not verdict["accepted"]
    assert verdict["rules"] == ["fill", "size"]
    assert verdict["findings"][0].startswith("size: 160 x 120 px")
    placed = {"placement": "fit", "margin": 0.05, "max_upscale": 8}
    large = row(
        color=(255, 255, 255),
        channel="amazon_main",
        output_format="jpeg",
        canvas_width=1000,
        canvas_height=520,
        **placed,
    )
    assert made(mapper, large)[0]["verdict"]["findings"] == []
    assert made(mapper, row())[0]["verdict"] is None


@pytest.mark.parametrize("channel", channel_names())
def test_no_channel_takes_a_format_that_it_does_not_name(mapper, channel):
    assert "AVIF" not in load_channel(channel).formats  # none of them says that it does
    verdict = made(mapper, row(channel=channel, output_format="avif"))[0]["verdict"]
    assert "format" in verdict["rules"]
