"""PSD and PSB: the flat picture that Photoshop keeps beside the layers, and saved channels.

Format: Adobe Photoshop File Formats Specification (2019).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.containers.exif import dots_per_inch, exif_facts
from pipeline.imaging.containers.photoshop_resources import DamagedError, image_resources
from pipeline.imaging.libraries.header import Decoded, Header
from pipeline.imaging.libraries.imagecodecs_calls import in_short
from pipeline.imaging.libraries.pillow_files import DAMAGE
from pipeline.imaging.libraries.samples import ColorMeaning, Samples, Space

# Shape suffixes: C channel, H height, W width.

_MODES = {
    0: ("bitmap", 1),
    1: ("grey", 1),
    2: ("palette", 1),
    3: ("rgb", 3),
    4: ("cmyk", 4),
    8: ("grey", 1),  # duotone: its inks are Photoshop's own, "treat as grey"
    9: ("lab", 3),
}
"""Colour space and number of channels by colour mode."""
_RAW, _RLE = 0, 1
_RESOLUTION, _ICC, _VERSION, _EXIF, _CHANNEL_KINDS = 1005, 1039, 1057, 1058, 1077
_SPOT = 2
_TRANSPARENCY_KEYS = frozenset([b"Mtrn", b"Mt16", b"Mt32"])
_LAYER_KEYS = frozenset([b"Lr16", b"Lr32", b"Layr"])
_WIDE_KEYS = frozenset(b"LMsk Lr16 Lr32 Layr Mt16 Mt32 Mtrn Alph FMsk lnk2 FEid FXid PxSD".split())
"""Blocks whose length has eight bytes in a PSB."""
_MOST_BLOCKS = 4096
_TOLERANCE, _MOST_DARKER = 2 / 255, 0.01
"""How much darker than the white that shines through a colour may be, and which share of them."""
_MOST_BEHIND = 256
"""Bytes that a packed row may have behind its pixels: GIMP writes such ones."""
_FIX = "Save it with Maximize Compatibility, or as TIFF"


@dataclass(frozen=True, slots=True, kw_only=True)
class PsdHeader(Header):
    """The header of a Photoshop file, with the offsets of its parts."""

    num_channels: int = 0
    num_colours: int = 0
    selection_at: int | None = None
    """The index of the channel that is a saved selection; None: there is none."""
    is_big: bool = False
    pixels_at: int = 0
    palette: bytes = b""
    """256 reds, then greens and blues."""
    resolution_dpi: tuple[float, float] | None = None
    has_layers: bool = False


def look_at_psd(data: bytes) -> PsdHeader:
    """Read all that stands before the pixels.

    Raises:
        RowError: `corrupt_image`.
    """
    is_big = _number(data, 4, 2) == 2
    num_channels, height, width = _number(data, 12, 2), _number(data, 14, 4), _number(data, 18, 4)
    depth, mode = _number(data, 22, 2), _number(data, 24, 2)
    if not (1 <= num_channels <= 56 and width and height and depth in (1, 8, 16, 32)):
        raise RowError(ErrorCode.CORRUPT_IMAGE, "PSD with a header that is damaged")
    colours_at, colours_size = 30, _number(data, 26, 4)
    layers_at = colours_at + colours_size + 4 + _number(data, colours_at + colours_size, 4)
    room = 8 if is_big else 4
    layers_size = _number(data, layers_at, room)
    pixels_at = layers_at + room + layers_size
    if pixels_at + 2 > len(data):
        raise RowError(ErrorCode.CORRUPT_IMAGE, "PSD: its pixels are not in the file")
    try:
        resources = {
            resource.id: resource.data for resource in reversed(image_resources(data, "PSD"))
        }
    except DamagedError as error:
        raise RowError(ErrorCode.CORRUPT_IMAGE, f"PSD: {error}") from error
    num_layers, has_alpha = _layers(data, layers_at + room, pixels_at, is_big=is_big)
    space, num_colours = _MODES.get(mode, ("other", 0))
    refusal = _refusal(data, pixels_at, resources, space=space, depth=depth, num_layers=num_layers)
    if not refusal and num_channels < num_colours:
        raise RowError(ErrorCode.CORRUPT_IMAGE, "PSD: a channel is missing")
    has_alpha = has_alpha and num_channels > num_colours
    others = range(num_colours + has_alpha, num_channels)
    spots = _spots(resources.get(_CHANNEL_KINDS, b""), first=num_colours + has_alpha)
    selections = [at for at in others if at not in spots]
    return PsdHeader(
        kind="PSD",
        width=width,
        height=height,
        depth=depth,
        numbers="float" if depth == 32 else "unsigned",
        space=space,
        alpha="straight" if has_alpha else "none",
        num_selections=len(selections),
        meaning=ColorMeaning(
            icc=resources.get(_ICC) or None,
            is_adobe_rgb=exif_facts(resources.get(_EXIF, b"")).is_adobe_rgb,
        ),
        said=refusal,
        num_channels=num_channels,
        num_colours=num_colours,
        selection_at=selections[0] if selections else None,
        is_big=is_big,
        pixels_at=pixels_at,
        palette=data[colours_at : colours_at + 768] if space == "palette" else b"",
        resolution_dpi=_resolution(resources.get(_RESOLUTION, b"")),
        has_layers=num_layers > 0,
    )


def _refusal(
    data: bytes,
    pixels_at: int,
    resources: dict[int, bytes],
    *,
    space: str,
    depth: int,
    num_layers: int,
) -> str:
    if space == "other":
        return "a PSD in multichannel mode. Save it as RGB"
    if depth == 32 and space not in ("grey", "rgb"):
        return f"a PSD in {space} with 32 bits. Save it with 16 bits"
    version = resources.get(_VERSION, b"")
    if num_layers and len(version) > 4 and not version[4]:
        return f"a PSD without a flat picture of its layers. {_FIX}"
    packing = _number(data, pixels_at, 2)
    return "" if packing in (_RAW, _RLE) else f"a PSD whose flat picture is packed by ZIP. {_FIX}"


def _layers(data: bytes, start: int, end: int, *, is_big: bool) -> tuple[int, bool]:
    """The number of layers, and whether the flat picture's first further channel is its alpha."""
    room = 8 if is_big else 4
    info_size = _number(data, start, room)
    count = _count(data, start + room) if info_size >= 2 else 0
    if start + room > end:
        return 0, False
    has_alpha = count < 0
    at = start + room + info_size
    at += 4 + _number(data, at, 4)  # the global mask
    for _ in range(_MOST_BLOCKS):
        if at + 12 > end or data[at : at + 4] not in (b"8BIM", b"8B64"):
            break
        key = data[at + 4 : at + 8]
        size_room = 8 if is_big and key in _WIDE_KEYS else 4
        size, body = _number(data, at + 8, size_room), at + 8 + size_room
        if key in _LAYER_KEYS and size >= 2:
            count = _count(data, body)
            has_alpha = has_alpha or count < 0
        has_alpha = has_alpha or key in _TRANSPARENCY_KEYS
        at = body + (size + 3) // 4 * 4
    return abs(count), has_alpha


def _count(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big", signed=True)


def _spots(kinds: bytes, *, first: int) -> set[int]:
    """The further channels that are inks: of each channel, 13 bytes whose last tells."""
    bodies = [kinds[at : at + 13] for at in range(4, len(kinds) - 12, 13)]
    return {first + i for i, body in enumerate(bodies) if body[12] == _SPOT}


def _resolution(body: bytes) -> tuple[float, float] | None:
    """Pixels an inch as 16.16, whatever unit is shown."""
    if len(body) < 16:
        return None
    return dots_per_inch(_number(body, 0, 4) / 65536, _number(body, 8, 4) / 65536, unit=2)


def read_psd(data: bytes, header: Header) -> Decoded:
    """Decode the flat picture: colours, its alpha, and the first saved selection.

    Photoshop lays what is transparent over white before it stores it; that white is taken out.
    Others, such as ImageMagick, do not: their colours are darker than white shining through allows.

    Raises:
        RowError: `corrupt_image`.
    """
    assert isinstance(header, PsdHeader)
    num_shown = header.num_colours + (header.alpha != "none")
    planes_CHW, has_selection = _planes_with_selection(data, header, num_shown)
    values_HWC: NDArray[Any] = np.moveaxis(planes_CHW[: header.num_colours], 0, -1)
    alpha_HW = planes_CHW[header.num_colours] if header.alpha != "none" else None
    is_lab = header.space == "lab"
    seen_HWC = values_HWC[..., :1] if is_lab else values_HWC
    if alpha_HW is not None and _is_over_white(seen_HWC, alpha_HW):
        values_HWC = _without_white(values_HWC, alpha_HW, is_lab=is_lab)
    if header.space == "cmyk":  # stored as what paper reflects
        values_HWC = np.iinfo(values_HWC.dtype).max - values_HWC
    elif header.space == "palette":
        values_HWC = np.frombuffer(header.palette, np.uint8).reshape(3, 256).T[values_HWC[..., 0]]
    elif header.space == "lab" and header.depth == 16:
        values_HWC = _version_4(values_HWC)
    selection_HW = planes_CHW[header.selection_at] if has_selection else None
    space = {"bitmap": "grey", "palette": "rgb"}.get(header.space, header.space)
    notes: tuple[str, ...] = ("the flat picture of its layers",) if header.has_layers else ()
    if header.selection_at is not None and not has_selection:
        notes += ("its saved selections are not in the file",)
    if header.numbers == "float":
        notes += ("float samples taken as linear light, 1.0 as white",)
        values_HWC = np.clip(np.nan_to_num(values_HWC), 0, 1)
    samples = Samples(
        values_HWC=np.ascontiguousarray(values_HWC),
        space=cast("Space", space),
        alpha_HW=None if alpha_HW is None else _levels(alpha_HW),
        selection_HW=None if selection_HW is None else _levels(selection_HW),
        meaning=header.meaning or ColorMeaning(),
    )
    return Decoded(samples=samples, resolution_dpi=header.resolution_dpi, notes=notes)


def _planes_with_selection(
    data: bytes, header: PsdHeader, num_shown: int
) -> tuple[NDArray[Any], bool]:
    """The planes that are shown and the selection behind them, and whether the file has one."""
    if header.selection_at is not None:
        with suppress(RowError):
            return _planes(data, header, header.selection_at + 1), True
    return _planes(data, header, num_shown), False


def _planes(data: bytes, header: PsdHeader, num_needed: int) -> NDArray[Any]:
    """The first channels, one after the other as the file has them: CHW."""
    row_size = (header.width * header.depth + 7) // 8
    size = num_needed * header.height * row_size
    start = header.pixels_at + 2
    if _number(data, header.pixels_at, 2) == _RAW:
        packed = data[start : start + size]
    else:
        room = 4 if header.is_big else 2
        num_rows = header.num_channels * header.height
        sizes = np.frombuffer(
            data[start : start + room * num_rows].ljust(room * num_rows, b"\0"), f">u{room}"
        )
        packed = _unpacked(
            data[start + room * num_rows :], sizes[: num_needed * header.height], row_size
        )
    if len(packed) != size:
        raise RowError(ErrorCode.CORRUPT_IMAGE, "PSD: a part of its pixels is not in the file")
    if header.depth == 1:
        rows = np.frombuffer(packed, np.uint8).reshape(num_needed, header.height, row_size)
        bits_CHW = np.unpackbits(rows, axis=-1, count=header.width)
        levels_CHW: NDArray[Any] = (1 - bits_CHW) * np.uint8(255)  # 1 is black
        return levels_CHW
    kind = {8: ">u1", 16: ">u2", 32: ">f4"}[header.depth]
    planes = np.frombuffer(packed, kind).reshape(num_needed, header.height, header.width)
    native: NDArray[Any] = planes.astype(planes.dtype.newbyteorder("="), copy=False)
    return native


def _unpacked(packed: bytes, sizes: NDArray[Any], row_size: int) -> bytes:
    """Rows of PackBits, all at once where they are as they should be.

    Raises:
        RowError: `corrupt_image`.
    """
    ends = np.cumsum(sizes, dtype=np.int64)
    with suppress(*DAMAGE):
        whole = bytes(imagecodecs.packbits_decode(packed[: ends[-1]], out=len(sizes) * row_size))
        if len(whole) == len(sizes) * row_size:
            return whole
    rows = []
    try:
        for start, end in zip(ends - sizes, ends, strict=True):
            row = imagecodecs.packbits_decode(packed[start:end], out=row_size + _MOST_BEHIND)
            rows.append(bytes(row[:row_size]))
    except DAMAGE as error:
        raise RowError(ErrorCode.CORRUPT_IMAGE, f"PSD: {in_short(error)}") from error
    if any(len(row) < row_size for row in rows):
        raise RowError(ErrorCode.CORRUPT_IMAGE, "PSD: a part of its pixels is not in the file")
    return b"".join(rows)


def _is_over_white(values_HWC: NDArray[Any], alpha_HW: NDArray[Any]) -> bool:
    """Whether these may be colours over white: nowhere darker than the white shining through."""
    full = 1.0 if values_HWC.dtype == np.float32 else float(np.iinfo(values_HWC.dtype).max)
    is_partial_HW = (alpha_HW > 0) & (alpha_HW < full)
    alpha_N = alpha_HW[is_partial_HW].astype(np.float32)
    if not alpha_N.size:
        return False
    darkest_N = values_HWC[is_partial_HW].astype(np.float32)
    darkest_N = darkest_N[:, 0] if values_HWC.shape[2] == 1 else darkest_N.min(axis=1)
    share = np.count_nonzero(darkest_N < full - alpha_N - _TOLERANCE * full) / alpha_N.size
    return bool(share <= _MOST_DARKER)


def _without_white(
    values_HWC: NDArray[Any], alpha_HW: NDArray[Any], *, is_lab: bool
) -> NDArray[Any]:
    """Colours as they were before they were laid over white, where anything is left of them."""
    is_float = values_HWC.dtype == np.float32
    full = 1.0 if is_float else float(np.iinfo(values_HWC.dtype).max)
    middle = 128.0 if full == 255 else 32768.0
    white_C = (full, middle, middle) if is_lab else (full,) * values_HWC.shape[2]
    straight_HWC = np.empty(values_HWC.shape, values_HWC.dtype)
    coverage_HW = alpha_HW.astype(np.float32) / np.float32(full)
    divisor_HW = np.where(coverage_HW > 0, coverage_HW, np.float32(1))
    for channel, white in enumerate(white_C):
        plane_HW = (values_HWC[..., channel].astype(np.float32) - white) / divisor_HW + white
        if not is_float:
            plane_HW = np.clip(np.rint(plane_HW), 0, full)
        straight_HWC[..., channel] = plane_HW
    return straight_HWC


def _version_4(lab_HWC: NDArray[Any]) -> NDArray[np.uint16]:
    """Lab of 16 bits with a* and b* of 0 at 32768, as ICC.1 version 4 encodes it."""
    lab = lab_HWC.astype(np.float32)
    lab[..., 1:] = lab[..., 1:] * np.float32(257 / 256)
    return np.clip(np.rint(lab), 0, 65535).astype(np.uint16)


def _levels(plane_HW: NDArray[Any]) -> NDArray[Any]:
    if plane_HW.dtype == np.float32:
        levels_HW: NDArray[Any] = np.rint(np.clip(np.nan_to_num(plane_HW), 0, 1) * 65535)
        return levels_HW.astype(np.uint16)
    return np.ascontiguousarray(plane_HW)


def _number(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "big")
