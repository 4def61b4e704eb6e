"""JPEG 2000: into how many parts a codestream says that its picture is cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.containers.boxes import boxes

CODESTREAM = b"\xff\x4f\xff\x51"
_SOT, _SOD, _EOC = 0xFF90, 0xFF93, 0xFFD9
_COD, _COC = 0xFF52, 0xFF53
_MOST_TILES = 65_535
"""The most tiles that a picture may have: as many as a tile's number can count (ISO/IEC 15444-1,
A.4.2)."""
_MOST_TILE_PARTS = 2**17
_MOST_PACKETS = 4_000_000
"""Each costs its decoder work, be there anything in it or not. Archives that keep 25 layers of 60
megapixels in precincts of 128 px have 0.4 million."""
_MOST_BLOCKS = 4_000_000
"""Each costs memory before it is decoded. 60 megapixels of RGB have 0.9 million of 16 x 16."""
_MOST_LEVELS = 32
_LARGEST_PRECINCT = 15
"""The exponent of two of a precinct's side where the codestream names none (A.6.1)."""


@dataclass(frozen=True, slots=True)
class _Coding:
    """The finest cut that any header says; of sides the powers of two."""

    layers: int = 1
    levels: int = 0
    precincts: tuple[int, ...] = (_LARGEST_PRECINCT,) * (_MOST_LEVELS + 1)
    """The exponents of two of precinct sides: at the whole resolution, the halved one, and so on.
    """
    block: tuple[int, int] = (10, 10)

    def finest(self, other: _Coding) -> _Coding:
        return _Coding(
            layers=max(self.layers, other.layers),
            levels=max(self.levels, other.levels),
            precincts=tuple(map(min, self.precincts, other.precincts)),
            block=min(self.block, other.block, key=sum),
        )


def codestream_at(data: bytes) -> int:
    """The offset at which the codestream begins; 0: the file is one, or has none."""
    if data.startswith(CODESTREAM):
        return 0
    return next((box.start for box in boxes(data) if box.kind == b"jp2c"), 0)


def check_codestream(data: bytes, at: int) -> None:
    """Refuse one that is cut into more parts than a photograph.

    What its headers leave open counts as the standard has it, and what differs between tiles,
    channels and resolutions as the finest of them.

    Args:
        data: the file.
        at: where the codestream begins.

    Raises:
        RowError: `corrupt_image`.
    """
    siz = data[at + 8 : at + 8 + 34]
    if data[at : at + 4] != CODESTREAM or len(siz) < 34:
        return  # whoever reads the header says so
    right, bottom, _, _, tile_width, tile_height, left, top = (
        int.from_bytes(siz[i : i + 4], "big") for i in range(0, 32, 4)
    )
    num_components = int.from_bytes(siz[32:34], "big")
    if not tile_width or not tile_height or right <= left or bottom <= top:
        raise RowError(ErrorCode.CORRUPT_IMAGE, "JPEG2000 with tiles of no size")
    width, height = min(tile_width, right - left), min(tile_height, bottom - top)
    num_tiles = -(-(right - left) // tile_width) * -(-(bottom - top) // tile_height)
    if num_tiles > _MOST_TILES:
        raise RowError(ErrorCode.CORRUPT_IMAGE, f"JPEG2000: {num_tiles:,} tiles")
    coding = _coding(data, at)
    precincts = blocks = 0
    for level in range(coding.levels + 1):
        across, down = -(-width // 2**level), -(-height // 2**level)
        # A precinct covers all three bands of a resolution, which are half as fine but the last.
        precinct = coding.precincts[level]
        side = max(precinct - (level < coding.levels), 0)
        precincts += -(-across // 2**precinct) * -(-down // 2**precinct)
        columns, rows = (2 ** min(power, side) for power in coding.block)
        blocks += -(-across // columns) * -(-down // rows)
    num_packets = num_tiles * num_components * coding.layers * precincts
    if num_packets > _MOST_PACKETS:
        raise RowError(
            ErrorCode.CORRUPT_IMAGE,
            f"JPEG2000: {num_packets:,} packets of data announced, at most {_MOST_PACKETS:,} are "
            "accepted",
        )
    num_blocks = num_tiles * num_components * blocks
    if num_blocks > _MOST_BLOCKS:
        raise RowError(
            ErrorCode.CORRUPT_IMAGE,
            f"JPEG2000: {num_blocks:,} blocks of code announced, at most {_MOST_BLOCKS:,} are "
            "accepted",
        )


def _coding(data: bytes, start: int) -> _Coding:
    """The finest of the main header and of those of all parts of tiles."""
    coding = _Coding()
    for marker, body in _headers(data, start):
        if marker == _COD and len(body) >= 8:
            own = _of_style(body[5:], has_precincts=bool(body[0] & 1))
            coding = coding.finest(replace(own, layers=int.from_bytes(body[2:4], "big")))
        elif marker == _COC and len(body) >= 5:  # of at most 256 channels
            coding = coding.finest(_of_style(body[2:], has_precincts=bool(body[1] & 1)))
    return coding


def _of_style(body: bytes, *, has_precincts: bool) -> _Coding:
    """A.6.1, table A.15: levels, two sides of blocks, two flags, perhaps precincts."""
    levels = min(body[0], _MOST_LEVELS)
    sizes = body[5 : 5 + levels + 1][::-1] if has_precincts else b""  # the smallest comes first
    sides = tuple(min(size & 15, size >> 4) for size in sizes)
    return _Coding(
        levels=levels,
        precincts=(sides + (_LARGEST_PRECINCT,) * (_MOST_LEVELS + 1))[: _MOST_LEVELS + 1],
        block=((body[1] & 15) + 2, (body[2] & 15) + 2),
    )


def _headers(data: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    """Markers with their segments: of the main header, and of each part of a tile."""
    at, part, num_parts = start + 2, 0, 0
    while at + 4 <= len(data):
        marker = int.from_bytes(data[at : at + 2], "big")
        if marker == _EOC:
            return
        if marker == _SOD:  # data of the part, up to the next one
            if part <= at:
                return
            at = part
            continue
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        if marker < 0xFF01 or size < 2:
            return
        if marker == _SOT:
            num_parts += 1
            if num_parts > _MOST_TILE_PARTS:
                raise RowError(
                    ErrorCode.CORRUPT_IMAGE, f"JPEG2000: more than {_MOST_TILE_PARTS:,} tile-parts"
                )
            length = int.from_bytes(data[at + 6 : at + 10], "big")
            part = at + length if length else len(data)
        yield marker, data[at + 4 : at + 2 + size]
        at += 2 + size
