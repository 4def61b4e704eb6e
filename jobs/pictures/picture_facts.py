"""What was seen in a picture file, and how it is told: in words, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from pipeline.text.printable import visible

_SPACES = {"grey": "grey", "palette": "palette", "other": "of no known colours", "lab": "Lab"}
"""How a line calls a colour space; all others are abbreviations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A refusal, as a run would record it."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPath:
    """A path that was saved with the picture."""

    name: str
    is_clipping: bool
    """The file marks it as its clipping path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFacts:
    """A file, as far as it could be read. None and empty: not known, or not there."""

    uri: str
    num_bytes: int | None = None
    kind: str | None = None
    """Pillow's name of the format."""
    decoder: str | None = None
    width: int | None = None
    """Upright, px, if it was decoded; else as the header has it."""
    height: int | None = None
    depth: int | None = None
    """Bits of a channel."""
    numbers: str | None = None
    """The kind of number of the samples: unsigned, float ..."""
    space: str | None = None
    colour: str | None = None
    """What the file says its colours mean."""
    alpha: str | None = None
    """The kind of alpha that the file declares: none, straight, premultiplied, key."""
    is_opaque: bool | None = None
    """Whatever it declares, no pixel is transparent."""
    num_selections: int = 0
    channel_names: tuple[str, ...] = ()
    paths: tuple[SavedPath, ...] = ()
    orientation: int | None = None
    """EXIF 2.32, tag 274."""
    resolution_dpi: tuple[float, float] | None = None
    creator: str | None = None
    rights: str | None = None
    has_gps: bool | None = None
    """Whether it says where it was taken: where, is nobody's business."""
    has_content_credentials: bool | None = None
    notes: tuple[str, ...] = ()
    """What reading it changed."""
    alpha_source: str | None = None
    """The source of the alpha, in the words of a result."""
    alpha_colors: str | None = None
    """The colours of a cut-out along its edge, in the words of a result."""
    run: str | None = None
    """What a run would do, in words."""
    error: Refusal | None = None
    """Why a run would refuse it."""
    is_readable: bool = True
    """There are bytes at all."""


def told(facts: PictureFacts) -> str:
    """A file in a line, whatever it is called."""
    words = [part for part in (_stored(facts), *_besides(facts)) if part]
    what = f"  {', '.join(words)}" if words else ""
    notes = f" ({'; '.join(facts.notes)})" if facts.notes else ""
    return visible(f"{facts.uri}{what}; a run: {facts.run}{notes}")


def told_as_json(facts: PictureFacts) -> str:
    """A file as a line of JSON."""
    return json.dumps(asdict(facts), ensure_ascii=False)


def _stored(facts: PictureFacts) -> str:
    if facts.kind is None:
        return ""
    space = facts.space or ""
    if facts.width is None:
        return facts.kind
    parts = [
        f"{facts.kind}{'' if facts.decoder is None else f' by {facts.decoder}'}",
        f"{facts.width} x {facts.height} px",
        _SPACES.get(space, space.upper()),
        f"{facts.depth} bits{' float' if facts.numbers == 'float' else ''}",
        *filter(None, [facts.colour]),
    ]
    return ", ".join(parts)


def _besides(facts: PictureFacts) -> Iterator[str]:
    """Only what is there: a line shall be read."""
    if facts.alpha not in (None, "none"):
        declared = "one colour transparent" if facts.alpha == "key" else f"{facts.alpha} alpha"
        yield f"{declared} that hides nothing" if facts.is_opaque else declared
    yield from _hand_made(facts)
    if facts.orientation not in (None, 1):
        yield f"turned upright from orientation {facts.orientation}"
    if facts.resolution_dpi is not None:
        across, down = (f"{dpi:.5g}" for dpi in facts.resolution_dpi)
        yield f"{across} dpi" if across == down else f"{across} x {down} dpi"
    if facts.creator:
        yield f"by {facts.creator!r}"
    if facts.rights:
        yield f"rights {facts.rights!r}"
    if facts.has_gps:
        yield "says where it was taken"
    if facts.has_content_credentials:
        yield "Content Credentials"


def _hand_made(facts: PictureFacts) -> Iterator[str]:
    """Mattes that somebody has drawn."""
    if facts.num_selections:
        has_names = len(facts.channel_names) == facts.num_selections
        yield _counted("saved selection", facts.num_selections, facts.channel_names * has_names)
    marked = [path.name for path in facts.paths if path.is_clipping]
    others = [path.name for path in facts.paths if not path.is_clipping]
    if marked:
        yield f"clipping path {marked[0]!r}"
    if others:
        yield _counted("other path" if marked else "saved path", len(others), others)


def _counted(what: str, count: int, names: Sequence[str]) -> str:
    """One of them or several, and what they are called, if that is known.

    >>> _counted("saved path", 2, ["a", "b"])
    "2 saved paths 'a', 'b'"
    """
    several = what if count == 1 else f"{count} {what}s"
    return f"{several} {', '.join(map(repr, names))}" if names else several
