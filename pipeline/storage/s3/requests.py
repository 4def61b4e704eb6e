"""Requests to an object store: each retried, each failure an ordinary exception in plain words.

Coroutines for the loop of `connection.py`. What they raise: FileNotFoundError (no such object, no
such bucket), PermissionError (refused, or no credentials), ConflictError (a condition did not
hold), ValueError (a name that the store cannot have), TransientError (gave no answer, after all
retries), OSError (anything else).
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    IncompleteReadError,
    ParamValidationError,
)
from botocore.parsers import ResponseParserError

from pipeline.errors import TransientError
from pipeline.storage.bodies import nobody_counts, read_capped
from pipeline.storage.integrity import Fetched, doubt_of, md5_of, read_twice_if_they_differ
from pipeline.storage.retry import (
    BACKOFF,
    Backoff,
    WholeAnswerError,
    code_of,
    is_html,
    is_transient,
    retrying,
    status_of,
)
from pipeline.storage.s3.connection import Connection
from pipeline.storage.s3.pages import Course, ListingPage, read_page
from pipeline.storage.s3.refusals import OF_A_SIZE, explained, unsent
from pipeline.storage.uris import bucket_and_key

_CHUNK_BYTES = 256 * 2**10
_CONFLICT = "PreconditionFailed"
_CONFLICTS = frozenset({304, 409, 412})
"""412 by the RFC. That it may pass by asking again has a word of its own, and is tried before."""
_NO_PAGES = (
    "the store answers a listing that is empty and none that has more than a page, so that nothing "
    "is known of larger folders: update it, or use another (s3rver on Node 17 or newer: start it "
    "with NODE_OPTIONS=--openssl-legacy-provider)"
)
_MEETINGS = 3
"""Answers 409 to one write: AWS says it where two conditional ones meet, and wants one of them sent
again; other stores say it, for ever, where the condition does not hold."""

T = TypeVar("T")


class ConflictError(OSError):
    """The object is not as the condition of a write says: somebody else was there first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadObject(Fetched):
    """An object that was read, or a part of one."""

    etag: str
    """Empty where the store gives none."""
    md5: str | None
    """The MD5 of the whole object, hex, where its ETag is that; None: it is not."""
    modified_at: datetime | None
    answered_at: datetime | None
    """When the server answered, by its own clock, like `modified_at`."""
    content_encoding: str
    """The content encoding that the object was stored with; empty: none. `data` is what is stored.
    """


class S3:
    """The requests Backlot makes of an object store."""

    def __init__(self, connection: Connection, *, backoff: Backoff = BACKOFF) -> None:
        self._connection = connection
        self.backoff = backoff

    async def get(
        self,
        uri: str,
        *,
        span: tuple[int, int] | None = None,
        size: int | None = None,
        max_bytes: int | None = None,
        count: Callable[[int], None] = nobody_counts,
    ) -> ReadObject:
        """An object, or its bytes from `span[0]` up to and without `span[1]`.

        A whole object that does not agree with its ETag is read twice; `doubt` says what remains.

        Args:
            uri: which.
            span: what of it; None: all.
            size: of the whole in bytes, by an earlier answer, where a part is asked for.
            max_bytes: the most that is taken.
            count: is told of bytes as they come, and of those that are not kept, negative.

        Raises:
            RowError: it is larger than `max_bytes`; no more than that is read.
            TransientError: it did not arrive as the store holds it.
            OSError: it has another size than `size`.
        """
        if span is not None:
            return await self._get(uri, span, size, max_bytes, count)
        return await read_twice_if_they_differ(
            lambda: self._get(uri, None, None, max_bytes, count), what=uri
        )

    async def _get(
        self,
        uri: str,
        span: tuple[int, int] | None,
        size: int | None,
        max_bytes: int | None,
        count: Callable[[int], None],
    ) -> ReadObject:
        bucket, key = bucket_and_key(uri)
        # The client holds a whole object against its checksum, if the store has one: a trailer
        # would be news to many stores, and this is a header that others pass over.
        asked = (
            {"ChecksumMode": "ENABLED"}
            if span is None
            else {"Range": f"bytes={span[0]}-{span[1] - 1}"}
        )

        async def request(client: Any) -> tuple[dict[str, Any], bytes]:
            answer = await client.get_object(Bucket=bucket, Key=key, **asked)
            announced = answer.get("ContentLength")
            body = answer["Body"]
            async with body:  # what it gives as its own differs between versions
                if span is not None:
                    _check_size(uri, size, answer)
                    _check_length(span, announced, is_whole=_is_whole(answer))
                chunks = body.iter_chunks(_CHUNK_BYTES)
                data = await read_capped(chunks, announced, max_bytes=max_bytes, count=count)
            if span is not None:
                _check_length(span, len(data), is_whole=_is_whole(answer))
            return answer, data

        (answer, data), retries = await self._ask(uri, request)
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        md5 = md5_of(headers)
        return ReadObject(
            data,
            retries,
            None if span is not None else doubt_of(data, headers, md5=md5),
            etag=answer.get("ETag") or "",
            md5=md5,
            modified_at=answer.get("LastModified"),
            answered_at=_time_in(headers.get("date", "")),
            content_encoding=headers.get("content-encoding", ""),
        )

    async def size(self, uri: str) -> int:
        """Bytes in an object."""
        bucket, key = bucket_and_key(uri)

        async def request(client: Any) -> int | None:
            try:
                answer = await client.head_object(Bucket=bucket, Key=key)
            except ClientError as error:
                if status_of(error) not in (404, 416) and not is_transient(error):
                    # An answer to HEAD has no body that would say why: that to GET has.
                    answer = await client.get_object(Bucket=bucket, Key=key, Range="bytes=0-0")
                    async with answer["Body"]:
                        pass  # it may be read after all
                raise
            return None if "ContentLength" not in answer else int(answer["ContentLength"])

        num_bytes, _ = await self._ask(uri, request)
        if num_bytes is None:
            raise OSError(f"{uri}: the store does not say how large it is (Content-Length)")
        return num_bytes

    async def put(
        self,
        uri: str,
        data: bytes,
        *,
        content_type: str | None = None,
        if_absent: bool = False,
    ) -> int:
        """Write an object in one request; returns the number of retries.

        Args:
            uri: where.
            data: at most 5 GiB.
            content_type: media type to store with it.
            if_absent: write only where there is no object yet.

        Raises:
            ConflictError: the condition does not hold. After a retry that may be our own doing:
                the first attempt arrived and its answer got lost.
        """
        bucket, key = bucket_and_key(uri)
        options = {
            "ContentType": content_type,
            "IfNoneMatch": "*" if if_absent else None,
        }
        given = {name: value for name, value in options.items() if value is not None}
        _, retries = await self._ask(
            uri,
            lambda s3: s3.put_object(Bucket=bucket, Key=key, Body=data, **given),
            has_condition=if_absent,
        )
        return retries

    async def delete(self, uri: str, *, within_s: float | None = None) -> None:
        """Delete an object; none there is fine.

        Args:
            uri: which.
            within_s: it is not asked for any more after so many seconds.

        Raises:
            TimeoutError: it may or may not be deleted.
        """
        bucket, key = bucket_and_key(uri)
        async with asyncio.timeout(within_s):
            await self._ask(uri, lambda s3: s3.delete_object(Bucket=bucket, Key=key))

    async def page(
        self,
        bucket: str,
        *,
        prefix: str,
        after: str | None = None,
        token: str | None = None,
        flat: bool = True,
        most: int = 1000,
    ) -> ListingPage:
        """List at most `most` keys with a prefix; not flat: only what that one folder holds.

        Args:
            bucket: where to look.
            prefix: what the keys start with.
            after: the listing starts after this key, which need not exist.
            token: the listing goes on where the page that gave this token ended.
            flat: False rolls up what has a slash after the prefix.
            most: 1000 is S3's limit.
        """
        options = {
            "StartAfter": after,
            "ContinuationToken": token,
            "Delimiter": None if flat else "/",
        }
        given = {name: value for name, value in options.items() if value}
        answer, _ = await self._ask(
            f"s3://{bucket}/{prefix}",
            lambda s3: s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=most, **given),
        )
        return read_page(answer, prefix=prefix, flat=flat)

    async def pages(
        self, bucket: str, *, prefix: str, flat: bool = True
    ) -> AsyncIterator[ListingPage]:
        """All of a listing, page by page.

        Raises:
            OSError: it does not come to its end, or the store answers none of more than a page.
        """
        token, course = None, Course()
        while True:
            try:
                page = await self.page(bucket, prefix=prefix, flat=flat, token=token)
            except TransientError as error:
                cause = error.__context__
                is_broken = isinstance(cause, ClientError) and status_of(cause) == 500
                if token is not None or not is_broken or await self._has_pages(bucket, prefix):
                    raise
                where = f"s3://{bucket}/{prefix}"
                raise OSError(f"{where}: HTTP 500, again and again: {_NO_PAGES}") from None
            yield page
            if page.next_page is None and not page.is_cut:
                return
            if page.is_cut or course.is_circle(page):
                how = "breaks off" if page.is_cut else "goes in circles"
                raise OSError(
                    f"s3://{bucket}/{prefix}: the store's listing {how}, so that files would be "
                    "missed: it does not follow S3's ListObjectsV2 (NextContinuationToken); use "
                    "another store, or take out what stands before it"
                )
            token = page.next_page

    async def _has_pages(self, bucket: str, prefix: str) -> bool:
        """Whether a store that breaks over a listing does so for another reason than its length."""
        brief = S3(self._connection, backoff=replace(self.backoff, attempts=2))
        try:
            await brief.page(bucket, prefix=f"{prefix}{uuid.uuid4().hex}", most=1)
        except (OSError, TransientError):
            return True  # it is down, or busy
        try:
            await brief.page(bucket, prefix=prefix, most=1)
        except (OSError, TransientError):
            return False
        return True

    async def start_upload(self, uri: str, *, content_type: str | None) -> str:
        """Begin a multipart upload; returns its id."""
        bucket, key = bucket_and_key(uri)
        given = {} if content_type is None else {"ContentType": content_type}
        answer, _ = await self._ask(
            uri, lambda s3: s3.create_multipart_upload(Bucket=bucket, Key=key, **given)
        )
        return str(answer["UploadId"])

    async def upload_part(
        self, uri: str, upload: str, number: int, data: memoryview
    ) -> tuple[str, int]:
        """Send one part, numbered from 1; returns its ETag and the number of retries.

        The ETag is empty where the store gives none; the upload cannot be finished there.
        """
        bucket, key = bucket_and_key(uri)
        body = bytes(data)
        answer, retries = await self._ask(
            uri,
            lambda s3: s3.upload_part(
                Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=body
            ),
        )
        return str(answer.get("ETag") or ""), retries

    async def finish_upload(self, uri: str, upload: str, etags: list[str]) -> int:
        """Make the object out of its parts, given in order; returns the number of retries."""
        bucket, key = bucket_and_key(uri)
        parts = [{"PartNumber": n, "ETag": etag} for n, etag in enumerate(etags, start=1)]
        _, retries = await self._ask(
            uri,
            lambda s3: s3.complete_multipart_upload(
                Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}
            ),
        )
        return retries

    async def abort_upload(self, uri: str, upload: str) -> None:
        """Throw away the parts sent so far."""
        bucket, key = bucket_and_key(uri)
        await self._ask(
            uri, lambda s3: s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
        )

    async def _ask(
        self,
        uri: str,
        request: Callable[[Any], Awaitable[T]],
        *,
        has_condition: bool = False,
    ) -> tuple[T, int]:
        endpoint, num_met = "", 0

        async def attempt() -> T:
            nonlocal endpoint, num_met
            client = await self._connection.s3()
            endpoint = urlsplit(client.meta.endpoint_url).netloc.rpartition("@")[2]
            try:
                found = await request(client)
            except ClientError as error:
                num_met += has_condition and status_of(error) == 409
                if num_met < _MEETINGS:
                    raise
                raise ConflictError(f"{uri} was changed by somebody else") from None
            # What nobody wrote is read as nothing listed, and as something written.
            if isinstance(found, dict) and is_html(found["ResponseMetadata"]["HTTPHeaders"]):
                raise ResponseParserError("a web page")
            return found

        try:
            return await retrying(attempt, what=uri, backoff=self.backoff)
        except ClientError as error:
            if has_condition and (status_of(error) in _CONFLICTS or code_of(error) == _CONFLICT):
                raise ConflictError(f"{uri} was changed by somebody else") from None
            raise explained(error, uri, endpoint) from None
        except ParamValidationError:
            raise ValueError(f"{uri!r}: not the name of a bucket and an object") from None
        except BotoCoreError as error:
            raise unsent(error, uri, endpoint) from None


def _check_size(uri: str, size: int | None, answer: Mapping[str, Any]) -> None:
    """Hold the size of the whole that a part is of against the one that was said before.

    By a shorter one a file would be read up to there, and its last rows would be lost.

    Raises:
        OSError: they differ.
    """
    said = str(answer.get("ContentRange", "")).rpartition("/")[2]
    if size is not None and said.isdecimal() and int(said) != size:
        raise OSError(f"{uri}: has {said} bytes where the store said {size} before: {OF_A_SIZE}")


def _is_whole(answer: Mapping[str, Any]) -> bool:
    """Whether a store has passed over that a part was asked for."""
    return bool(answer["ResponseMetadata"]["HTTPStatusCode"] == 200)


def _check_length(span: tuple[int, int], num_bytes: int | None, *, is_whole: bool) -> None:
    """Hold what arrives, or is announced, against what was asked for.

    Raises:
        IncompleteReadError: a fault that may pass.
    """
    expected = span[1] - span[0]
    if num_bytes is not None and num_bytes != expected:
        kind = WholeAnswerError if is_whole and num_bytes > expected else IncompleteReadError
        raise kind(actual_bytes=num_bytes, expected_bytes=expected)


def _time_in(header: str) -> datetime | None:
    try:
        return parsedate_to_datetime(header)
    except ValueError:
        return None
