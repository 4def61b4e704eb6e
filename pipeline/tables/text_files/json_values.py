"""Rows of JSON that is not written in lines: a list of objects, or one after another."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import Any

from pipeline.tables.text_files.streams import BUFFER_BYTES

_BLANK = re.compile(r"[ \t\r\n]*")


class JsonError(ValueError):
    """A fault in JSON text, and the line that it is in."""

    def __init__(self, line: int, said: str) -> None:
        super().__init__(said)
        self.line = line


def values(
    stream: io.BufferedReader, decoder: json.JSONDecoder, *, most: int
) -> Iterator[tuple[int, Any, int]]:
    """Values one after another, those of a list by themselves.

    Each comes with the line that it begins in, and with how many characters it has.

    Args:
        stream: in UTF-8, at its beginning.
        decoder: makes a value of its text.
        most: characters that a value may have.

    Raises:
        JsonError: it is no JSON, or a value is longer.
    """
    text = _Text(stream)
    while text.next_sign():
        if text.next_sign() != "[":
            yield text.line, *text.value(decoder, most=most)
            continue
        text.take("[")
        if text.next_sign() == "]":
            text.take("]")
            continue
        while True:
            text.next_sign()  # to the line of the value
            yield text.line, *text.value(decoder, most=most)
            if text.take(",]") == "]":
                break


class _Text:
    """Text that is read as it is needed."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self.line = 1
        """The line that the reader is at, counted from 1."""
        # Line ends count as they are, and bytes that are no UTF-8 become surrogates.
        self._stream = io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
        self._read = ""
        self._at = 0
        self._is_all = False

    def next_sign(self) -> str:
        """The next character that is no blank; nothing at the end."""
        while True:
            blank = _BLANK.match(self._read, self._at)
            assert blank is not None
            self._move(blank.end())
            if self._at < len(self._read):
                return self._read[self._at]
            if self._is_all:
                return ""
            self._more()

    def take(self, one_of: str) -> str:
        """The next character, which must be one of some."""
        sign = self.next_sign()
        if not sign or sign not in one_of:
            fault = f"there is {sign!r}" if sign else "it ends"
            raise JsonError(self.line, f"{fault} where {' or '.join(map(repr, one_of))} should be")
        self._move(self._at + 1)
        return sign

    def value(self, decoder: json.JSONDecoder, *, most: int) -> tuple[Any, int]:
        """The next value, and how many characters it has."""
        self.next_sign()
        while True:
            try:
                value, end = decoder.raw_decode(self._read, self._at)
            except json.JSONDecodeError as error:
                # It may only be that the end of it has not been read yet.
                if len(self._read) - self._at > most:
                    raise JsonError(self.line, f"longer than {most // 2**20} MB") from None
                if self._is_all:
                    line = self.line + self._read.count("\n", self._at, error.pos)
                    said = error.msg[:1].lower() + error.msg[1:]
                    raise JsonError(line, said) from None
                self._more()
            except RecursionError:
                raise JsonError(self.line, "it is nested too deeply") from None
            except ValueError as error:  # a key twice, a number of 5,000 digits
                raise JsonError(self.line, " ".join(str(error).split())) from None
            else:
                size = end - self._at
                self._move(end)
                return value, size

    def _move(self, at: int) -> None:
        self.line += self._read.count("\n", self._at, at)
        self._at = at

    def _more(self) -> None:
        rest = self._read[self._at :]
        # As much again as there is: what is long is not looked at from its beginning too often.
        more = self._stream.read(max(BUFFER_BYTES, len(rest)))
        self._read, self._at, self._is_all = rest + more, 0, not more
