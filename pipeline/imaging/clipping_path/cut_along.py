"""Cutting a photograph out along a path that was saved with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.clipping_path.coverage import Overlaps, coverage_of
from pipeline.imaging.clipping_path.inset import inset
from pipeline.imaging.clipping_path.outline import outlines
from pipeline.imaging.clipping_path.saved_paths import (
    SavedPath,
    marked_name,
    plain_name,
    saved_paths,
    without_repeats,
)
from pipeline.imaging.containers.photoshop_resources import DamagedError, image_resources

# Shape suffixes: H height, W width.

_LEAST_SHARE = 1e-5
"""The smallest share of the picture, [0, 1], that a path has to cover; one that covers less cuts
nothing out."""
_FRAME_SHARE = 0.01
"""The share of a side, [0, 1], within which a rectangle counts as the frame itself, not as an
outline."""
_MOST_NAMED = 10


class ClippingPathConfig(BaseModel):
    """What is made of the clipping path that a photograph brings along."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    use: bool = Field(
        default=True,
        description="Cut out along the path that the file itself marks as its clipping path. A "
        "path that a row names is used either way.",
    )
    use_unmarked: bool = Field(
        default=False,
        description="Cut out along a path that the file does not mark, if it is the only one. For "
        "studios that leave their paths unmarked, lest layout programs clip by themselves; "
        "elsewhere such a path may be anything that a retoucher once selected.",
    )
    inset_px: float = Field(
        0.0,
        ge=-20,
        le=20,
        description="Moves the outline inwards, px of the photograph; negative: outwards. Studios "
        "that draw on the edge itself leave a rim of the old background, which 0.5 to 1 takes off.",
    )
    overlaps: Overlaps = Field(
        "exclude",
        description="Where subpaths overlap that Photoshop combines: 'exclude' leaves a hole, as "
        "PostScript, and so print, does; 'combine' fills it.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """The paths of a file."""

    names: tuple[str, ...] = ()
    chosen: SavedPath | None = None
    """The one to cut out along; None: none of them."""
    notes: tuple[str, ...] = ()
    """The reasons why no path was chosen although there are some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathCut:
    """A cut-out along a path, or why there is none."""

    alpha_HW: NDArray[np.float32] | None = None
    """Coverage, [0, 1], read-only, at the size of the upright photograph."""
    notes: tuple[str, ...] = ()


def find_paths(
    data: bytes, file_format: str, config: ClippingPathConfig, *, asked: str | None
) -> Paths:
    """Find a file's paths and choose the one that counts: the one asked for, else the marked one.

    A path that nobody has marked may be anything, such as what a retoucher once selected; so it
    counts only where it is asked for, or where the recipe lets the only one count.

    Args:
        data: the file.
        file_format: its format, as Pillow names it.
        config: of the recipe.
        asked: name of a path; None: nobody asks for one.

    Raises:
        RowError: `bad_request`, the file has no such path.
    """
    try:
        resources = image_resources(data, file_format)
        saved = saved_paths(resources)
        marked = marked_name(resources)
    except DamagedError as error:
        if asked is not None:
            raise refusal(asked, f"the file's paths are unreadable: {error}") from error
        return Paths(notes=(f"clipping path unreadable, not used: {error}",))
    names = tuple(path.name for path in saved)
    if asked is not None:
        exact = (path for path in saved if plain_name(path.name) == plain_name(asked))
        named = next(exact, None) or next((path for path in saved if path.is_called(asked)), None)
        if named is None:
            contents = f"there are {_listed(names)}" if names else f"a {file_format} without any"
            raise RowError(
                ErrorCode.BAD_REQUEST,
                f"clipping_path: the photograph has no path {asked!r}: {contents}",
            )
        return Paths(names=names, chosen=named)
    chosen = next((path for path in saved if path.is_clipping), None)
    if chosen is None and config.use_unmarked and len(saved) == 1:
        chosen = saved[0]
    if not config.use:
        off = f"clipping path {chosen.name!r} not used: matte.clipping_path.use" if chosen else ""
        return Paths(names=names, notes=(off,) if off else ())
    if chosen is None and marked is not None:
        note = f"clipping path {marked!r} is not in the file: not used"
        return Paths(names=names, notes=(note,))
    if chosen is None and names:
        note = (
            f"saved path {_listed(names)} not used: none is marked as the clipping path; name "
            "one in clipping_path, or see matte.clipping_path.use_unmarked"
        )
        return Paths(names=names, notes=(note,))
    return Paths(names=names, chosen=chosen)


def cut_along(
    path: SavedPath,
    size_HW: tuple[int, int],
    config: ClippingPathConfig,
    *,
    orientation: int = 1,
    is_asked_for: bool = False,
) -> PathCut:
    """Cut out along a path: hard, but for the antialiasing of the edge.

    Args:
        path: as saved.
        size_HW: of the upright photograph.
        config: of the recipe.
        orientation: how the stored pixels were turned to be upright.
        is_asked_for: by the row; then a path that cuts nothing out is an error, not a note.

    Raises:
        RowError: `bad_request`, as above.
    """
    try:
        drawn = path.subpaths()
        subpaths = without_repeats(drawn)
        polygons = outlines(subpaths, size_HW, orientation=orientation)
        alpha_HW = coverage_of(polygons, size_HW, overlaps=config.overlaps)
        alpha_HW = inset(alpha_HW, polygons, by_px=config.inset_px)
        fault = _useless(alpha_HW)
    except DamagedError as error:
        fault = f"unreadable: {error}"
    if fault:
        if is_asked_for:
            raise refusal(path.name, fault)
        return PathCut(notes=(f"clipping path {path.name!r} not used: {fault}",))
    alpha_HW.flags.writeable = False
    moved = f", {config.inset_px:g} px inside" if config.inset_px else ""
    once = ", what is drawn twice in it once" if len(subpaths) < len(drawn) else ""
    return PathCut(alpha_HW=alpha_HW, notes=(f"clipping path {path.name!r} used{moved}{once}",))


def _useless(alpha_HW: NDArray[np.float32]) -> str:
    """The reason why a path cuts nothing out; empty: it does."""
    height, width = alpha_HW.shape
    share = float(alpha_HW.mean(dtype=np.float64))
    if share < _LEAST_SHARE:
        return "it covers nothing of the picture"
    rows, columns = (np.flatnonzero(alpha_HW.max(axis=axis) > 0) for axis in (1, 0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    margins = max(top, height - bottom) / height, max(left, width - right) / width
    filled = share * height * width / ((bottom - top) * (right - left))
    if max(margins) <= _FRAME_SHARE and filled > 1 - 2 * _FRAME_SHARE:
        return "it goes around the whole picture"
    return ""


def refusal(name: str, why: str) -> RowError:
    """The error of a row that asks for a path that cuts nothing out."""
    return RowError(ErrorCode.BAD_REQUEST, f"clipping_path: {name!r} cannot be used: {why}")


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(repr(name) for name in names[:_MOST_NAMED]) + more
