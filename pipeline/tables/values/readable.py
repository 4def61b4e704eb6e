"""What of a table's values can be read: text that is no UTF-8, and values that Python has not.

Arrow carries both without looking at them, and stops at the first that somebody looks at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from pipeline.tables.values.union import is_text, plain

Faults = dict[int, str]
"""The fault of each row, by number: the first of its columns that cannot be read, and why."""


NO_UTF8 = "no UTF-8: write it in UTF-8"
"""The complaint about text that is no UTF-8, with the fix."""


def readable(batch: pa.RecordBatch, *, no_text: str = NO_UTF8) -> tuple[pa.RecordBatch, Faults]:
    r"""The batch with every value fit to be looked at, and the rows in which some was not.

    Bytes of text that are no UTF-8 become `\xff`; any other value that is none of its type, null.

    Args:
        batch: as it was read.
        no_text: what such bytes are, and what to do, for the message.
    """
    faults: Faults = {}
    arrays = list(batch.columns)
    for index, array in enumerate(batch.columns):
        rows = list(_unsound(array))
        if rows:
            arrays[index] = _mended(array, rows)
        for row in rows:
            faults.setdefault(row, _fault(batch.schema.field(index), no_text))
    if not faults:
        return batch, faults
    fields = [
        field.with_type(array.type) for field, array in zip(batch.schema, arrays, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields)), faults


def python_rows(batch: pa.RecordBatch | pa.Table) -> tuple[list[dict[str, Any]], Faults]:
    """Rows as Python has them; where it has no such value, such as the year 12000, as text."""
    faults: Faults = {}
    columns = []
    for field, array in zip(batch.schema, batch.columns, strict=True):
        try:
            columns.append(array.to_pylist())
        except (ArithmeticError, ValueError, pa.ArrowException):
            values = []
            for row in range(len(array)):
                try:
                    values.append(array[row].as_py())
                except (ArithmeticError, ValueError, pa.ArrowException):
                    values.append(_as_text(array.slice(row, 1)))
                    faults.setdefault(
                        row,
                        f"{field.name} holds a {field.type} out of the range that can be written "
                        "out: correct it",
                    )
            columns.append(values)
    names = batch.schema.names
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    return (rows if columns else [{} for _ in range(batch.num_rows)]), faults


def _as_text(array: pa.Array) -> str | None:
    """The one value, as Arrow writes it; None: it does not either."""
    try:
        text: str = array.cast(pa.string())[0].as_py()
    except pa.ArrowException:
        return None
    return text


def _unsound(array: pa.Array) -> Iterator[int]:
    """Positions of values that are none of their type, found by halving."""
    if pa.types.is_dictionary(array.type) and not _is_sound(array):
        array = _plainly(array)  # each slice of it holds the whole dictionary
    # A slice of a list or a struct still holds all that lies below it: only what is taken out of it
    # stands by itself.
    is_nested = pa.types.is_nested(array.type)
    pending = [(0, len(array))]
    while pending:
        start, stop = pending.pop()
        part = array.slice(start, stop - start)
        if is_nested and len(part) < len(array):
            part = array.take(pa.array(range(start, stop), pa.int64()))
        if _is_sound(part):
            continue
        if stop - start == 1:
            yield start
            continue
        middle = (start + stop) // 2
        pending += [(middle, stop), (start, middle)]


def _is_sound(array: pa.Array) -> bool:
    try:
        array.validate(full=True)
    except pa.ArrowException:
        return False
    return True


def _plainly(array: pa.DictionaryArray) -> pa.Array:
    """The values without a dictionary, whose bytes stay unread: `dictionary_decode` reads them."""
    values = array.dictionary
    if not is_text(values.type):
        return values.take(array.indices)
    return _as_bytes(values).take(array.indices).view(pa.large_string())


def _mended(array: pa.Array, rows: Sequence[int]) -> pa.Array:
    if pa.types.is_dictionary(array.type):
        array = _plainly(array)
    if not is_text(array.type):
        lost = set(rows)
        kept = [None if row in lost else row for row in range(len(array))]
        return array.take(pa.array(kept, pa.int64()))
    cells = _as_bytes(array).to_pylist()
    texts = [None if cell is None else cell.decode("utf-8", "backslashreplace") for cell in cells]
    return pa.array(texts, plain(array.type))


def _as_bytes(array: pa.Array) -> pa.Array:
    return array.cast(pa.large_string(), safe=False).view(pa.large_binary())


def _fault(field: pa.Field, no_text: str) -> str:
    type_ = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if is_text(type_):
        return f"{field.name} holds bytes that are {no_text}"
    return (
        f"{field.name} holds a value that is no {field.type}, or text that is no UTF-8: correct it"
    )
