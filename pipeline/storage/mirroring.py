"""Weights on an object store, brought to a node once for all the actors that need them there."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ErrorCode, TransientError
from pipeline.storage.connection import connection
from pipeline.storage.pages import version_of
from pipeline.storage.retry import BACKOFF, Backoff
from pipeline.storage.s3 import S3
from pipeline.storage.search import look_up
from pipeline.storage.uris import bucket_and_key

logger = logging.getLogger(__name__)

CACHE_VARIABLE = "BACKLOT_CACHE"
"""Names the folder of brought weights: on a node's own disk, with room for them."""

_NAME_IT = f"name a folder that may be written in {CACHE_VARIABLE}"
_SPAN_BYTES = 32 * 2**20
_SPANS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class _Object:
    name: str
    """Relative to the prefix."""
    etag: str
    num_bytes: int


def mirror(uri: str, *, cache: Path | None = None, backoff: Backoff = BACKOFF) -> Path:
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

    Returns:
        The local folder; its last part is the prefix's.

    Raises:
        FileNotFoundError: nothing lies below the prefix.
        PermissionError: the store refused.
        OSError: copies can be kept nowhere.
        TransientError: it gave no answer, or its objects changed while they were read.
    """
    bucket, key = bucket_and_key(uri)
    prefix = f"{key.rstrip('/')}/"
    s3 = S3(connection(), backoff=backoff)
    listed = connection().run(_listing(s3, bucket, prefix))
    if not listed:
        raise FileNotFoundError(f"nothing below s3://{bucket}/{prefix}")
    root = cache or _cache()
    kept = root / _digest(uri, listed)
    target = kept / Path(prefix).name
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise type(error)(error.errno, f"{error.strerror}: {_NAME_IT}", str(root)) from None
    with _alone(root / f"{kept.name}.lock"):
        if not kept.exists():
            with _unfinished(root) as folder:
                copy = folder / "copy" / target.name
                for found in listed:
                    _bring(s3, f"s3://{bucket}/{prefix}{found.name}", found, copy / found.name)
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
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock that the system lets go of when its process dies, however it dies."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _unfinished(root: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=root))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
