"""The sizes a picture passes through: the photograph's own, the normalised, the generator's.

A generator wants about one megapixel with sides it can divide, so the photograph is scaled to the
normalised size, keeping its aspect, and laid on a canvas of the generation size; what lies around
it is the margin. All sizes are whole pixels; all arithmetic is on integers, because `sqrt` and `/`
in floats can land a hair under a whole number and lose a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import numpy as np

from pipeline.imaging.pixels.resample import ImageT, resize

# Shape suffixes: H height, W width, C colour channel (absent for a matte).


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the photograph lies on the generator's canvas. All fields in px."""

    source_height: int
    source_width: int
    normalised_height: int
    normalised_width: int
    generation_height: int
    generation_width: int
    margin_top: int
    margin_left: int


def generation_geometry(
    height: int, width: int, *, area_px: int = 1024 * 1024, multiple: int = 64
) -> Geometry:
    """Scale to `area_px`, up or down, and round the canvas up to a multiple in both sides.

    The normalised width is the whole part of `sqrt(area * width / height)`, its height what the
    area leaves. A side is never less than one pixel, however thin the photograph.

    >>> geometry = generation_geometry(3000, 4000)
    >>> geometry.normalised_width, geometry.normalised_height
    (1182, 887)
    >>> geometry.generation_width, geometry.generation_height
    (1216, 896)
    >>> geometry.margin_left, geometry.margin_top
    (17, 4)

    Raises:
        ValueError: a size, the area or the multiple is not positive.
    """
    _require_positive(height=height, width=width, area_px=area_px, multiple=multiple)
    # floor(sqrt(x)) == isqrt(floor(x)), so this is exact where the floats of the rule are not.
    normalised_width = min(max(1, isqrt(area_px * width // height)), area_px)
    normalised_height = area_px // normalised_width
    generation_height = _round_up(normalised_height, multiple)
    generation_width = _round_up(normalised_width, multiple)
    return Geometry(
        source_height=height,
        source_width=width,
        normalised_height=normalised_height,
        normalised_width=normalised_width,
        generation_height=generation_height,
        generation_width=generation_width,
        margin_top=(generation_height - normalised_height) // 2,
        margin_left=(generation_width - normalised_width) // 2,
    )


def native_geometry(height: int, width: int, *, max_area_px: int) -> Geometry:
    """The photograph's own size, or the largest of its shape within `max_area_px`; no margin.

    For generators that draw at any size: never scaled up.

    Raises:
        ValueError: a size or the area is not positive.
    """
    _require_positive(height=height, width=width, max_area_px=max_area_px)
    drawn_height, drawn_width = height, width
    if height * width > max_area_px:
        # Thin pictures: neither side below one pixel, nor above the area the other leaves.
        drawn_width = min(max(1, isqrt(max_area_px * width // height)), max_area_px)
        nearest_height = (2 * drawn_width * height + width) // (2 * width)
        drawn_height = max(1, min(max_area_px // drawn_width, nearest_height))
    return Geometry(
        source_height=height,
        source_width=width,
        normalised_height=drawn_height,
        normalised_width=drawn_width,
        generation_height=drawn_height,
        generation_width=drawn_width,
        margin_top=0,
        margin_left=0,
    )


def to_generation(image: ImageT, geometry: Geometry, *, fill: float = 0) -> ImageT:
    """Lay the photograph, or its matte, on the generator's canvas.

    Args:
        image: uint8, or float32 in [0, 1]; HW or HWC, at source size.
        geometry: from one of the functions above.
        fill: value of the margin, in the unit of `image`: 0 is black, or no coverage.

    Returns:
        A new array of the same dtype at generation size.

    Raises:
        ValueError: `image` is not at source size.
    """
    _require_size(image, geometry.source_height, geometry.source_width, "source")
    normalised = resize(image, geometry.normalised_height, geometry.normalised_width)
    canvas = np.full(
        (geometry.generation_height, geometry.generation_width, *image.shape[2:]),
        fill,
        dtype=image.dtype,
    )
    canvas[_inside(geometry)] = normalised
    return canvas


def from_generation(image: ImageT, geometry: Geometry) -> ImageT:
    """Cut the margin off what was drawn and bring the rest to source size.

    Float images stay float: an enlarged 8-bit sky would show its bands.

    Args:
        image: uint8, or float32 in [0, 1]; HW or HWC, at generation size.
        geometry: the one `to_generation` was called with.

    Raises:
        ValueError: `image` is not at generation size.
    """
    _require_size(image, geometry.generation_height, geometry.generation_width, "generation")
    return resize(image[_inside(geometry)], geometry.source_height, geometry.source_width)


def _inside(geometry: Geometry) -> tuple[slice, slice]:
    top, left = geometry.margin_top, geometry.margin_left
    return (
        slice(top, top + geometry.normalised_height),
        slice(left, left + geometry.normalised_width),
    )


def _round_up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple


def _require_positive(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} must be at least 1, got {size}")


def _require_size(image: ImageT, height: int, width: int, which: str) -> None:
    if image.shape[:2] != (height, width):
        raise ValueError(
            f"expected an image at {which} size {height} x {width} (height x width), "
            f"got shape {image.shape}"
        )
