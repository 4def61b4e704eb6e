"""Files of text, read from their beginning to their end in memory of a few megabytes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from pipeline import storage

BATCH_ROWS = 4096
MOST_ROW_BYTES = 64 * 2**20
"""Of one row: a photograph inside the file fits; a quote that was left open ends there."""
_BUFFER_BYTES = 2**20
_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


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
def opened(file: str) -> Iterator[io.BufferedReader]:
    """The bytes of a file.

    Raises:
        ValueError: it cannot be opened or read, or is no UTF-8 by its first bytes; one line.
    """
    filesystem, path = storage.arrow_filesystem(file)
    try:
        with filesystem.open_input_file(path) as native:
            stream = io.BufferedReader(native, _BUFFER_BYTES)
            encoding = _MARKS.get(stream.peek(2)[:2])
            if encoding is not None:
                raise ValueError(f"{file}: is written in {encoding}: save it as UTF-8")
            yield stream
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{file}: cannot be read: {' '.join(str(error).split())}") from None
