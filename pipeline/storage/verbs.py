"""What can be done with a place, whether it is a local path or an `s3://` URI.

On an object store every verb asks again when a fault may pass, and then raises TransientError.
FileNotFoundError: no such object or bucket. PermissionError: refused, or no credentials.
"""

from __future__ import annotations

from typing import Protocol

import pyarrow.fs as pafs

from pipeline.storage.local_files import Files
from pipeline.storage.s3.arrow_files import object_filesystem
from pipeline.storage.s3.connection import connection
from pipeline.storage.s3.objects import Objects
from pipeline.storage.uris import absolute, check_place, scheme_of, without_secrets


class _Place(Protocol):
    def exists(self, uri: str) -> bool: ...
    def is_folder(self, uri: str) -> bool: ...
    def read(self, uri: str) -> bytes: ...
    def write(
        self, uri: str, data: bytes, *, content_type: str | None, below: str | None
    ) -> int: ...
    def create(self, uri: str, data: bytes, *, content_type: str | None) -> bool: ...
    def remove(self, uri: str) -> None: ...
    def list_files(self, uri: str, *, suffix: str) -> list[str]: ...
    def sizes(self, uri: str) -> dict[str, int]: ...
    def list_folders(self, uri: str) -> list[str]: ...
    def glob_files(self, pattern: str) -> list[str]: ...


def exists(uri: str) -> bool:
    """Whether there is a file or a non-empty folder at `uri`."""
    return _place(uri).exists(uri)


def is_folder(uri: str) -> bool:
    """Whether `uri` is a folder (on an object store: a prefix with something under it)."""
    return _place(uri).is_folder(uri)


def read(uri: str) -> bytes:
    """All bytes at `uri`."""
    return _place(uri).read(uri)


def write(
    uri: str, data: bytes, *, content_type: str | None = None, below: str | None = None
) -> int:
    """Put `data` at `uri` so that a reader sees all of it or nothing.

    Args:
        uri: where; folders are made as needed.
        data: what.
        content_type: media type, which an object store keeps and a browser goes by.
        below: a local folder that must be there, so that one deleted under us is not made anew.

    Returns:
        How many retries it took.
    """
    return _place(uri).write(uri, data, content_type=content_type, below=below)


def create(uri: str, data: bytes, *, content_type: str | None = None) -> bool:
    """Put `data` at `uri` unless something is there: of several who do so, one prevails.

    Returns:
        Whether it is `data` that is there now; what somebody else put there stays as it is.
    """
    return _place(uri).create(uri, data, content_type=content_type)


def remove(uri: str) -> None:
    """Delete the file at `uri`; nothing there is fine."""
    _place(uri).remove(uri)


def list_files(uri: str, *, suffix: str = "") -> list[str]:
    """Every finished file under the folder `uri`, sorted; empty when there is no such folder."""
    return _place(uri).list_files(uri, suffix=suffix)


def sizes(uri: str) -> dict[str, int]:
    """Bytes of every finished file under the folder `uri`, by URI; empty when there is none.

    On an object store that is one listing, however many folders there are below.
    """
    return _place(uri).sizes(uri)


def list_folders(uri: str) -> list[str]:
    """The folders directly under `uri`, sorted; empty when there is no such folder."""
    return _place(uri).list_folders(uri)


def glob_files(pattern: str) -> list[str]:
    """Files that match a pattern with `*`, `?`, `[...]` or `**` (any folders), sorted."""
    return _place(pattern).glob_files(pattern)


def arrow_filesystem(uri: str) -> tuple[pafs.FileSystem, str]:
    """The Arrow filesystem that reads `uri`, and the path in it. Survives pickling."""
    path = arrow_path(uri)
    if scheme_of(uri) == "file":
        return pafs.LocalFileSystem(), path
    _place(uri)
    return object_filesystem(), path


def arrow_path(uri: str) -> str:
    """The path of `uri` in the Arrow filesystem that reads it."""
    return absolute(uri) if scheme_of(uri) == "file" else uri.partition("://")[2].rstrip("/")


def _place(uri: str) -> _Place:
    check_place(uri)
    scheme = scheme_of(uri)
    if scheme == "file":
        return Files()
    if scheme == "s3":
        return Objects(connection())
    raise ValueError(
        f"{without_secrets(uri)}: storage scheme {scheme!r} is not supported: use s3:// or a path"
    )
