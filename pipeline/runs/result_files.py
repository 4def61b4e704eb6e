"""Result files: writing one whole or not at all, and reading back what is committed."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import schema, storage
from pipeline.recipe import Recipe
from pipeline.runs.stored_files import open_parquet
from pipeline.storage.parallel import in_threads
from pipeline.tables.writing import PICTURES, encoded

_MOST_BYTES = 2**31 - 1
"""A chunk of `binary` ends there, which many large PNGs together exceed."""
_RETRIES = ("fetch_retries", "store_retries")
TALLIED = ("error", "timings", "prompt_fallback", *_RETRIES)
"""Columns of a result file that its tally is made from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """What is in one result file, or in several added up."""

    rows: int = 0
    codes: Mapping[str, int] = field(default_factory=dict)
    """Failed rows by error code."""
    stages: Mapping[str, int] = field(default_factory=dict)
    """Failed rows by the stage that refused them."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Busy seconds by stage."""
    fallbacks: Mapping[str, int] = field(default_factory=dict)
    """Rows whose prompt no language model improved though one was asked, by reason."""
    retries: int = 0
    """How often storage had to be asked again, for photographs and for picture objects."""

    @property
    def failed(self) -> int:
        """Rows without a picture."""
        return sum(self.codes.values())

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            rows=self.rows + other.rows,
            codes=Counter(self.codes) + Counter(other.codes),
            stages=Counter(self.stages) + Counter(other.stages),
            seconds=_summed(self.seconds, other.seconds),
            fallbacks=Counter(self.fallbacks) + Counter(other.fallbacks),
            retries=self.retries + other.retries,
        )


@dataclass(frozen=True, slots=True)
class ResultWriter:
    """Turns finished rows into one result file per block. Runs inside the cluster."""

    run_uri: str
    run_id: str
    recipe: Recipe

    def __call__(self, table: pa.Table) -> str:
        """Write the rows as a file; its receipt is for `read_receipt`."""
        finished = self._finished(table)
        write_result(self.run_uri, finished)
        counted = tally(finished)
        return json.dumps({f.name: getattr(counted, f.name) for f in fields(Tally)})

    def _finished(self, table: pa.Table) -> pa.Table:
        recipe = self.recipe
        constants = {
            schema.RUN_ID: self.run_id,
            schema.RECIPE: recipe.name,
            schema.CONFIG_HASH: recipe.config_hash,
        }
        for constant, value in constants.items():
            table = table.append_column(
                constant, pa.repeat(pa.scalar(value, constant.type), table.num_rows)
            )
        for unset in (schema.IMAGE_PATH, schema.STORE_RETRIES):
            if unset.name not in table.column_names:  # no objects were asked for
                table = table.append_column(unset, pa.nulls(table.num_rows, unset.type))
        table = table.append_column(schema.IMAGE, self._images(table)).drop_columns(["picture"])
        if not recipe.output.alpha:
            table = _with(table, schema.ALPHA, pa.nulls(table.num_rows, schema.ALPHA.type))
        table = _with(table, *_whole_timings(table))
        table = _with(table, schema.ERROR_CODE, pc.struct_field(table["error"], "code"))
        *ordered, error = schema.RESULT_ORDER
        present = [n for n in (*ordered, *recipe.keep, error) if n in table.column_names]
        return table.select(present).replace_schema_metadata(schema.HUGGING_FACE_METADATA)

    def _images(self, table: pa.Table) -> pa.ChunkedArray:
        """Pictures under the type that datasets have; their bytes are not copied."""
        kept, (bytes_field, path_field) = self.recipe.output.image_column, schema.IMAGE_TYPE
        chunks = []
        for batch in table.select(["picture", "image_path", "error"]).to_batches():
            for part in _within(batch, _MOST_BYTES):
                picture, path, error = part.columns
                # A picture whose object could not be stored is no result.
                none = pc.or_(pc.is_null(picture), pc.is_valid(error))
                file = picture.cast(bytes_field.type) if kept else pa.nulls(len(part), pa.binary())
                chunks.append(
                    pa.StructArray.from_arrays(
                        [file, path], fields=[bytes_field, path_field], mask=none
                    )
                )
        return pa.chunked_array(chunks, schema.IMAGE_TYPE)


def _with(table: pa.Table, column: pa.Field, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    """The table with a column, in place of the one of that name if there is one."""
    index = table.schema.get_field_index(column.name)
    if index < 0:
        return table.append_column(column, values)
    return table.set_column(index, column, values)


def _whole_timings(table: pa.Table) -> tuple[pa.Field, pa.Array]:
    """The timings with every stage that there is: files of all recipes have one type."""
    timings = table["timings"].combine_chunks()
    names = [child.name for child in timings.type]
    stages = dict.fromkeys([*schema.STAGES, *(name.removesuffix("_s") for name in names)])
    wanted = schema.timings(tuple(stages))
    children = [
        timings.field(child.name) if child.name in names else pa.nulls(len(timings), child.type)
        for child in wanted.type
    ]
    mask = timings.is_null()
    return wanted, pa.StructArray.from_arrays(children, fields=list(wanted.type), mask=mask)


def _within(batch: pa.RecordBatch, num_bytes: int) -> Iterator[pa.RecordBatch]:
    """The batch, or its rows one by one where it is too large."""
    if batch.nbytes <= num_bytes:
        yield batch
        return
    for number in range(len(batch)):
        yield batch.take(pa.array([number]))


def write_result(run_uri: str, table: pa.Table) -> str:
    """Write finished rows as one result file; returns its name.

    The name follows from the bytes. So a file never changes: what is written again is the same,
    and rows that came out otherwise, or are others, are another file.
    """
    data = encoded(table, PICTURES)
    name = f"part-{hashlib.sha256(data).hexdigest()[:32]}.parquet"
    storage.write(storage.join(run_uri, "results", name), data, below=run_uri)
    return name


def tally(table: pa.Table) -> Tally:
    """Count a result table; it needs the columns of `TALLIED`."""
    errors = [error for error in table["error"].to_pylist() if error is not None]
    seconds = {
        child.name.removesuffix("_s"): pc.sum(pc.struct_field(table["timings"], child.name)).as_py()
        for child in table.schema.field("timings").type
    }
    return Tally(
        rows=table.num_rows,
        codes=Counter(error["code"] for error in errors),
        stages=Counter(error["stage"] for error in errors),
        seconds={name: value for name, value in seconds.items() if value is not None},
        fallbacks=Counter(reason for reason in table["prompt_fallback"].to_pylist() if reason),
        retries=sum(pc.sum(table[name]).as_py() or 0 for name in _RETRIES),
    )


def read_receipt(receipt: str) -> Tally:
    """What is in the file that a receipt speaks of."""
    return Tally(**json.loads(receipt))


@dataclass(frozen=True, kw_only=True, slots=True)
class Committed:
    """One readable result file: which rows are in it, and its tally."""

    file: str
    outcomes: pa.Table
    """`sample_id`, whether the row `failed`, and whether another try may help (`retryable`)."""
    tally: Tally

    @property
    def sample_ids(self) -> pa.ChunkedArray:
        """The rows in it."""
        return self.outcomes["sample_id"]


def ids_of(committed: Sequence[Committed]) -> list[pa.Array]:
    """The ids of the rows in files, in parts."""
    return [chunk for file in committed for chunk in file.sample_ids.chunks]


def read_committed(run_uri: str) -> tuple[list[Committed], list[str]]:
    """Read back every result file of a run: ids and outcomes, never pictures.

    Returns:
        The readable files, and the names of torn ones (a write that was cut off).
    """
    files = committed_files(run_uri)
    read = list(in_threads(_read_one, files))
    torn = [file for file, content in zip(files, read, strict=True) if content is _TORN]
    return [content for content in read if isinstance(content, Committed)], torn


def read_without(run_uri: str, file: str, sample_ids: Sequence[str]) -> Committed:
    """Read back one result file as if some of its rows were not in it."""
    table = _read_counted(storage.join(run_uri, "results", file))
    return _committed(file, without(table, sample_ids))


def without(table: pa.Table, sample_ids: Sequence[str]) -> pa.Table:
    """A result table less some rows."""
    dropped = pc.is_in(table["sample_id"], pa.array(sample_ids, pa.string()))
    return table.filter(pc.invert(dropped))


def committed_files(run_uri: str) -> list[str]:
    """The result files of a run that are complete, as whole URIs."""
    return storage.list_files(storage.join(run_uri, "results"), suffix=".parquet")


_COUNTED = ["sample_id", *TALLIED]
_TORN = "torn"


def _read_one(uri: str) -> Committed | str | None:
    """What is in a file; `_TORN` if it was cut off, None if it is gone since it was listed."""
    try:
        return _committed(uri.rpartition("/")[2], _read_counted(uri))
    except FileNotFoundError:
        return None
    except pa.ArrowInvalid:
        return _TORN


def _read_counted(uri: str) -> pa.Table:
    try:
        with open_parquet(uri) as file:
            return file.read(columns=_COUNTED)
    except pa.ArrowInvalid:
        # Torn files are deleted, so one bad answer of the storage must not do: read it whole.
        with open_parquet(uri, whole=True) as file:
            return file.read(columns=_COUNTED)


def _committed(name: str, table: pa.Table) -> Committed:
    error = table["error"]
    retryable = pc.fill_null(pc.struct_field(error, "retryable"), False)  # noqa: FBT003
    outcomes = {"failed": pc.is_valid(error), "retryable": retryable}
    return Committed(
        file=name,
        outcomes=pa.table({"sample_id": table["sample_id"], **outcomes}),
        tally=tally(table),
    )


def _summed(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {name: one.get(name, 0.0) + other.get(name, 0.0) for name in {**one, **other}}
