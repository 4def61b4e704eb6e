"""The columns of a manifest: which there have to be, of what type, and under which names."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from pipeline.manifest.picture_columns import (
    PHOTOGRAPH_COLUMNS,
    SINGLE_ADDRESS_COLUMNS,
    holds_photographs,
    holds_text,
)
from pipeline.manifest.rows import Manifest
from pipeline.manifest.shots import COLUMNS, ColumnKind
from pipeline.tables import bare, is_kind, is_number, nearest, readable

_TEXT_COLUMNS = ("id", *SINGLE_ADDRESS_COLUMNS, "prompt")
_OURS = frozenset({*_TEXT_COLUMNS, "image", "seed", *COLUMNS})


def brief_columns(manifest: Manifest, ignored: Sequence[str]) -> list[str]:
    """The columns in which a manifest's rows say what they ask for.

    Raises:
        ValueError: one is of a type that no value of it could have.
    """
    present = {*manifest.schema.names, *manifest.table.conflicts}
    fields = [manifest.field(name) for name in COLUMNS if name in present and name not in ignored]
    for column in fields:
        kind = COLUMNS[column.name]
        if column.name not in manifest.table.untyped and not _holds(column.type, kind):
            raise ValueError(
                f"manifest {manifest.uri}: column {column.name!r} must be {_KINDS[kind]}, is "
                f"{column.type}: cast it, or put it into ignore_columns if it means something else"
            )
    return [column.name for column in fields]


def check_untyped(manifest: Manifest, columns: Sequence[str]) -> None:
    """Look whether columns of text hold what they should, by the first rows of the manifest.

    One bad value costs its row. A column of which no value is good means something else.

    Raises:
        ValueError: names the column, a value and the fix.
    """
    kinds = {name: _KIND_OF[name] for name in columns if name in manifest.table.untyped}
    if not kinds:
        return
    first = next(manifest.raw_batches(list(kinds)), None)
    if first is None:
        return
    batch, _ = readable(first)
    for name, kind in kinds.items():
        values = [value for value in batch.column(name).to_pylist() if value is not None]
        if values and not any(is_kind(value, kind) for value in values):
            otherwise = "--map other_seed=seed" if name == "seed" else "put it into ignore_columns"
            raise ValueError(
                f"manifest {manifest.uri}: column {name!r} must be {_KINDS[kind]}, is text such as "
                f"{values[0][:40]!r}: correct it, or {otherwise} if it means something else"
            )


def check_doubtful(manifest: Manifest, columns: Sequence[str]) -> None:
    """Read those of some columns whose values may not fit their types, in the selected rows.

    Raises:
        ValueError: one does not; one line that names the file and the column.
    """
    doubtful = [name for name in columns if name in manifest.table.doubtful]
    for _ in manifest.batches(doubtful) if doubtful else ():
        pass


_KIND_OF: dict[str, ColumnKind] = {**COLUMNS, "seed": "integer"}
_KINDS: dict[ColumnKind, str] = {
    "integer": "an integer",
    "number": "a number",
    "boolean": "boolean",
    "text": "string",
    "texts": "string or a list of strings",
}


def _holds(type_: pa.DataType, kind: ColumnKind) -> bool:
    if pa.types.is_null(type_):
        return True
    if kind == "boolean":
        return bool(pa.types.is_boolean(type_))
    if kind in ("integer", "number"):
        # Whole numbers with nulls leave pandas as floats; fractions are refused row by row.
        return is_number(type_)
    if kind == "texts" and (pa.types.is_list(type_) or pa.types.is_large_list(type_)):
        return holds_text(type_.value_type)
    return holds_text(type_)


def check_columns(manifest: Manifest) -> None:
    """Refuse a manifest that lacks a column, or has one whose type or name cannot be used.

    Raises:
        ValueError: one line with the column and the fix.
    """
    schema = manifest.schema
    # SQL does not tell apart names that differ in case only.
    folded = [name.casefold() for name in schema.names]
    twice = sorted(name for name in schema.names if folded.count(name.casefold()) > 1)
    if twice:
        other = next(name for name in twice if name not in _OURS)
        raise ValueError(
            f"manifest {manifest.uri}: columns {twice} share a name but for case: give one "
            f"another, such as --map other_{other}={other!r}"
        )
    present = {*schema.names, *manifest.table.conflicts}
    _check_spelling(manifest.uri, schema.names)
    if "id" not in present:
        raise ValueError(
            f"manifest {manifest.uri}: column 'id' is missing (there are {schema.names}): "
            "add one unique string per row, or say which column it is, such as --map id='sku'"
            f"{nearest('id', schema.names)}"
        )
    if present.isdisjoint(PHOTOGRAPH_COLUMNS):
        raise ValueError(
            f"manifest {manifest.uri}: column 'image_uri' (or 'image' with the bytes) is missing; "
            f"there are {schema.names}: add it, or say which column it is, such as "
            f"--map image_uri='image link'{nearest('image_uri', schema.names)}"
        )
    for name in (*_TEXT_COLUMNS, "image", "seed"):
        if name in manifest.table.conflicts:
            manifest.field(name)
    for name in _TEXT_COLUMNS:
        if name in schema.names and not holds_text(schema.field(name).type):
            type_ = schema.field(name).type
            fix = "cast it"
            if name == "id" and type_ == pa.binary(16):
                fix = "write it as text, or, if it holds UUIDs, under Parquet's type UUID"
            raise ValueError(
                f"manifest {manifest.uri}: column {name!r} must be string, is {type_}: {fix}"
            )
    _check_image(manifest)
    if "seed" in schema.names and not _may_be_seed(manifest):
        raise ValueError(
            f"manifest {manifest.uri}: column 'seed' must be an integer, is "
            f"{schema.field('seed').type}: cast it"
        )


def _check_spelling(uri: str, names: Sequence[str]) -> None:
    """Refuse a name that is one of ours but for blanks around it: nobody would look at it."""
    for name in names:
        meant = name.strip()
        if meant != name and meant in _OURS.difference(names):
            raise ValueError(
                f"manifest {uri}: the column {name!r} has blanks around its name: take them out, "
                f"or say --map {meant}={name!r}"
            )


def check_names(manifest: Manifest, *, ignored: Sequence[str], used: Sequence[str]) -> None:
    """Refuse columns that are called like ours but for case, blanks and dashes.

    Args:
        manifest: of which nobody would look at such a column.
        ignored: columns of ours that mean something else here.
        used: columns that somebody looks at under the names that they have.

    Raises:
        ValueError: there is one; one line with the option that says what it is.
    """
    present = {*manifest.schema.names, *manifest.table.conflicts}
    ours = {bare(name): name for name in sorted(_OURS.difference(present, ignored))}
    for theirs in manifest.schema.names:
        meant = ours.get(bare(theirs))
        if meant is None or theirs in used:
            continue
        # A shop's own column of paths is no mistake beside the one that is asked for.
        if meant == "image" and (
            "image_uri" in present or not holds_photographs(manifest.schema.field(theirs).type)
        ):
            continue
        otherwise = f"--map other_{meant}={theirs!r}"
        if meant in COLUMNS:
            otherwise = f"put {meant} into the recipe's ignore_columns"
        raise ValueError(
            f"manifest {manifest.uri}: nobody looks at column {theirs!r}, which is called nearly "
            f"like {meant!r}: say --map {meant}={theirs!r}, or, if it means something else, "
            f"{otherwise}"
        )


def has_words(type_: pa.DataType) -> bool:
    """Whether a value can stand within a sentence."""
    if pa.types.is_dictionary(type_):
        return has_words(type_.value_type)
    if isinstance(type_, pa.BaseExtensionType):
        return has_words(type_.storage_type) or type_ == pa.uuid()
    is_binary = pa.types.is_fixed_size_binary(type_) or holds_photographs(type_)
    return bool(pa.types.is_null(type_)) or not (pa.types.is_nested(type_) or is_binary)


def _check_image(manifest: Manifest) -> None:
    if "image" not in manifest.schema.names:
        return
    type_ = manifest.schema.field("image").type
    if holds_text(type_) and not pa.types.is_null(type_):
        paths = "--map image_uri=image"
        if "image_uri" in manifest.schema.names:
            paths = "--map other_image=image, as image_uri is there as well"
        raise ValueError(
            f"manifest {manifest.uri}: column 'image' is text, and holds photographs: paths and "
            f"URIs belong into image_uri; rename it, such as with {paths}"
        )
    if not holds_photographs(type_):
        raise ValueError(
            f"manifest {manifest.uri}: column 'image' must be binary (or a struct with binary "
            f"'bytes'), is {type_}: write the bytes of each file, or its path into image_uri"
        )


def _may_be_seed(manifest: Manifest) -> bool:
    type_ = manifest.schema.field("seed").type
    return "seed" in manifest.table.untyped or _holds(type_, "integer")
