"""The verbs of storage on an object store, where a folder is a prefix with something under it."""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import suppress

from fsspec.utils import glob_translate

from pipeline.errors import ErrorCode, RowError, TransientError
from pipeline.storage.retry import BACKOFF, Backoff
from pipeline.storage.s3.connection import Connection
from pipeline.storage.s3.pages import ListingPage
from pipeline.storage.s3.refusals import OF_A_SIZE
from pipeline.storage.s3.requests import S3
from pipeline.storage.uris import bucket_and_key

logger = logging.getLogger(__name__)

SINGLE_PUT_BYTES = 64 * 2**20
"""Larger objects go in parts: a fault then costs one part again and not all of it."""
PART_BYTES = 32 * 2**20
_MOST_PARTS = 10_000  # S3's limit
_PARTS_AT_ONCE = 4


class Objects:
    """Buckets of any S3-compatible store."""

    def __init__(self, connection: Connection, *, backoff: Backoff = BACKOFF) -> None:
        self._connection = connection
        self._s3 = S3(connection, backoff=backoff)

    def exists(self, uri: str) -> bool:
        return (bool(bucket_and_key(uri)[1]) and self._is_object(uri)) or self.is_folder(uri)

    def is_folder(self, uri: str) -> bool:
        bucket, prefix = _folder(uri)

        async def is_any() -> bool:
            # Not of one key: some stores list no more than fits into one page (s3rver), and who
            # asks lists the folder next.
            page = await self._s3.page(bucket, prefix=prefix)
            if page.etags or page.next_page is None:
                return bool(page.etags)
            # An empty page is no end of a listing.
            return any([page.etags async for page in self._s3.pages(bucket, prefix=prefix)])

        return self._connection.run(is_any())

    def size(self, uri: str) -> int:
        return self._connection.run(self._s3.size(uri))

    def read(self, uri: str) -> bytes:
        return self._connection.run(self._s3.get(uri)).data

    def read_span(self, uri: str, start: int, stop: int, *, size: int | None = None) -> bytes:
        """The bytes from `start` up to and without `stop`, which must not be empty.

        Raises:
            OSError: the whole has another size than `size`.
        """
        return self._connection.run(self._s3.get(uri, span=(start, stop), size=size)).data

    def check_empty(self, uri: str) -> None:
        """Look whether an object is as empty as an answer to HEAD says.

        Raises:
            OSError: it is not.
        """
        try:
            self._connection.run(self._s3.get(uri, max_bytes=0))
        except TransientError:
            raise
        except RowError:  # larger than nothing
            raise OSError(f"{uri}: has bytes where the store said 0 before: {OF_A_SIZE}") from None

    def write(
        self,
        uri: str,
        data: bytes,
        *,
        content_type: str | None,
        below: str | None = None,  # noqa: ARG002 - there are no folders
    ) -> int:
        if len(data) > SINGLE_PUT_BYTES:
            return self._connection.run(self._upload(uri, data, content_type))
        return self._connection.run(self._s3.put(uri, data, content_type=content_type))

    def create(self, uri: str, data: bytes, *, content_type: str | None) -> bool:
        # Asked first, since some stores pass over the condition; the lease of a run keeps off
        # whoever might come in between there.
        if self._is_object(uri):
            return self.read(uri) == data
        try:
            put = self._s3.put(uri, data, content_type=content_type, if_absent=True)
            self._connection.run(put)
        except (OSError, TransientError) as error:  # some refuse it, and some break over it
            logger.debug("%s: not written on a condition: %s", uri, error)
        # Looked at in any case: perhaps it is our own, whose answer got lost.
        if self._is_object(uri):
            return self.read(uri) == data
        self.write(uri, data, content_type=content_type)
        return True

    def remove(self, uri: str) -> None:
        with suppress(FileNotFoundError):  # not even the bucket
            self._connection.run(self._s3.delete(uri))

    def list_files(self, uri: str, *, suffix: str) -> list[str]:
        bucket, prefix = _folder(uri)
        return sorted(
            f"s3://{bucket}/{key}"
            for key in self._keys(bucket, prefix, flat=True)
            if key.endswith(suffix) and not key.endswith("/")  # consoles mark folders so
        )

    def sizes(self, uri: str) -> dict[str, int]:
        bucket, prefix = _folder(uri)
        listed = dict[str, int | None]()
        for page in self._list(bucket, prefix, flat=True):
            listed |= {key: page.sizes.get(key) for key in page.etags if not key.endswith("/")}
        uris = {f"s3://{bucket}/{key}": size for key, size in sorted(listed.items())}
        return {uri: self.size(uri) if size is None else size for uri, size in uris.items()}

    def list_folders(self, uri: str) -> list[str]:
        bucket, prefix = _folder(uri)
        pages = self._list(bucket, prefix, flat=False)
        folders = {folder.rstrip("/") for page in pages for folder in page.folders}
        return sorted(f"s3://{bucket}/{folder}" for folder in folders)

    def list_folder(self, uri: str) -> dict[str, int | None]:
        """What is directly in a folder: `bucket/key` and bytes; None for a folder in it."""
        bucket, prefix = _folder(uri)
        found: dict[str, int | None] = {}
        for page in self._list(bucket, prefix, flat=False):
            found |= {f"{bucket}/{folder.rstrip('/')}": None for folder in page.folders}
            for key in page.etags.keys() - {prefix}:
                name = f"{bucket}/{key}"
                found[name] = page.sizes[key] if key in page.sizes else self.size(f"s3://{name}")
        return found

    def glob_files(self, pattern: str) -> list[str]:
        bucket, key_pattern = bucket_and_key(pattern)
        fixed = re.split(r"[*?\[]", key_pattern, maxsplit=1)[0]
        # Below the folder of the first wildcard only where the pattern goes there.
        flat = "/" in key_pattern[len(fixed) :] or "**" in key_pattern
        matches = re.compile(glob_translate(key_pattern)).match
        return sorted(
            f"s3://{bucket}/{key}"
            for key in self._keys(bucket, fixed, flat=flat)
            if matches(key) and not key.endswith("/")
        )

    def _is_object(self, uri: str) -> bool:
        with suppress(FileNotFoundError):
            self._connection.run(self._s3.size(uri))
            return True
        return False

    def _keys(self, bucket: str, prefix: str, *, flat: bool) -> set[str]:
        """Each once, though a page may begin with what the one before ended with."""
        return {key for page in self._list(bucket, prefix, flat=flat) for key in page.etags}

    def _list(self, bucket: str, prefix: str, *, flat: bool) -> list[ListingPage]:
        async def collect() -> list[ListingPage]:
            return [page async for page in self._s3.pages(bucket, prefix=prefix, flat=flat)]

        return self._connection.run(collect())

    async def _upload(self, uri: str, data: bytes, content_type: str | None) -> int:
        upload = await self._s3.start_upload(uri, content_type=content_type)
        try:
            parts = await self._send_parts(uri, upload, data)
            retries, etags = sum(retries for _, retries in parts), [etag for etag, _ in parts]
            if all(etags):
                return retries + await self._finish(uri, upload, etags, data)
        except BaseException:
            # Parts that are never finished are invisible and cost money for ever.
            with suppress(OSError, TransientError):
                await asyncio.shield(self._s3.abort_upload(uri, upload))
            raise
        # A store that gives no ETags makes no object of parts, which are named by theirs.
        await self._s3.abort_upload(uri, upload)
        return retries + await self._s3.put(uri, data, content_type=content_type)

    async def _send_parts(self, uri: str, upload: str, data: bytes) -> list[tuple[str, int]]:
        size, view = max(PART_BYTES, -(-len(data) // _MOST_PARTS)), memoryview(data)
        turn = asyncio.Semaphore(_PARTS_AT_ONCE)

        async def send(number: int) -> tuple[str, int]:
            async with turn:
                part = view[(number - 1) * size : number * size]
                return await self._s3.upload_part(uri, upload, number, part)

        return list(await asyncio.gather(*map(send, range(1, -(-len(data) // size) + 1))))

    async def _finish(self, uri: str, upload: str, etags: list[str], data: bytes) -> int:
        try:
            return await self._s3.finish_upload(uri, upload, etags)
        except FileNotFoundError:
            # The upload is gone: an attempt of ours whose answer got lost has finished it.
            if await self._s3.size(uri) == len(data):
                return 1
            raise TransientError(
                ErrorCode.STORAGE, f"{uri}: the upload was broken off by somebody else"
            ) from None


def _folder(uri: str) -> tuple[str, str]:
    bucket, key = bucket_and_key(uri)
    key = key.rstrip("/")
    return bucket, f"{key}/" if key else ""
