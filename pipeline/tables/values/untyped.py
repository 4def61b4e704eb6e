"""Text whose values may mean numbers: what they can be taken for without changing any of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.tables.table import Table
from pipeline.tables.values.readable import readable

Kind = Literal["integer", "number", "boolean", "text", "texts"]

# 0012 is an article number and no 12, and 1e5 may be one: neither would come back as it was.
_WHOLE = r"^(0|-?[1-9][0-9]{0,17})$"
_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"
_TRUTH = r"^([tT]rue|[fF]alse|TRUE|FALSE)$"
_DATE = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"
_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?$"
_TRUTHS = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}
"""The truth value of each word, as spreadsheets and people write them."""
_TYPES: tuple[tuple[str, pa.DataType], ...] = (
    (_WHOLE, pa.int64()),
    (_NUMBER, pa.float64()),
    (_TRUTH, pa.bool_()),
    (_DATE, pa.date32()),
    (_TIME, pa.timestamp("us")),
)


def types_of(table: Table, columns: Sequence[str]) -> dict[str, pa.DataType]:
    """The type, for each column of text, in which all of its values are what they are.

    Every value counts, so that a type does not depend on how many rows were looked at. All rows
    are read.
    """
    possible = {name: list(_TYPES) for name in columns}
    filled = dict.fromkeys(columns, False)
    for batch in table.batches(columns) if columns else ():
        for name, array in zip(columns, batch.columns, strict=True):
            values = array.drop_null()
            if len(values) and possible[name]:
                filled[name] = True
                possible[name] = [pair for pair in possible[name] if _all_are(values, *pair)]
    return {
        name: possible[name][0][1] if filled[name] and possible[name] else pa.string()
        for name in columns
    }


def as_kind(value: Any, kind: Kind) -> Any:
    """A text as the kind of value that it spells; as it is where it spells none.

    >>> [as_kind("3", "integer"), as_kind("3.0", "integer"), as_kind("0.5", "number")]
    [3, 3, 0.5]
    >>> [as_kind("true", "boolean"), as_kind("many", "integer"), as_kind("3", "text")]
    [True, 'many', '3']
    """
    read = _READERS.get(kind)
    if read is None or not isinstance(value, str):
        return value
    found = read(value.strip())
    return value if found is None else found


def is_kind(value: str, kind: Kind) -> bool:
    """Whether a text spells a value of a kind."""
    return kind in ("text", "texts") or as_kind(value, kind) is not value


def _number(text: str) -> int | float | None:
    if re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        return int(text)
    if re.fullmatch(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", text[:64]):
        return float(text)
    return None


def _whole(text: str) -> int | None:
    number = _number(text)
    if isinstance(number, float):  # whole numbers with gaps leave pandas as 3.0
        return int(number) if number.is_integer() else None
    return number


def _truth(text: str) -> bool | None:
    return _TRUTHS.get(text.lower())


_READERS: dict[str, Callable[[str], Any]] = {
    "integer": _whole,
    "number": _number,
    "boolean": _truth,
}


def _all_are(values: pa.Array, pattern: str, type_: pa.DataType) -> bool:
    if not pc.all(pc.match_substring_regex(_clean(values), pattern)).as_py():
        return False
    try:
        values.cast(type_)
    except pa.ArrowException:  # the 30th of February
        return False
    return True


def _clean(values: pa.Array) -> pa.Array:
    batch, _ = readable(pa.RecordBatch.from_arrays([values], ["x"]))
    return batch.column(0)
