"""Which run this is: what runs are called, and which of those that are there a request means.

A `run` is called by the moment at which it began. The nights of a day share a name that follows
from the request, so that two that begin at once, or a second after a killed one, mean the same run;
what a day makes after that one is finished is numbered: `nightly-20261122-studio-5f0c1d`,
`nightly-20261122-studio-5f0c1d-002`. So names sort as their runs began.

A run has begun once its folder holds a `run.json`, which is written after the plan, and is finished
once it holds a `_SUCCESS`. A request means its unfinished run; else its finished one, as long as
nothing has changed that it was made from; else a new one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import Any

from pipeline import storage
from pipeline.recipe import Recipe
from pipeline.runs.documents import read_document
from pipeline.runs.past_runs import DOCUMENTS_AT_ONCE, PastRun, past_runs
from pipeline.storage.parallel import in_threads

_PREFIX = "run_id="
_NO_TEXT = re.compile(
    r"[0-9._-]+|[0-9.]+([eE][-0-9]+)?[dDfFlL]?|[0-9]+-[0-9]+-[0-9]+T[0-9.]*Z?"
    r"|0[xb][0-9a-f_]+|nan|inf(inity)?|epoch|null|__HIVE_DEFAULT_PARTITION__",
    re.IGNORECASE,
)
"""What Spark, DuckDB or Arrow read out of `run_id=...` as something else than text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What somebody asked for. The same request again means the same run, until it is finished."""

    manifest: str
    where: str | None
    limit: int | None
    config_hash: str
    only_changed: bool = False
    """Whether rows that earlier runs have settled are left out."""
    reading: Mapping[str, Any] = field(default_factory=dict)
    """How the manifest's files are read: `Reading.as_json`."""
    untrusted: bool = False
    """Whether the rows are held to the limits of `pipeline.planning.untrusted`."""

    def as_json(self) -> dict[str, Any]:
        """The request as `run.json` has it. A trusted one reads as before there was a choice."""
        values = asdict(self)
        if not self.untrusted:
            del values["untrusted"]
        return values


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """The run that a request means."""

    run_id: str
    is_unchanged: bool = False
    """Whether it is finished, and what it was made from is as it was."""
    comes_after: str | None = None
    """The id of the finished run of the same request that it comes after, if it is another."""
    has_others: bool = False
    """Whether it is new, and there are other runs under the same output."""


# --- names --------------------------------------------------------------------------------------


def run_uri(output: str, run_id: str) -> str:
    """The folder of a run.

    Raises:
        ValueError: the id could lead out of the output folder, or reads as a number or a date.
    """
    if not re.fullmatch(r"(?![.-])[A-Za-z0-9._-]{1,128}", run_id):
        raise ValueError(
            f"--run-id {run_id!r}: use letters, digits, '.', '_' and '-', at most 128 of them and "
            "neither '.' nor '-' to start with"
        )
    if _NO_TEXT.fullmatch(run_id):
        raise ValueError(
            f"--run-id {run_id}: readers that go by the folder's name take it for a number, a date "
            "or nothing (Spark reads 0007 as 7, DuckDB 0x10 as 16): put a word before it, such as "
            f"run-{run_id}"
        )
    return storage.join(storage.absolute(output), f"{_PREFIX}{run_id}")


def run_id_of(uri: str) -> str:
    """What the run in a folder is called, by the folder's name."""
    return uri.rpartition(f"/{_PREFIX}")[2]


def fresh_run_id(recipe_name: str, now: datetime) -> str:
    """An id that no run has yet: the time to the millisecond, and the recipe."""
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%S%f")[:-3]
    return f"{stamp}-{recipe_name}"


def nightly_run_id(request: Request, recipe_name: str, now: datetime) -> str:
    """What the nights of a day (UTC) are called, for the same request."""
    asked = json.dumps(request.as_json(), sort_keys=True)
    digest = hashlib.sha256(asked.encode()).hexdigest()[:6]
    return f"nightly-{now.astimezone(UTC):%Y%m%d}-{recipe_name}-{digest}"


# --- states -------------------------------------------------------------------------------------


def begun_as(uri: str, request: Request) -> dict[str, Any] | None:
    """The `run.json` of a run that the request has begun; None if nobody has begun one there.

    Raises:
        ValueError: the run id belongs to another request.
    """
    document = read_document(uri, "run.json")
    if document is None:
        return None
    was, asked = document["request"], request.as_json()
    if was != asked:
        differing = [k for k in asdict(request) if was.get(k) != asked.get(k)]
        raise ValueError(
            f"--run-id {document['run_id']}: started with another {', '.join(differing)}; "
            "choose a new run id, or repeat its command to continue it"
        )
    return document


def is_finished(uri: str) -> bool:
    """Whether the run in a folder has said that it is."""
    return storage.exists(storage.join(uri, "_SUCCESS"))


@dataclass(frozen=True, kw_only=True, slots=True)
class _BegunRun:
    """A run of the request that has a plan."""

    run_id: str
    created_at: datetime
    is_finished: bool


# --- the run that is meant ----------------------------------------------------------------------


def identify(
    output: str,
    request: Request,
    recipe_name: str,
    *,
    clock: Callable[[], datetime],
    is_unchanged: Callable[[str], bool],
    run_id: str | None = None,
    again: bool = False,
) -> Identity:
    """The run that a request means, whether it is there or is still to begin.

    Args:
        output: a dataset root.
        request: what is asked for.
        recipe_name: what new runs are called after.
        clock: tells the time.
        is_unchanged: whether what a finished run was made from is as it was, by the run's id.
        run_id: how the run is called if somebody has said it.
        again: to make all rows anew, also if nothing has changed.

    Raises:
        ValueError: the run id is none.
    """
    if run_id is not None:
        run_uri(output, run_id)
        return Identity(run_id=run_id)
    if request.only_changed:
        return _night(output, nightly_run_id(request, recipe_name, clock()))
    folders = _run_folders(output)
    finished = []
    for run in _begun(request, folders):
        if not run.is_finished:
            return Identity(run_id=run.run_id)
        finished.append(run)
    newest = max(finished, key=lambda run: run.created_at, default=None)
    if newest is not None and not again and is_unchanged(newest.run_id):
        return Identity(run_id=newest.run_id, is_unchanged=True)
    return Identity(
        run_id=fresh_run_id(recipe_name, clock()),
        comes_after=None if newest is None else newest.run_id,
        has_others=bool(folders),
    )


def identify_reprocessing(
    output: str,
    *,
    condition: str,
    run_id: str | None,
    recipe_of: Callable[[Sequence[PastRun]], Recipe | None],
) -> tuple[PastRun, Recipe] | None:
    """The run that a request to make chosen rows anew goes on with, if it has begun one.

    Args:
        output: a dataset root.
        condition: what the rows were chosen by.
        run_id: of the run; None: any that is not finished.
        recipe_of: the recipe that the request means for rows of these runs; None: it means none.

    Returns:
        The run and its recipe; None: there is none to go on with.

    Raises:
        ValueError: the run id is none, or belongs to another request.
    """
    runs = past_runs(output)
    if run_id is not None:
        run_uri(output, run_id)
    for run in runs:
        is_candidate = run.run_id == run_id or (run_id is None and not run.is_finished)
        if is_candidate and run.document["condition"] == condition:
            parents = [parent for parent in runs if parent.run_id in run.document["parent"]]
            recipe = recipe_of(parents)
            if recipe and recipe.config_hash == run.document["request"]["config_hash"]:
                return run, recipe
    if any(run.run_id == run_id for run in runs):
        raise ValueError(
            f"--run-id {run_id}: started with another request; choose a new run id, or repeat its "
            "command to continue it"
        )
    return None


def _run_folders(output: str) -> list[str]:
    """The folders of runs under a dataset root, sorted by name."""
    folders = storage.list_folders(storage.absolute(output))
    return [folder for folder in folders if f"/{_PREFIX}" in folder]


def _begun(request: Request, folders: Sequence[str]) -> Iterator[_BegunRun]:
    """The runs in these folders that the request has begun, those with the last names first.

    The last one is read by itself, for it is the one that a repeated command goes on with. The
    others are read many at once: a store that answers within 50 ms would take 20 s for 400 runs,
    one after another.
    """
    newest_first = list(reversed(folders))
    read = partial(_read_begun, request=request)
    others = in_threads(read, newest_first[1:], at_once=DOCUMENTS_AT_ONCE)
    for run in chain(map(read, newest_first[:1]), others):
        if run is not None:
            yield run


def _read_begun(folder: str, *, request: Request) -> _BegunRun | None:
    """The run in a folder; None where another request has begun it, or nobody."""
    document = read_document(folder, "run.json")
    if document is None or document["request"] != request.as_json():
        return None
    return _BegunRun(
        run_id=str(document["run_id"]),
        created_at=datetime.fromisoformat(document["created_at"]),
        is_finished=is_finished(folder),
    )


def _night(output: str, day: str) -> Identity:
    """The run of a day that a night goes on with, or begins.

    Args:
        output: a dataset root.
        day: what the nights of that day are called.
    """
    numbers = [
        number for folder in _run_folders(output) if (number := _number(run_id_of(folder), day))
    ]
    last = max(numbers, default=1)
    if not is_finished(run_uri(output, _named(day, last))):
        # Planned or not: who is killed while he plans leaves the name to the next.
        before = _named(day, last - 1) if last > 1 else None
        return Identity(run_id=_named(day, last), comes_after=before)
    return Identity(run_id=_named(day, last + 1), comes_after=_named(day, last))


def _named(day: str, number: int) -> str:
    return day if number == 1 else f"{day}-{number:03d}"


def _number(run_id: str, day: str) -> int | None:
    """Which of its day's runs that is; None: it is of another day, or request.

    >>> _number("nightly-20261122-studio-5f0c1d-002", "nightly-20261122-studio-5f0c1d")
    2
    """
    rest = run_id.removeprefix(day)
    if rest == "" or not run_id.startswith(day):
        return None if rest else 1
    digits = rest.removeprefix("-")
    number = int(digits) if digits.isascii() and digits.isdigit() else 0
    return number if number > 1 and run_id == _named(day, number) else None
