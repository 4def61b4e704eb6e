"""What a hostile input is, and the ends it may come to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pytest

from pipeline.errors import ErrorCode

PICTURE = "picture"
"""The end of a row that looks bad and is not."""
_NO_BUGS = frozenset({PICTURE, *ErrorCode}) - {
    ErrorCode.UNEXPECTED,
    ErrorCode.KILLED_WORKER,
    ErrorCode.TOO_SLOW,
}
"""Every end that is none of our own making. A case names fewer."""

EVERY = 40
"""One case in so many of a group is tried by `make test`, the first among them."""

File = bytes | Callable[[Path], None]
"""What a file holds; or what puts something at a path that is no plain file."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A manifest row, with the files that it names."""

    group: str
    name: str
    columns: Mapping[str, Any]
    """Instead of those of a healthy row."""
    ends: frozenset[str]
    files: Mapping[str, File] = field(default_factory=dict)
    """By path in the catalogue's folder."""

    def __post_init__(self) -> None:
        assert self.ends, self.name
        assert self.ends <= _NO_BUGS, self.name


@dataclass(frozen=True, kw_only=True)
class Request:
    """A command line, with the files that it names."""

    group: str
    name: str
    arguments: Callable[[Path], Sequence[str]]
    """Given a folder with `files` and a healthy catalogue in it."""
    says: str = ""
    """What the one line must hold: as a rule, the name of the field."""
    files: Mapping[str, File] = field(default_factory=dict)
    codes: frozenset[int] = frozenset({2})
    """0 besides 2 where the input may as well be understood."""


AnyCase = TypeVar("AnyCase", Row, Request)


def put(folder: Path, files: Mapping[str, File]) -> None:
    """Write the files of a case."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            content(path)


def manifest(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The rows as a table; what a row does not have is null."""
    names = dict.fromkeys(chain.from_iterable(rows))
    types = {"image": pa.binary()}
    columns = {name: [row.get(name) for row in rows] for name in names}
    return pa.table({name: pa.array(values, types.get(name)) for name, values in columns.items()})


def parameters(cases: Iterable[AnyCase]) -> list[Any]:
    """The cases for `pytest.mark.parametrize`; all but a few of each group only by `make hostile`.

    Raises:
        ValueError: two cases share a name.
    """
    made: list[Any] = []
    counted: dict[str, int] = {}
    names: set[str] = set()
    for case in cases:
        name = f"{case.group}-{case.name}"
        if name in names:
            raise ValueError(f"two cases are called {name}")
        names.add(name)
        number = counted.get(case.group, 0)
        counted[case.group] = number + 1
        marks = [pytest.mark.hostile] if number % EVERY else []
        made.append(pytest.param(case, id=name, marks=marks))
    return made
