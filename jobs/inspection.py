"""What is in a picture file, and what a run would do with it: by the functions that a run uses."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from jobs.pictures import pictures
from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.alpha import check_matte
from pipeline.imaging.clipping_path.channels import channel_names
from pipeline.imaging.clipping_path.resources import DamagedError, image_resources
from pipeline.imaging.clipping_path.saved import saved_paths
from pipeline.imaging.reading.decode import read, upright
from pipeline.imaging.reading.decoders import chosen, look
from pipeline.imaging.reading.header import Header
from pipeline.imaging.reading.icc import profile_name
from pipeline.imaging.reading.identify import identify
from pipeline.imaging.reading.photo import Photo
from pipeline.imaging.reading.samples import ColorMeaning
from pipeline.imaging.rights.carriers import carriers_of
from pipeline.imaging.rights.credits import Credits, first_of
from pipeline.imaging.rights.manifest_store import manifest_store
from pipeline.imaging.rights.taking_over import taken_over
from pipeline.recipe import Recipe
from pipeline.stages.matte import alpha_sources
from pipeline.storage import PhotoReader, is_folder, scheme_of
from pipeline.wording import visible

_GPS_TAG = 34853
"""EXIF 2.32: points to the directory that says where a photograph was taken."""
_GPS_IN_XMP = b"exif:GPS"
_NOT_READ = frozenset(
    {
        ErrorCode.NOT_FOUND,
        ErrorCode.ACCESS_DENIED,
        ErrorCode.STORAGE,
        ErrorCode.URI_NOT_ALLOWED,
        ErrorCode.BAD_REQUEST,
    }
)
"""Of reading: there are no bytes to look at."""

_USED = {
    "file": "uses the alpha channel",
    "clipping_path": "uses the clipping path",
    "saved_selection": "uses the saved selection",
}
"""By what a result calls the source of its alpha. A file alone has no mask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A refusal, as a run would record it."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PathSeen:
    """A path that was saved with the picture."""

    name: str
    is_clipping: bool
    """The file marks it as its clipping path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
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
    """Of the samples: unsigned, float ..."""
    space: str | None = None
    colour: str | None = None
    """What the file says its colours mean."""
    alpha: str | None = None
    """As the file declares it: none, straight, premultiplied, key."""
    num_selections: int = 0
    channel_names: tuple[str, ...] = ()
    paths: tuple[PathSeen, ...] = ()
    orientation: int | None = None
    """EXIF 2.32, tag 274."""
    resolution_dpi: tuple[float, float] | None = None
    creator: str | None = None
    rights: str | None = None
    has_gps: bool | None = None
    """Whether it says where it was taken: where, is nobody's business."""
    has_content_credentials: bool | None = None
    notes: tuple[str, ...] = field(default=())
    """What reading it changed."""
    alpha_source: str | None = None
    """As in a result."""
    alpha_colors: str | None = None
    """As in a result: what the colours of a cut-out are along its edge."""
    run: str | None = None
    """What a run would do, in words."""
    error: Said | None = None
    """Why a run would refuse it."""
    is_readable: bool = True
    """There are bytes at all."""


def inspect(names: Sequence[str], recipe: Recipe) -> Iterator[Seen]:
    """Look at every file, one after another.

    Args:
        names: files, folders with all below them, or patterns.
        recipe: by which a run would go.

    Raises:
        ValueError: a name stands for no file.
    """
    found = [uri for name in names for uri in _files(name)]
    reader = PhotoReader(recipe.fetch, local_root="/", max_bytes=recipe.fetch.max_bytes)
    for uri in found:
        (fetched,) = reader.read_many([uri])
        if isinstance(fetched, RowError):
            unread = fetched.code in _NOT_READ
            yield Seen(uri=uri, error=_said(fetched), run=_refused(fetched), is_readable=not unread)
        else:
            yield _seen(uri, fetched.data, recipe)


def _files(name: str) -> list[str]:
    """A file need not be there: then that is what is said of it."""
    is_plain = scheme_of(name) in ("http", "https") or not any(c in name for c in "*?[")
    if is_plain and (scheme_of(name) not in ("file", "s3") or not is_folder(name)):
        return [name]
    return pictures(name, argument="FILE")


def _seen(uri: str, data: bytes, recipe: Recipe) -> Seen:
    """Whatever can be told, up to where a run would give up."""
    facts: dict[str, Any] = {"uri": uri, "num_bytes": len(data)}
    with suppress(RowError):  # what is wrong, the run's own functions say below
        facts["kind"] = identify(data)
        header = look(data, facts["kind"])
        facts |= _of_header(header) | _beside_pixels(data, header.kind)
        facts["decoder"] = chosen(header).decoder
    try:
        kind, decoded = read(data, recipe.input)
        photo = upright(kind, decoded, recipe.input)
        facts |= _of_photo(photo) | {"colour": _meant(decoded.samples.meaning)}
        facts |= _of_run(data, photo, recipe)
    except RowError as error:
        facts |= {"error": _said(error), "run": _refused(error)}
    return Seen(**facts)


def _of_header(header: Header) -> dict[str, Any]:
    return {
        "kind": header.kind,
        "width": header.width,
        "height": header.height,
        "depth": header.depth,
        "numbers": header.numbers,
        "space": header.space,
        "alpha": header.alpha,
        "num_selections": header.num_selections,
    }


def _beside_pixels(data: bytes, kind: str) -> dict[str, Any]:
    """Paths, credits and the like; what is damaged counts as not there."""
    try:
        resources = image_resources(data, kind)
    except DamagedError:
        resources = []
    carried = carriers_of(data)
    credits_ = taken_over(data, "credits").credits
    return {
        "paths": tuple(
            PathSeen(name=path.name, is_clipping=path.is_clipping)
            for path in saved_paths(resources)
        ),
        "channel_names": tuple(channel_names(resources)),
        **_named(credits_),
        "has_gps": _GPS_TAG in carried.exif or _GPS_IN_XMP in carried.xmp,
        "has_content_credentials": manifest_store(data) != b"",
    }


def _named(credits_: Credits) -> dict[str, Any]:
    return {"creator": credits_.author or None, "rights": first_of(credits_.rights) or None}


def _of_photo(photo: Photo) -> dict[str, Any]:
    height, width = photo.rgb_HWC.shape[:2]
    return {
        "width": width,
        "height": height,
        "orientation": photo.orientation,
        "resolution_dpi": photo.resolution_dpi,
        "notes": photo.notes,
    }


def _of_run(data: bytes, photo: Photo, recipe: Recipe) -> dict[str, Any]:
    """What becomes of a row that names this file and nothing else. Raises RowError, as it would."""
    row = {
        "image_bytes": data,
        "mask_bytes": None,
        "clipping_path": recipe.brief.clipping_path,
    }
    brought = alpha_sources(recipe.matte, limits=recipe.input)(row, photo)
    notes = (*photo.notes, *brought.notes)
    if brought.given is None:
        return {"notes": notes, "alpha_source": "network", "run": "cut out by the network"}
    given, coverage = brought.given, recipe.matte.coverage
    check_matte(
        given.alpha_HW, min_coverage=coverage.min_coverage, max_coverage=coverage.max_coverage
    )
    return {
        "notes": notes,
        "alpha_source": given.source,
        "alpha_colors": None if given.colors is None else str(given.colors),
        "run": _USED[given.source],
    }


def _meant(meaning: ColorMeaning) -> str:
    """All that a file says its colours mean, in words."""
    said = []
    if meaning.icc is not None:
        name = profile_name(meaning.icc)
        said.append("an unreadable profile" if name is None else f"profile {name!r}")
    if meaning.cicp is not None:
        cicp = meaning.cicp
        said.append(f"CICP {cicp.primaries}/{cicp.transfer}/{cicp.matrix}")
    if meaning.gamma is not None:
        said.append(f"gamma {meaning.gamma:.5g}")
    if meaning.chromaticities is not None:
        said.append("primaries of its own")
    if meaning.is_srgb:
        said.append("sRGB by its own word")
    if meaning.is_adobe_rgb:
        said.append("Adobe RGB by EXIF")
    return ", ".join(said) or "no profile"


def _said(error: RowError) -> Said:
    return Said(code=str(error.code), message=error.message)


def _refused(error: RowError) -> str:
    return f"refused: {error.code}: {error.message}"


def told(seen: Seen) -> str:
    """A file in a line, whatever it is called."""
    words = [part for part in (_stored(seen), *_besides(seen)) if part]
    what = f"  {', '.join(words)}" if words else ""
    notes = f" ({'; '.join(seen.notes)})" if seen.notes else ""
    return visible(f"{seen.uri}{what}; a run: {seen.run}{notes}")


def told_as_json(seen: Seen) -> str:
    """A file as a line of JSON."""
    return json.dumps(asdict(seen), ensure_ascii=False)


def _stored(seen: Seen) -> str:
    if seen.kind is None:
        return ""
    space = seen.space or ""
    if seen.width is None:
        return seen.kind
    parts = [
        f"{seen.kind}{'' if seen.decoder is None else f' by {seen.decoder}'}",
        f"{seen.width} x {seen.height} px",
        f"{space if space in ('grey', 'palette') else space.upper()}",
        f"{seen.depth} bits{' float' if seen.numbers == 'float' else ''}",
        *filter(None, [seen.colour]),
    ]
    return ", ".join(parts)


def _besides(seen: Seen) -> Iterator[str]:
    """Only what is there: a line shall be read."""
    if seen.alpha not in (None, "none"):
        yield "one colour transparent" if seen.alpha == "key" else f"{seen.alpha} alpha"
    yield from _hand_made(seen)
    if seen.orientation not in (None, 1):
        yield f"orientation {seen.orientation}"
    if seen.resolution_dpi is not None:
        across, down = (f"{dpi:.5g}" for dpi in seen.resolution_dpi)
        yield f"{across} dpi" if across == down else f"{across} x {down} dpi"
    if seen.creator:
        yield f"by {seen.creator!r}"
    if seen.rights:
        yield f"rights {seen.rights!r}"
    if seen.has_gps:
        yield "says where it was taken"
    if seen.has_content_credentials:
        yield "Content Credentials"


def _hand_made(seen: Seen) -> Iterator[str]:
    """Mattes that somebody has drawn."""
    if seen.num_selections:
        has_names = len(seen.channel_names) == seen.num_selections
        yield _counted("saved selection", seen.num_selections, seen.channel_names * has_names)
    marked = [path.name for path in seen.paths if path.is_clipping]
    others = [path.name for path in seen.paths if not path.is_clipping]
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
