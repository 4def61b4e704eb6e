"""Weights on an object store, brought to a node once for all the actors that need them there."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline.errors import ErrorCode, FatalError, TransientError
from pipeline.processes.locks import locked
from pipeline.storage.retry import BACKOFF, Backoff
from pipeline.storage.s3.connection import connection
from pipeline.storage.s3.etag_search import look_up
from pipeline.storage.s3.pages import version_of
from pipeline.storage.s3.requests import S3
from pipeline.storage.uris import bucket_and_key
from pipeline.text.printable import one_line

logger = logging.getLogger(__name__)

CACHE_VARIABLE = "BACKLOT_CACHE"
"""Names the folder of brought weights: on a node's own disk, with room for them."""

_NAME_IT = f"name a folder that may be written in {CACHE_VARIABLE}"
_SPAN_BYTES = 32 * 2**20
_SPANS_AT_ONCE = 8
_PATIENCE_S = 3600.0
"""The patience, in seconds, with another process of this machine that brings the same weights."""
_LONGEST_KEY = 200
"""The most characters of a key in a message; S3 has keys of up to 1024 bytes."""


@dataclass(frozen=True, slots=True)
class _Object:
    name: str
    """Relative to the prefix."""
    etag: str
    num_bytes: int


def mirror(
    uri: str,
    *,
    cache: Path | None = None,
    backoff: Backoff = BACKOFF,
    check: Callable[[Path], None] | None = None,
) -> Path:
    """Bring everything below a prefix to this machine, unless it is there already.

    Processes of one machine take turns under a file lock, so that the first brings the weights and
    the others find them. A copy is whole or absent: it is renamed into place when every object has
    the size that the listing gave, and where its ETag is one the MD5. What is listed names the
    copy, so weights replaced in the bucket are brought anew and never mixed with the old.

    Args:
        uri: `s3://bucket/prefix`, taken as a folder.
        cache: where copies are kept; None for what BACKLOT_CACHE says, or else
            `~/.cache/backlot/weights`.
        backoff: how patient to be with the store.
        check: raises for a copy that must not be kept; asked before it gets its name.

    Returns:
        The local folder; its last part is the prefix's.

    Raises:
        FatalError: a key would be no path inside the copy; nothing is written then.
        FileNotFoundError: nothing lies below the prefix.
        PermissionError: the store refused.
        OSError: copies can be kept nowhere, or another process has held the lock for an hour.
        TransientError: it gave no answer, or its objects changed while they were read.
    """
    bucket, key = bucket_and_key(uri)
    prefix = f"{key.rstrip('/')}/"
    s3 = S3(connection(), backoff=backoff)
    listed = connection().run(_listing(s3, bucket, prefix))
    for found in listed:
        _check_name(found.name, f"s3://{bucket}/{prefix}{found.name}")
    if not listed:
        raise FileNotFoundError(f"nothing below s3://{bucket}/{prefix}")
    root = cache or _cache()
    kept = root / _digest(uri, listed)
    name = prefix.rstrip("/").rpartition("/")[2]
    _check_name(name, uri)
    target = kept / name
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise type(error)(error.errno, f"{error.strerror}: {_NAME_IT}", str(root)) from None
    with locked(root / f"{kept.name}.lock", patience_s=_PATIENCE_S):
        if not kept.exists():
            with _unfinished(root) as folder:
                copy = folder / "copy" / target.name
                for found in listed:
                    path = _inside(copy, found.name)
                    _bring(s3, f"s3://{bucket}/{prefix}{found.name}", found, path)
                if check is not None:
                    check(copy)
                (folder / "copy").rename(kept)
    return target


def _cache() -> Path:
    said = os.environ.get(CACHE_VARIABLE)
    try:
        return Path(said or "~/.cache/backlot/weights").expanduser()
    except RuntimeError:  # an account without an entry and without HOME, as containers have
        raise FileNotFoundError(f"no home folder to keep weights in: {_NAME_IT}") from None


async def _listing(s3: S3, bucket: str, prefix: str) -> list[_Object]:
    return [
        _Object(
            key.removeprefix(prefix),
            version_of(etag),
            page.sizes[key] if key in page.sizes else await s3.size(f"s3://{bucket}/{key}"),
        )
        async for page in s3.pages(bucket, prefix=prefix)
        for key, etag in page.etags.items()
        if not key.endswith("/")  # consoles mark folders so
    ]


def _check_name(name: str, uri: str) -> None:
    """Hold what follows the prefix in a key to what is a path below a folder, read in one way.

    Whoever may write the prefix chooses its keys: `..`, an empty part (`//`, which makes the rest
    absolute), a backslash or NUL would choose a place on this machine.

    Raises:
        FatalError: it is none.
    """
    parts = name.split("/")
    if {"", ".", ".."} & set(parts) or "\\" in name or "\0" in name:
        raise FatalError(
            f"{one_line(uri, most=_LONGEST_KEY)}: this key is no path below a folder (an empty "
            "part, '.', '..', a backslash or NUL): nothing was brought; take the object away"
        )


def _inside(folder: Path, name: str) -> Path:
    """Where an object of a copy goes, after all links."""
    path = folder / PurePosixPath(name)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise FatalError(f"{path}: would be written outside {folder}")
    return path


def _digest(uri: str, listed: list[_Object]) -> str:
    text = json.dumps([uri, *([found.name, found.etag] for found in listed)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _bring(s3: S3, uri: str, found: _Object, path: Path) -> None:
    """Copy an object; once more if it does not agree with its MD5, where its ETag is one.

    Raises:
        TransientError: it was replaced meanwhile, or arrived damaged both times.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    said, arrived = _copied(s3, uri, found, path)
    if said in (None, arrived):
        return
    said, again = _copied(s3, uri, found, path)
    if again not in (said, arrived):
        raise TransientError(
            ErrorCode.STORAGE,
            f"{uri}: arrived damaged, with MD5 {arrived} and then {again}, listed with {said}",
        )
    if again == arrived:
        # Twice the same: the ETags of some gateways look like an MD5 and are none.
        logger.warning("%s: arrived twice with MD5 %s, listed with %s", uri, arrived, said)


def _copied(s3: S3, uri: str, found: _Object, path: Path) -> tuple[str | None, str]:
    """Copy an object; the MD5 that the store says it has, and the one it arrived with."""
    with path.open("w+b") as file:
        file.truncate(found.num_bytes)
        said = connection().run(_copy(s3, uri, found, file.fileno()))
        os.fsync(file.fileno())
        md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
    return said, md5.hexdigest()


async def _copy(s3: S3, uri: str, found: _Object, descriptor: int) -> str | None:
    turn = asyncio.Semaphore(_SPANS_AT_ONCE)

    etags = set[str]()

    async def copy(start: int) -> str | None:
        async with turn:
            span = (start, min(start + _SPAN_BYTES, found.num_bytes))
            part = await s3.get(uri, span=span)
            etags.add(version_of(part.etag))
            await asyncio.to_thread(os.pwrite, descriptor, part.data, start)
            return part.md5

    said = await asyncio.gather(*map(copy, range(0, found.num_bytes, _SPAN_BYTES)))
    if found.etag and etags - {found.etag, ""} and not await _is_as_listed(s3, uri, found, etags):
        raise TransientError(ErrorCode.STORAGE, f"{uri}: replaced while it was read")
    return said[0] if said else None


async def _is_as_listed(s3: S3, uri: str, found: _Object, etags: set[str]) -> bool:
    """Whether an object is still the one that was listed, though its bytes came with another ETag.

    What compresses or caches before a store makes ETags of its own; all spans have the same then.
    """
    bucket, key = bucket_and_key(uri)
    looked = await look_up(s3, {bucket: [key]})
    return len(etags) == 1 and looked[bucket].etags.get(key) == found.etag


@contextmanager
def _unfinished(root: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=root))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
