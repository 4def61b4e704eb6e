"""JPEG 2000: what its boxes and its codestream say, and its samples at full depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.containers.boxes import boxes, content
from pipeline.imaging.containers.codestream_parts import CODESTREAM
from pipeline.imaging.containers.exif import dots_per_inch
from pipeline.imaging.libraries.header import Alpha, Decoded, Header
from pipeline.imaging.libraries.imagecodecs_calls import decoded_by
from pipeline.imaging.libraries.samples import ColorMeaning, Samples, Space
from pipeline.imaging.libraries.unpremultiply import filled, straightened

# Shape suffixes: H height, W width, C channel, N entry of a palette.

_MAX_COMPONENTS = 8
_SPACES = {12: "cmyk", 16: "rgb", 17: "grey", 18: "sycc"}
"""Colour spaces by enumerated number (ISO/IEC 15444-1 table I.10, 15444-2 table M.25)."""
_NUM_COLOURS = {"grey": 1, "rgb": 3, "sycc": 3, "cmyk": 4}
_ICC_SPACES = {b"GRAY": "grey", b"RGB ": "rgb", b"CMYK": "cmyk"}
_OPACITY: dict[int, Alpha] = {1: "straight", 2: "premultiplied"}
"""The kind of alpha by channel type in cdef; 0 is colour, 65535 is unspecified."""
_WHOLE_IMAGE = 0

_SYCC = np.array([[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]], np.float32)
"""The matrix from Y, Cb and Cr to RGB (IEC 61966-2-1, amendment 1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """The palette of pclr and cmap: which column of its entries each channel is."""

    columns_CN: tuple[NDArray[Any], ...]
    components: tuple[int, ...]
    """The component that each channel reads its indices from."""
    choices: tuple[int | None, ...]
    """The palette column that each channel is; None: the component's own values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Jpeg2000Header(Header):
    """The header of a JPEG 2000 file, with the order of its channels."""

    colours_at: tuple[int, ...] = ()
    alpha_at: int | None = None
    selection_at: int | None = None
    """The indices of the channels that hold colours, alpha and a saved selection; None: there is
    none."""
    palette: Palette | None = None
    resolution_dpi: tuple[float, float] | None = None
    codestream_at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Siz:
    width: int
    height: int
    depths: tuple[int, ...]
    are_signed: tuple[bool, ...]
    is_subsampled: bool


def look_at_jpeg2000(data: bytes) -> Jpeg2000Header:
    """Read the boxes of the header, and the codestream's own.

    Raises:
        RowError: `corrupt_image`.
    """
    contents: dict[bytes, bytes] = {}
    codestream_at = 0
    if not data.startswith(CODESTREAM):
        for box in boxes(data):
            if box.kind == b"jp2h":
                for inner in boxes(data, box.start, box.end):
                    if inner.kind == b"res ":
                        contents |= {
                            b.kind: content(data, b) for b in boxes(data, inner.start, inner.end)
                        }
                    elif inner.kind != b"colr" or not _is_colour(contents.get(b"colr", b"")):
                        contents[inner.kind] = content(data, inner)
            elif box.kind == b"jp2c":
                codestream_at = box.start
                break
    siz = _siz(data, codestream_at)
    palette = _palette(contents, len(siz.depths))
    depths = siz.depths if palette is None else _palette_depths(contents[b"pclr"])
    return _header(siz, palette, depths, contents, codestream_at)


def _siz(data: bytes, at: int) -> _Siz:
    """ISO/IEC 15444-1, A.5.1."""
    if data[at : at + 4] != CODESTREAM:
        raise RowError(ErrorCode.CORRUPT_IMAGE, "JPEG2000 without a codestream")
    body = data[at + 8 : at + 8 + 34 + 3 * (_MAX_COMPONENTS + 1)]
    right, bottom, left, top = (int.from_bytes(body[i : i + 4], "big") for i in range(0, 16, 4))
    num_components = int.from_bytes(body[32:34], "big")
    if num_components > _MAX_COMPONENTS:
        raise RowError(
            ErrorCode.UNSUPPORTED_FORMAT,
            f"a JPEG 2000 of {num_components} channels. Save it as RGB",
        )
    parts = [body[34 + 3 * i : 37 + 3 * i] for i in range(num_components)]
    if not parts or len(parts[-1]) < 3 or right <= left or bottom <= top:
        raise RowError(ErrorCode.CORRUPT_IMAGE, "JPEG2000 with a header that is damaged")
    return _Siz(
        width=right - left,
        height=bottom - top,
        depths=tuple((part[0] & 127) + 1 for part in parts),
        are_signed=tuple(bool(part[0] & 128) for part in parts),
        is_subsampled=any(part[1:] != b"\1\1" for part in parts),
    )


def _header(
    siz: _Siz,
    palette: Palette | None,
    depths: tuple[int, ...],
    contents: dict[bytes, bytes],
    codestream_at: int,
) -> Jpeg2000Header:
    num_channels = len(depths) if palette is None else len(palette.components)
    colr = contents.get(b"colr", b"")
    space = _space(colr, num_channels)
    num_colours = _NUM_COLOURS.get(space, 0)
    colours_at, alpha_at, selection_at, alpha = _channels(
        contents.get(b"cdef", b""), num_channels, num_colours
    )
    layout = {
        "subsampled": siz.is_subsampled,
        "depths that differ": len(set(siz.depths)) > 1 or len(set(siz.are_signed)) > 1,
        "palette": palette is not None,
    }
    return Jpeg2000Header(
        kind="JPEG2000",
        width=siz.width,
        height=siz.height,
        depth=max(depths),
        numbers="signed" if any(siz.are_signed) else "unsigned",
        space=space,
        alpha=alpha,
        num_selections=int(selection_at is not None),
        layout=", ".join(word for word, is_so in layout.items() if is_so),
        meaning=ColorMeaning(icc=colr[3:] if colr[:1] in (b"\2", b"\3") else None),
        colours_at=colours_at,
        alpha_at=alpha_at,
        selection_at=selection_at,
        palette=palette,
        resolution_dpi=_resolution(contents.get(b"resc") or contents.get(b"resd") or b""),
        codestream_at=codestream_at,
    )


def _is_colour(colr: bytes) -> bool:
    """Whether this colr box is of a method that we know: the first such counts."""
    return colr[:1] in (b"\1", b"\2", b"\3")


def _space(colr: bytes, num_channels: int) -> str:
    if colr[:1] == b"\1":
        number = int.from_bytes(colr[3:7], "big")
        return _SPACES.get(number, f"colour space {number}")
    if colr[:1] in (b"\2", b"\3") and colr[19:23] in _ICC_SPACES:
        return _ICC_SPACES[colr[19:23]]
    return "grey" if num_channels <= 2 else "rgb"


def _channels(
    cdef: bytes, num_channels: int, num_colours: int
) -> tuple[tuple[int, ...], int | None, int | None, Alpha]:
    """Where the colours, alpha and a saved selection are, and which alpha it is.

    Without cdef the colours come first, and one more channel is alpha: so do all writers.
    """
    if not cdef:
        alpha_at = num_colours if num_channels > num_colours else None
        selection_at = num_colours + 1 if num_channels > num_colours + 1 else None
        alpha: Alpha = "none" if alpha_at is None else "straight"
        return tuple(range(min(num_colours, num_channels))), alpha_at, selection_at, alpha
    colours = dict(zip(range(num_colours), range(num_colours), strict=True))
    alpha_at, selection_at, alpha = None, None, "none"
    for at in range(2, len(cdef) - 5, 6):
        channel, kind, part = (int.from_bytes(cdef[i : i + 2], "big") for i in (at, at + 2, at + 4))
        if channel >= num_channels:
            raise RowError(ErrorCode.CORRUPT_IMAGE, f"JPEG2000: a channel {channel} is missing")
        if kind == 0 and 1 <= part <= num_colours:
            colours[part - 1] = channel
        elif kind in _OPACITY and part == _WHOLE_IMAGE and alpha_at is None:
            alpha_at, alpha = channel, _OPACITY[kind]
        elif kind != 0 and selection_at is None:
            selection_at = channel
    return tuple(colours[i] for i in range(num_colours)), alpha_at, selection_at, alpha


def _palette_depths(pclr: bytes) -> tuple[int, ...]:
    return tuple((bits & 127) + 1 for bits in pclr[3 : 3 + pclr[2]])


def _palette(contents: dict[bytes, bytes], num_components: int) -> Palette | None:
    """ISO/IEC 15444-1, I.5.3.4 and I.5.3.5."""
    pclr, cmap = contents.get(b"pclr"), contents.get(b"cmap")
    if pclr is None or cmap is None:
        return None
    num_entries, num_columns = int.from_bytes(pclr[:2], "big"), pclr[2] if len(pclr) > 2 else 0
    depths = _palette_depths(pclr) if num_columns else ()
    sizes = [(depth + 7) // 8 for depth in depths]
    table = np.frombuffer(pclr[3 + num_columns :], np.uint8)
    maps = [cmap[at : at + 4] for at in range(0, len(cmap) - 3, 4)]
    is_whole = (
        num_entries
        and maps
        and len(depths) == num_columns
        and len(table) >= num_entries * sum(sizes)
        and all(int.from_bytes(m[:2], "big") < num_components for m in maps)
        and all(m[2] != 1 or m[3] < num_columns for m in maps)
    )
    if not is_whole or max(depths, default=99) > 16:
        raise RowError(ErrorCode.CORRUPT_IMAGE, "JPEG2000: its palette is damaged")
    table_NB = table[: num_entries * sum(sizes)].reshape(num_entries, -1).astype(np.uint16)
    columns, at = [], 0
    for size, depth in zip(sizes, depths, strict=True):
        column_N = table_NB[:, at] if size == 1 else table_NB[:, at] << 8 | table_NB[:, at + 1]
        columns.append(filled(np.minimum(column_N, 2**depth - 1), depth))
        at += size
    return Palette(
        columns_CN=tuple(columns),
        components=tuple(int.from_bytes(m[:2], "big") for m in maps),
        choices=tuple(m[3] if m[2] == 1 else None for m in maps),
    )


def _resolution(body: bytes) -> tuple[float, float] | None:
    """ISO/IEC 15444-1, I.5.3.7: pixels a metre, down and then across."""
    if len(body) != 10:
        return None
    down, down_by, across, across_by = (
        int.from_bytes(body[i : i + 2], "big") for i in (0, 2, 4, 6)
    )
    if not down_by or not across_by:
        return None
    down_power, across_power = (int.from_bytes(body[i : i + 1], "big", signed=True) for i in (8, 9))
    x, y = across / across_by * 10.0**across_power, down / down_by * 10.0**down_power
    return dots_per_inch(x / 100, y / 100, unit=3)


def read_jpeg2000(data: bytes, header: Header) -> Decoded:
    """Decode the codestream, and put its channels where the boxes say they belong.

    Raises:
        RowError: `corrupt_image`.
    """
    assert isinstance(header, Jpeg2000Header)
    stored_HWC = decoded_by(imagecodecs.jpeg2k_decode, data[header.codestream_at :], header)
    if header.numbers == "signed":
        unsigned: Any = np.uint8 if stored_HWC.dtype == np.int8 else np.uint16
        middle = 1 << (header.depth - 1)
        stored_HWC = (stored_HWC.astype(np.int32) + middle).astype(unsigned)
    channels = _spread(stored_HWC, header)
    needed = max((*header.colours_at, header.alpha_at or 0, header.selection_at or 0))
    if needed >= len(channels):
        raise RowError(ErrorCode.CORRUPT_IMAGE, "JPEG2000: a channel is missing")
    values_HWC: NDArray[Any] = np.stack([channels[at] for at in header.colours_at], axis=-1)
    if header.space == "sycc":
        values_HWC = _rgb_of(values_HWC)
    alpha_HW = None if header.alpha_at is None else channels[header.alpha_at]
    if alpha_HW is not None and header.alpha == "premultiplied":
        values_HWC = straightened(values_HWC, alpha_HW)
    selection_HW = None if header.selection_at is None else channels[header.selection_at]
    samples = Samples(
        values_HWC=values_HWC,
        space=cast("Space", "rgb" if header.space == "sycc" else header.space),
        alpha_HW=None if alpha_HW is None else np.ascontiguousarray(alpha_HW),
        selection_HW=None if selection_HW is None else np.ascontiguousarray(selection_HW),
        was_premultiplied=header.alpha == "premultiplied",
        meaning=header.meaning or ColorMeaning(),
    )
    return Decoded(samples=samples, resolution_dpi=header.resolution_dpi)


def _spread(stored_HWC: NDArray[Any], header: Jpeg2000Header) -> list[NDArray[Any]]:
    """Each channel, HW, so that white is full scale."""
    palette = header.palette
    if palette is None:
        filled_HWC = filled(stored_HWC, header.depth)
        return [filled_HWC[..., at] for at in range(filled_HWC.shape[2])]
    channels = []
    for component, choice in zip(palette.components, palette.choices, strict=True):
        values_HW = stored_HWC[..., component]
        if choice is not None:
            column_N = palette.columns_CN[choice]
            values_HW = column_N[np.minimum(values_HW, len(column_N) - 1)]
        channels.append(values_HW)
    return channels


def _rgb_of(ycc_HWC: NDArray[Any]) -> NDArray[Any]:
    """Colours of sYCC, at the depth they have."""
    white = np.iinfo(ycc_HWC.dtype).max
    shifted_HWC = ycc_HWC.astype(np.float32)
    shifted_HWC[..., 1:] -= (white + 1) // 2
    rgb_HWC: NDArray[Any] = np.clip(np.rint(shifted_HWC @ _SYCC.T), 0, white)
    return rgb_HWC.astype(ycc_HWC.dtype)
