"""One manifest row as the rows of its results: everything decided, or the error that stops it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pipeline import storage
from pipeline.errors import ErrorCode, RowError, TransientError, error_value
from pipeline.imaging.compositing.recolor import SCREEN_PROMPT
from pipeline.imaging.compositing.solid_colors import Rgb8
from pipeline.manifest.picture_columns import photograph_bytes
from pipeline.manifest.shots import Brief, ColumnKind, Shot, read_brief, shots, suffix
from pipeline.planning.prompt_and_seed import MAX_SEED, resolve_color, resolve_prompt, resolve_seed
from pipeline.planning.row_addresses import (
    check_bounds,
    resolve_address,
    resolve_image_uri,
    resolve_mask_uri,
)
from pipeline.planning.untrusted import STRICTEST
from pipeline.recipe import Recipe
from pipeline.stages.wrappers.stricter_limits import MARK
from pipeline.tables import as_kind


@dataclass(frozen=True, kw_only=True, slots=True)
class RowPlanner:
    """Plans the rows of one manifest, each by itself."""

    recipe: Recipe
    root: str
    """The folder that relative addresses start from."""
    brief_columns: Sequence[str]
    """The manifest columns in which rows say what they ask for."""
    kinds_of_text: Mapping[str, ColumnKind]
    """The columns of text whose values spell another kind of value."""
    bounds: storage.Bounds | None
    """The objects that rows may name; None: whoever fetches them refuses them all."""
    untrusted: bool
    """Whether rows are held to the strictest limits."""
    whole: Mapping[str, str]
    """The whole addresses by what the manifest has of them, as in `Planner`."""

    def results(self, row: Mapping[str, Any], fault: str | None) -> list[dict[str, Any]]:
        """The results of a manifest row, in order; a single one with its error if it has one.

        Args:
            row: the columns that decide something.
            fault: why a column of the row cannot be used; None: all can.
        """
        kinds = self.kinds_of_text.items()
        row = {**row, **{name: as_kind(row[name], kind) for name, kind in kinds}}
        # Filled in as it is decided: a row that fails tells what was known of it by then.
        planned: dict[str, Any] = {
            "sample_id": row["id"],
            "id": row["id"],
            "image_uri": None,
            "image_input": photograph_bytes(row.get("image")),
            "mask_uri": None,
            "clipping_path": None,
            "reference_uris": [],
            "prompt": None,
            "prompt_origin": None,
            "seed": 0,
            "shot": None,
            "error": None,
        }
        if fault is not None:
            error = RowError(ErrorCode.BAD_REQUEST, fault)
            return [{**planned, "error": error_value("plan", error)}]
        try:
            brief = read_brief(row, self.recipe.brief, columns=self.brief_columns)
            prompt, origin = resolve_prompt(row, self.recipe, color=brief.background_color)
            planned |= {"prompt": prompt, "prompt_origin": origin}
            planned["seed"] = resolve_seed(row.get("seed"), row["id"])
            planned["image_uri"] = self._whole("image_uri", resolve_image_uri(row, self.root))
            planned["clipping_path"] = brief.clipping_path
            planned["mask_uri"] = self._whole("mask_uri", resolve_mask_uri(row, self.root))
            references = [
                resolve_address("reference_uri", cell, self.root) for cell in brief.reference_uri
            ]
            planned["reference_uris"] = [self._whole("reference_uri", uri) for uri in references]
            check_bounds(planned, self.bounds)
            expanded = _expand(brief, resolve_color(brief, prompt))
            if self.untrusted:
                _check_count(len(expanded))
        except RowError as error:
            return [{**planned, "error": error_value("plan", error)}]
        return [
            {
                **planned,
                **_prompt_of_shot(result.shot, prompt, origin),
                "sample_id": row["id"] + result.suffix,
                "seed": (planned["seed"] + result.shot.result - 1) % MAX_SEED,
                "shot": result.value,
            }
            for result in expanded
        ]

    def _whole(self, column: str, uri: str | None) -> str | None:
        """The whole address, where something of it is withheld in this manifest.

        Raises:
            TransientError: `not_found`, nobody knows it any more.
        """
        if uri is None or not storage.is_withheld(uri):
            return uri
        if uri not in self.whole:
            raise TransientError(ErrorCode.NOT_FOUND, f"{column} {storage.WITHHELD}")
        return self.whole[uri]


@dataclass(frozen=True, slots=True)
class _Result:
    """A result of a row. Shared by many rows: not to be changed."""

    shot: Shot
    suffix: str
    """What tells its id from those of the row's other results."""
    value: Mapping[str, Any]
    """The shot as a plan row has it."""


@lru_cache(maxsize=4096)
def _expand(brief: Brief, color: Rgb8 | None) -> tuple[_Result, ...]:
    """The results that a brief comes to; most rows of a manifest ask for the same."""
    siblings = shots(brief, color)
    return tuple(
        _Result(shot, suffix(shot, siblings), shot.model_dump(mode="json")) for shot in siblings
    )


def _prompt_of_shot(shot: Shot, prompt: str, origin: str) -> dict[str, str]:
    """The prompt of one shot: a set that is to be recoloured is drawn in green first."""
    if shot.paint == "recolored":
        return {"prompt": SCREEN_PROMPT, "prompt_origin": "solid_color"}
    return {"prompt": prompt, "prompt_origin": origin}


def _check_count(num_pictures: int) -> None:
    """Refuse a row of a stranger that asks for more than one picture's work many times over.

    Raises:
        RowError: `bad_request`.
    """
    if num_pictures > STRICTEST.max_results:
        raise RowError(
            ErrorCode.BAD_REQUEST,
            f"num_results and placement ask for {num_pictures} pictures, at most "
            f"{STRICTEST.max_results} of a row are made{MARK}",
        )
