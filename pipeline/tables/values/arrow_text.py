"""Text on its way from Python to Arrow, which may hold bytes that are no UTF-8.

In Python such bytes are surrogates, which nothing can encode; Arrow carries them as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa


def array_of(values: Sequence[Any], type_: pa.DataType) -> pa.Array:
    """Values of text, or of lists and objects that hold some; its bytes are not looked at."""
    try:
        return pa.array(values, type_)
    except UnicodeEncodeError:
        encoded = [_with_text(value, _encoded) for value in values]
        return pa.array(encoded, _with_bytes(type_)).cast(type_, safe=False)


def nested_type(values: Sequence[Any]) -> pa.DataType:
    """The type of lists or objects.

    Raises:
        UnicodeEncodeError: a key is no UTF-8.
        ArrowException, OverflowError, RecursionError: they have none in common.
    """
    try:
        return pa.array(values).type
    except UnicodeEncodeError:
        return pa.array([_with_text(value, lambda _: "") for value in values]).type


def is_utf8(text: str) -> bool:
    """Whether a text holds no surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def has_utf8_keys(value: Any) -> bool:
    """Whether all keys of an object are, and of those below it."""
    if isinstance(value, list):
        return all(map(has_utf8_keys, value))
    if isinstance(value, dict):
        return all(map(is_utf8, value)) and all(map(has_utf8_keys, value.values()))
    return True


def _with_text(value: Any, changed: Callable[[str], Any]) -> Any:
    """A value of the same shape, with each text in it changed."""
    if isinstance(value, str):
        return changed(value)
    if isinstance(value, list):
        return [_with_text(item, changed) for item in value]
    if isinstance(value, dict):
        return {key: _with_text(item, changed) for key, item in value.items()}
    return value


def _encoded(value: str) -> bytes:
    try:
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a pair, as JSON can spell it
        return value.encode("utf-8", "surrogatepass")


def _with_bytes(type_: pa.DataType) -> pa.DataType:
    """The type with bytes instead of text."""
    if pa.types.is_string(type_):
        return pa.binary()
    if pa.types.is_list(type_):
        return pa.list_(type_.value_field.with_type(_with_bytes(type_.value_type)))
    if pa.types.is_struct(type_):
        return pa.struct([field.with_type(_with_bytes(field.type)) for field in type_])
    return type_
