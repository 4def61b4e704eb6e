"""Which web hosts may be asked, and at which ports: of a list, and none inside our own network."""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from pipeline.errors import ErrorCode, RowError
from pipeline.storage.web.networks import is_public
from pipeline.storage.web.request_targets import request_url


@dataclass(frozen=True, slots=True)
class AllowedHost:
    """An entry of `fetch.allowed_hosts` as requests name a host: in ASCII, without the last dot."""

    name: str
    """Exact, or a suffix that begins with a dot."""
    port: int | None
    """None: the scheme's own, 80 or 443."""

    def covers(self, host: str) -> bool:
        """Whether it names a host, at whatever port."""
        return host.endswith(self.name) if self.name.startswith(".") else host == self.name


@dataclass(frozen=True, kw_only=True, slots=True)
class WebPolicy:
    """Which URLs may be asked for."""

    schemes: tuple[str, ...]
    hosts: tuple[str, ...]
    """Exact names, or suffixes that begin with a dot; with a port, that one and no other."""
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
        entries = [allowed_host(named) for named in self.hosts]
        covering = [entry for entry in entries if entry.covers(host.rstrip("."))]
        if not covering:
            return f"host {entry_for(url)!r} is not in fetch.allowed_hosts {list(self.hosts)}"
        if url.user is not None or url.password is not None:
            return "a URL must not carry a user name or password"
        if not any(_is_open(entry, url) for entry in covering):
            return (
                f"port {url.port} of {host!r} is not in fetch.allowed_hosts {list(self.hosts)}: "
                f"add {entry_for(url, always=True)!r} if it may be asked"
            )
        if not self.allow_private_addresses and not _may_be_global(host):
            return f"{host} is not a public address"
        return None


def entry_for(url: URL, *, always: bool = False) -> str:
    """What to add to `fetch.allowed_hosts` for a URL; its port where it is not the scheme's own.

    >>> entry_for(URL("https://cdn.example.com/a")), entry_for(URL("http://[::1]:8000/a"))
    ('cdn.example.com', '[::1]:8000')

    Args:
        url: what is to be asked for.
        always: name the port in any case.
    """
    name = (url.host_subcomponent or "").lower().rstrip(".")
    return f"{name}:{url.port}" if always or not url.is_default_port() else name


@cache
def allowed_host(named: str) -> AllowedHost:
    """An entry of `fetch.allowed_hosts`, read.

    >>> allowed_host("Bücher.example").name, allowed_host(".cdn.example.com.").name
    ('xn--bcher-kva.example', '.cdn.example.com')
    >>> allowed_host("cdn.example.com:8443"), allowed_host("[::1]:8000").port
    (AllowedHost(name='cdn.example.com', port=8443), 8000)

    Raises:
        ValueError: no host can be called so, or no port.
    """
    bare, host, port = named.removeprefix("."), "", None
    is_bare_v6 = bare.count(":") > 1 and not bare.startswith("[")
    with suppress(ValueError):
        url = request_url(f"https://[{bare}]" if is_bare_v6 else f"https://{bare}")
        is_alone = str(url) == f"{url.origin()}/" and "*" not in bare
        has_a_port = url.explicit_port is not None
        if is_alone and url.port != 0 and (has_a_port or is_bare_v6 or not bare.endswith(":")):
            host, port = (url.raw_host or "").lower().rstrip("."), url.explicit_port
    if not host:
        raise ValueError(
            f"{named!r} is not the name of a host: write it alone, without scheme or '*', as "
            "cdn.example.com, or with a dot before it, as .example.com, for all that is below it; "
            "and with a port, as cdn.example.com:8443, for one other than 80 and 443"
        )
    return AllowedHost(f"{named[: len(named) - len(bare)]}{host}", port)


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


def _is_open(entry: AllowedHost, url: URL) -> bool:
    return url.is_default_port() if entry.port is None else url.port == entry.port
