"""How the files of a table are to be read, where they do not say so themselves."""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.tables.values.arrow_text import is_utf8


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """The options for reading a manifest's files. Equal options are the same request."""

    names: tuple[tuple[str, str], ...] = ()
    """The columns that are called otherwise here, as pairs: the name here, and the one in the
    files."""
    csv_delimiter: str | None = None
    """The delimiter between the values of CSV files; None: the headers tell."""
    csv_encoding: str | None = None
    """The encoding of CSV files; None: UTF-8, or what their first bytes say."""

    def as_json(self) -> dict[str, Any]:
        """The options that are set, as JSON."""
        options = {
            "names": dict(self.names),
            "csv_delimiter": self.csv_delimiter,
            "csv_encoding": self.csv_encoding,
        }
        return {name: value for name, value in options.items() if value}

    @classmethod
    def from_json(cls, options: Mapping[str, Any]) -> Reading:
        """The options that `as_json` wrote down."""
        return cls(
            names=tuple(sorted(options.get("names", {}).items())),
            csv_delimiter=options.get("csv_delimiter"),
            csv_encoding=options.get("csv_encoding"),
        )

    def column(self, name: str) -> str:
        """The name of a column in the files."""
        return dict(self.names).get(name, name)


AS_IT_IS = Reading()
"""The files say all that is needed."""


_WORDS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}


def parse_reading(
    renamed: Sequence[str], *, delimiter: str | None = None, encoding: str | None = None
) -> Reading:
    """The reading options of a command line.

    Args:
        renamed: of `--map`, each `name=column`.
        delimiter: of `--csv-delimiter`: a character, or its name.
        encoding: of `--csv-encoding`, as Python calls it.

    Raises:
        ValueError: one of it says nothing; one line that names the option.
    """
    names: dict[str, str] = {}
    for pair in renamed:
        new, is_there, old = pair.partition("=")
        if not (new and is_there and old):
            raise ValueError(
                f"--map {pair!r}: write the name that Backlot knows, '=', and the name of the "
                "manifest's column, such as image_uri='Image Src'"
            )
        if names.get(new, old) != old:
            raise ValueError(
                f"--map {pair!r}: {new!r} is mapped to {names[new]!r} as well: keep one of them"
            )
        names[new] = old
    return Reading(
        names=tuple(sorted(names.items())),
        csv_delimiter=None if delimiter is None else _delimiter(delimiter),
        csv_encoding=None if encoding is None else _encoding(encoding),
    )


def _delimiter(option: str) -> str:
    delimiter = _WORDS.get(option.lower(), option)
    if len(delimiter) != 1 or delimiter in '"\r\n\0\ufeff' or not is_utf8(delimiter):
        raise ValueError(
            f"--csv-delimiter {option!r}: give one character, such as ';', or a name: "
            f"{', '.join(name for name in _WORDS if name.isalpha())}"
        )
    return delimiter


def _encoding(option: str) -> str:
    try:
        codec = codecs.lookup(option)
        "".encode(codec.name)  # hex, rot13 and their like are no encodings of text
        codecs.getincrementaldecoder(codec.name)("surrogateescape").decode(b"")
        "a".encode(codec.name, "surrogateescape")  # and idna's no encoding of lines
    except (LookupError, ValueError, TypeError):
        raise ValueError(
            f"--csv-encoding {option!r}: there is no such encoding; name one as Python does, such "
            "as cp1252, utf-16 or shift_jis"
        ) from None
    return codec.name
