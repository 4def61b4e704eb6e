"""Where bytes live: local folders and object stores behind one handful of verbs.

The only file that imports s3fs and boto3 (through fsspec). Credentials come from the environment's
standard chain and never from a recipe, so they cannot end up in `run.json` or a log.
"""

from __future__ import annotations

import os
import re
import stat
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

import fsspec
import pyarrow.fs as pafs
from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import ErrorCode, RowError

TEMPORARY_PREFIX = ".writing-"
"""Local files under this name are unfinished: readers never see them under their own name."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def scheme_of(uri: str) -> str:
    """`s3`, `https`, ...; `file` for a local path with or without a scheme."""
    # Not urlsplit: it raises for some of what a manifest may hold, such as "http://[".
    found = _SCHEME.match(uri)
    return found[1].lower() if found else "file"


def absolute(uri: str) -> str:
    """A local path made absolute and free of `file://`; other URIs without a trailing slash."""
    if scheme_of(uri) != "file":
        return uri.rstrip("/")
    if _SCHEME.match(uri):
        path = uri.partition("://")[2].partition("/")[2]  # after the host, which is this machine
        return str(Path("/" + unquote(path)))
    return str(Path(uri).expanduser().absolute())


def join(uri: str, *parts: str) -> str:
    """A place below `uri`."""
    return "/".join([uri.rstrip("/"), *(part.strip("/") for part in parts)])


def parent(uri: str) -> str:
    """The folder that holds `uri`."""
    return uri.rstrip("/").rpartition("/")[0] or "/"


def resolve(uri: str, *, against: str) -> str:
    """An absolute URI for `uri`; a relative one is taken from the folder `against`."""
    if _SCHEME.match(uri) or uri.startswith("/"):
        return absolute(uri) if scheme_of(uri) == "file" else uri
    return join(against, uri)


def filesystem(uri: str) -> tuple[Any, str]:
    """The fsspec filesystem that serves `uri`, and the path in it."""
    scheme = scheme_of(uri)
    if scheme == "file":
        return fsspec.filesystem("file"), absolute(uri)
    if scheme not in ("s3", "memory"):
        raise ValueError(f"{uri}: storage scheme {scheme!r} is not supported: use s3:// or a path")
    return fsspec.filesystem(scheme), uri.partition("://")[2].rstrip("/")


def arrow_filesystem(uri: str) -> tuple[pafs.FileSystem, str]:
    """The Arrow filesystem that serves `uri`, and the path in it."""
    if scheme_of(uri) == "file":
        return pafs.LocalFileSystem(), absolute(uri)
    fs, path = filesystem(uri)
    return pafs.PyFileSystem(pafs.FSSpecHandler(fs)), path


def exists(uri: str) -> bool:
    """Whether there is a file or a non-empty folder at `uri`."""
    fs, path = filesystem(uri)
    return bool(fs.exists(path))


def is_folder(uri: str) -> bool:
    """Whether `uri` is a folder (on an object store: a prefix with something under it)."""
    fs, path = filesystem(uri)
    return bool(fs.isdir(path))


def read(uri: str) -> bytes:
    """All bytes at `uri`. Raises FileNotFoundError, PermissionError, OSError."""
    fs, path = filesystem(uri)
    with fs.open(path, "rb") as file:
        return bytes(file.read())


def write(uri: str, data: bytes) -> None:
    """Put `data` at `uri` so that a reader sees all of it or nothing."""
    fs, path = filesystem(uri)
    if scheme_of(uri) != "file":
        fs.pipe_file(path, data)  # one object, visible when complete
        return
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}")
    try:
        draft.write_bytes(data)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def remove(uri: str) -> None:
    """Delete the file at `uri`; nothing there is fine."""
    fs, path = filesystem(uri)
    try:
        fs.rm_file(path)
    except FileNotFoundError:
        return


def list_files(uri: str, *, suffix: str = "") -> list[str]:
    """Every finished file under the folder `uri`, sorted; empty when there is no such folder."""
    fs, path = filesystem(uri)
    prefix = "" if scheme_of(uri) == "file" else f"{scheme_of(uri)}://"
    found = (str(name) for name in fs.find(path))
    return sorted(
        f"{prefix}{name}"
        for name in found
        if name.endswith(suffix) and not PurePosixPath(name).name.startswith(TEMPORARY_PREFIX)
    )


def list_folders(uri: str) -> list[str]:
    """The folders directly under `uri`, sorted; empty when there is no such folder."""
    fs, path = filesystem(uri)
    if not fs.isdir(path):
        return []
    prefix = "" if scheme_of(uri) == "file" else f"{scheme_of(uri)}://"
    return sorted(
        f"{prefix}{entry['name'].rstrip('/')}"
        for entry in fs.ls(path, detail=True)
        if entry["type"] == "directory"
    )


def glob_files(pattern: str) -> list[str]:
    """Files that match a pattern with `*`, `?` or `[...]`, sorted."""
    fs, path = filesystem(pattern)
    prefix = "" if scheme_of(pattern) == "file" else f"{scheme_of(pattern)}://"
    return sorted(f"{prefix}{name}" for name in fs.glob(path) if not fs.isdir(name))


# --- photographs ------------------------------------------------------------------------------


class ReadPolicy(BaseModel):
    """Which image URIs a manifest may name, and how hard we try to read them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allowed_schemes: tuple[str, ...] = Field(
        ("s3", "file"),
        description="URI schemes a manifest may use. 'file' covers the manifest's own folder only.",
    )
    concurrency: int = Field(16, ge=1, le=256, description="Reads under way at once per actor.")


class PhotoReader:
    """Reads the photographs a manifest names, and only those it may name."""

    def __init__(self, policy: ReadPolicy, *, local_root: str | None, max_bytes: int) -> None:
        """Open nothing yet.

        Args:
            policy: what may be read.
            local_root: the only local folder that may be read; None: no local file at all.
            max_bytes: larger files are refused before their body is read.
        """
        self._policy = policy
        self._local_root = None if local_root is None else os.path.realpath(local_root)
        self._max_bytes = max_bytes
        self._pool = ThreadPoolExecutor(policy.concurrency, thread_name_prefix="fetch")

    def read_many(self, uris: Sequence[str]) -> list[bytes | RowError]:
        """The bytes at each URI, in order, or why they cannot be had."""
        return list(self._pool.map(self._read, uris))

    def _read(self, uri: str) -> bytes | RowError:
        try:
            return self._read_allowed(uri)
        except RowError as error:
            return error

    def _read_allowed(self, uri: str) -> bytes:
        scheme = scheme_of(uri)
        if scheme not in self._policy.allowed_schemes:
            raise RowError(
                ErrorCode.URI_NOT_ALLOWED,
                f"scheme {scheme!r} of image_uri is not in fetch.allowed_schemes "
                f"{list(self._policy.allowed_schemes)}",
            )
        if scheme == "file":
            return self._read_local(uri)
        raise RowError(
            ErrorCode.URI_NOT_ALLOWED, f"scheme {scheme!r} of image_uri cannot be read here"
        )

    def _read_local(self, uri: str) -> bytes:
        named = absolute(uri)
        if "\0" in named:
            raise RowError(ErrorCode.BAD_REQUEST, "image_uri holds a NUL character")
        # realpath follows links: a link inside the folder must not lead out of it.
        path = os.path.realpath(named)
        if self._local_root is None or not path.startswith(self._local_root.rstrip("/") + "/"):
            raise RowError(
                ErrorCode.URI_NOT_ALLOWED,
                f"image_uri {uri!r} lies outside the manifest's folder {self._local_root}",
            )
        try:
            status = Path(path).stat()
            if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait for ever
                raise RowError(ErrorCode.NOT_FOUND, f"{uri} is not a file")
            if status.st_size > self._max_bytes:
                raise RowError(
                    ErrorCode.TOO_MANY_BYTES,
                    f"{status.st_size} bytes, at most {self._max_bytes} accepted",
                )
            return Path(path).read_bytes()
        except FileNotFoundError:
            raise RowError(ErrorCode.NOT_FOUND, f"nothing at {uri}") from None
        except PermissionError:
            raise RowError(ErrorCode.ACCESS_DENIED, f"not allowed to read {uri}") from None
        except OSError as error:
            # A name too long, a circle of links, a broken disk: this row's path, not the run's.
            raise RowError(ErrorCode.NOT_FOUND, f"cannot read {uri}: {error.strerror}") from None
