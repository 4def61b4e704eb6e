"""Texts in cells, held to a size: a few kilobytes of a file can unfold into any number of them.

A Parquet file keeps a text once, however many rows have it. So texts are looked at where they stand
once, in the dictionary, and what no column means is cut there, before a row is given its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.tables.values.readable import Faults
from pipeline.tables.values.union import is_coded_text, is_text, plain
from pipeline.text.printable import MOST_CHARACTERS, counted

MOST_OF_COLUMN: Mapping[str, int] = {"id": 512, "prompt": 8_000}
"""The most characters of values that everything hangs on. Addresses have a limit of their own,
`storage.resolve`."""
_SHOWN = 64
"""Characters of a text that is too long which stay for people."""


def cut(array: pa.Array) -> pa.Array:
    """Texts of at most some 32,000 characters: of a longer one the beginning and a hash of it all.

    Those stay longer than `MOST_CHARACTERS`, so that whoever looks at them later sees what they
    were, and different ones stay different. What is no text is left as it is.
    """
    if is_coded_text(array.type):
        values = _shortened(array.dictionary, MOST_CHARACTERS, MOST_CHARACTERS)
        if values is None:
            return array
        return pa.DictionaryArray.from_arrays(array.indices, values.cast(array.type.value_type))
    if not is_text(array.type):
        return array
    shortened = _shortened(array, MOST_CHARACTERS, MOST_CHARACTERS)
    return array if shortened is None else shortened.cast(plain(array.type))


def unfolded(array: pa.Array, type_: pa.DataType) -> pa.Array:
    """Texts out of their dictionary, each cut first; bytes that are no UTF-8 stay what they are."""
    array = cut(array)
    if not is_coded_text(array.type) or is_coded_text(type_):
        return array
    return _as_bytes(array.dictionary).take(array.indices).view(pa.large_string()).cast(type_)


def bounded(batch: pa.RecordBatch, *, besides: Collection[str]) -> tuple[pa.RecordBatch, Faults]:
    """The batch without texts that are too long, and the rows that had one, with what is wrong.

    Of a text the beginning stays; of an id that and a hash of it all, by which it stays unique.

    Args:
        batch: fit to be looked at, as `readable` gives it.
        besides: columns whose texts have another limit, which somebody else keeps.
    """
    faults: Faults = {}
    arrays = list(batch.columns)
    for index, (name, array) in enumerate(zip(batch.schema.names, batch.columns, strict=True)):
        is_coded = is_coded_text(array.type)
        if name in besides or not (is_coded or is_text(array.type)):
            continue
        texts = array.dictionary if is_coded else array
        cap = MOST_OF_COLUMN.get(name, MOST_CHARACTERS)
        lengths = {place: size for place, size in _lengths(texts, cap).items() if size > cap}
        if not lengths:
            continue
        for row, place in enumerate(array.indices.to_pylist() if is_coded else range(len(array))):
            if place in lengths:
                faults.setdefault(
                    row,
                    f"{name} has {counted(lengths[place])} characters, at most {cap:,} are taken: "
                    "shorten it",
                )
        short = _shortened(texts, cap, _SHOWN)
        assert short is not None
        short = short.cast(plain(texts.type))
        if is_coded:
            short = pa.DictionaryArray.from_arrays(array.indices, short)
        arrays[index] = short
    if not faults:
        return batch, faults
    fields = [
        field.with_type(array.type) for field, array in zip(batch.schema, arrays, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields)), faults


def _lengths(texts: pa.Array, most: int) -> dict[int, int]:
    """The length in characters of each text that may exceed a limit, by position."""
    data = _as_bytes(texts)
    long = pc.indices_nonzero(pc.fill_null(pc.greater(pc.binary_length(data), most), False))  # noqa: FBT003
    return {
        place: len(data[place].as_py().decode("utf-8", "backslashreplace"))
        for place in long.to_pylist()
    }


def _shortened(texts: pa.Array, most: int, kept: int) -> pa.Array | None:
    """Large text with `kept` characters of each value of more than `most`; None: none is longer."""
    long = {place for place, size in _lengths(texts, most).items() if size > most}
    if not long:
        return None
    data = _as_bytes(texts)
    cells = [
        _short(cell.as_py(), kept) if place in long else cell.as_py()
        for place, cell in enumerate(data)
    ]
    return pa.array(cells, pa.large_binary()).view(pa.large_string())


def _short(cell: bytes, kept: int) -> bytes:
    text = cell.decode("utf-8", "backslashreplace")
    return f"{text[:kept]}...sha256-{hashlib.sha256(cell).hexdigest()[:16]}".encode()


def _as_bytes(texts: pa.Array) -> pa.Array:
    return texts.cast(pa.large_string(), safe=False).view(pa.large_binary())
