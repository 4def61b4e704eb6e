"""A real diffusers pipeline inside the render stage."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from pipeline.imaging.reading.limits import ImageLimits
from pipeline.imaging.writing.encoding import encode_alpha
from pipeline.manifest.shots import Brief, shots
from pipeline.stages.render import RenderConfig, RenderMapper


def row(ask, seed, prompt, *, references=(), height=70, width=100, **asked):
    request = ask(height=height, width=width, radius=24)
    file = BytesIO()
    Image.fromarray(request.image_HWC).save(file, "PNG")
    return {
        "image_bytes": file.getvalue(),
        "alpha": encode_alpha(request.alpha_HW),
        "alpha_colors": None,
        "prompt": prompt,
        "final_prompt": prompt.lstrip("*"),
        "seed": seed,
        "shot": shots(Brief(**asked), None)[0].model_dump(mode="json"),
        "reference_bytes": list(references),
    }


def mapper_of(generator):
    config = RenderConfig(
        generator=generator,
        size={"rule": "generator", "area_px": 64 * 96, "multiple_px": 64},
        format="png",
        thumbnail_px=0,
    )
    return RenderMapper(config, limits=ImageLimits(), num_threads=1)


@pytest.mark.parametrize("kind", ["bria", "sdxl-inpaint"])
def test_the_product_stays_to_the_bit_and_the_rest_follows_seed_and_prompt(configure, ask, kind):
    mapper = mapper_of(configure(kind))
    rows = [
        row(ask, 1, "a beach"),
        row(ask, 2, "a beach"),
        row(ask, 1, "a forest of firs"),
        row(ask, 1, "*a beach"),
    ]
    outcomes = mapper.map_batch(rows)
    first, reseeded, reworded, kept = (
        np.asarray(Image.open(BytesIO(outcome["picture"]))) for outcome in outcomes
    )
    request = ask(height=70, width=100, radius=24)
    product_HW = request.alpha_HW == 1
    for picture in (first, reseeded, reworded):
        assert picture.shape == (70, 100, 3)
        np.testing.assert_array_equal(picture[product_HW], request.image_HWC[product_HW])
    for other in (reseeded, reworded):
        assert np.abs(first[~product_HW].astype(int) - other[~product_HW]).mean() > 0.01
    assert (kept[product_HW] != request.image_HWC[product_HW]).any()
    assert outcomes[0]["generation_model"].startswith(f"{kind}-1/")
    assert outcomes[0]["metrics"]["gpu_peak_bytes"] is None


def test_what_a_row_asks_reaches_the_sampler_and_the_rest_is_noted(configure, ask, style):
    mapper = mapper_of(configure("flux2-klein", num_inference_steps=4))
    rows = [
        row(ask, 1, "a beach"),
        row(ask, 1, "a beach", steps=6),
        row(ask, 1, "a beach", references=[style.read_bytes()], reference_uri="style.png"),
        row(ask, 1, "a beach", fast=True, strength=0.5),
    ]
    plain, stepped, styled, faster = mapper.map_batch(rows)
    assert plain["picture"] != stepped["picture"]
    assert plain["picture"] != styled["picture"]
    assert plain["shot_notes"] == stepped["shot_notes"] == styled["shot_notes"] == []
    assert faster["shot_notes"] == ["fast has no effect on this generator"]
    assert faster["picture"] != plain["picture"]
