"""Values brought under another type, each as it is or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.tables.values.union import is_text
from pipeline.tables.values.untyped import as_kind

_TYPES = {
    "text": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
}
_DECIMAL = re.compile(r"decimal\((\d+), ?(\d+)\)")


Unfit = Sequence[int]
"""Positions of values that have no place under a type."""


def exactly(array: pa.Array, type_: pa.DataType) -> tuple[pa.Array, Unfit]:
    """Values under another type, null where one would not come back from it as it was.

    >>> values, unfit = exactly(pa.array(["12", "0012", "x1"]), pa.int64())
    >>> values.to_pylist(), unfit
    ([12, None, None], [1, 2])
    """
    plain = without_dictionary(array)
    if plain.type == type_:
        return plain, ()
    found = _there_and_back(plain, type_)
    if found is not None:
        return found, ()
    values, unfit = list[pa.Array](), list[int]()
    for position in range(len(plain)):
        value = plain.slice(position, 1)
        fit = pa.nulls(1, type_) if value.null_count else _there_and_back(value, type_)
        if fit is None:
            unfit.append(position)
        values.append(pa.nulls(1, type_) if fit is None else fit)
    return (pa.concat_arrays(values) if values else pa.nulls(0, type_)), unfit


def as_meant(array: pa.Array, type_: pa.DataType) -> tuple[pa.Array, Unfit]:
    """Values under a type that somebody has said they have: text is read as what it spells.

    >>> values, unfit = as_meant(pa.array(["0012", " 7", "x1"]), pa.int64())
    >>> values.to_pylist(), unfit
    ([12, 7, None], [2])
    """
    plain = without_dictionary(array)
    if not is_text(plain.type) or is_text(type_):
        return exactly(plain, type_)
    read = _READERS.get(str(type_), str)
    values, unfit = list[Any](), list[int]()
    for position, text in enumerate(plain.to_pylist()):
        value = None if text is None else _spelled(text.strip(), read, type_)
        if value is _UNFIT:
            unfit.append(position)
        values.append(None if value is _UNFIT else value)
    return pa.array(values, type_), unfit


def without_dictionary(array: pa.Array) -> pa.Array:
    """The values themselves, where an array holds numbers of them."""
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def can_hold(type_: pa.DataType, values: pa.DataType) -> bool:
    """Whether any value of a type may be brought under another at all."""
    values = values.value_type if pa.types.is_dictionary(values) else values
    if pa.types.is_boolean(values) != pa.types.is_boolean(type_) and not (
        is_text(values) or is_text(type_) or pa.types.is_null(values)
    ):
        return False  # Arrow would make nought and one of true and false
    try:
        pa.array([], values).cast(type_)
    except pa.ArrowException:
        return False
    return True


def is_within(type_: pa.DataType, whole: pa.DataType, *, parts_may_lack: bool = True) -> bool:
    """Whether all values of a type are values of another, which may know more of what is in them.

    That is the case where one has no values within (lists that are all empty), or lacks parts of an
    object, which are null then.

    >>> is_within(pa.list_(pa.null()), pa.list_(pa.string()))
    True
    >>> is_within(pa.struct({"a": pa.int8()}), pa.struct({"a": pa.int8(), "b": pa.int8()}))
    True
    """
    if type_ == whole or pa.types.is_null(type_):
        return True
    both = (type_, whole)
    if all(pa.types.is_list(one) or pa.types.is_large_list(one) for one in both):
        inner = (type_.value_type, whole.value_type)
        return type_.id == whole.id and is_within(*inner, parts_may_lack=parts_may_lack)
    if not all(map(pa.types.is_struct, both)):
        return False
    names = [[field.name for field in one] for one in both]
    if any(len(set(some)) < len(some) for some in names) or not set(names[0]) <= set(names[1]):
        return False
    if names[0] != names[1] and not parts_may_lack:
        return False
    return all(
        is_within(field.type, whole.field(field.name).type, parts_may_lack=parts_may_lack)
        for field in type_
    )


def joined(held: pa.DataType, own: pa.DataType) -> pa.DataType:
    """The type of a column that goes on: as it was, with the parts of objects that are new.

    What it was is what rows have already; where values differ, they have to fit that.

    >>> str(joined(pa.struct({"a": pa.int64()}), pa.struct({"b": pa.int8(), "a": pa.int8()})))
    'struct<a: int64, b: int8>'
    """
    if is_within(held, own, parts_may_lack=False):
        return own  # what was only empty so far becomes what it is once there is some
    if all(map(pa.types.is_list, (held, own))):
        inner = joined(held.value_type, own.value_type)
        return pa.list_(held.value_field.with_type(inner))
    if not all(map(pa.types.is_struct, (held, own))):
        return held
    names = [field.name for field in own]
    if len(set(names)) < len(names):
        return held
    fields = [
        field.with_type(joined(field.type, own.field(field.name).type))
        if field.name in names
        else field
        for field in held
    ]
    # Spark and DuckDB take names that differ in letters alone for one.
    taken = {field.name.casefold() for field in held}
    return pa.struct([*fields, *(one for one in own if one.name.casefold() not in taken)])


def differing(held: pa.DataType, own: pa.DataType) -> tuple[str, pa.DataType, pa.DataType]:
    """Where below two types the first difference is that `joined` does not bring together.

    Returns:
        The path from the column, empty for the column itself, and both types there.

    >>> path, *types = differing(pa.struct({"a": pa.int8()}), pa.struct({"a": pa.string()}))
    >>> path, [str(type_) for type_ in types]
    ('.a', ['int8', 'string'])
    """
    if all(map(pa.types.is_list, (held, own))):
        return differing(held.value_type, own.value_type)
    if all(map(pa.types.is_struct, (held, own))):
        for field in held:
            other = own.field(field.name) if own.get_field_index(field.name) >= 0 else None
            if other is not None and not is_within(other.type, joined(field.type, other.type)):
                path, *types = differing(field.type, other.type)
                return f".{field.name}{path}", types[0], types[1]
    return "", held, own


def _there_and_back(array: pa.Array, type_: pa.DataType) -> pa.Array | None:
    is_wider = pa.types.is_floating(array.type) and type_ == pa.float64()
    try:
        converted = array.cast(type_)
        if is_wider:  # and NaN, which is like nothing, is still NaN
            return converted
        back = converted.cast(array.type)
    except (pa.ArrowException, OverflowError):
        return None
    return converted if converted.null_count == array.null_count and back.equals(array) else None


_UNFIT = object()


def _spelled(text: str, read: Callable[[str], Any], type_: pa.DataType) -> Any:
    """The value that a text spells, as Python has the values of a type; null where it is empty."""
    if not text:
        return None
    try:
        return pa.scalar(read(text)).cast(type_).as_py()
    except (ValueError, OverflowError, pa.ArrowException):
        return _UNFIT


def _kind(kind: Any) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        found = as_kind(text, kind)
        if found is text:
            raise ValueError(f"{text!r} is no {kind}")
        return found

    return read


_READERS: dict[str, Callable[[str], Any]] = {
    "int64": _kind("integer"),
    "double": _kind("number"),
    "bool": _kind("boolean"),
    "date32[day]": date.fromisoformat,
    "timestamp[us]": datetime.fromisoformat,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Portable:
    """Types that every reader of Parquet knows, in place of some that few do."""

    microseconds: bool = True
    """Whether timestamps have microseconds in place of nanoseconds."""
    lists: bool = True
    """Whether maps are written as lists of keys and values."""

    def of(self, type_: pa.DataType) -> pa.DataType:
        """The type to have in place of one, wherever below it the change is.

        >>> str(Portable().of(pa.list_(pa.timestamp("ns", "UTC"))))
        'list<item: timestamp[us, tz=UTC]>'
        """
        if isinstance(type_, pa.BaseExtensionType):
            return type_
        if pa.types.is_temporal(type_):
            return self._in_time(type_)
        if pa.types.is_nested(type_):
            return self._nested(type_)
        if pa.types.is_dictionary(type_):
            value_type = self.of(type_.value_type)
            return type_ if value_type == type_.value_type else value_type
        return type_

    def _in_time(self, type_: pa.DataType) -> pa.DataType:
        if not self.microseconds:
            return type_
        if pa.types.is_timestamp(type_) and type_.unit == "ns":
            return pa.timestamp("us", type_.tz)
        return pa.time64("us") if type_ == pa.time64("ns") else type_

    def _nested(self, type_: pa.DataType) -> pa.DataType:
        if pa.types.is_struct(type_):
            return pa.struct([self._field(field) for field in type_])
        if pa.types.is_map(type_):
            key, value = self._field(type_.key_field), self._field(type_.item_field)
            if self.lists:
                return pa.list_(pa.struct([key.with_name("key"), value.with_name("value")]))
            return pa.map_(key, value, keys_sorted=type_.keys_sorted)
        if pa.types.is_fixed_size_list(type_):
            return pa.list_(self._field(type_.value_field), type_.list_size)
        if pa.types.is_list(type_):
            return pa.list_(self._field(type_.value_field))
        if pa.types.is_large_list(type_):
            return pa.large_list(self._field(type_.value_field))
        return type_

    def _field(self, field: pa.Field) -> pa.Field:
        return field.with_type(self.of(field.type))


def portable(array: pa.Array, type_: pa.DataType) -> tuple[pa.Array, int]:
    """Values under the type that `Portable` gave, and how many lose a part of a microsecond."""
    plain = without_dictionary(array)
    if plain.type == type_:
        return plain, 0
    try:
        return plain.cast(type_), 0
    except pa.ArrowException:
        cut = plain.cast(type_, safe=False)
    if pa.types.is_nested(plain.type):
        whole = [plain.slice(row, 1) for row in range(len(plain))]
        return cut, sum(not _is_whole(value, type_) for value in whole)
    return cut, pc.sum(pc.not_equal(cut.cast(plain.type), plain)).as_py() or 0


def _is_whole(value: pa.Array, type_: pa.DataType) -> bool:
    # Only what is taken out of a list stands by itself.
    try:
        value.take(pa.array([0])).cast(type_)
    except pa.ArrowException:
        return False
    return True


def type_named(kind: str) -> pa.DataType:
    """The Arrow type that a recipe means by a word.

    >>> str(type_named("decimal(10, 2)"))
    'decimal128(10, 2)'

    Raises:
        ValueError: it is none of the words.
    """
    decimal = _DECIMAL.fullmatch(kind)
    if decimal is not None:
        precision, scale = int(decimal[1]), int(decimal[2])
        if 1 <= precision <= 38 and scale <= precision:
            return pa.decimal128(precision, scale)
    if kind not in _TYPES:
        raise ValueError(f"{kind!r} is no type: use {', '.join(_TYPES)} or decimal(10, 2)")
    return _TYPES[kind]
