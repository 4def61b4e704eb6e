"""Whether a channel would take a file: its rules, held against what the file itself shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pipeline.imaging.quality.finished_file import Inspected
from pipeline.manifest.channels import Channel

Rule = Literal[
    "format", "bytes", "size", "color_space", "orientation", "metadata", "background", "fill"
]

_WHITE_SHARE = 0.999
"""A thousandth of the background may be dust that nobody sees and no matte catches."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that a file breaks."""

    rule: Rule
    message: str
    """What was found and what is accepted, for people."""


def findings(file: Inspected, channel: Channel, *, fill: float | None = None) -> list[Finding]:
    """The rules of a channel that a file breaks; empty: it would be taken.

    Args:
        file: opened.
        channel: whose rules.
        fill: share of the frame the product spans, [0, 1], where a matte has told; None: as far as
            the pixels tell, which is only on white.
    """
    found: list[Finding] = []
    for rule, messages in (
        ("format", _format(file, channel)),
        ("bytes", _bytes(file, channel)),
        ("size", _size(file, channel)),
        ("color_space", _color_space(file)),
        ("orientation", _orientation(file)),
        ("metadata", _metadata(file, channel)),
        ("background", _background(file, channel)),
        ("fill", _fill(file.fill if fill is None else fill, channel)),
    ):
        found += [Finding(rule, message) for message in messages]  # type: ignore[arg-type]
    return found


def _format(file: Inspected, channel: Channel) -> Iterator[str]:
    if file.file_format not in channel.formats:
        yield f"{file.file_format}, accepted are {', '.join(channel.formats)}"
    if file.has_several_frames:
        yield "several frames, a still picture has one"


def _bytes(file: Inspected, channel: Channel) -> Iterator[str]:
    if channel.max_bytes is not None and file.num_bytes > channel.max_bytes:
        yield f"{file.num_bytes:,} bytes, at most {channel.max_bytes:,}"


def _size(file: Inspected, channel: Channel) -> Iterator[str]:
    size = f"{file.width} x {file.height} px"
    long, short = max(file.width, file.height), min(file.width, file.height)
    if channel.min_long_side_px is not None and long < channel.min_long_side_px:
        yield f"{size}, the longer side has at least {channel.min_long_side_px}"
    if channel.min_short_side_px is not None and short < channel.min_short_side_px:
        yield f"{size}, the shorter side has at least {channel.min_short_side_px}"
    if channel.max_side_px is not None and long > channel.max_side_px:
        yield f"{size}, a side has at most {channel.max_side_px}"
    if channel.max_megapixels is not None and long * short > channel.max_megapixels * 1e6:
        yield f"{size}, at most {channel.max_megapixels:g} megapixels"


def _color_space(file: Inspected) -> Iterator[str]:
    if not file.is_srgb:
        yield "not sRGB"


def _orientation(file: Inspected) -> Iterator[str]:
    if not file.is_upright:
        yield "pixels are stored turned, which not every viewer undoes"


def _metadata(file: Inspected, channel: Channel) -> Iterator[str]:
    if channel.states_source and file.source_uri is None:
        yield "no Iptc4xmpExt:DigitalSourceType in XMP"


def _background(file: Inspected, channel: Channel) -> Iterator[str]:
    if not channel.white:
        return
    if not file.is_opaque:
        yield "transparent, pure white is asked for"
    elif not file.is_on_white:
        yield "not white"
    elif file.white_share < _WHITE_SHARE:
        yield f"exactly white on {_percent(file.white_share)} of it only"


def _fill(fill: float | None, channel: Channel) -> Iterator[str]:
    if fill is None:
        return
    if channel.min_fill is not None and fill < channel.min_fill:
        yield f"the product spans {fill:.0%} of the frame, at least {channel.min_fill:.0%}"
    if channel.max_fill is not None and fill > channel.max_fill:
        yield f"the product spans {fill:.0%} of the frame, at most {channel.max_fill:.0%}"


def _percent(share: float) -> str:
    """A share short of the whole never reads 100 %."""
    return f"{min(share, 0.9999):.2%}"
