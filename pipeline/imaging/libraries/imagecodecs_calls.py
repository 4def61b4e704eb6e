"""The door to imagecodecs: pixels out of its codecs, damage told as such, channels put in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.libraries.header import Header
from pipeline.imaging.libraries.pillow_files import DAMAGE
from pipeline.imaging.libraries.samples import ColorMeaning, Samples
from pipeline.imaging.libraries.unpremultiply import filled, straightened

# Shape suffixes: H height, W width, C channel.


def decoded_by(codec: Callable[[bytes], NDArray[Any]], data: bytes, header: Header) -> NDArray[Any]:
    """Run a codec over a file whose header has been held against the limits: HWC, as stored.

    Raises:
        RowError: `corrupt_image`, also where the codec sees another size than the header.
    """
    try:
        stored = codec(data)
    except DAMAGE as error:
        raise RowError(ErrorCode.CORRUPT_IMAGE, f"{header.kind}: {in_short(error)}") from error
    if stored.ndim == 2:
        stored = stored[..., None]
    width, height = header.width, header.height
    if header.crop is not None and header.whole is not None:
        width, height = header.whole
    if stored.ndim != 3 or stored.shape[:2] != (height, width):
        raise RowError(
            ErrorCode.CORRUPT_IMAGE,
            f"{header.kind}: {width} x {height} px announced, "
            f"samples of shape {stored.shape} found",
        )
    return stored


def in_short(error: BaseException) -> str:
    """An error in few words. Objects in a message would bring their addresses along."""
    text = str(error).partition("0x")[0]
    return f"{type(error).__name__}: {text[:150]}"


def arranged(
    stored_HWC: NDArray[Any],
    header: Header,
    *,
    meaning: ColorMeaning,
    depth: int | None = None,
    is_divided: bool = False,
) -> Samples:
    """Grey or RGB, with or without alpha behind it, as `Samples`.

    Args:
        stored_HWC: 1 to 4 channels; the last of 2 or 4 is alpha.
        header: tells whether colours are multiplied by it.
        meaning: of the colours.
        depth: bits that the numbers fill; None: their type.
        is_divided: whether the codec has done that already.
    """
    if depth is not None:
        stored_HWC = filled(stored_HWC, depth)
    num_colours = 1 if stored_HWC.shape[2] <= 2 else 3
    values_HWC = stored_HWC[..., :num_colours]
    alpha_HW = stored_HWC[..., -1] if stored_HWC.shape[2] in (2, 4) else None
    if alpha_HW is not None and header.alpha == "premultiplied" and not is_divided:
        values_HWC = straightened(values_HWC, alpha_HW)
    return Samples(
        values_HWC=np.ascontiguousarray(values_HWC),
        space="grey" if num_colours == 1 else "rgb",
        alpha_HW=None if alpha_HW is None else np.ascontiguousarray(alpha_HW),
        was_premultiplied=alpha_HW is not None and header.alpha == "premultiplied",
        meaning=meaning,
    )
