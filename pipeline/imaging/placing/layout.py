"""Where a product stands on its canvas: rectangles only, no pixels.

A placement decides a box on a canvas; the product's own bounding box is scaled into it, keeping its
aspect. What surrounds the product comes along, so one scale and one offset describe everything.
Boxes are (x, y, width, height) in px from the top left corner, x to the right and y down.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.placing.placements import LOCATIONS, MAX_SIDE_PX, Placement

DEFAULT_CANVAS_PX = 1000
"""Side of the canvas of a placement that does not follow the photograph's frame."""

Align = Literal[
    "center", "top", "bottom", "left", "right",
    "top_left", "top_right", "bottom_left", "bottom_right",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of whole pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """First column beyond it."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """First row beyond it."""
        return self.y + self.height

    def holds(self, other: Box) -> bool:
        """Whether the other lies inside."""
        return (
            self.x <= other.x
            and self.y <= other.y
            and other.right <= self.right
            and other.bottom <= self.bottom
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Product:
    """The measurements of a cut-out photograph that a layout needs."""

    photo_height: int
    photo_width: int
    box: Box
    """The product's bounding box in the photograph."""
    cut_left: bool = False
    cut_right: bool = False
    cut_top: bool = False
    cut_bottom: bool = False
    """Sides on which the photograph's frame cuts the product off."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """The requirements of a layout, besides the placement."""

    canvas_height: int | None = None
    canvas_width: int | None = None
    aspect_ratio: Fraction | None = None
    """Width over height."""
    margin: float = 0.0
    """The share of the canvas, [0, 1], kept free on each side by placements that move the product.
    """
    align: Align = "center"
    keep_cropped_edges: bool = False
    """Let a product that was cut off by the frame stand at the canvas edge on that side."""
    max_upscale: float = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """A photograph's place on its canvas."""

    canvas_height: int
    canvas_width: int
    source: Box
    """A part of the photograph: the product's bounding box, or all of it."""
    target: Box
    """The box on the canvas that the part lands in. The rest of the photograph follows it."""
    box: Box
    """What it was to fit into."""
    notes: tuple[str, ...] = ()
    """Notes on requirements that were not met."""

    @property
    def scale(self) -> float:
        """Canvas px per photograph px; above 1 the product is enlarged."""
        if self.source.width > self.source.height:  # the longer side has the smaller rounding
            return self.target.width / self.source.width
        return self.target.height / self.source.height

    def is_identity(self, photo_height: int, photo_width: int) -> bool:
        """Whether the canvas is the photograph, pixel for pixel."""
        canvas = (self.canvas_height, self.canvas_width)
        return self.target == self.source and canvas == (photo_height, photo_width)


def lay_out(placement: Placement, product: Product, wish: Wish) -> Layout:
    """Find the canvas and the product's place on it.

    Raises:
        RowError: `bad_request`, the box lies outside the canvas or the canvas is too large.
    """
    canvas_height, canvas_width = canvas_size(
        placement, wish, photo_height=product.photo_height, photo_width=product.photo_width
    )
    is_photograph = (canvas_height, canvas_width) == (product.photo_height, product.photo_width)
    if max(canvas_height, canvas_width) > MAX_SIDE_PX and not is_photograph:
        raise RowError(
            ErrorCode.BAD_REQUEST,
            f"placement {placement.text}: the canvas would be {canvas_width} x {canvas_height} px, "
            f"at most {MAX_SIDE_PX} px a side are made",
        )
    frame = Box(0, 0, canvas_width, canvas_height)
    if placement.kind == "padding":
        left, _, top, _ = placement.numbers
        moved = replace(product.box, x=left + product.box.x, y=top + product.box.y)
        return _layout(frame, source=product.box, target=moved, box=frame)
    if placement.kind == "original":
        photo = Box(0, 0, product.photo_width, product.photo_height)
        return _fitted(photo, frame, frame, wish.align, wish.max_upscale)
    box, align = _box(placement, wish, frame), wish.align
    if wish.keep_cropped_edges:
        box, align = _to_cropped_edges(box, align, product, frame)
    return _fitted(product.box, box, frame, align, wish.max_upscale)


def canvas_size(
    placement: Placement, wish: Wish, *, photo_height: int, photo_width: int
) -> tuple[int, int]:
    """Height and width of the canvas, px; known without looking at the photograph."""
    height, width = photo_height, photo_width
    if placement.kind == "padding":
        left, right, top, bottom = placement.numbers
        return top + height + bottom, left + width + right
    ratio = wish.aspect_ratio
    if wish.canvas_height is not None and wish.canvas_width is not None:
        return wish.canvas_height, wish.canvas_width
    if ratio is not None and wish.canvas_width is not None:
        return max(1, round(wish.canvas_width / ratio)), wish.canvas_width
    if ratio is not None and wish.canvas_height is not None:
        return wish.canvas_height, max(1, round(wish.canvas_height * ratio))
    if placement.kind == "original":
        if ratio is None:
            return height, width
        # The frame only grows: nothing of the photograph is cut away to reach another shape.
        return max(height, round(width / ratio)), max(width, round(height * ratio))
    if ratio is None:
        return DEFAULT_CANVAS_PX, DEFAULT_CANVAS_PX
    side = DEFAULT_CANVAS_PX
    return max(1, round(side / float(ratio) ** 0.5)), max(1, round(side * float(ratio) ** 0.5))


def _box(placement: Placement, wish: Wish, frame: Box) -> Box:
    if placement.kind == "box":
        box = Box(*placement.numbers)
        if not frame.holds(box):
            raise RowError(
                ErrorCode.BAD_REQUEST,
                f"placement {placement.text} reaches out of the canvas of {frame.width} x "
                f"{frame.height} px: set canvas_width and canvas_height",
            )
    elif placement.kind == "named":
        left, top, right, bottom = LOCATIONS[placement.text]
        box = _between(
            left * frame.width // 6,
            top * frame.height // 6,
            right * frame.width // 6,
            bottom * frame.height // 6,
        )
    else:
        box = frame
    inset_x, inset_y = round(wish.margin * frame.width), round(wish.margin * frame.height)
    return _between(
        max(box.x, inset_x),
        max(box.y, inset_y),
        min(box.right, frame.width - inset_x),
        min(box.bottom, frame.height - inset_y),
    )


def _between(left: int, top: int, right: int, bottom: int) -> Box:
    """The box of these edges; a side that margins or rounding took away keeps one pixel."""
    return Box(left, top, max(1, right - left), max(1, bottom - top))


def _to_cropped_edges(box: Box, align: Align, product: Product, frame: Box) -> tuple[Box, Align]:
    """Open the box to the canvas edge where the product was cut off, and push it there.

    A product cut on two opposite sides cannot touch both without being stretched: it is centred.
    """
    grown = _between(
        0 if product.cut_left else box.x,
        0 if product.cut_top else box.y,
        frame.width if product.cut_right else box.right,
        frame.height if product.cut_bottom else box.bottom,
    )
    across = _pushed(product.cut_left, product.cut_right, "left", "right", _across(align))
    down = _pushed(product.cut_top, product.cut_bottom, "top", "bottom", _down(align))
    return grown, _ALIGNED[down, across]


def _pushed(low: bool, high: bool, low_name: str, high_name: str, otherwise: str) -> str:  # noqa: FBT001
    if low != high:
        return low_name if low else high_name
    return "center" if low else otherwise


def _across(align: Align) -> str:
    return align.rpartition("_")[2] if align.endswith(("left", "right")) else "center"


def _down(align: Align) -> str:
    return align.partition("_")[0] if align.startswith(("top", "bottom")) else "center"


_ALIGNED: dict[tuple[str, str], Align] = {
    ("center", "center"): "center",
    ("center", "left"): "left",
    ("center", "right"): "right",
    ("top", "center"): "top",
    ("top", "left"): "top_left",
    ("top", "right"): "top_right",
    ("bottom", "center"): "bottom",
    ("bottom", "left"): "bottom_left",
    ("bottom", "right"): "bottom_right",
}


def _fitted(source: Box, box: Box, frame: Box, align: Align, max_upscale: float) -> Layout:
    """Scale `source` into the box, as large as fits, and push it where `align` says."""
    # Fractions: a float scale can land a hair above the box and stick out of it by a pixel.
    wanted = min(Fraction(box.width, source.width), Fraction(box.height, source.height))
    scale = min(wanted, Fraction(max_upscale))
    width, height = max(1, int(source.width * scale)), max(1, int(source.height * scale))
    free_x, free_y = box.width - width, box.height - height
    target = Box(
        box.x + {"left": 0, "center": free_x // 2, "right": free_x}[_across(align)],
        box.y + {"top": 0, "center": free_y // 2, "bottom": free_y}[_down(align)],
        width,
        height,
    )
    notes: tuple[str, ...] = ()
    if scale < wanted:
        notes = (
            f"enlarged {float(scale):.3g} times, not {float(wanted):.3g}: max_upscale allows "
            "no more",
        )
    return _layout(frame, source=source, target=target, box=box, notes=notes)


def _layout(
    frame: Box, *, source: Box, target: Box, box: Box, notes: tuple[str, ...] = ()
) -> Layout:
    return Layout(
        canvas_height=frame.height,
        canvas_width=frame.width,
        source=source,
        target=target,
        box=box,
        notes=notes,
    )
