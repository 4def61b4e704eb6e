"""A real diffusers pipeline inside the render stage."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from pipeline.imaging.codec import ImageLimits, encode_alpha
from pipeline.stages.render import RenderConfig, RenderMapper


def row(ask, seed, prompt, height=70, width=100):
    request = ask(height=height, width=width, radius=24)
    file = BytesIO()
    Image.fromarray(request.image_HWC).save(file, "PNG")
    return {
        "image_bytes": file.getvalue(),
        "alpha": encode_alpha(request.alpha_HW),
        "prompt": prompt,
        "final_prompt": prompt.lstrip("*"),
        "seed": seed,
    }


@pytest.mark.parametrize("kind", ["bria", "sdxl-inpaint"])
def test_the_product_stays_to_the_bit_and_the_rest_follows_seed_and_prompt(configure, ask, kind):
    config = RenderConfig(
        generator=configure(kind),
        size={"rule": "generator", "area_px": 64 * 96, "multiple_px": 64},
        format="png",
        thumbnail_px=0,
    )
    mapper = RenderMapper(config, limits=ImageLimits(), num_threads=1)
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
