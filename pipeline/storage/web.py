"""Photographs from the web: from listed hosts only, and never from inside our own network.

A manifest is somebody else's text. Unchecked, `https://169.254.169.254/...` or a host name that
resolves to it would hand out the machine's own credentials as a "photograph".
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from pipeline.errors import ErrorCode, RowError, TransientError
from pipeline.storage.agreement import Doubt, Fetched, doubt_of, read_twice_if_they_differ
from pipeline.storage.connection import CONNECT_S, READ_S, Connection
from pipeline.storage.retry import Backoff, describe, retrying
from pipeline.storage.s3 import read_capped
from pipeline.storage.uris import without_secrets

MOST_REDIRECTS = 3
_CHUNK_BYTES = 256 * 2**10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GONE = frozenset({404, 410})
_REFUSED = frozenset({401, 403, 407, 451})
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, kw_only=True, slots=True)
class WebPolicy:
    """Which URLs may be asked for."""

    schemes: tuple[str, ...]
    hosts: tuple[str, ...]
    """Exact names, or suffixes that begin with a dot."""
    allow_private_addresses: bool

    def refusal(self, url: URL) -> str | None:
        """Why a URL may not be asked for; None when it may."""
        if url.scheme not in self.schemes:
            return f"scheme {url.scheme!r} is not in fetch.allowed_schemes {list(self.schemes)}"
        host = (url.raw_host or "").lower()
        if not any(_matches(host, allowed.lower()) for allowed in self.hosts):
            return f"host {host!r} is not in fetch.allowed_hosts {list(self.hosts)}"
        if url.user is not None or url.password is not None:
            return "a URL must not carry a user name or password"
        if not self.allow_private_addresses and not _may_be_global(host):
            return f"{host} is not a public address"
        return None


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

    async def get(self, uri: str, *, max_bytes: int) -> Fetched:
        """A photograph.

        Raises:
            RowError: not allowed, not there or too large.
            TransientError: refused, or no answer after all retries.
        """
        shown = without_secrets(uri)
        headers: dict[str, str] = {}

        async def read() -> Fetched:
            (data, doubt), retries = await retrying(attempt, what=shown, backoff=self._backoff)
            headers["Cache-Control"] = "no-cache"  # a second read is to go past what has damaged it
            return Fetched(data, retries, doubt)

        async def attempt() -> tuple[bytes, Doubt | None]:
            return await self._follow(URL(uri), shown, max_bytes, headers)

        try:
            return await read_twice_if_they_differ(read, what=shown)
        except aiohttp.ClientResponseError as error:
            raise RowError(ErrorCode.NOT_FOUND, f"{shown}: HTTP {error.status}") from None
        except (aiohttp.ClientError, ValueError) as error:
            # A host no resolver takes, a port out of range, a redirect to neither: yarl and
            # aiohttp find fault with a URL at several points.
            raise RowError(
                ErrorCode.BAD_REQUEST, f"image_uri {shown} is not usable: {describe(error)}"
            ) from None
        except OSError as error:  # nothing anybody foresaw: the next run may fare better
            raise TransientError(ErrorCode.STORAGE, f"{shown}: {describe(error)}") from None

    async def _follow(
        self, url: URL, shown: str, max_bytes: int, headers: Mapping[str, str]
    ) -> tuple[bytes, Doubt | None]:
        session = await self._open_session()
        for _ in range(1 + MOST_REDIRECTS):
            self._check(url, shown)
            async with session.get(url, allow_redirects=False, headers=headers) as answer:
                if answer.status in _REDIRECTS:
                    url = url.join(URL(answer.headers.get("Location", "")))
                    continue
                if answer.status in _GONE:
                    raise RowError(ErrorCode.NOT_FOUND, f"nothing at {shown}")
                if answer.status in _REFUSED:
                    raise TransientError(
                        ErrorCode.ACCESS_DENIED,
                        f"not allowed to read {shown} (HTTP {answer.status})",
                    )
                if answer.status != 200:
                    raise aiohttp.ClientResponseError(answer.request_info, (), status=answer.status)
                chunks = answer.content.iter_chunked(_CHUNK_BYTES)
                data = await read_capped(chunks, answer.content_length, max_bytes=max_bytes)
                return data, doubt_of(data, _headers(answer), md5=None)
        raise RowError(
            ErrorCode.URI_NOT_ALLOWED, f"{shown} redirects more than {MOST_REDIRECTS} times"
        )

    def _check(self, url: URL, shown: str) -> None:
        refusal = self._policy.refusal(url)
        if refusal is not None:
            asked = "" if without_secrets(str(url)) == shown else "redirected to where we may not: "
            raise RowError(ErrorCode.URI_NOT_ALLOWED, f"image_uri {shown}: {asked}{refusal}")

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
                    # No proxy from the environment: it would resolve names in our place.
                    trust_env=False,
                )
                self._session = await self._connection.keep(made)
            return self._session


class PublicResolver(AbstractResolver):
    """Resolves a name once, for the connection that is about to be made, and vets what it gets.

    The connection goes to the very address vetted here: a name that changes its mind between a
    check and a request (DNS rebinding) gains nothing.
    """

    def __init__(self) -> None:
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host.

        Raises:
            RowError: one of them is inside our own network.
        """
        found = await self._resolver.resolve(host, port, family)
        if not all(is_public(result["host"]) for result in found):
            raise RowError(
                ErrorCode.URI_NOT_ALLOWED,
                f"host {host!r} resolves to an address that is not public; "
                "fetch.allow_private_addresses is false",
            )
        return found

    async def close(self) -> None:
        """Nothing to close."""
        await self._resolver.close()


def is_public(address: str) -> bool:
    """Whether an IP address is on the public internet.

    >>> [is_public(a) for a in ("93.184.216.34", "169.254.169.254", "::ffff:10.0.0.1")]
    [True, False, False]
    """
    ip = ipaddress.ip_address(address)
    return all(part.is_global and not part.is_multicast for part in (ip, *_embedded(ip)))


def _headers(answer: aiohttp.ClientResponse) -> dict[str, str]:
    """By lower-case names; what is said several times is a list, as HTTP has it."""
    return {name.lower(): ", ".join(answer.headers.getall(name)) for name in answer.headers}


def _embedded(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> Sequence[ipaddress.IPv4Address]:
    """The IPv4 addresses that an IPv6 address may lead to."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ()
    nat64 = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None
    teredo = ip.teredo[1] if ip.teredo else None
    return [v4 for v4 in (ip.ipv4_mapped, ip.sixtofour, teredo, nat64) if v4 is not None]


def _may_be_global(host: str) -> bool:
    try:
        return is_public(host)
    except ValueError:  # a name: the resolver will see
        return True


def _matches(host: str, allowed: str) -> bool:
    return host.endswith(allowed) if allowed.startswith(".") else host == allowed
