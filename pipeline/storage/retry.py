"""Asking again: which faults of a storage pass by themselves, and how long to wait for that.

The one retry loop of the house. The clients below it are told to try once, so that every retry is
counted and no two loops multiply.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

import aiohttp
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    ProxyConnectionError,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
)
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.parsers import ResponseParserError

from pipeline.errors import ErrorCode, TransientError

ATTEMPTS = 8
"""The most attempts at one request. With the delays below they wait about 16 s on average, 32 s at
most: a store that sheds load (503 SlowDown) needs some seconds to scale; one that is down longer is
the next run's business."""

FIRST_DELAY_S = 0.25
LONGEST_DELAY_S = 20.0

ATTEMPT_S = 300.0
"""A server that sends a byte now and then is as good as dead: 64 MiB in 300 s is 0.2 MB/s."""

PATIENCE_S = 600.0
"""No attempt begins later than that after the first: eight that drip would take 40 minutes."""

LONGEST_S = PATIENCE_S + ATTEMPT_S
"""The time, in seconds, within which every request has come to its end or has been given up."""

_PASSING_STATUS = frozenset({408, 429, 500, 502, 503, 504})
_LASTING_STATUS = frozenset({501, 505, 507, 508, 510, 511})
"""Statuses of 500 and above that last; the others are a server's, or a CDN's that has lost its
origin (52x)."""
_PASSING_ON_THE_WEB = frozenset({202, 206, 304, 408, 420, 421, 423, 425, 429})
"""Being made (202; 423 at Cloudinary), too many requests (420), and what nobody asked for, as some
caches send it: a part (206), or that nothing has changed (304)."""
_PASSING_CODES = frozenset(
    {
        "BadDigest",  # what was sent did not arrive as it was
        "BandwidthLimitExceeded",
        "ConditionalRequestConflict",  # two conditional writes met: one of them is to try again
        "IncompleteBody",
        "InternalError",
        "InternalFailure",
        "KMS.DependencyTimeoutException",
        "KMS.KMSInternalException",
        "KMS.ThrottlingException",
        "OperationAborted",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServerBusy",
        "ServiceUnavailable",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
        "TooManyRequestsException",
        "XAmzContentSHA256Mismatch",
    }
)
NO_ROOM = frozenset(
    {
        "BucketQuotaExceeded",
        "InsufficientCapacity",
        "InsufficientStorage",
        "QuotaExceeded",
        "QuotaExceededException",
        "ServiceQuotaExceeded",
        "StorageFull",
        "XMinioAdminBucketQuotaExceeded",
        "XMinioStorageFull",
    }
)
"""The S3 codes of a store where nothing more can be written, with whatever status."""

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,79}")
_LASTING_TLS = ("CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")

_FAULTS = (aiohttp.ClientError, BotoCoreError, ClientError, OSError, ResponseParserError)
_PASSING_FAULTS = (
    aiohttp.ClientConnectionError,
    aiohttp.ClientPayloadError,
    ConnectionError,
    CredentialRetrievalError,  # the metadata service of a busy machine, most often
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    NoConnectionError,
    ResponseParserError,  # half an answer is no XML
    ResponseStreamingError,
    TimeoutError,
)


class UnreadableAnswerError(aiohttp.ClientPayloadError):
    """An answer of a web server that is no HTTP, or contradicts itself."""


class WholeAnswerError(IncompleteReadError):  # type: ignore[misc]  # botocore comes without types
    """A store sent the whole of an object for the part that was asked for."""


_WORDS: Mapping[type[Exception], str] = {
    WholeAnswerError: "all of it for the part that was asked for",
    UnreadableAnswerError: "an answer that is no HTTP, or contradicts itself",
    aiohttp.ClientPayloadError: "an answer that was cut short",
    aiohttp.ClientConnectorDNSError: "no address is known for its host",
    aiohttp.ClientConnectorCertificateError: "its certificate is not trusted",
    aiohttp.ClientSSLError: "it speaks no TLS that we know",
    aiohttp.ClientConnectorError: "no connection",
    aiohttp.ServerDisconnectedError: "the connection was closed before an answer came",
    aiohttp.ClientOSError: "the connection broke off",
    FlexibleChecksumError: "the bytes do not agree with the store's checksum",
    ResponseParserError: "an answer that is no object store's (AWS_ENDPOINT_URL) or was cut short",
    IncompleteReadError: "an answer that was cut short",
    ResponseStreamingError: "an answer that was cut short",
    ReadTimeoutError: "no answer in time",
    ConnectTimeoutError: "no connection in time",
    ConnectionClosedError: "the connection was closed before an answer came",
    ProxyConnectionError: "no connection to the proxy (HTTP_PROXY, HTTPS_PROXY)",
    TimeoutError: "no whole answer in time",
}

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Backoff:
    """How often to ask, and how long to wait in between: exponential, with full jitter.

    Full jitter spreads the clients of a fleet best: M. Brooker, "Exponential Backoff And Jitter",
    AWS Architecture Blog, 2015.
    """

    attempts: int = ATTEMPTS
    first_s: float = FIRST_DELAY_S
    longest_s: float = LONGEST_DELAY_S

    def delay(self, retry: int) -> float:
        """Seconds to wait before the retry with this number, the first being 0."""
        return random.uniform(0.0, min(self.longest_s, self.first_s * 2.0**retry))


BACKOFF = Backoff()


async def retrying(
    attempt: Callable[[], Awaitable[T]], *, what: str, backoff: Backoff
) -> tuple[T, int]:
    """What `attempt` returns, and how many retries that took.

    Args:
        attempt: may be called again whatever became of it the last time.
        what: the subject of the error message, without secrets.
        backoff: how often and how fast.

    Raises:
        TransientError: it failed to the end with faults that may pass.
    """
    retry, began_s = 0, time.monotonic()
    while True:
        try:
            async with asyncio.timeout(ATTEMPT_S):
                return await attempt(), retry
        except _FAULTS as error:
            if not is_transient(error):
                raise
            is_late = time.monotonic() - began_s >= PATIENCE_S
            if retry + 1 >= backoff.attempts or is_late:
                said = f"{what}: {describe(error)}, {retry + 1} times in a row"
                fix = _fix(error)
                raise TransientError(ErrorCode.STORAGE, f"{said}: {fix}" if fix else said) from None
        await asyncio.sleep(backoff.delay(retry))
        retry += 1


def is_transient(error: Exception) -> bool:
    """Whether the same request may well succeed in a moment."""
    if isinstance(error, ClientError):
        if code_of(error) in NO_ROOM:
            return False
        return _may_pass(status_of(error)) or code_of(error) in _PASSING_CODES
    if isinstance(error, aiohttp.ClientResponseError):
        return error.status in _PASSING_ON_THE_WEB or error.status >= 500
    if isinstance(error, SSLError) and any(said in str(error) for said in _LASTING_TLS):
        return False  # not this certificate, and no TLS at all there
    return isinstance(error, _PASSING_FAULTS)


def describe(error: Exception) -> str:
    """A fault in a few words, none of them the server's: those may quote what was sent."""
    if isinstance(error, ClientError):
        code, status = code_of(error), f"HTTP {status_of(error)}"
        if is_page(error):
            is_web = is_html(_headers(error))
            return f"{'a web page' if is_web else 'something else'} for an answer ({status})"
        return f"{code} ({status})" if _WORD.fullmatch(code) else status
    if isinstance(error, aiohttp.ClientResponseError):
        return f"HTTP {error.status}"
    if isinstance(error, EndpointConnectionError):
        return _unconnected(error)
    for kind, words in _WORDS.items():
        if isinstance(error, kind):
            return words
    return type(error).__name__


def is_page(error: ClientError) -> bool:
    """Whether what came with it is no object store's: that of a proxy, a portal, a console."""
    has_code = _WORD.fullmatch(code_of(error)) and code_of(error) != "unknown"
    headers = _headers(error)
    is_told = not has_code and error.operation_name not in ("HeadObject", "HeadBucket")
    kind = headers.get("content-type", "").lower().partition(";")[0].strip()
    return is_told and _has_body(headers) and (not kind.endswith("xml") or "html" in kind)


def is_html(headers: Mapping[str, str]) -> bool:
    """Whether an answer has a body that is a web page; headers by lower-case names."""
    return _has_body(headers) and headers.get("content-type", "").lower().startswith("text/html")


def _headers(error: ClientError) -> Mapping[str, str]:
    headers: Mapping[str, str] = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return headers


def _has_body(headers: Mapping[str, str]) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


def _may_pass(status: int) -> bool:
    return status in _PASSING_STATUS or (status >= 500 and status not in _LASTING_STATUS)


def _unconnected(error: EndpointConnectionError) -> str:
    asked = urlsplit(str(error.kwargs.get("endpoint_url", "")))
    cause, place = error.kwargs.get("error"), asked.netloc.rpartition("@")[2]
    if isinstance(cause, aiohttp.ClientConnectorDNSError):
        return f"no address is known for {cause.host}"
    if isinstance(cause, aiohttp.ClientConnectorError) and (
        cause.host != asked.hostname or (asked.port and cause.port != asked.port)
    ):
        return f"{place} sends us to {cause.host}:{cause.port}, to which there is no connection"
    return f"no connection to {place}"


def _fix(error: Exception) -> str:
    """What to do about a fault of an object store that did not pass; empty: wait."""
    if isinstance(error, EndpointConnectionError | ReadTimeoutError | ConnectTimeoutError):
        return "check AWS_ENDPOINT_URL, the network, and that the store runs"
    if isinstance(error, WholeAnswerError):
        return (
            "the store, or what stands before it, does not honour Range, by which large files are "
            "read: copy the file here, or to another store"
        )
    if isinstance(error, ClientError):
        if is_page(error):
            return "check AWS_ENDPOINT_URL, and what stands before the store (proxy, portal)"
        return "the store is busy or down: try again later"
    return ""


def code_of(error: ClientError) -> str:
    """S3's word for what went wrong, such as `NoSuchKey`; a bare number after a HEAD request."""
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def status_of(error: ClientError) -> int:
    """The HTTP status of the answer; 0 where there was none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
