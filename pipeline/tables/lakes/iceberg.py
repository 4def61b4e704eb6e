"""Iceberg tables, through PyIceberg (extra `iceberg`), without a catalog.

A catalog knows which metadata file is the table's newest. Without one it is what
`version-hint.text` names, or else the one with the largest number; who knows better names the
metadata file itself.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa

from pipeline import storage
from pipeline.tables.lakes.lake_table import LakeTable, laid_out, unreadable

METADATA = re.compile(r"[^/]+\.metadata\.json(\.gz)?")
"""Names of metadata files."""
_NUMBERED = re.compile(r"(\d+-[^/]*|v\d+)(\.gz)?\.metadata\.json(\.gz)?")
"""The names that metadata files have: `00012-<uuid>.metadata.json`; `v12.metadata.json` in Hadoop's
tables."""
_HINT = "version-hint.text"
_ERRORS: tuple[type[Exception], ...] = (
    *(ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, NotImplementedError),
    *(OSError, TypeError, ValueError, struct.error, zlib.error, pa.ArrowException),
)
"""The errors that reading a damaged file may come to, besides the library's own."""


def newest_metadata(root: str) -> str:
    """The metadata file that tells what a table holds now.

    Raises:
        ValueError: there is none, or several have the largest number; one line.
    """
    folder = storage.join(root, "metadata")
    files_by_name = {PurePosixPath(file).name: file for file in storage.list_files(folder)}
    hint = files_by_name.get(_HINT)
    if hint is not None:
        version = storage.read(hint).decode("utf-8", "replace").strip()
        names = [
            version,
            f"v{version}.metadata.json",
            f"v{version}.gz.metadata.json",
            f"{version}.metadata.json",
        ]
        for name in [*names, f"v{version}.metadata.json.gz"]:
            if name in files_by_name and METADATA.fullmatch(name):
                return files_by_name[name]
        raise ValueError(
            f"{root} as an Iceberg table: metadata/{_HINT} says {version[:40]!r}, and there is no "
            "such metadata file: name the file itself, metadata/....metadata.json"
        )
    numbered: dict[int, list[str]] = {}
    for name, file in files_by_name.items():
        if _NUMBERED.fullmatch(name):
            number = int(re.sub(r"\D.*", "", name.removeprefix("v")))
            numbered.setdefault(number, []).append(file)
    if not numbered:
        raise ValueError(
            f"{root} as an Iceberg table: no metadata file in metadata/ has a number, so that the "
            "newest cannot be told: name the one that counts, such as "
            f"{folder}/00012-....metadata.json"
        )
    newest = numbered[max(numbered)]
    if len(newest) > 1:
        two = " and ".join(sorted(PurePosixPath(file).name for file in newest)[:2])
        raise ValueError(
            f"{root} as an Iceberg table: {two} are equally new, and only the table's catalog "
            "knows which of them counts: name that file as the manifest"
        )
    return newest[0]


def open_iceberg(name: str) -> tuple[LakeTable, str]:
    """The newest rows of a table, and what its metadata call them.

    Args:
        name: of its folder, or of the metadata file that counts.

    Raises:
        ModuleNotFoundError: the library is not installed.
        ValueError: they cannot be read; one line.
    """
    from pyiceberg import exceptions
    from pyiceberg.catalog.noop import NoopCatalog
    from pyiceberg.io.pyarrow import ArrowScan, schema_to_pyarrow
    from pyiceberg.serializers import FromInputFile
    from pyiceberg.table import ALWAYS_TRUE, StaticTable

    is_file = METADATA.fullmatch(PurePosixPath(name).name)
    metadata_file = name if is_file else newest_metadata(name)
    where = f"{name} as an Iceberg table"
    files = _files_through_our_storage()
    own = [kind for kind in vars(exceptions).values() if isinstance(kind, type)]
    errors = (*_ERRORS, *(kind for kind in own if issubclass(kind, Exception)))
    metadata = None
    try:
        metadata = FromInputFile.table_metadata(files.new_input(metadata_file))
        # Not StaticTable.from_metadata: there the table's own properties choose the file access.
        table = StaticTable(
            identifier=("manifest",),
            metadata=metadata,
            metadata_location=metadata_file,
            io=files,
            catalog=NoopCatalog("none"),
        )
        # Once: so that all passes see the same files in the same order.
        tasks = sorted(table.scan().plan_files(), key=lambda task: str(task.file.file_path))
        schema = laid_out(schema_to_pyarrow(metadata.schema(), include_field_ids=False))
    except errors as error:
        raise unreadable(f"{where}{_moved(metadata, name)}", error) from None

    def read(columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        scan = ArrowScan(metadata, files, metadata.schema().select(*columns), ALWAYS_TRUE)
        for task in tasks:  # all at once would hold all files in memory
            yield from scan.to_record_batches([task])

    def num_rows() -> int:
        narrow = min(schema, key=lambda column: _width(column.type)).name
        scan = ArrowScan(metadata, files, metadata.schema().select(narrow), ALWAYS_TRUE)
        return sum(
            sum(batch.num_rows for batch in scan.to_record_batches([task]))
            if task.delete_files
            else int(task.file.record_count)
            for task in tasks
        )

    snapshot = metadata.current_snapshot_id
    version = f"snapshot {snapshot} of {PurePosixPath(metadata_file).name}"
    lake = LakeTable(where=where, schema=schema, read=read, num_rows=num_rows, errors=errors)
    return lake, version


def _moved(metadata: Any, name: str) -> str:
    """The table's own location in words, if that is not where it was looked for; else empty."""
    location = "" if metadata is None else str(metadata.location)
    try:
        known = not location or name.startswith(_our_name(location).rstrip("/"))
    except ValueError:
        known = False
    return "" if known else f" (which says that it is at {location[:200]})"


def _width(type_: pa.DataType) -> int:
    """Bits of a value; nested types and those of any length come last."""
    try:
        return int(type_.bit_width)
    except ValueError:
        return 2**20


def _files_through_our_storage() -> Any:
    """PyIceberg's access to files, by which ours is asked in place of a client of its own."""
    from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO

    class Files(PyArrowFileIO):
        def new_input(self, location: str) -> Any:
            uri = _our_name(location)
            filesystem, path = storage.arrow_filesystem(uri)
            return PyArrowFile(location=location, path=path, fs=filesystem)

    return Files()


def _our_name(location: str) -> str:
    """The place by the name that our storage has for it: other clients write `s3a`, or `file:/`.

    Raises:
        ValueError: it is in no place that can be read.
    """
    scheme, colon, rest = location.partition(":")
    if colon and scheme.lower() in ("s3", "s3a", "s3n"):
        return f"s3:{rest}"
    if colon and scheme.lower() == "file":
        return "/" + rest.lstrip("/")
    if location.startswith("/"):
        return location
    raise ValueError(f"{location[:200]} is neither a local path nor on S3")
