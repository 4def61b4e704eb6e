"""Asking again: which faults of a storage pass by themselves, and how long to wait for that.

The one retry loop of the house. The clients below it are told to try once, so that every retry is
counted and no two loops multiply.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

import aiohttp
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    EndpointConnectionError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
    SSLError,
)
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.parsers import ResponseParserError

from pipeline.errors import ErrorCode, TransientError

ATTEMPTS = 8
"""With the delays below about 16 s of waiting on average, 32 s at most: a store that sheds load
(503 SlowDown) needs some seconds to scale; one that is down longer is the next run's business."""

FIRST_DELAY_S = 0.25
LONGEST_DELAY_S = 20.0

ATTEMPT_S = 300.0
"""A server that sends a byte now and then is as good as dead: 64 MiB in 300 s is 0.2 MB/s."""

_PASSING_STATUS = frozenset({408, 429, 500, 502, 503, 504})
_PASSING_CODES = frozenset(
    {
        "BadDigest",  # what was sent did not arrive as it was
        "BandwidthLimitExceeded",
        "ConditionalRequestConflict",  # two conditional writes met: one of them is to try again
        "IncompleteBody",
        "InternalError",
        "OperationAborted",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "XAmzContentSHA256Mismatch",
    }
)

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
    retry = 0
    while True:
        try:
            async with asyncio.timeout(ATTEMPT_S):
                return await attempt(), retry
        except _FAULTS as error:
            if not is_transient(error):
                raise
            if retry + 1 >= backoff.attempts:
                raise TransientError(
                    ErrorCode.STORAGE,
                    f"{what}: {describe(error)}, {backoff.attempts} times in a row",
                ) from None
        await asyncio.sleep(backoff.delay(retry))
        retry += 1


def is_transient(error: Exception) -> bool:
    """Whether the same request may well succeed in a moment."""
    if isinstance(error, ClientError):
        return status_of(error) in _PASSING_STATUS or code_of(error) in _PASSING_CODES
    if isinstance(error, aiohttp.ClientResponseError):
        return error.status in _PASSING_STATUS or error.status > 504  # 52x: a CDN lost its origin
    if isinstance(error, SSLError) and any(said in str(error) for said in _LASTING_TLS):
        return False  # not this certificate, and no TLS at all there
    return isinstance(error, _PASSING_FAULTS)


def describe(error: Exception) -> str:
    """A fault in a few words, none of them the server's: those may quote what was sent."""
    if isinstance(error, ClientError):
        code, status = code_of(error), f"HTTP {status_of(error)}"
        return f"{code} ({status})" if _WORD.fullmatch(code) else status
    if isinstance(error, aiohttp.ClientResponseError):
        return f"HTTP {error.status}"
    if isinstance(error, FlexibleChecksumError):
        return "the bytes do not agree with the store's checksum"
    if isinstance(error, ResponseParserError):
        return "an answer that is no object store's (AWS_ENDPOINT_URL) or was cut short"
    if isinstance(error, EndpointConnectionError):
        endpoint = urlsplit(str(error.kwargs.get("endpoint_url", "")))
        return f"no connection to {endpoint.netloc.rpartition('@')[2]}"
    return type(error).__name__


def code_of(error: ClientError) -> str:
    """S3's word for what went wrong, such as `NoSuchKey`; a bare number after a HEAD request."""
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def status_of(error: ClientError) -> int:
    """The HTTP status of the answer; 0 where there was none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
