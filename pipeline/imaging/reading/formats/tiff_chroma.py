"""TIFF pixels that are luma and chroma: TIFF 6.0, sections 20 and 21."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import COMPRESSION, PHOTOMETRIC, TIFF, TiffPage

from pipeline.errors import ErrorCode, RowError

# Shape suffixes: H height, W width, C channel; U units of luma that share their chroma.

_WEIGHTS, _SAMPLING, _RANGE = 529, 530, 532
_REC_601 = (0.299, 0.587, 0.114)
_FULL_RANGE = (0.0, 255.0, 128.0, 255.0, 128.0, 255.0)
_JPEGS = (COMPRESSION.JPEG, COMPRESSION.OJPEG)


def chroma_sampling(page: TiffPage) -> tuple[int, int]:
    """The columns and rows that share their chroma; (1, 1): none do, or a JPEG inside tells it."""
    if page.photometric != PHOTOMETRIC.YCBCR or page.compression in _JPEGS:
        return 1, 1
    sampling = page.tags.valueof(_SAMPLING, (2, 2))
    known = (1, 2, 4)
    if not (
        isinstance(sampling, tuple)
        and len(sampling) == 2
        and all(step in known for step in sampling)
    ):
        raise RowError(ErrorCode.CORRUPT_IMAGE, "TIFF: its chroma has no known size")
    return sampling


def with_shared_chroma(page: TiffPage, data: bytes) -> NDArray[np.uint8]:
    """The samples of a page some of whose pixels share their chroma, which tifffile does not read.

    Each unit is a block of luma, and a Cb and a Cr for all of it; they are repeated.

    Returns:
        HWC: Y, Cb, Cr.

    Raises:
        RowError: `corrupt_image`, also where a part has too few samples.
    """
    across, down = chroma_sampling(page)
    height, width = page.imagelength, page.imagewidth
    is_tiled = page.is_tiled
    part_width = page.tilewidth if is_tiled else width
    part_height = page.tilelength if is_tiled else min(page.rowsperstrip or height, height)
    num_across = -(-width // part_width)
    ycc_HWC = np.zeros((height, width, 3), np.uint8)
    max_samples = -(-part_height // down) * -(-part_width // across) * (across * down + 2)
    unpack = TIFF.DECOMPRESSORS[page.compression]
    for number, (at, count) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=False)):
        top, left = number // num_across * part_height, number % num_across * part_width
        if top >= height:
            break
        rows = part_height if is_tiled else min(part_height, height - top)
        num_down, num_units = -(-rows // down), -(-part_width // across)
        size = num_down * num_units * (across * down + 2)
        packed = data[at : at + count]
        if page.compression != COMPRESSION.NONE:
            packed = unpack(packed, out=max_samples)
        unpacked = np.frombuffer(packed, np.uint8)
        if unpacked.size < size:
            raise RowError(ErrorCode.CORRUPT_IMAGE, "TIFF: a part of its pixels is missing")
        units = unpacked[:size].reshape(num_down, num_units, across * down + 2)
        luma = units[..., :-2].reshape(num_down, num_units, down, across)
        luma_HW = luma.transpose(0, 2, 1, 3).reshape(num_down * down, num_units * across)
        place = ycc_HWC[top : top + rows, left : left + part_width]
        shown = np.s_[: place.shape[0], : place.shape[1]]
        place[..., 0] = luma_HW[shown]
        place[..., 1:] = units[..., -2:].repeat(down, axis=0).repeat(across, axis=1)[shown]
    return ycc_HWC


def rgb_of(ycc_HWC: NDArray[Any], page: TiffPage) -> NDArray[np.uint8]:
    """Colours by the weights (tag 529) and the range (tag 532) that the page names.

    Raises:
        RowError: `corrupt_image`, those have no meaning.
    """
    red, green, blue = _numbers(page, _WEIGHTS, _REC_601)
    low = _numbers(page, _RANGE, _FULL_RANGE)
    spans = [low[at + 1] - low[at] for at in (0, 2, 4)]
    if min(red, green, blue) <= 0 or min(spans) <= 0:
        raise RowError(ErrorCode.CORRUPT_IMAGE, "TIFF: its luma and chroma have no meaning")
    stored = ycc_HWC.astype(np.float32)
    luma = (stored[..., 0] - low[0]) * np.float32(255 / spans[0])
    cb = (stored[..., 1] - low[2]) * np.float32(127 / spans[1])
    cr = (stored[..., 2] - low[4]) * np.float32(127 / spans[2])
    r, b = luma + cr * np.float32(2 - 2 * red), luma + cb * np.float32(2 - 2 * blue)
    g = (luma - np.float32(red) * r - np.float32(blue) * b) / np.float32(green)
    rgb_HWC: NDArray[Any] = np.clip(np.rint(np.stack([r, g, b], axis=-1)), 0, 255)
    return rgb_HWC.astype(np.uint8)


def _numbers(page: TiffPage, code: int, usual: Sequence[float]) -> Sequence[float]:
    """The numbers of a tag: of RATIONALs, which tifffile gives as pairs, or of integers."""
    stored = page.tags.valueof(code)
    if stored is None:
        return usual
    values = stored if isinstance(stored, tuple) else (stored,)
    if len(values) == 2 * len(usual) and page.tags[code].dtype in (5, 10):
        pairs = zip(values[::2], values[1::2], strict=True)
        return [above / below if below else 0.0 for above, below in pairs]
    return [float(value) for value in values] if len(values) == len(usual) else usual
