"""Photographs from the web: from listed hosts only, and never from inside our own network.

A manifest is somebody else's text. Unchecked, `https://169.254.169.254/...` or a host name that
resolves to it would hand out the machine's own credentials as a "photograph".
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TypeVar

import aiohttp
from yarl import URL

from pipeline.errors import ErrorCode, RowError, TransientError
from pipeline.storage.bodies import nobody_counts, read_capped
from pipeline.storage.integrity import Doubt, Fetched, doubt_of, read_twice_if_they_differ
from pipeline.storage.retry import Backoff, UnreadableAnswerError, describe, is_transient, retrying
from pipeline.storage.s3.connection import CONNECT_S, READ_S, Connection
from pipeline.storage.uris import object_behind, shortened, without_secrets
from pipeline.storage.web.encodings import undone
from pipeline.storage.web.hosts import PublicResolver, WebPolicy
from pipeline.storage.web.request_targets import redirected, request_url, scheme_in

MOST_REDIRECTS = 20
"""The most redirections that are followed: as many as browsers follow (Fetch, section 4.4)."""
_LONGEST_ETAG = 200
_JUST_NOW_S = 60
"""RFC 9110, section 8.8.2.2: a younger Last-Modified says nothing for sure."""
_CHUNK_BYTES = 256 * 2**10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GONE = frozenset({404, 410})
_REFUSED = frozenset({401, 402, 403, 407, 451})
"""402: who runs the site has not paid for it, at Shopify and Vercel."""
_DONE = frozenset({200, 203, 206})
"""203: a proxy on the way has changed something."""
_RANGE = re.compile(r"\s*bytes\s+0-(\d{1,18})/(\d{1,18})\s*", re.IGNORECASE)
_LONGEST_HEADER = 2**16
"""Some sites' Content-Security-Policy has 10,000 characters, and redirects to signed links too."""
FetchedT = TypeVar("FetchedT", bound=Fetched)


class _StatusError(aiohttp.ClientResponseError):
    """An answer that says no; its message is for people."""


class NotSeenError(Exception):
    """Nothing can be said of the version of a photograph; its text is why, fit to be counted."""


GAVE_NO_ANSWER = "the web server gave no answer"
REFUSED_TO_SAY = "the web server refused to say"
SAYS_NOTHING = "the web server sends neither ETag, Last-Modified nor length"
OVER_THE_LIMIT = "over fetch.versions_http or fetch.versions_http_s"


class Allowance:
    """How often web servers may be asked what version of a photograph they have, and how long."""

    def __init__(self, *, requests: int, seconds: float) -> None:
        """Begin; the time runs from the first request."""
        self._left, self._seconds, self._until = requests, seconds, math.inf

    def take(self) -> None:
        """One request more.

        Raises:
            NotSeenError: none is left, or no time.
        """
        if self._until == math.inf:
            self._until = time.monotonic() + self._seconds
        if self._left <= 0 or time.monotonic() >= self._until:
            raise NotSeenError(OVER_THE_LIMIT)
        self._left -= 1


@dataclass(frozen=True, slots=True)
class _Glance:
    """What an answer's headers say."""

    status: int
    version: str | None


class WebReader:
    """Reads URLs one by one. Coroutines for the loop of `connection`."""

    def __init__(
        self, policy: WebPolicy, connection: Connection, *, concurrency: int, backoff: Backoff
    ) -> None:
        self._policy = policy
        self._connection = connection
        self._concurrency = concurrency
        self._backoff = backoff
        self._session: aiohttp.ClientSession | None = None
        self._session_lock = asyncio.Lock()

    async def version(self, uri: str, *, allowance: Allowance) -> str | None:
        """What changes with a photograph, from the headers alone; None: there is none to look at.

        Asked for with HEAD, and where that is not answered well, with GET, which is ended after
        the headers. The ETag; else length and Last-Modified, as far as they are said.

        Raises:
            NotSeenError: it may be there, and nothing can be said of it.
        """
        # Whatever is wrong with HEAD, GET will tell.
        with suppress(RowError, aiohttp.ClientError, OSError, ValueError):
            found = await self._look("HEAD", uri, {}, allowance)
            if found.version is not None:
                return found.version
        looking = partial(self._look, "GET", uri, {"Range": "bytes=0-0"}, allowance)
        try:
            found, _ = await retrying(looking, what=shown(uri), backoff=self._backoff)
        except (TransientError, OSError):
            raise NotSeenError(GAVE_NO_ANSWER) from None
        except (RowError, aiohttp.ClientError, ValueError):
            return None  # the row says why
        if found.version is None and found.status not in _GONE:
            raise NotSeenError(SAYS_NOTHING if found.status in _DONE else REFUSED_TO_SAY)
        return found.version

    async def _look(
        self, method: str, uri: str, headers: Mapping[str, str], allowance: Allowance
    ) -> _Glance:
        async with (
            asyncio.timeout(READ_S),
            self._answer(method, uri, headers, allowance.take) as (answer, _),
        ):
            fault = aiohttp.ClientResponseError(answer.request_info, (), status=answer.status)
            if answer.status not in _DONE and is_transient(fault):
                raise fault
            return _Glance(answer.status, _version(answer))

    async def get(
        self, uri: str, *, max_bytes: int, count: Callable[[int], None] = nobody_counts
    ) -> Fetched:
        """A photograph, asked for by the very bytes of its URL.

        `count` is told of bytes as they come, and of those that are not kept, negative.

        Raises:
            RowError: not allowed, not there, too large, or encoded as nobody can undo.
            TransientError: refused, or no answer after all retries.
        """
        headers: dict[str, str] = {}
        encoding = ""

        async def read() -> Fetched:
            (data, doubt), retries = await retrying(attempt, what=shown(uri), backoff=self._backoff)
            headers["Cache-Control"] = "no-cache"  # a second read is to go past what has damaged it
            return Fetched(data, retries, doubt)

        async def attempt() -> tuple[bytes, Doubt | None]:
            nonlocal encoding
            async with self._answer("GET", uri, headers) as (answer, place):
                _check_status(answer, place)
                said = _headers(answer)
                encoding = said.get("content-encoding", "")
                chunks = answer.content.iter_chunked(_CHUNK_BYTES)
                data = await read_capped(
                    chunks, answer.content_length, max_bytes=max_bytes, count=count
                )
                return data, doubt_of(data, said, md5=None)

        with _in_words(uri):
            found = await read_twice_if_they_differ(read, what=shown(uri))
        return await as_stored(found, encoding, what=shown(uri), max_bytes=max_bytes)

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        uri: str,
        headers: Mapping[str, str],
        before_each: Callable[[], None] = lambda: None,
    ) -> AsyncIterator[tuple[aiohttp.ClientResponse, str]]:
        """The answer at the end of all redirects, each of them checked, and where that is."""
        session = await self._open_session()
        address, seen = uri, set[str]()
        for _ in range(1 + MOST_REDIRECTS):
            url = self._allowed(address, uri)
            if str(url) in seen:
                raise RowError(
                    ErrorCode.URI_NOT_ALLOWED,
                    f"{shown(uri)} redirects in a circle, to {shown(address)}",
                )
            seen.add(str(url))
            before_each()
            try:
                answer = await session.request(method, url, allow_redirects=False, headers=headers)
            except aiohttp.ClientResponseError:  # it quotes what came
                raise UnreadableAnswerError from None
            async with answer:
                location = answer.headers.get("Location")
                if answer.status not in _REDIRECTS or location is None:
                    place = shown(address)
                    if address != uri:
                        place = f"{shown(uri)}, redirected to {place}"
                    yield answer, place
                    return
                address = redirected(address, location)
        raise RowError(
            ErrorCode.URI_NOT_ALLOWED, f"{shown(uri)} redirects more than {MOST_REDIRECTS} times"
        )

    def _allowed(self, address: str, uri: str) -> URL:
        """What to ask for.

        Raises:
            RowError: it may not be.
            ValueError: there is no such thing.
        """
        refusal = self._policy.scheme_refusal(scheme_in(address))
        try:
            url = None if refusal else request_url(address)
        except ValueError:
            if address == uri:
                raise
            raise RowError(
                ErrorCode.BAD_REQUEST,
                f"image_uri {shown(uri)}: redirected to what is no address ({shown(address)})",
            ) from None
        if url is not None:
            refusal = self._policy.refusal(url)
        if refusal is not None:
            asked = "" if address == uri else f"redirected to where we may not ({shown(address)}): "
            named = object_behind(uri)
            other = "" if named is None else f"; or write {shortened(named)}, which it is"
            raise RowError(
                ErrorCode.URI_NOT_ALLOWED, f"image_uri {shown(uri)}: {asked}{refusal}{other}"
            )
        assert url is not None
        return url

    async def _open_session(self) -> aiohttp.ClientSession:
        async with self._session_lock:
            if self._session is None:
                resolver = (
                    aiohttp.ThreadedResolver()
                    if self._policy.allow_private_addresses
                    else PublicResolver()
                )
                made = aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(
                        resolver=resolver, use_dns_cache=False, limit=self._concurrency
                    ),
                    timeout=aiohttp.ClientTimeout(
                        total=None, sock_connect=CONNECT_S, sock_read=READ_S
                    ),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    # A photograph is compressed already, and what is not sent inflated cannot
                    # be a bomb.
                    headers={"Accept-Encoding": "identity", "User-Agent": "backlot"},
                    auto_decompress=False,
                    max_line_size=_LONGEST_HEADER,
                    max_field_size=_LONGEST_HEADER,
                    # No proxy from the environment: it would resolve names in our place.
                    trust_env=False,
                )
                self._session = await self._connection.keep(made)
            return self._session


def shown(address: str) -> str:
    """A URL for a message: as it is sent, short, and without what is secret in it."""
    with suppress(ValueError):  # nothing to ask for: it is shown as it is
        address = str(request_url(address))
    return shortened(without_secrets(address))


async def as_stored(found: FetchedT, encoding: str, *, what: str, max_bytes: int) -> FetchedT:
    """What was read without its `Content-Encoding`; its checksums were of what came.

    Raises:
        RowError: too large, or it cannot be undone.
        TransientError: it does not come to its end, and may have been damaged on its way.
    """
    if not encoding:
        return found
    try:
        data = await asyncio.to_thread(undone, found.data, encoding, max_bytes=max_bytes)
    except RowError as error:
        is_sure = found.doubt is None or error.code is not ErrorCode.CORRUPT_IMAGE
        kind = RowError if is_sure else TransientError
        raise kind(error.code, f"{what}: {error.message}") from None
    return replace(found, data=data)


@contextmanager
def _in_words(uri: str) -> Iterator[None]:
    """What goes wrong with a request, as an error of its row."""
    try:
        yield
    except _StatusError as error:
        raise RowError(ErrorCode.NOT_FOUND, f"{error.message}: HTTP {error.status}") from None
    except ValueError:
        # yarl and aiohttp find fault with a URL at several points, and quote it.
        raise RowError(
            ErrorCode.BAD_REQUEST,
            f"image_uri {shown(uri)} is not usable: its host or port cannot be one, or it holds "
            "what is no letter",
        ) from None
    except aiohttp.ClientError as error:
        raise RowError(
            ErrorCode.BAD_REQUEST, f"image_uri {shown(uri)} is not usable: {describe(error)}"
        ) from None
    except OSError as error:  # nothing anybody foresaw: the next run may fare better
        raise TransientError(ErrorCode.STORAGE, f"{shown(uri)}: {describe(error)}") from None


def _check_status(answer: aiohttp.ClientResponse, place: str) -> None:
    if answer.status in _GONE:
        raise RowError(ErrorCode.NOT_FOUND, f"nothing at {place}")
    if answer.status in _REFUSED:
        raise TransientError(
            ErrorCode.ACCESS_DENIED, f"not allowed to read {place} (HTTP {answer.status})"
        )
    if answer.status not in _DONE or not _is_whole(answer):
        raise _StatusError(answer.request_info, (), status=answer.status, message=place)


def _is_whole(answer: aiohttp.ClientResponse) -> bool:
    """False: a part, though nobody has asked for one."""
    if answer.status != 206:
        return True
    found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    return found is not None and int(found[1]) + 1 == int(found[2])


def _version(answer: aiohttp.ClientResponse) -> str | None:
    """What an answer's headers say that changes with its body; None: nothing."""
    if answer.status not in _DONE:
        return None
    headers = _headers(answer)
    etag = headers.get("etag", "").strip().removeprefix("W/").strip('"')
    if etag:
        return etag if len(etag) <= _LONGEST_ETAG else hashlib.sha256(etag.encode()).hexdigest()
    length = headers.get("content-length", "")
    if answer.status == 206:
        length = headers.get("content-range", "").rpartition("/")[2].strip("*")
    said = [length if length != "0" else "", _unless_just_now(headers)]
    return " ".join(filter(None, said)) or None


def _unless_just_now(headers: Mapping[str, str]) -> str:
    """Last-Modified, where it may be one: who makes a page anew each time says the time of day."""
    try:
        modified = parsedate_to_datetime(headers.get("last-modified", ""))
        answered = parsedate_to_datetime(headers.get("date", ""))
        age_s = (answered - modified).total_seconds()
    except (TypeError, ValueError):  # not said, not a time, not comparable
        return headers.get("last-modified", "")
    return headers["last-modified"] if age_s >= _JUST_NOW_S else ""


def _headers(answer: aiohttp.ClientResponse) -> dict[str, str]:
    """The answer's headers by lower-case name; repeated ones as one list, as HTTP has it."""
    return {name.lower(): ", ".join(answer.headers.getall(name)) for name in answer.headers}
