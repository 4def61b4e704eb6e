"""One schema for many files: every column of any of them, under a type that holds all its values.

A column may be narrower in one file than in another (int32 and int64, a decimal of fewer digits),
text may be laid out in any way, and one that is null throughout fits any. What does not fit is a
conflict of its column, and harmless until somebody uses that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.tables.similar_names import nearest


@dataclass(frozen=True, kw_only=True, slots=True)
class Union:
    """The columns of many files."""

    schema: pa.Schema
    conflicts: Mapping[str, str]
    doubtful: frozenset[str]
    """Columns of which some file may have a value that is none of the type over all files."""


def union(schemas: Iterable[tuple[str, pa.Schema]]) -> Union:
    """Bring the schemas of files together.

    Args:
        schemas: with the file that each is of, in the order of the files; of many files with one
            schema, the first is enough.
    """
    kinds: dict[str, list[_Kind]] = {}
    conflicts: dict[str, str] = {}
    for file, schema in schemas:
        for name, type_ in zip(schema.names, schema.types, strict=True):
            if schema.names.count(name) > 1:
                conflicts[name] = f"column {name!r} is twice in {file}: rename one"
            known = kinds.setdefault(name, [])
            if plain(type_) not in (other.type for other in known):
                known.append(_Kind(file, plain(type_)))
    fields, doubtful = list[pa.Field](), set[str]()
    for name, listed in kinds.items():
        merged = _merged(listed)
        if isinstance(merged, str):
            conflicts.setdefault(name, f"column {name!r} is {merged}: cast one of them")
        if name not in conflicts:
            fields.append(pa.field(name, merged))
            if not all(_always_fits(kind.type, merged) for kind in listed):
                doubtful.add(name)
    return Union(schema=pa.schema(fields), conflicts=conflicts, doubtful=frozenset(doubtful))


class _Kind(NamedTuple):
    file: str
    type: pa.DataType


def check_key(key: str | None, columns: Mapping[str, Sequence[str]]) -> None:
    """Refuse files of which some have a column that tells rows apart, and one has not.

    Args:
        key: that column; None: there is none.
        columns: of each file; those of one without rows are none.

    Raises:
        ValueError: names the file.
    """
    lacking = [file for file, names in columns.items() if names and key not in names]
    if key is None or not lacking or len(lacking) == sum(map(bool, columns.values())):
        return
    known = list(columns[lacking[0]])
    raise ValueError(
        f"{lacking[0]}: has no column {key!r}, which other files have; it has {known}: add it, "
        f"rename one, or leave the file out{nearest(key, known)}"
    )


def _merged(kinds: Sequence[_Kind]) -> pa.DataType | str:
    """The type of them all, or which two disagree."""
    first, *others = sorted(kinds, key=lambda kind: bool(pa.types.is_null(kind.type)))
    merged = first.type
    for other in others:
        wider = widened(merged, other.type)
        if wider is None:
            return f"{first.type} in {first.file} and {other.type} in {other.file}"
        merged = wider
    return merged


def widened(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """A type that holds the values of both; None: there is none.

    >>> str(widened(pa.int32(), pa.int64()))
    'int64'
    >>> widened(pa.int64(), pa.string())
    """
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    one, other = _decoded(one), _decoded(other)
    if is_text(one) != is_text(other) or pa.types.is_boolean(one) != pa.types.is_boolean(other):
        return None  # Arrow would make bytes of both, or 0 and 1
    if pa.types.is_date(one) != pa.types.is_date(other):
        return None  # a date and an instant
    if pa.types.is_decimal(one) and pa.types.is_integer(other):
        return _decimal_of(one, other)
    if pa.types.is_integer(one) and pa.types.is_decimal(other):
        return _decimal_of(other, one)
    try:
        merged = pa.unify_schemas(
            [pa.schema([("x", one)]), pa.schema([("x", other)])], promote_options="permissive"
        )
    except pa.ArrowException:
        return None
    return merged.field("x").type


_DIGITS = {8: 3, 16: 5, 32: 10, 64: 19}
"""The number of decimal digits of whole numbers, by their bits."""


def _decimal_of(decimal: pa.DataType, integer: pa.DataType) -> pa.DataType | None:
    """Decimals with room for whole numbers: Arrow's own choice has a digit or more too few."""
    digits = _DIGITS[integer.bit_width] + (integer == pa.uint64())
    precision = max(decimal.precision - decimal.scale, digits) + decimal.scale
    return pa.decimal128(precision, decimal.scale) if precision <= 38 else None


def _always_fits(own: pa.DataType, wider: pa.DataType) -> bool:
    """Whether each value of a file's type is one of the type over all files, by the types alone."""
    own = _decoded(own)
    if own == wider or pa.types.is_null(own):
        return True
    if is_text(own) or pa.types.is_fixed_size_binary(own) or pa.types.is_binary(own):
        return True
    of_one_kind = pa.types.is_integer(own) == pa.types.is_integer(wider)
    is_number = pa.types.is_integer(own) or pa.types.is_floating(own)
    return bool(is_number and of_one_kind and own.bit_width < wider.bit_width)


def plain(type_: pa.DataType) -> pa.DataType:
    """The type without views, which Arrow cannot take rows out of; same values, same order."""
    if isinstance(type_, pa.BaseExtensionType):
        return type_
    if pa.types.is_string_view(type_):
        return pa.large_string()
    if pa.types.is_binary_view(type_):
        return pa.large_binary()
    if pa.types.is_struct(type_):
        return pa.struct([field.with_type(plain(field.type)) for field in type_])
    if pa.types.is_map(type_):
        return pa.map_(
            type_.key_field.with_type(plain(type_.key_type)),
            type_.item_field.with_type(plain(type_.item_type)),
            keys_sorted=type_.keys_sorted,
        )
    if pa.types.is_dictionary(type_):
        return pa.dictionary(type_.index_type, plain(type_.value_type), ordered=type_.ordered)
    if pa.types.is_fixed_size_list(type_):
        return pa.list_(_plain_items(type_), type_.list_size)
    if pa.types.is_list(type_):
        return pa.list_(_plain_items(type_))
    if pa.types.is_large_list(type_):
        return pa.large_list(_plain_items(type_))
    return type_  # Arrow takes rows out of views of lists; it is a cast of them that goes wrong


def fitted(batch: pa.RecordBatch, columns: Sequence[pa.Field], file: str) -> pa.RecordBatch:
    """A batch of a file under the schema of all: what it lacks is null.

    Raises:
        ValueError: a value does not fit the wider type without loss.
    """
    arrays = []
    for column in columns:
        index = batch.schema.get_field_index(column.name)
        if index < 0:
            arrays.append(pa.nulls(batch.num_rows, column.type))
            continue
        array = batch.column(index)
        try:
            arrays.append(array if array.type == column.type else _cast(array, column.type))
        except (pa.ArrowException, UnfitError) as error:
            message = " ".join(str(error).split())
            raise ValueError(
                f"{file}: column {column.name!r} is {array.type} here and {column.type} over all "
                f"files, which not all of its values are ({message}): cast it"
            ) from None
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(columns))


class UnfitError(Exception):
    """A value would change on its way to another type."""


def _cast(array: pa.Array, type_: pa.DataType) -> pa.Array:
    converted = array.cast(type_)
    # Arrow rounds a decimal that has more digits than a floating-point number, and says nothing.
    if pa.types.is_decimal(_decoded(array.type)) and pa.types.is_floating(type_):
        changed = pc.not_equal(converted.cast(_decoded(array.type), safe=False), array)
        if pc.any(changed).as_py():
            raise UnfitError(f"such as {array.filter(changed)[0].as_py()}")
    return converted


def is_text(type_: pa.DataType) -> bool:
    """Whether values are text, however it is laid out."""
    return bool(
        pa.types.is_string(type_)
        or pa.types.is_large_string(type_)
        or pa.types.is_string_view(type_)
    )


def is_coded_text(type_: pa.DataType) -> bool:
    """Whether values are numbers of the texts in a dictionary."""
    return bool(pa.types.is_dictionary(type_)) and is_text(type_.value_type)


def _plain_items(type_: pa.DataType) -> pa.Field:
    return type_.value_field.with_type(plain(type_.value_type))


def _decoded(type_: pa.DataType) -> pa.DataType:
    return type_.value_type if pa.types.is_dictionary(type_) else type_
