"""Tables that some format keeps: told by their logs, and read by the format's own library.

Their folders look like heaps of Parquet files, and hold rows that were deleted or replaced long
ago: which files and rows are live, only the log knows. So whatever is named at, above or below such
a folder is found here before a file of it is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath

from pipeline import storage
from pipeline.storage.parallel import in_threads
from pipeline.tables.lakes.delta import open_delta
from pipeline.tables.lakes.iceberg import METADATA, open_iceberg
from pipeline.tables.lakes.lance import open_lance
from pipeline.tables.table import Table

_AT_ONCE = 16
_DATA = (".parquet", ".pq", ".orc", ".avro", ".lance", ".json", ".text", ".hint")
"""Endings of files that may be part of such a table."""
_ICEBERG = re.compile(
    r"/metadata/([^/]+\.metadata\.json(\.gz)?|version-hint\.text|snap-[^/]+\.avro)$"
)
_DUCKLAKE = re.compile(r"(^|/)ducklake-[0-9a-f]{8}-[0-9a-f-]{27,}(-delete)?\.(parquet|puffin)$")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Format:
    """A kind of table."""

    name: str
    called: str
    """The name of the format with its article: `a Delta table`."""
    trace: re.Pattern[str]
    """The end of the path of a file of the format's log, below the table's folder."""
    is_at: Callable[[str], bool]
    """Whether there is one in a folder."""
    opens: Callable[[str], tuple[Table, str]] | None = None
    """The table at a place, and which version of it; None: it cannot be read."""
    extra: str | None = None
    """The extra of Backlot with which the format is read; None: it is not."""
    export: str = "export its rows to Parquet"


def _has_folder(name: str) -> Callable[[str], bool]:
    return lambda root: storage.is_folder(storage.join(root, name))


def _has_iceberg_metadata(root: str) -> bool:
    folder = storage.join(root, "metadata")
    return storage.is_folder(folder) and any(
        _ICEBERG.search(file) for file in storage.list_files(folder)
    )


def _numbered(
    opens: Callable[[str], tuple[Table, int]],
) -> Callable[[str], tuple[Table, str]]:
    def opened(place: str) -> tuple[Table, str]:
        table, number = opens(place)
        return table, f"version {number}"

    return opened


_ICEBERG_TABLE = _Format(
    name="Iceberg",
    called="an Iceberg table",
    trace=_ICEBERG,
    is_at=_has_iceberg_metadata,
    opens=open_iceberg,
    extra="iceberg",
)
_FORMATS: tuple[_Format, ...] = (
    _Format(
        name="Delta",
        called="a Delta table",
        trace=re.compile(r"/_delta_log/[^/]+\.(json|parquet|crc)$|/_delta_log/_last_checkpoint$"),
        is_at=_has_folder("_delta_log"),
        opens=_numbered(open_delta),
        extra="delta",
    ),
    _ICEBERG_TABLE,
    _Format(
        name="Lance",
        called="a Lance dataset",
        trace=re.compile(r"/_versions/[^/]+\.manifest$"),
        is_at=_has_folder("_versions"),
        opens=_numbered(open_lance),
        extra="lance",
    ),
    _Format(
        name="Hudi",
        called="a Hudi table",
        trace=re.compile(r"/\.hoodie/."),
        is_at=_has_folder(".hoodie"),
        export="export its newest snapshot to Parquet, such as with spark.read.format('hudi')",
    ),
    _Format(
        name="Paimon",
        called="a Paimon table",
        trace=re.compile(r"/schema/schema-\d+$"),
        is_at=lambda root: storage.exists(storage.join(root, "schema/schema-0")),
        export="export its newest snapshot to Parquet, such as with spark.read.format('paimon')",
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lake:
    """A table that was opened: a pinned version of it."""

    table: Table
    root: str
    """The folder of the table."""
    version: str
    """The version that was read, for the record."""


def open_lake(name: str) -> Lake | None:
    """The table in a folder, or of an Iceberg metadata file; None: there is none.

    Raises:
        ValueError: it cannot be read, or not by what is installed; one line with the fix.
    """
    if METADATA.fullmatch(PurePosixPath(name).name) and storage.exists(name):
        root = storage.parent(storage.parent(name))
        return _opened(_ICEBERG_TABLE, root, name)
    if not storage.is_folder(name):
        return None
    seen = in_threads(lambda known: known.is_at(name), _FORMATS)
    kind = next((known for known, is_there in zip(_FORMATS, seen, strict=False) if is_there), None)
    return None if kind is None else _opened(kind, name, name)


def check_outside(
    name: str, files: Sequence[str], *, hidden: Sequence[str] = (), is_folder: bool = False
) -> None:
    """Refuse files that are part of some table: which of their rows are live, they do not say.

    Args:
        name: what was named: a file, a folder or a pattern.
        files: what it stands for.
        hidden: what lies beside those and was passed over.
        is_folder: whether these are all files of a folder.

    Raises:
        ValueError: one line that names the table and the fix.
    """
    for file in (*hidden, *files):
        for kind in _FORMATS:
            match = kind.trace.search(file)
            if match is not None:
                raise _inside(name, kind, file[: match.start()])
        if _DUCKLAKE.search(file):
            raise ValueError(
                f"{name}: {file} is a file of a DuckLake catalog, and which of its rows are live "
                "only that knows: export them to Parquet, such as with COPY (FROM lake.products) "
                "TO 'products.parquet' in DuckDB"
            )
    some = [file for file in files if file.lower().endswith(_DATA)]
    # What is below a folder, the list of its files has told.
    folders = _folders_above([name] if is_folder and some else some)
    seen = in_threads(_seen_at, folders, at_once=_AT_ONCE)
    for folder, above in zip(folders, seen, strict=True):
        if above is not None:
            raise _inside(name, above, folder)


def _opened(kind: _Format, root: str, place: str) -> Lake:
    if kind.opens is None:
        raise ValueError(f"{root} is {kind.called}, which cannot be read here: {kind.export}")
    try:
        table, version = kind.opens(place)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("deltalake", "pyiceberg", "lance"):
            raise
        raise ValueError(
            f"{root} is {kind.called}, which needs a library of its own: pip install "
            f"'backlot[{kind.extra}]', or {kind.export}"
        ) from None
    return Lake(table=table, root=root, version=f"{kind.name}, {version}")


def _inside(name: str, kind: _Format, root: str) -> ValueError:
    itself = f"name the folder {root} itself, or " if kind.extra else ""
    return ValueError(
        f"{name}: {root} is {kind.called}, and which of its files and rows are live only its log "
        f"knows: {itself}{kind.export}"
    )


def _format_at(folder: str) -> _Format | None:
    return next((kind for kind in _FORMATS if kind.is_at(folder)), None)


def _seen_at(folder: str) -> _Format | None:
    """The format of the table that lies in a folder, as far as this account may look there."""
    with suppress(PermissionError):
        return _format_at(folder)
    return None


def _folders_above(places: Iterable[str]) -> list[str]:
    """The folders that places lie in, and those above them; partitions of a table are none."""
    folders: dict[str, None] = {}
    for place in chain.from_iterable(map(_names_of, places)):
        for folder in _above(place):
            if folder in folders:
                break
            folders[folder] = None
    return [folder for folder in folders if "=" not in folder.rpartition("/")[2]]


def _names_of(place: str) -> Iterator[str]:
    """The place, and where a symbolic link leads."""
    yield place
    if storage.scheme_of(place) == "file":
        target = str(Path(place).resolve())
        if target != place:
            yield target


def _above(place: str) -> Iterator[str]:
    """The folders above a place, from the nearest up to the root or the bucket."""
    folder = storage.parent(place)
    while len(folder) > 1 and not folder.endswith(":/"):
        yield folder
        folder = storage.parent(folder)
