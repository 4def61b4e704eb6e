"""What makes a sequence fast and changes nothing of what happens in it.

No thread is started, and what was read of the same bytes before is not read again.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Hashable, Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from pipeline.runs import earlier_runs, result_files

_MOST = 3000
"""As much is remembered of anything."""


class Memo:
    """What was worked out once, by what it follows from."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Any] = {}

    def __call__(self, key: Hashable, work: Callable[[], Any]) -> Any:
        if key not in self._known:
            if len(self._known) > _MOST:
                self._known.clear()
            self._known[key] = work()
        return self._known[key]


class RememberedFile:
    """A Parquet file; what was read of the same bytes before is not read again."""

    _files, _tables = Memo(), Memo()

    def __init__(self, source: Any, *, filesystem: pafs.FileSystem | None = None) -> None:
        with source if filesystem is None else filesystem.open_input_file(source) as file:
            self._data = file.read()
        self._file = self._files(
            self._data, lambda: pq.ParquetFile(io.BytesIO(self._data), pre_buffer=False)
        )

    def __enter__(self) -> RememberedFile:
        return self

    def __exit__(self, *_: object) -> None: ...

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def read(self, columns: Sequence[str] = ()) -> pa.Table:
        return self._tables(
            (self._data, *columns),
            lambda: self._file.read(columns=list(columns) or None, use_threads=False),
        )

    def read_row_groups(self, groups: Sequence[int]) -> pa.Table:
        return self._tables(
            (self._data, *groups), lambda: self._file.read_row_groups(groups, use_threads=False)
        )


_answers, _answers_before = earlier_runs._answers, Memo()
_repeated, _repeated_before = earlier_runs._repeated, Memo()
_committed, _committed_before = result_files._committed, Memo()
# A table is remembered with what follows from it, so that its id stays its own.


def answers(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    """As `pipeline.runs.earlier_runs` has it, once for the same table."""
    return _answers_before(id(table), lambda: (_answers(table), table))[0]


def repeated(value: Any, table: pa.Table, type_: pa.DataType) -> pa.Array:
    """As `pipeline.runs.earlier_runs` has it, once for tables of as many rows."""
    key = (value, table.num_rows, type_)
    return _repeated_before(key, lambda: _repeated(value, table, type_))


def committed(name: str, table: pa.Table) -> result_files.Committed:
    """As `pipeline.runs.result_files` has it, once for the same table."""
    return _committed_before((name, id(table)), lambda: (_committed(name, table), table))[0]


class InTurn:
    """A pool of threads that has none: what is submitted is done at once."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __enter__(self) -> InTurn:
        return self

    def __exit__(self, *_: object) -> None: ...

    def map(self, work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        return [work(item) for item in items]

    def submit(self, work: Callable[[Any], Any], item: Any) -> SimpleNamespace:
        answer = work(item)
        return SimpleNamespace(result=lambda: answer)

    def shutdown(self, **_: Any) -> None: ...


def without_waiting(work: Any) -> Any:
    """Do what waits for nothing."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


class Idle:
    """A thread that never begins: hearts beat when time passes."""

    def __init__(self, **_: Any) -> None: ...

    def start(self) -> None: ...

    def join(self) -> None: ...
