"""Which format files have: by the endings of their names, and by their first bytes.

In a folder, files whose ending may mean anything (`.json`, `.txt`, none) are rows where there are
no others, and where a name begins with `part-`, as Spark has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import pyarrow as pa

from pipeline import storage
from pipeline.storage.parallel import in_threads
from pipeline.tables.finding import NamedFiles
from pipeline.text.printable import first_line, visible

FORMATS = {
    ".parquet": "Parquet",
    ".pq": "Parquet",
    ".parq": "Parquet",
    ".csv": "CSV",
    ".tsv": "CSV",
    ".jsonl": "JSON Lines",
    ".ndjson": "JSON Lines",
}
"""Formats of files by the ending of their names, in lower case."""

PACKED = (".gz", ".gzip", ".bz2", ".zst", ".zstd")
"""Endings that may follow those of text."""

_UNSURE = {".json": "JSON Lines", ".txt": "CSV", ".tab": "CSV"}

_AS_CSV = "save it as CSV in UTF-8"
_AS_PARQUET = "write it as Parquet"
FOREIGN = {
    **dict.fromkeys((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".numbers"), _AS_CSV),
    ".avro": _AS_PARQUET,
    ".orc": f"{_AS_PARQUET}, such as with pyarrow.orc.read_table and pyarrow.parquet.write_table",
    ".feather": f"{_AS_PARQUET}, such as with pandas.read_feather(...).to_parquet(...)",
    ".arrow": f"{_AS_PARQUET}, such as with datasets.load_from_disk(...).to_parquet(...)",
    ".ipc": f"{_AS_PARQUET}, such as with polars.read_ipc(...).write_parquet(...)",
    **dict.fromkeys((".db", ".sqlite", ".sqlite3", ".duckdb"), "export its table as Parquet"),
    **dict.fromkeys((".xml", ".rss"), "export the feed as CSV, TSV or JSON"),
    **dict.fromkeys((".pkl", ".pickle", ".h5", ".hdf5", ".dta", ".sas7bdat"), _AS_PARQUET),
    **dict.fromkeys((".zip", ".tar", ".tgz", ".7z", ".rar", ".xz", ".lz4"), "unpack it"),
    **dict.fromkeys((".snappy", ".deflate", ".br", ".lzo", ".z"), "unpack it, or pack it by gzip"),
}
"""The advice for files that are tables, and that are not read."""

_FIRST_LOOKED_AT = 100
"""The number of files without an ending whose first bytes are looked at."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChosenFiles:
    """The files among many that hold the rows, and the format that they have."""

    files: Sequence[str]
    file_format: str
    others: Sequence[str] = ()
    """Files of a folder that may be rows and were not taken for any."""

    def passed_over(self) -> str | None:
        """The files that were not taken, in words; None: none."""
        if not self.others:
            return None
        one = len(self.others) == 1
        return visible(
            f"{len(self.others):,} {'file is' if one else 'files are'} passed over whose ending "
            f"may mean anything (such as {PurePosixPath(self.others[0]).name}): a pattern would "
            f"name {'it' if one else 'them'}"
        )


def choose(found: NamedFiles) -> ChosenFiles | None:
    """The files that are rows, and their format; None: there are none.

    Raises:
        ValueError: they are of a format that is not read, or of several; one line.
    """
    named = {file: _by_name(file) for file in found.files}
    others: Sequence[str] = ()
    if found.is_folder:
        named, others = _rows_of_folder(named)
    formats = {file: kind or _by_content(file) for file, kind in named.items()}
    if not formats:
        return None
    unknown = sorted({_ending(file) for file, kind in formats.items() if kind is None})
    if unknown:
        raise ValueError(_refusal(unknown))
    kinds = {str(kind) for kind in formats.values()}
    if len(kinds) > 1:
        endings = sorted({_ending(file) for file in formats})
        raise ValueError(f"mixes {endings}: keep one format per manifest")
    return ChosenFiles(files=list(formats), file_format=kinds.pop(), others=others)


def _rows_of_folder(
    named: dict[str, str | None],
) -> tuple[dict[str, str | None], Sequence[str]]:
    sure: dict[str, str | None] = {}
    unsure: dict[str, str | None] = {}
    for file, kind in named.items():
        if kind is not None or _ending(file) in FORMATS:
            (sure if _is_sure(file) else unsure)[file] = kind
    bare = [file for file in named if not PurePosixPath(file).suffix]
    parts = [file for file in bare if _is_part(file)]
    if sure or parts:
        return {**sure, **dict.fromkeys(parts)}, list(unsure)
    foreign: dict[str, str | None] = {file: None for file in named if _ending(file) in FOREIGN}
    if foreign or unsure:
        return foreign or unsure, ()
    first = _parquet_among(bare[:_FIRST_LOOKED_AT])
    # Thousands of photographs may have no ending: whether it is rows, some of them tell.
    return {**first, **(_parquet_among(bare[_FIRST_LOOKED_AT:]) if first else {})}, ()


def _parquet_among(files: Sequence[str]) -> dict[str, str | None]:
    kinds = in_threads(_by_content, files)
    return {file: kind for file, kind in zip(files, kinds, strict=True) if kind}


def _is_part(file: str) -> bool:
    return PurePosixPath(file).name.startswith("part-")


def _is_sure(file: str) -> bool:
    return _ending(file) in FORMATS or _is_part(file)


def _by_name(file: str) -> str | None:
    ending = _ending(file)
    kind = FORMATS.get(ending) or _UNSURE.get(ending)
    # pandas' own documentation calls a Parquet file `df.parquet.gzip`.
    return None if kind == "Parquet" and _is_packed(file) else kind


def _by_content(file: str) -> str | None:
    return "Parquet" if head(file, 4) == b"PAR1" else None


def _is_packed(file: str) -> bool:
    return PurePosixPath(file).suffix.lower() in PACKED


def _ending(file: str) -> str:
    path = PurePosixPath(file)
    return (path.with_suffix("") if _is_packed(file) else path).suffix.lower()


def head(file: str, num_bytes: int) -> bytes:
    """The first bytes of a file.

    Raises:
        ValueError: it cannot be read; one line.
    """
    filesystem, path = storage.arrow_filesystem(file)
    try:
        with filesystem.open_input_file(path) as stream:
            return bytes(stream.read(num_bytes))
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{file}: cannot be read: {first_line(error)}") from None


def _refusal(endings: Sequence[str]) -> str:
    known = f"use {', '.join([*FORMATS, '.json'])}"
    if any(ending in FORMATS for ending in endings):
        return f"{list(endings)} is packed, as a whole: unpack it"
    advice = next((FOREIGN[ending] for ending in endings if ending in FOREIGN), None)
    if advice is not None:
        return f"{list(endings)} is not a manifest format: {advice} ({known})"
    if not any(endings):
        return f"a name without an ending says no format, and it is no Parquet file: {known}"
    return f"{list(endings)} is not a manifest format: {known}, or rename it if it is one"
