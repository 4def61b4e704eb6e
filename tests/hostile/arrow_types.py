"""A column of every Arrow type, with values at its ends, in every role that a column can have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.hostile.cases import Request

_EITHER = frozenset({0, 2})
_TEXTS = frozenset(
    {"string", "large string", "string view", "dictionary of strings", "null", "no utf-8",
     "null bytes in text"}
)  # fmt: skip
_WHOLE = frozenset(
    {"null", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}
)
_DECIMALS = frozenset(
    {"decimal32", "decimal64", "decimal128", "decimal256", "decimal of negative scale"}
)
_NUMBERS = _WHOLE | _DECIMALS | {"float16", "float32", "float64", "dictionary of numbers"}


def table_of(column: pa.Array, name: str = "x") -> pa.Table:
    """A healthy manifest of two rows, with the column in it."""
    columns = {
        "id": pa.array(["a", "b"]),
        "image_uri": pa.array(["healthy.jpg"] * 2),
        "prompt": pa.array(["white"] * 2),
    }
    return pa.table({**columns, name: column})


@cache
def columns() -> Mapping[str, pa.Array]:
    """Two values of each type that a Parquet file can hold."""
    made = {**_numbers(), **_texts(), **_times(), **_nested(), **_extensions()}
    return {name: column for name, column in made.items() if _is_storable(column)}


def _is_storable(column: pa.Array) -> bool:
    try:
        pq.write_table(pa.table({"x": column}), BytesIO())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid, OSError):
        return False  # no manifest has it
    return True


def _numbers() -> Mapping[str, pa.Array]:
    whole = {
        f"{sign}int{bits}": pa.array(
            [0 if sign else -(2 ** (bits - 1)), 2 ** (bits - (not sign)) - 1],
            getattr(pa, f"{sign}int{bits}")(),
        )
        for sign in ("", "u")
        for bits in (8, 16, 32, 64)
    }
    return {
        "null": pa.nulls(2),
        "bool": pa.array([True, None]),
        **whole,
        "float16": pa.array(np.array([1.5, np.nan], dtype=np.float16)),
        "float32": pa.array([float("inf"), -0.0], pa.float32()),
        "float64": pa.array([float("nan"), 1e308]),
        "decimal32": pa.array([Decimal("1.50"), None], pa.decimal32(5, 2)),
        "decimal64": pa.array([Decimal("1.50"), None], pa.decimal64(12, 2)),
        "decimal128": pa.array([Decimal("9" * 36 + ".99"), None], pa.decimal128(38, 2)),
        "decimal256": pa.array([Decimal("9" * 74 + ".99"), None], pa.decimal256(76, 2)),
        "decimal of negative scale": pa.array([Decimal("1E+3"), None], pa.decimal128(5, -3)),
    }


def _texts() -> Mapping[str, pa.Array]:
    words = ["Größe", "\U0001f45f\u202e"]
    raw = [b"\xff\xfe", b""]
    buffers = pa.array(raw, pa.binary()).buffers()
    return {
        "string": pa.array(words),
        "large string": pa.array(words, pa.large_string()),
        "string view": pa.array(words, pa.string_view()),
        "null bytes in text": pa.array(["a\0b", "\0"]),
        "no utf-8": pa.Array.from_buffers(pa.string(), 2, buffers),
        "binary": pa.array(raw),
        "large binary": pa.array(raw, pa.large_binary()),
        "binary view": pa.array(raw, pa.binary_view()),
        "fixed size binary": pa.array([b"abcd", None], pa.binary(4)),
        "dictionary of strings": pa.array(words).dictionary_encode(),
        "dictionary of numbers": pa.array([5, 7]).dictionary_encode(),
        "dictionary with nulls": pa.DictionaryArray.from_arrays([0, None], ["a", None]),
        "run-end encoded": pa.RunEndEncodedArray.from_arrays([2], ["a"]),
    }


def _times() -> Mapping[str, pa.Array]:
    made: dict[str, pa.Array] = {
        "date32": pa.array([date(1, 1, 1), date(9999, 12, 31)]),
        "date32 far away": pa.array([2**31 - 1, -(2**31)], pa.int32()).cast(pa.date32()),
        "date64": pa.array([date(1, 1, 1), date(9999, 12, 31)], pa.date64()),
        "time32 s": pa.array([time(0, 0), time(23, 59, 59)], pa.time32("s")),
        "time32 ms": pa.array([time(0, 0), time(23, 59, 59)], pa.time32("ms")),
        "time64 us": pa.array([time(0, 0), time(23, 59, 59)], pa.time64("us")),
        "time64 ns": pa.array([1, 86_399_999_999_999], pa.time64("ns")),
        "interval": pa.array([pa.MonthDayNano([1, 2, 3]), None], pa.month_day_nano_interval()),
    }
    for unit in ("s", "ms", "us", "ns"):
        moments = [datetime(1970, 1, 1), datetime(2026, 1, 1, 12)]
        made[f"timestamp {unit}"] = pa.array(moments, pa.timestamp(unit))
        made[f"timestamp {unit} in a zone"] = pa.array(moments, pa.timestamp(unit, "Asia/Kolkata"))
        made[f"duration {unit}"] = pa.array([timedelta(1), -timedelta(1)], pa.duration(unit))
    ends = pa.array([2**62, -(2**62)], pa.int64())
    for unit in ("ms", "us", "ns"):
        made[f"timestamp {unit} far away"] = ends.cast(pa.timestamp(unit))
        made[f"duration {unit} far away"] = ends.cast(pa.duration(unit))
    nowhere = pa.timestamp("us", "Nowhere/Atlantis")
    made["timestamp in no zone"] = pa.array([0, 1], pa.int64()).cast(nowhere)
    made["timestamp at an offset"] = pa.array([0, 1], pa.timestamp("us", "+05:30"))
    return made


def _nested() -> Mapping[str, pa.Array]:
    deep: pa.DataType = pa.int8()
    for _ in range(12):
        deep = pa.list_(deep)
    pairs = [[("a", 1), ("b", None)], []]
    return {
        "list": pa.array([[1, None], []]),
        "large list": pa.array([["a"], None], pa.large_list(pa.string())),
        "fixed size list": pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2)),
        "list view": pa.array([[1], [2]], pa.list_view(pa.int32())),
        "list of float16": pa.array([[np.float16(1)], []], pa.list_(pa.float16())),
        "list of nulls": pa.array([[None], []]),
        "list of lists": pa.array([None, None], deep),
        "list of dictionaries": pa.array(
            [["a"], ["b"]], pa.list_(pa.dictionary(pa.int32(), pa.string()))
        ),
        "map": pa.array(pairs, pa.map_(pa.string(), pa.int64())),
        "map with a key twice": pa.array([pairs[0][:1] * 2, []], pa.map_(pa.string(), pa.int64())),
        "map of numbers": pa.array([[(1, "a")], None], pa.map_(pa.int32(), pa.string())),
        "struct": pa.array([{"a": 1, "b": "x"}, None]),
        "struct of nothing": pa.array([{}, {}], pa.struct([])),
        "struct with odd names": pa.array([{"": 1, "a.b": 2, "\x1b": 3}, None]),
        "struct with a name twice": pa.StructArray.from_arrays(
            [pa.array([1, 2]), pa.array([3, 4])], names=["a", "a"]
        ),
        "struct of decimals": pa.array([{"a": Decimal("9" * 60)}, None],
                                       pa.struct([("a", pa.decimal256(76, 0))])),
        "union": pa.UnionArray.from_sparse(
            pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])]
        ),
    }  # fmt: skip


def _extensions() -> Mapping[str, pa.Array]:
    ids = pa.array([bytes(range(16)), None], pa.binary(16))
    tensor = pa.array([[1, 2, 3, 4], [5, 6, 7, 8]], pa.list_(pa.int32(), 4))
    return {
        "uuid": pa.ExtensionArray.from_storage(pa.uuid(), ids),
        "json": pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a": 1}', "no json"])),
        "bool8": pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0], pa.int8())),
        "opaque": pa.ExtensionArray.from_storage(
            pa.opaque(pa.binary(), "a type", "a vendor"), pa.array([b"a", b"b"])
        ),
        "tensor": pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.int32(), [2, 2]), tensor),
    }


def tables() -> Iterator[Request]:
    """Manifests with such a column, as far as no picture is made of them."""
    for name, column in columns().items():
        yield _request("unused", name, table_of(column), codes=frozenset({0}))
        condition = ("--where", "x IS NOT NULL OR x IS NULL")
        yield _request("condition", name, table_of(column), *condition, codes=_EITHER)
        template = ("--set", "prompt.template='{x}'")
        blank = table_of(column).drop_columns(["prompt"])
        yield _request("template", name, blank, *template, codes=_EITHER)
        for role, kinds in _roles(name):
            without = table_of(column).drop_columns(
                [n for n in ("id", "image_uri", "prompt") if n == role]
            )
            codes = _EITHER if name in kinds else frozenset({2})
            table = without.rename_columns({"x": role})
            yield _request("role", f"{name} as {role}", table, codes=codes)


_ROLES: Mapping[str, frozenset[str]] = {
    "id": _TEXTS | _NUMBERS,
    "image_uri": _TEXTS,
    "prompt": _TEXTS,
    "seed": _NUMBERS,
    "num_results": _NUMBERS,
    "margin": _NUMBERS,
    "fast": frozenset({"null", "bool", "bool8"}),
    "placement": _TEXTS | {"large list", "list of nulls", "list of dictionaries"},
    "image": frozenset({"null", "binary", "large binary", "binary view"}),
}
"""What may be understood in a column of that name; anything else is refused at once."""


def _roles(name: str) -> Iterator[tuple[str, frozenset[str]]]:
    """The roles in which a type may be understood, and some of those in which it may not."""
    number = list(columns()).index(name)
    for position, (role, kinds) in enumerate(_ROLES.items()):
        if name in kinds or (number + position) % 3 == 0:
            yield role, kinds


def _request(role: str, name: str, table: pa.Table, *more: str, codes: frozenset[int]) -> Request:
    sink = BytesIO()
    pq.write_table(table, sink)
    file = "supplier/typed.parquet"
    return Request(
        group=f"type, {role}" if role != "role" else "type in a role",
        name=name,
        arguments=lambda folder: ["prompts", str(folder / file), "--recipe", "studio", *more],
        says="manifest" if role != "condition" else "",
        files={file: sink.getvalue()},
        codes=codes,
    )
