"""What runs are called, and which one a request means.

A `run` is called by the moment at which it began. The nights of a day share a name that follows
from the request, so that two that begin at once, or a second after a killed one, mean the same run;
what a day makes after that one is finished is numbered: `nightly-20261122-studio-5f0c1d`,
`nightly-20261122-studio-5f0c1d-002`. So names sort as their runs began.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline import storage
from pipeline.runs.documents import read_document
from pipeline.runs.run_folder import Request

_PREFIX = "run_id="


@dataclass(frozen=True, kw_only=True, slots=True)
class Begun:
    """A run of the same request that has a plan."""

    run_id: str
    created_at: datetime
    is_finished: bool


def begun_of(output: str, request: Request) -> Iterator[Begun]:
    """The runs of a request under a dataset root, those with the last names first."""
    for folder in reversed(storage.list_folders(storage.absolute(output))):
        document = read_document(folder, "run.json")
        if document is not None and document["request"] == request.as_json():
            yield Begun(
                run_id=str(document["run_id"]),
                created_at=datetime.fromisoformat(document["created_at"]),
                is_finished=_is_finished(folder),
            )


def fresh_run_id(recipe_name: str, now: datetime) -> str:
    """An id that no run has yet: the time to the millisecond, and the recipe."""
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%S%f")[:-3]
    return f"{stamp}-{recipe_name}"


def nightly_run_id(request: Request, recipe_name: str, now: datetime) -> str:
    """What the nights of a day (UTC) are called, for the same request."""
    asked = json.dumps(request.as_json(), sort_keys=True)
    digest = hashlib.sha256(asked.encode()).hexdigest()[:6]
    return f"nightly-{now.astimezone(UTC):%Y%m%d}-{recipe_name}-{digest}"


def find_nightly_run_id(output: str, day: str) -> tuple[str, str | None]:
    """The run of a day that a night is to go on with, or begin.

    Args:
        output: a dataset root.
        day: what the nights of that day are called.

    Returns:
        Its id, and that of the finished one before it, if it is not the first of its day.
    """
    numbers = [
        number
        for folder in storage.list_folders(storage.absolute(output))
        if (number := _number(folder.rpartition("/")[2].removeprefix(_PREFIX), day))
    ]
    last = max(numbers, default=1)
    if not _is_finished(storage.join(storage.absolute(output), f"{_PREFIX}{_named(day, last)}")):
        # Planned or not: who is killed while he plans leaves the name to the next.
        return _named(day, last), _named(day, last - 1) if last > 1 else None
    return _named(day, last + 1), _named(day, last)


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


def _is_finished(folder: str) -> bool:
    return storage.exists(storage.join(folder, "_SUCCESS"))
