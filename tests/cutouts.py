"""A product whose colours and coverage are known, and the files that people make of it."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, shift

# Shape suffixes: H height, W width, C colour channel.


def product(seed=0, *, height=300, width=260, blur=1.5):
    """A speckled bottle: its own colours everywhere, float 0 to 255, and its coverage, 8-bit."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    y, x = (y - height / 2) / height, (x - width / 2) / width
    body = (x / 0.3) ** 2 + (y / 0.4) ** 4 < 1
    neck = (np.abs(x) < 0.1) & (y > -0.45) & (y < 0)
    alpha_HW = gaussian_filter((body | neck).astype(np.float32), blur)
    alpha8_HW = np.round(alpha_HW * 255).astype(np.uint8)
    base = rng.uniform(60, 200, 3)
    speckles = gaussian_filter(rng.normal(size=(height, width, 3)), (2, 2, 0)) * 120
    color_HWC = np.clip(base + speckles + 40 * x[..., None], 5, 250)
    return color_HWC, alpha8_HW


def ground(height, width, seed=1):
    """A room out of focus: float 0 to 255."""
    rng = np.random.default_rng(seed)
    blurred = gaussian_filter(rng.normal(size=(height, width, 3)), (12, 12, 0)) * 700
    return np.clip(rng.uniform(40, 220, 3) + blurred + rng.normal(size=blurred.shape), 0, 255)


def levels(values):
    return np.clip(np.floor(values + 0.5), 0, 255).astype(np.uint8)


def files(color_HWC, alpha8_HW):
    """8-bit colours as tools leave them, by name; all have the same alpha."""
    a = alpha8_HW[..., None] / 255
    hidden = a == 0
    photo = a * color_HWC + (1 - a) * ground(*alpha8_HW.shape)
    return {
        "straight, black under it": levels(np.where(hidden, 0, color_HWC)),
        "straight, white under it": levels(np.where(hidden, 255, color_HWC)),
        "over black": levels(a * color_HWC),
        "over white": levels(a * color_HWC + (1 - a) * 255),
        "over grey": levels(a * color_HWC + (1 - a) * 128),
        "photograph": levels(photo),
        "photograph over black": levels(a * photo),
    }


def with_shadow(color_HWC, alpha8_HW, *, opacity=0.4, blur=10, offset=(12, 8), level=0):
    """Straight 8-bit colours and the alpha of a product, a soft shadow of one grey under it."""
    a_HW = alpha8_HW / 255
    shadow_HW = shift(gaussian_filter(a_HW, blur), offset, order=1) * opacity
    both_HW = a_HW + (1 - a_HW) * shadow_HW
    alpha8 = levels(both_HW * 255)
    mixed = color_HWC * a_HW[..., None] + level * ((1 - a_HW) * shadow_HW)[..., None]
    rgb = mixed / np.maximum(both_HW, 1e-6)[..., None]
    return levels(np.where(alpha8[..., None] > 0, rgb, 0)), alpha8


def png(rgb8_HWC, alpha8_HW, format_="PNG", **options):
    out = BytesIO()
    Image.fromarray(np.dstack([rgb8_HWC, alpha8_HW])).save(out, format_, **options)
    return out.getvalue()
