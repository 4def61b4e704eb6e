"""Objects as files that Arrow can seek in: Parquet's footer and columns, and nothing else, travel.

Arrow's own S3 client has a credential chain and a retry policy of its own; through this one a
Parquet file is found, refused and retried like everything else.
"""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
from fsspec import AbstractFileSystem

from pipeline.storage.s3.connection import connection
from pipeline.storage.s3.objects import Objects

_BUFFER_BYTES = 256 * 2**10
"""Small reads are rounded up to this: a request takes as long as the transfer of 1 MB or so."""


def object_filesystem() -> pafs.FileSystem:
    """Paths are `bucket/key`. For reading: results are written whole, through `storage.write`."""
    return pafs.PyFileSystem(_Handler(_ObjectFileSystem()))


class _Handler(pafs.FSSpecHandler):  # type: ignore[misc]  # pyarrow comes without types
    """Opens a file with one request where FSSpecHandler first asks whether it is one."""

    def open_input_file(self, path: str) -> pa.PythonFile:
        return pa.PythonFile(self.fs.open(path, mode="rb"), mode="r")

    def open_input_stream(self, path: str) -> pa.PythonFile:
        return self.open_input_file(path)


class _ObjectFileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec comes without types
    """What Arrow asks of a filesystem that it only reads. No state but the process's connection."""

    protocol = "s3"

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        store, uri = Objects(connection()), f"s3://{path}"
        try:
            return _entry(path, store.size(uri))
        except FileNotFoundError:
            if not store.is_folder(uri):
                raise
            return _entry(path, None)

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:  # noqa: FBT001, FBT002
        found = Objects(connection()).list_folder(f"s3://{path}")
        return [_entry(name, size) for name, size in found.items()] if detail else list(found)

    def _open(self, path: str, mode: str = "rb", **_: Any) -> io.BufferedReader:
        if mode != "rb":
            raise ValueError(f"s3://{path}: opened for reading only; use storage.write")
        return io.BufferedReader(_ObjectFile(f"s3://{path}"), _BUFFER_BYTES)


def _entry(path: str, size: int | None) -> dict[str, Any]:
    return {"name": path, "type": "directory" if size is None else "file", "size": size or 0}


class _ObjectFile(io.RawIOBase):
    """An object, read in spans as they are asked for."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._objects = Objects(connection())
        self._size = self._objects.size(uri)
        if not self._size:  # nothing would be asked for that could show otherwise
            self._objects.check_empty(uri)
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        wanted = memoryview(buffer).cast("B")
        stop = min(self._position + len(wanted), self._size)
        if stop <= self._position:
            return 0
        data = self._objects.read_span(self._uri, self._position, stop, size=self._size)
        wanted[: len(data)] = data
        self._position += len(data)
        return len(data)
