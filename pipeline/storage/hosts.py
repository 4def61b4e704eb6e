"""Which web hosts may be asked: those of a list, and none inside our own network."""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from pipeline.errors import ErrorCode, RowError
from pipeline.storage.networks import is_public
from pipeline.storage.targets import request_url


@dataclass(frozen=True, kw_only=True, slots=True)
class WebPolicy:
    """Which URLs may be asked for."""

    schemes: tuple[str, ...]
    hosts: tuple[str, ...]
    """Exact names, or suffixes that begin with a dot."""
    allow_private_addresses: bool

    def scheme_refusal(self, scheme: str) -> str | None:
        """Why nothing with a scheme may be asked for; None when it may."""
        if scheme in self.schemes and scheme in ("http", "https"):
            return None
        return f"scheme {scheme!r} is not in fetch.allowed_schemes {list(self.schemes)}"

    def refusal(self, url: URL) -> str | None:
        """Why a URL may not be asked for; None when it may."""
        if url.scheme not in self.schemes:
            return self.scheme_refusal(url.scheme)
        host = (url.raw_host or "").lower()
        if not any(_matches(host.rstrip("."), allowed_host(named)) for named in self.hosts):
            return f"host {host!r} is not in fetch.allowed_hosts {list(self.hosts)}"
        if url.user is not None or url.password is not None:
            return "a URL must not carry a user name or password"
        if not self.allow_private_addresses and not _may_be_global(host):
            return f"{host} is not a public address"
        return None


@cache
def allowed_host(named: str) -> str:
    """An entry of `fetch.allowed_hosts` as requests name a host: in ASCII, without the last dot.

    >>> allowed_host("Bücher.example"), allowed_host(".cdn.example.com."), allowed_host("[::1]")
    ('xn--bcher-kva.example', '.cdn.example.com', '::1')

    Raises:
        ValueError: no host can be called so.
    """
    bare, host = named.removeprefix("."), ""
    is_bare_v6 = bare.count(":") > 1 and not bare.startswith("[")
    with suppress(ValueError):
        url = request_url(f"https://[{bare}]" if is_bare_v6 else f"https://{bare}")
        if url.explicit_port is None and str(url) == f"{url.origin()}/" and "*" not in bare:
            host = (url.raw_host or "").lower().rstrip(".")
    if not host:
        raise ValueError(
            f"{named!r} is not the name of a host: write it alone, without scheme, port or '*', as "
            "cdn.example.com, or with a dot before it, as .example.com, for all that is below it"
        )
    return f"{named[: len(named) - len(bare)]}{host}"


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


def _may_be_global(host: str) -> bool:
    try:
        return is_public(host)
    except ValueError:  # a name: the resolver will see
        return True


def _matches(host: str, allowed: str) -> bool:
    return host.endswith(allowed) if allowed.startswith(".") else host == allowed
