"""What the alpha channel of a photograph's file is worth, by the recipe and by the file itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.imaging.compositing.solid_colors import hex_of, parse_color
from pipeline.imaging.file_alpha.edge_colors import CutoutColors, weigh_edge
from pipeline.imaging.file_alpha.filling import made_whole
from pipeline.imaging.file_alpha.shape import Shape, ShapeKind, shape_of
from pipeline.imaging.reading.photo import Photo

# Shape suffixes: H height, W width, C colour channel.

Float = NDArray[np.float32]
Ask = Callable[[NDArray[np.uint8]], Float]
"""A matting network: from a picture to the coverage it finds there, of the same size."""

UseFileAlpha = Literal["auto", "always", "never"]

_CONFIRMED = 0.8
"""Mean coverage that a network finds within a cut-out; docs/mattes.md shows what it tells apart."""
_MARGIN = 8
"""White is laid around a shape, its longer side divided by this: a product seldom fills a frame.
With a third, all of 24 drawn books are seen and not 18, but 5 of 24 photographs, too, and not 1."""

_WHAT = {
    ShapeKind.NOTHING_HIDDEN: "it hides next to nothing",
    ShapeKind.FILLS_FRAME: "it has the frame's own shape, and the network sees a product within it",
    ShapeKind.WITHIN_MARGIN: "it is a margin around a photograph, as the network sees it",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Within:
    """A part of a photograph, outside of which there is nothing to be seen."""

    box: tuple[slice, slice]
    rgb_HWC: NDArray[np.uint8]
    """The part that a network should see; what alpha hides in it is filled in."""
    limit_HW: Float
    """Coverage, [0, 1], at the photograph's size: nothing is more opaque than this."""


def within(photo: Photo, box: tuple[slice, slice]) -> Within:
    """What is left of a photograph whose alpha channel is no cut-out."""
    assert photo.alpha_HW is not None
    alpha_HW = photo.alpha_HW
    rgb_HWC = made_whole(photo.rgb_HWC[box], alpha_HW[box], CutoutColors())
    # What is as faint everywhere says nothing of a shape.
    limit_HW = alpha_HW / max(float(alpha_HW.max()), 1 / 255)
    return Within(box=box, rgb_HWC=rgb_HWC, limit_HW=limit_HW.astype(np.float32, copy=False))


@dataclass(frozen=True, kw_only=True, slots=True)
class FileAlphaVerdict:
    """What an alpha channel is taken for."""

    is_cutout: bool
    box: tuple[slice, slice]
    notes: tuple[str, ...] = ()


def judge(photo: Photo, *, ask: Ask | None, has_network: bool) -> FileAlphaVerdict:
    """Whether an alpha channel cuts a product out, or is only the shape of the photograph.

    Most often its outline says so: products are not convex. For those that are, and for frames, a
    network is asked. Where the shape reaches the frame on all sides, it is shown the picture with
    the hidden corners filled in: a photograph holds a product that is smaller, a tightly cropped
    cut-out does not. Where there is a margin, it is shown the shape on white: there it finds the
    whole of a box, and of a photograph what is in it.

    Args:
        photo: with an alpha channel.
        ask: the network; None: it is not at hand, and what is in doubt counts as a cut-out.
        has_network: a network would cut out what is not taken; else a doubtful shape is taken.
    """
    assert photo.alpha_HW is not None
    shape = shape_of(photo.alpha_HW)
    if shape.kind is ShapeKind.PRODUCT:
        return FileAlphaVerdict(is_cutout=True, box=shape.box)
    if shape.kind is ShapeKind.NOTHING_HIDDEN:
        return _passed_over(shape, has_network=has_network)
    if ask is None:
        why = "the network will tell" if has_network else "there is no network to ask"
        note = f"the alpha channel may be the frame's own shape and no cut-out: {why}"
        return FileAlphaVerdict(is_cutout=True, box=shape.box, notes=(note,))
    if _found(photo, shape, ask) >= _CONFIRMED:
        return FileAlphaVerdict(is_cutout=True, box=shape.box)
    return _passed_over(shape, has_network=has_network)


def _passed_over(shape: Shape, *, has_network: bool) -> FileAlphaVerdict:
    kept = "; kept as a limit" if has_network else ""
    note = (
        f"the alpha channel is no cut-out: {_WHAT[shape.kind]}{kept} "
        "(matte.use_file_alpha: always takes it all the same)"
    )
    return FileAlphaVerdict(is_cutout=False, box=shape.box, notes=(note,))


def _found(photo: Photo, shape: Shape, ask: Ask) -> float:
    """The mean coverage that the network finds within the shape."""
    assert photo.alpha_HW is not None
    part_HWC, alpha_HW = photo.rgb_HWC[shape.box], photo.alpha_HW[shape.box]
    if shape.kind is ShapeKind.FILLS_FRAME:
        shown_HWC = made_whole(part_HWC, alpha_HW, CutoutColors())
    else:
        margin = max(alpha_HW.shape) // _MARGIN
        alpha_HW = np.pad(alpha_HW, margin)
        around = ((margin, margin), (margin, margin), (0, 0))
        shown_HWC = np.pad(part_HWC, around, constant_values=255)
        faint = alpha_HW < 1
        weight_N1 = alpha_HW[faint][:, np.newaxis]
        shown_HWC[faint] = np.round(weight_N1 * shown_HWC[faint] + (1 - weight_N1) * 255)
    return float(ask(shown_HWC)[alpha_HW > 0.5].mean())


def check_colors(rule: str) -> str:
    """A rule of `matte.file_alpha_colors`, colours as '#rrggbb'.

    Raises:
        ValueError: it is none.
    """
    if rule in ("auto", "straight", "premultiplied", "mixed"):
        return rule
    try:
        return hex_of(parse_color(rule))
    except ValueError:
        raise ValueError(
            f"{rule!r} is neither auto, straight, premultiplied, mixed nor a colour that cut-outs "
            "lie over, such as white or '#rrggbb'"
        ) from None


def colors_of(photo: Photo, rule: str) -> tuple[CutoutColors, str]:
    """What a cut-out's colours are, and how that is known."""
    assert photo.alpha_HW is not None
    if rule not in ("auto", "mixed"):
        matte = {"straight": None, "premultiplied": (0, 0, 0)}.get(rule, rule)
        if isinstance(matte, str):
            matte = parse_color(matte)
        return CutoutColors(matte=None if photo.was_premultiplied else matte), "as the recipe says"
    if photo.was_premultiplied and rule == "auto":
        return CutoutColors(), "as the file declares"
    told = weigh_edge(photo.rgb_HWC, photo.alpha_HW)
    if rule == "mixed":
        return replace(told.colors, is_mixed=True), "as the recipe says"
    if not told.is_sure:
        return told.colors, "for want of a soft edge that would tell for sure"
    return told.colors, "as its soft edge tells"
