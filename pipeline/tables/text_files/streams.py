"""Files of text, read from their beginning to their end in memory of a few megabytes.

Packed files are unpacked, and text in other encodings comes out as UTF-8: by their first bytes,
whatever they are called.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from pipeline import storage

BATCH_ROWS = 4096
BATCH_BYTES = 16 * 2**20
"""The bytes at which a batch ends, whatever its rows."""
MOST_ROW_BYTES = 64 * 2**20
"""The most bytes of one row: a photograph inside the file fits; a quote that was left open ends
there."""
BUFFER_BYTES = 2**20
_UNPACKED_FREELY = 256 * 2**20
_MOST_RATIO = 200
"""The largest ratio of unpacked bytes to packed ones, beyond what is free: rows of a catalogue come
to 5 or 50."""

_START_BYTES = 64
_GZIP, _BZIP2, _ZSTD = b"\x1f\x8b", b"BZh", b"\x28\xb5\x2f\xfd"
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1f]")
"""Control characters that text does not hold; it has tabs and ends of lines."""
_FOREIGN = {
    b"PAR1": "is a Parquet file: call it .parquet",
    b"PK\x03\x04": "is an Excel workbook or a zip archive: save it as CSV in UTF-8, or unpack it",
    b"\xd0\xcf\x11\xe0": "is an Excel workbook: save it as CSV in UTF-8",
    b"Obj\x01": "is an Avro file: write it as Parquet",
    b"ORC": "is an ORC file: write it as Parquet",
    b"ARROW1": "is an Arrow file: write it as Parquet",
    b"FEA1": "is a Feather file: write it as Parquet",
    b"SQLite format 3": "is a database: export its table as Parquet",
    b"\xfd7zXZ": "is packed by xz: unpack it, or pack it by gzip or zstd",
    b"\x04\x22\x4d\x18": "is packed by lz4: unpack it, or pack it by gzip or zstd",
    b"%PDF": "is a PDF and no table: export it as CSV",
    b"version https://git-lfs": "stands for a file that Git LFS holds: fetch that, by git lfs pull",
}
_PAGE = re.compile(rb"<(!doctype html|html|head|body|table)\b", re.IGNORECASE)
_MARKUP = re.compile(rb"<[?!]?[A-Za-z]")
_PACKED_TWICE = "is packed twice: unpack it once"


def lines(
    stream: io.BufferedReader | io.TextIOWrapper, file: str, *, most: int, otherwise: str
) -> Iterator[Any]:
    """The lines of a file as the stream has them, bytes or text, with their ends.

    Args:
        stream: at its beginning.
        file: for the message.
        most: that a line may have, of what it consists of.
        otherwise: what to say of one that is longer.

    Raises:
        ValueError: one is; names the file and the line.
    """
    number = 0
    while line := stream.readline(most):
        number += 1
        if len(line) == most:
            raise ValueError(f"{file}, line {number}: longer than {most // 2**20} MB: {otherwise}")
        yield line


@contextmanager
def opened(file: str, *, encoding: str | None = None) -> Iterator[io.BufferedReader]:
    """The bytes of a file of text, unpacked and in UTF-8.

    Args:
        file: where it is.
        encoding: of its text; None: UTF-8, or what its first bytes say. Bytes that are none of it
            stay as they are, for whoever looks at their cell.

    Raises:
        ValueError: it cannot be opened or read, or is no text by its first bytes; one line.
    """
    filesystem, path = storage.arrow_filesystem(file)
    try:
        with filesystem.open_input_file(path) as native:
            packed = io.BufferedReader(native, BUFFER_BYTES)
            stream = _unpacked(packed, file)
            start = stream.peek(_START_BYTES)[:_START_BYTES]
            _check_text(file, start)
            if stream is not packed and _packed_by(start):
                raise ValueError(f"{file}: {_PACKED_TWICE}")
            codec = _marked(start) or encoding or _encoding_of(file, start)
            yield stream if _is_utf8(codec) else _buffered(_Recoded(stream, codec))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(file, error) from None
    except UnicodeError as error:
        fix = "say another --csv-encoding, or none" if encoding else "save it in UTF-8"
        raise ValueError(
            f"{file}: is no {getattr(error, 'encoding', encoding)}: "
            f"{getattr(error, 'reason', error)}: copy it here again, if it is cut off, or {fix}"
        ) from None
    except (pa.ArrowException, OSError) as error:
        if "compressed stream" in str(error).lower() or "decompress" in str(error).lower():
            raise _damaged(file, error) from None
        raise ValueError(f"{file}: cannot be read: {_said(error)}") from None


def _said(error: Exception) -> str:
    return " ".join(str(error).split())


def _damaged(file: str, error: Exception) -> ValueError:
    return ValueError(f"{file}: is cut off, or damaged: {_said(error)}; copy it here again")


def _check_text(file: str, start: bytes) -> None:
    advice = what_it_is(start)
    if advice is not None:
        raise ValueError(f"{file}: {advice}")


def what_it_is(start: bytes) -> str | None:
    r"""The kind of a file that is no text of rows, by its first bytes; None: it may be text.

    >>> what_it_is(b"\n<HTML><body>")
    'is a web page and no table: was it saved while signed out?'
    """
    for magic, advice in _FOREIGN.items():
        if start.startswith(magic):
            return advice
    text = start.removeprefix(codecs.BOM_UTF8).lstrip()
    if _PAGE.match(text):
        return "is a web page and no table: was it saved while signed out?"
    return "is XML: export it as CSV, TSV or JSON" if _MARKUP.match(text) else None


def _marked(start: bytes) -> str | None:
    """The encoding that a file itself says it has: more certain than whatever is said of many."""
    if start.startswith(codecs.BOM_UTF8):
        return "utf-8"
    return next((encoding for mark, encoding in _MARKS if start.startswith(mark)), None)


def _encoding_of(file: str, start: bytes) -> str:
    """The encoding of a text, where it is certain: by the zeros beside letters of ASCII.

    A few zeros among text are in somebody's cell, here as further down in the file.
    """
    first, second = start[0::2], start[1::2]
    if b"\0" not in start:
        return "utf-8"
    if all(first) and 2 * second.count(0) > len(second):
        return "utf-16-le"
    if all(second) and 2 * first.count(0) > len(first):
        return "utf-16-be"
    if 8 * start.count(0) <= len(start) and not _CONTROL.search(start):
        return "utf-8"
    line = start.count(b"\n", 0, start.index(0)) + 1
    raise ValueError(
        f"{file}, line {line}: has bytes that are zero, as no text in UTF-8 has so many: export it "
        "again; if it is in UTF-16 or UTF-32, say so, such as --csv-encoding utf-16-le"
    )


def _is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii")


def _packed_by(start: bytes) -> str | None:
    if start.startswith(_BZIP2) and start[3:4].isdigit():
        return "bzip2"
    return next(
        (by for mark, by in ((_GZIP, "gzip"), (_ZSTD, "zstd")) if start.startswith(mark)), None
    )


def _unpacked(packed: io.BufferedReader, file: str) -> io.BufferedReader:
    by = _packed_by(packed.peek(4))
    if by is None:
        return packed
    if by == "gzip":
        inner: Any = gzip.GzipFile(fileobj=packed)
    elif by == "bzip2":
        inner = bz2.BZ2File(packed)
    else:
        inner = pa.CompressedInputStream(packed, "zstd")
    return _buffered(_Bounded(inner, packed, file))


def _buffered(raw: io.RawIOBase) -> io.BufferedReader:
    return io.BufferedReader(raw, BUFFER_BYTES)


class _Bounded(io.RawIOBase):
    """The unpacked bytes of a file, as long as they come to no more than rows do."""

    def __init__(self, inner: Any, packed: io.BufferedReader, file: str) -> None:
        self._inner, self._packed, self._file = inner, packed, file
        self._num_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._inner.read(len(buffer))
        self._num_bytes += len(data)
        allowed = max(_UNPACKED_FREELY, _MOST_RATIO * self._packed.tell())
        if self._num_bytes > allowed:
            raise ValueError(
                f"{self._file}: unpacks to more than {_MOST_RATIO} times its size, as no table "
                "does: unpack it yourself if it is one"
            )
        buffer[: len(data)] = data
        return len(data)


class _Recoded(io.RawIOBase):
    """Text as UTF-8. Bytes that spell nothing in its own encoding spell nothing in UTF-8 either."""

    def __init__(self, stream: io.BufferedReader, encoding: str) -> None:
        # UTF-16 has no bytes to leave as they are: a half of a pair goes on as one.
        self._errors = "surrogatepass" if encoding.startswith("utf") else "surrogateescape"
        self._decoder = codecs.getincrementaldecoder(encoding)(self._errors)
        self._stream = stream
        self._waiting = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._waiting:
            data = self._stream.read1(BUFFER_BYTES)
            text = self._decoder.decode(data, final=not data)
            self._waiting = text.encode("utf-8", self._errors)
            if not data:
                break
        given = self._waiting[: len(buffer)]
        self._waiting = self._waiting[len(given) :]
        buffer[: len(given)] = given
        return len(given)
