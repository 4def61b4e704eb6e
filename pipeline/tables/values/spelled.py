"""A table in which whole numbers and UUIDs of one column are text: an article number is a name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.tables.table import Table
from pipeline.tables.values.exact import without_dictionary

_MOST_EXACT = {16: 2**11, 32: 2**24, 64: 2**53}
"""The largest whole number, by bits of a float, that the float tells from its neighbours."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Spelled:
    table: Table
    name: str

    @property
    def schema(self) -> pa.Schema:
        index = self.table.schema.get_field_index(self.name)
        return self.table.schema.set(index, pa.field(self.name, pa.string()))

    @property
    def conflicts(self) -> Mapping[str, str]:
        return self.table.conflicts

    @property
    def untyped(self) -> frozenset[str]:
        """The untyped columns and this one, which a condition may still compare with numbers."""
        return self.table.untyped | {self.name}

    @property
    def doubtful(self) -> frozenset[str]:
        return self.table.doubtful

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        schema = pa.schema([self.schema.field(name) for name in columns])
        for batch in self.table.batches(columns):
            arrays = [
                self._as_text(array) if name == self.name else array
                for name, array in zip(columns, batch.columns, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def count(self) -> int:
        return self.table.count()

    def _as_text(self, array: pa.Array) -> pa.Array:
        if array.type == pa.uuid():
            texts = [None if one is None else str(one) for one in array.to_pylist()]
            return pa.array(texts, pa.string())
        numbers = without_dictionary(array)
        if pa.types.is_floating(numbers.type):
            most_exact = _MOST_EXACT[numbers.type.bit_width]
            numbers = numbers.cast(pa.float64())  # Arrow compares no numbers of 16 bits
            numbers = pc.if_else(pc.is_nan(numbers), None, numbers)  # pandas' word for null
            largest = pc.max(pc.abs(numbers)).as_py()
            if largest is not None and largest > most_exact:
                raise self._refusal(array, f"{largest:.0f} stands for several")
        try:
            whole = numbers if pa.types.is_integer(numbers.type) else numbers.cast(pa.int64())
        except pa.ArrowException as error:
            raise self._refusal(array, " ".join(str(error).split())) from None
        return whole.cast(pa.string())

    def _refusal(self, array: pa.Array, why: str) -> ValueError:
        return ValueError(
            f"column {self.name!r} is {array.type}, and not all of its values are whole numbers "
            f"({why}): write it as text"
        )


def spelled(table: Table, name: str) -> Table:
    """The table with a column of whole numbers or UUIDs as text; of any other type, as it is.

    Whole numbers may be floating-point, which is what pandas makes of integers with gaps, or
    decimals. One that is no whole number is refused as its rows are read, with a ValueError.
    """
    if name not in table.schema.names:
        return table
    type_ = table.schema.field(name).type
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    if not is_number(type_) and type_ != pa.uuid():
        return table
    return _Spelled(table=table, name=name)


def is_number(type_: pa.DataType) -> bool:
    """Whether values are numbers, however they are laid out."""
    return bool(
        pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_)
    )
