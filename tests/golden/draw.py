"""The pictures that must not change unnoticed. `python -m tests.golden.draw` draws them anew.

Look at every one before it is committed.
"""

from __future__ import annotations

from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from pipeline.errors import RowError
from pipeline.imaging.compositing.solid_colors import parse_color
from pipeline.imaging.reading.limits import ImageLimits
from pipeline.imaging.writing.encoding import encode_alpha
from pipeline.manifest.shots import Brief, shots
from pipeline.stages.render import RenderConfig, RenderMapper

FOLDER = Path(__file__).parent
HEIGHT, WIDTH = 150, 200
SUNSET = "oak table, golden hour, warm light"

CASES: dict[str, dict[str, Any]] = {
    "shadow-none": {"background_color": "#d8d4cc", "shadow": "none"},
    "shadow-contact": {"background_color": "#d8d4cc", "shadow": "contact"},
    "shadow-soft": {"background_color": "#d8d4cc", "shadow": "soft", "shadow_direction_deg": -50},
    "shadow-hard": {"background_color": "#d8d4cc", "shadow": "hard", "shadow_direction_deg": 60},
    "shadow-floating": {"background_color": "#d8d4cc", "shadow": "floating"},
    "light-off": {"harmonize": "off"},
    "light-background": {"harmonize": "background"},
    "light-product": {"harmonize": "product"},
    "light-strict": {"harmonize": "strict"},
}
"""By file name: what the shot asks for."""


@cache
def draw(name: str) -> NDArray[np.uint8]:
    """The picture of a case, sRGB, through the whole render stage; nothing lossy on the way."""
    asked = CASES[name]
    color = asked.get("background_color")
    (shot,) = shots(Brief(**asked), None if color is None else parse_color(color))
    photo, alpha = bottle()
    file = BytesIO()
    Image.fromarray(photo).save(file, "PNG")
    row = {
        "image_bytes": file.getvalue(),
        "alpha": encode_alpha(alpha),
        "alpha_colors": None,
        "prompt": SUNSET,
        "final_prompt": SUNSET,
        "seed": 11,
        "reference_bytes": [],
        "shot": shot.model_dump(mode="json"),
    }
    (outcome,) = _mapper().map_batch([row])
    assert not isinstance(outcome, RowError), outcome
    return np.asarray(Image.open(BytesIO(outcome["picture"])).convert("RGB"))


def bottle() -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A shaded blue bottle with a white label in front of grey paper, and its coverage."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    across = np.abs(x - 100)
    body = (across < 24) & (y > 58) & (y < 132)
    shoulder = (across < 8 + 16 * np.clip((y - 42) / 16, 0, 1)) & (y > 42) & (y <= 58)
    neck = (across < 8) & (y > 22) & (y <= 42)
    alpha = gaussian_filter((body | shoulder | neck).astype(np.float32), 0.8)
    alpha = np.round(np.clip(alpha, 0, 1) * 255) / 255
    light = np.clip(1.15 - np.abs(x - 92) / 34, 0.25, 1)[..., None]
    product = light * np.float32((0.18, 0.36, 0.62))
    label = ((across < 23) & (y > 80) & (y < 112))[..., None]
    product = np.where(label, light * np.float32((0.93, 0.92, 0.9)), product)
    paper = np.full((HEIGHT, WIDTH, 3), 0.72, np.float32)
    photo = alpha[..., None] * product + (1 - alpha[..., None]) * paper
    return np.round(photo * 255).astype(np.uint8), alpha.astype(np.float32)


@cache
def _mapper() -> RenderMapper:
    config = RenderConfig(format="png", thumbnail_px=0)
    return RenderMapper(config, limits=ImageLimits(), num_threads=1)


if __name__ == "__main__":
    for case in CASES:
        Image.fromarray(draw(case)).save(FOLDER / f"{case}.png", optimize=True)
