"""Measuring a recipe's mattes against known ones, on photographs of your own."""

from __future__ import annotations

import csv
import time
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.errors import RowError
from pipeline.imaging.cutout.given_mask import coverage_from
from pipeline.imaging.quality.matte_metrics import MatteScores, ranking_auc, score_matte
from pipeline.imaging.reading.decode import decode_levels
from pipeline.imaging.reading.limits import ImageLimits
from pipeline.imaging.writing.encoding import decode_alpha
from pipeline.recipe import Recipe
from pipeline.stages.matte import MatteMapper, check_installed
from pipeline.tables.finding import is_hidden
from pipeline.text.printable import visible

_COLUMNS = ("id", "input", "alpha")
_HEADINGS = ("SAD", "MSE", "Grad", "Conn", "IoU", "BIoU", "BF")
_FEWEST_TO_RANK = 8
_NUM_LISTED = 5
_MOST_IN_A_FIELD = 2**17


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluated:
    """One photograph of the folder: how its matte compares, or why there is none."""

    id: str
    group: str
    scores: MatteScores | None
    confidence: float | None
    seconds_per_mp: float
    error: RowError | None = None


def evaluate(folder: Path, recipe: Recipe, *, save_alpha: Path | None) -> list[Evaluated]:
    """Cut out every photograph of a folder and compare each matte with its truth.

    Args:
        folder: holds one CSV file with the columns id, input and alpha, paths relative to it. A
            column `category` groups the summary.
        recipe: its `matte` and `input` sections are used.
        save_alpha: where to put each matte, as `<id>.png`.

    Raises:
        ValueError: the folder is not as described, or the recipe needs packages that are missing.
        FatalError: the recipe's network cannot be built.
    """
    check_installed(recipe.matte)
    rows = read_rows(folder)
    threads = recipe.resources.matte.num_threads
    mapper = MatteMapper(recipe.matte, limits=recipe.input, num_threads=threads)
    if save_alpha is not None:
        save_alpha.mkdir(parents=True, exist_ok=True)
    # The first photograph through a network pays for its warming up.
    mapper.map_batch([_row(folder / rows[0]["input"])])
    return [_evaluate_one(folder, row, mapper, recipe.input, save_alpha) for row in rows]


def read_rows(folder: Path) -> list[Mapping[str, str]]:
    """The rows of the folder's CSV file. Raises ValueError."""
    # A Mac's `._truth.csv` is no table.
    found = sorted(path for path in folder.glob("*.csv") if not is_hidden(path.name))
    if len(found) != 1:
        raise ValueError(f"{folder}: expected one CSV file, found {len(found)}")
    try:
        with found[0].open(newline="", encoding="utf-8-sig") as file:
            csv.field_size_limit(_MOST_IN_A_FIELD)  # of the process: manifests ask for more
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{found[0]}: cannot be read as CSV in UTF-8: {error}") from None
    missing = [name for name in _COLUMNS if not rows or not rows[0].get(name)]
    if missing:
        raise ValueError(f"{found[0]}: columns {missing} are missing or empty")
    for number, row in enumerate(rows, start=1):
        if not all(row.get(name) for name in _COLUMNS):
            raise ValueError(f"{found[0]}: row {number} lacks one of {list(_COLUMNS)}")
        if Path(row["id"]).name != row["id"] or "\0" in row["id"]:  # it becomes a file name
            raise ValueError(f"{found[0]}: id {row['id']!r} is no plain name")
        for name in ("input", "alpha"):
            if not (folder / row[name]).is_file():
                raise ValueError(f"{found[0]}: {name} {row[name]!r} of {row['id']!r} is no file")
    return [dict(row) for row in rows]


def print_evaluation(results: Sequence[Evaluated], console: Console) -> None:
    """Means by group, the worst mattes, and how well the confidence told them apart."""
    scored = [one for one in results if one.scores is not None]
    table = Table("", "n", *_HEADINGS, "s/MP", box=None)
    groups = sorted({one.group for one in scored})
    for group in [*(groups if len(groups) > 1 else []), None]:
        members = [one for one in scored if group in (None, one.group)]
        table.add_row(Text(visible(group or "all")), str(len(members)), *_means(members))
    console.print(table)
    console.print(
        "SAD, Grad and Conn in thousands, MSE in thousandths; lower is better. The others"
    )
    console.print("run from 0 to 1; higher is better. s/MP: from the file's bytes to the alpha's.")
    worst = Table("", "IoU", "confidence", box=None)
    for one in sorted(scored, key=_iou)[:_NUM_LISTED]:
        worst.add_row(Text(visible(one.id)), f"{_iou(one):.3f}", _said(one.confidence))
    console.print("\nleast overlap")
    console.print(worst)
    judged = [one for one in scored if one.confidence is not None]
    if len(judged) >= _FEWEST_TO_RANK:
        auc = ranking_auc([one.confidence or 0.0 for one in judged], [_iou(o) for o in judged])
        console.print(f"confidence ranks the worst quarter by IoU last: AUC {auc:.3f}")
    for one in results:
        if one.error is not None:
            console.print(Text(visible(f"no matte  {one.id}: {one.error}")), soft_wrap=True)


def _evaluate_one(
    folder: Path,
    row: Mapping[str, str],
    mapper: MatteMapper,
    limits: ImageLimits,
    save_alpha: Path | None,
) -> Evaluated:
    true_HW = _truth(folder / row["alpha"], limits)
    started = time.perf_counter()
    (outcome,) = mapper.map_batch([_row(folder / row["input"])])
    seconds_per_mp = (time.perf_counter() - started) / (true_HW.size / 1e6)
    scores, confidence, error = None, None, None
    if isinstance(outcome, RowError):
        error = outcome
    else:
        try:
            scores = score_matte(decode_alpha(outcome["alpha"]), true_HW)
        except ValueError as different:
            raise ValueError(f"{row['id']}: {different}") from None
        cutout = outcome["cutout"]
        confidence = None if cutout is None else float(cutout["confidence"])
        if save_alpha is not None:
            (save_alpha / f"{row['id']}.png").write_bytes(outcome["alpha"])
    return Evaluated(
        id=row["id"],
        group=row.get("category") or "all",
        scores=scores,
        confidence=confidence,
        seconds_per_mp=seconds_per_mp,
        error=error,
    )


def _row(photograph: Path) -> dict[str, bytes | None]:
    return {"image_bytes": photograph.read_bytes(), "mask_bytes": None, "clipping_path": None}


def _truth(path: Path, limits: ImageLimits) -> NDArray[np.float32]:
    try:
        mask = decode_levels(path.read_bytes(), limits)
        height, width = mask.values_HWC.shape[:2]
        return coverage_from(mask, (height, width)).coverage_HW
    except RowError as error:
        raise ValueError(f"{path}: {error}") from None


def _means(members: Sequence[Evaluated]) -> list[str]:
    if not members:
        return ["-"] * (len(fields(MatteScores)) + 1)
    values = [astuple(one.scores) for one in members if one.scores is not None]
    means = [f"{mean:.3f}" for mean in np.mean(values, axis=0)]
    return [*means, f"{np.mean([one.seconds_per_mp for one in members]):.2f}"]


def _iou(one: Evaluated) -> float:
    return one.scores.iou if one.scores is not None else 0.0


def _said(confidence: float | None) -> str:
    return "-" if confidence is None else f"{confidence:.2f}"
