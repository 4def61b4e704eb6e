"""What is in a picture file, and what a run would do with it: by the functions that a run uses."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.pictures.named_files import DELIVERED, pictures, reader
from jobs.pictures.picture_facts import PictureFacts, Refusal, SavedPath
from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.clipping_path.channel_names import channel_names
from pipeline.imaging.clipping_path.saved_paths import saved_paths
from pipeline.imaging.containers.identify import identify
from pipeline.imaging.containers.photoshop_resources import DamagedError, image_resources
from pipeline.imaging.cutout.alpha import check_matte
from pipeline.imaging.libraries.header import Header
from pipeline.imaging.libraries.samples import ColorMeaning
from pipeline.imaging.reading.color.cicp import PRIMARY_NAMES
from pipeline.imaging.reading.color.icc import profile_name
from pipeline.imaging.reading.decode import read, upright
from pipeline.imaging.reading.decoder_choice import chosen, look
from pipeline.imaging.reading.photo import Photo
from pipeline.imaging.rights.carriers import carriers_of
from pipeline.imaging.rights.credits import Credits, first_of
from pipeline.imaging.rights.location import tells_place
from pipeline.imaging.rights.manifest_store import manifest_store
from pipeline.imaging.rights.taking_over import taken_over
from pipeline.models.matting.load_network import build_network
from pipeline.models.matting.matting_config import U2NetConfig
from pipeline.models.matting.network import MattingNetwork
from pipeline.recipe import Recipe
from pipeline.stages.matte import alpha_sources
from pipeline.stages.matting.given_alpha import AlphaSources
from pipeline.storage import is_folder, scheme_of, shown

_NOT_READ = frozenset(
    {
        ErrorCode.NOT_FOUND,
        ErrorCode.ACCESS_DENIED,
        ErrorCode.STORAGE,
        ErrorCode.URI_NOT_ALLOWED,
        ErrorCode.BAD_REQUEST,
    }
)
"""The error codes of reading: there are no bytes to look at."""

_USED = {
    "file": "uses the alpha channel",
    "clipping_path": "uses the clipping path",
    "saved_selection": "uses the saved selection",
}
"""The words for each source of alpha, by its name in a result. A file alone has no mask."""


class _Embedded:
    """The network that comes with Backlot, loaded when it is first asked."""

    def __init__(self, config: U2NetConfig) -> None:
        self._config = config
        self._network: MattingNetwork | None = None

    def __call__(self, rgb_HWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        if self._network is None:
            self._network = build_network(self._config, num_threads=1)
            assert self._network is not None  # its weights are in the package
        (coarse_HW,) = self._network.predict([rgb_HWC])
        return coarse_HW


def inspect(names: Sequence[str], recipe: Recipe) -> Iterator[PictureFacts]:
    """Look at every file, one after another.

    Where a run would ask its network whether an alpha channel is a cut-out, the embedded one is
    asked; what others would be asked is left open, with a note, as they may want a GPU.

    Args:
        names: files, folders with all below them, or patterns.
        recipe: by which a run would go.

    Raises:
        ValueError: a name stands for no file.
    """
    found = [uri for name in names for uri in _files(name)]
    network = recipe.matte.network
    ask = None
    if isinstance(network, U2NetConfig) and network.weights is None:
        ask = _Embedded(network)
    alphas = alpha_sources(recipe.matte, limits=recipe.input, ask=ask)
    reading = reader(found, recipe.fetch)
    for uri in found:
        (fetched,) = reading.read_many([uri])
        if scheme_of(uri) in ("http", "https"):
            uri = shown(uri)  # noqa: PLW2901 - from here on it is told, and may be signed
        if isinstance(fetched, RowError):
            unread = fetched.code in _NOT_READ
            yield PictureFacts(
                uri=uri, error=_refusal(fetched), run=_refused(fetched), is_readable=not unread
            )
        else:
            yield _facts_of(uri, fetched.data, recipe, alphas)


def _files(name: str) -> list[str]:
    """A file need not be there: then that is what is said of it."""
    is_plain = scheme_of(name) in ("http", "https") or not any(c in name for c in "*?[")
    if is_plain and (scheme_of(name) not in ("file", "s3") or not is_folder(name)):
        return [name]
    return pictures(name, argument="FILE", suffixes=DELIVERED)


def _facts_of(uri: str, data: bytes, recipe: Recipe, alphas: AlphaSources) -> PictureFacts:
    """Whatever can be told, up to where a run would give up."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # remarks of libraries on damaged metadata: no line of ours
        return _all_facts_of(uri, data, recipe, alphas)


def _all_facts_of(uri: str, data: bytes, recipe: Recipe, alphas: AlphaSources) -> PictureFacts:
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
        facts |= _of_run(data, photo, recipe, alphas)
    except RowError as error:
        facts |= {"error": _refusal(error), "run": _refused(error)}
    return PictureFacts(**facts)


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
            SavedPath(name=path.name, is_clipping=path.is_clipping)
            for path in saved_paths(resources)
        ),
        "channel_names": tuple(channel_names(resources)),
        **_named(credits_),
        "has_gps": tells_place(carried),
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
        "is_opaque": photo.alpha_HW is None,
        "resolution_dpi": photo.resolution_dpi,
        "notes": photo.notes,
    }


def _of_run(data: bytes, photo: Photo, recipe: Recipe, alphas: AlphaSources) -> dict[str, Any]:
    """What becomes of a row that names this file and nothing else. Raises RowError, as it would."""
    row = {
        "image_bytes": data,
        "mask_bytes": None,
        "clipping_path": recipe.brief.clipping_path,
    }
    brought = alphas(row, photo)
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
        unread = f"an unreadable profile of {len(meaning.icc):,} bytes"
        said.append(unread if name is None else f"profile {name!r}")
    if meaning.cicp is not None:
        cicp = meaning.cicp
        name = "sRGB" if (cicp.primaries, cicp.transfer) == (1, 13) else None
        name = name or PRIMARY_NAMES.get(cicp.primaries, "unknown primaries")
        said.append(f"{name} by CICP {cicp.primaries}/{cicp.transfer}/{cicp.matrix}")
    if meaning.gamma is not None:
        said.append(f"gamma {meaning.gamma:.5g}")
    if meaning.chromaticities is not None:
        said.append("primaries of its own")
    if meaning.is_srgb:
        said.append("sRGB by its own word")
    if meaning.is_adobe_rgb:
        said.append("Adobe RGB by EXIF")
    return ", ".join(said) or "no profile"


def _refusal(error: RowError) -> Refusal:
    return Refusal(code=str(error.code), message=error.message)


def _refused(error: RowError) -> str:
    return f"refused: {error.code}: {error.message}"
