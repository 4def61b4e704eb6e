"""A mask that somebody else has made, as the coverage of a photograph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.file_alpha.shape import ShapeKind, shape_of
from pipeline.imaging.pixels.resample import resize
from pipeline.imaging.reading.decode import Levels

# Shape suffixes: H height, W width, C colour channel.

Float = NDArray[np.float32]

_MAX_TINT = 8 / 255
"""The most that the channels of a grey JPEG may differ by, as a share of full scale."""

_MAX_SKEW = 0.01
"""The most that the aspects may differ by: a pixel of rounding on a thumbnail-sized mask."""

_LOW = 0.1
"""A mask that is nowhere lighter than this was written in numbers of its own, such as 0 and 1."""
_MOSTLY = 0.98
"""Share of such a mask that is either 0 or its largest value, for that to mean product; and of any
mask, for it to have two levels."""
_WHITE = 0.98
"""The share of full scale, [0, 1], that the lightest pixels of a black and white mask reach after
JPEG."""
_WHITISH = 0.9
"""The share of full scale, [0, 1], that the lightest pixels of a soft mask reach, in which nothing
need be wholly covered."""
_MOSTLY_WHOLE = 0.8
"""Share of a soft mask in a range of its own that is background or wholly product: outlines are
narrow. A picture of several labels, or a veil, has less."""
_MOSTLY_ALIKE = 0.7
"""Share of a mask's light pixels that are near their median, for that to be the product's level."""
_NEAR = 0.05
"""The distance from 0 and from a mask's lightest level that still counts as that level, in units of
the latter."""
_RANGES = tuple(
    white / full
    for full, whites in ((255, (100, 127, 128)), (65535, (100, 255, 1023, 4095, 32767, 32768)))
    for white in whites
)
"""White of masks in percent, or in fewer bits than their file has."""

_LIGHT_BORDER = 0.6
"""Share of a mask's outermost pixels that are light, from which on it may be the wrong way round:
products do not often touch most of the frame."""
_ALL_LIGHT = 0.97
"""The share of the border that has to be light, [0, 1], where nothing but the border can tell which
way round a mask is."""
_LEAST_DARK = 0.005
"""Share of a mask that must be dark for it to be something turned round."""
_BETTER = 0.2
"""The margin in IoU with a network's mask by which one way round must beat the other, [0, 1]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mask:
    """Coverage that was read from a mask file."""

    coverage_HW: Float
    """[0, 1], at the size that was asked for."""
    notes: tuple[str, ...] = ()
    """Notes on changes to the mask, for people."""


def coverage_from(mask: Levels, size_HW: tuple[int, int]) -> Mask:
    """Read a decoded mask file as coverage: its alpha channel, or else its grey, white is product.

    An alpha channel that hides next to nothing beside a grey that says something is not the mask. A
    mask of another size is resampled if it has the photograph's aspect; anything else is somebody
    else's mask. One in a range of its own, such as 0 and 1, 0 to 100 or half of 16 bits, is scaled.

    Args:
        mask: the decoded file, upright.
        size_HW: of the upright photograph.

    Raises:
        RowError: `bad_request`, the file is no mask, or not this photograph's.
    """
    coverage_HW = _coverage(mask)
    height, width = coverage_HW.shape
    if abs((width / height) / (size_HW[1] / size_HW[0]) - 1) > _MAX_SKEW:
        raise RowError(
            ErrorCode.BAD_REQUEST,
            f"mask_uri: the mask is {width} x {height} px, the photograph "
            f"{size_HW[1]} x {size_HW[0]}: their aspects differ",
        )
    coverage_HW, notes = _in_full_range(coverage_HW, is_alpha=mask.alpha_HW is not None)
    return Mask(
        coverage_HW=resize(coverage_HW.astype(np.float32, copy=False), *size_HW),
        notes=(*(f"mask: {note}" for note in mask.notes), *notes),
    )


def _in_full_range(coverage_HW: Float, *, is_alpha: bool) -> tuple[Float, tuple[str, ...]]:
    """A mask whose lightest level is clearly below white, scaled so that this is 1.

    Raises:
        RowError: `bad_request`, it has several levels and none is known to mean product.
    """
    top = float(coverage_HW.max())
    if not 0 < top < _WHITE:
        return coverage_HW, ()
    light_N = coverage_HW[coverage_HW > top / 2]
    white = float(np.median(light_N))  # JPEG overshoots at outlines
    if (np.abs(light_N - white) <= white * _NEAR).mean() < _MOSTLY_ALIKE:
        white = top
    is_dark_HW = coverage_HW <= white * _NEAR
    is_whole_HW = coverage_HW >= white * (1 - _NEAR)
    share = float((is_dark_HW | is_whole_HW).mean())
    if share >= _MOSTLY and (is_dark_HW.any() or top <= _LOW):
        kind = "two levels"
    elif top >= _WHITISH or (is_alpha and top > _LOW):  # an alpha channel's full scale is known
        return coverage_HW, ()
    elif is_dark_HW.any() and any(abs(top - known) < known * 1e-4 for known in _RANGES):
        kind, white = "a range of its own", top
    elif top > _LOW and share >= _MOSTLY_WHOLE and is_dark_HW.any():
        kind = "a range of its own"
    else:
        raise RowError(
            ErrorCode.BAD_REQUEST,
            f"mask_uri: the mask's lightest pixel is {top:.1%} of white, and it has several "
            "levels, of which none need be the product: write the product as white",
        )
    scaled_HW = np.minimum(coverage_HW / np.float32(white), np.float32(1))
    return scaled_HW, (f"mask of {kind}, 0 to {white:.4%} of white: scaled to white",)


def may_be_inverted(coverage_HW: Float, *, is_all_there_is: bool) -> bool:
    """Whether the frame's border looks as in a mask for inpainting, where white is to be repainted.

    Args:
        coverage_HW: [0, 1].
        is_all_there_is: nothing else can be asked, so that only a border that is light all around
            counts.
    """
    light_HW = coverage_HW > 0.5
    border = np.concatenate([light_HW[0], light_HW[-1], light_HW[:, 0], light_HW[:, -1]])
    enough = _ALL_LIGHT if is_all_there_is else _LIGHT_BORDER
    return float(border.mean()) >= enough and 1 - float(light_HW.mean()) > _LEAST_DARK


def is_inverted(coverage_HW: Float, found_HW: Float) -> bool | None:
    """Hold a mask against what a network finds in the photograph; None: it fits neither way round.

    Args:
        coverage_HW: the mask, [0, 1].
        found_HW: the network's coverage, [0, 1], of the same size.
    """
    as_it_is, turned = _iou(coverage_HW, found_HW), _iou(1 - coverage_HW, found_HW)
    if abs(turned - as_it_is) < _BETTER:
        return None
    return turned > as_it_is


def _iou(one_HW: Float, other_HW: Float) -> float:
    either = float(np.maximum(one_HW, other_HW).sum(dtype=np.float64))
    both = float(np.minimum(one_HW, other_HW).sum(dtype=np.float64))
    return both / either if either else 0.0


def _coverage(mask: Levels) -> Float:
    """The plane of the file that holds the mask."""
    values_HWC, alpha_HW = mask.values_HWC, mask.alpha_HW
    # Green, which JPEG leaves nearest to the level that was stored.
    grey_HW = values_HWC[..., values_HWC.shape[2] // 2]
    is_grey = values_HWC.shape[2] == 1 or float(np.ptp(values_HWC, axis=-1).max()) <= _MAX_TINT
    if alpha_HW is not None:
        shown_N = grey_HW[alpha_HW > 0.5]
        says_something = is_grey and shown_N.size > 0 and float(np.ptp(shown_N)) > 0.5
        if says_something and shape_of(alpha_HW).kind is ShapeKind.NOTHING_HIDDEN:
            return grey_HW
        return alpha_HW
    if not is_grey:
        raise RowError(
            ErrorCode.BAD_REQUEST,
            "mask_uri: the picture has colours and no alpha channel, so it is no mask: white is "
            "product, black background",
        )
    return grey_HW
