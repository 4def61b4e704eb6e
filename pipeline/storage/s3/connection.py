"""One event loop in a thread of its own, and the S3 client that lives in it.

Settings come from the environment alone and never from a recipe, so that no credential can end up
in `run.json`, in a log or in an error: endpoint, region, profile and keys from the standard AWS
chain, which is botocore's business, and the two variables below.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

from botocore import UNSIGNED
from botocore.config import Config
from botocore.utils import parse_timestamp

CONNECT_S = 5.0
"""The timeout of a connection, in seconds: within a region it takes milliseconds, and the back-off
is better at waiting."""
READ_S = 60.0
"""Silence on an open connection. S3 answers in milliseconds, a busy store in seconds."""
POOL_SIZE = 256
"""Connections at once: as many as the largest `concurrency` a recipe may ask for."""
_CLOSE_S = 5.0

T = TypeVar("T")

_making = threading.Lock()
"""`functools.cache` lets threads that ask at the same moment each make their own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What the standard AWS chain has no variable for."""

    anonymous: bool
    """Requests are not signed: public buckets, no credentials."""
    addressing_style: str
    """`path` (endpoint/bucket/key), `virtual` (bucket.endpoint/key) or `auto`."""

    @classmethod
    def from_environment(cls) -> Settings:
        """Read `BACKLOT_S3_ANONYMOUS` and `BACKLOT_S3_ADDRESSING_STYLE`.

        Raises:
            ValueError: one of them holds something else than it may.
        """
        return cls(
            anonymous=_choice("BACKLOT_S3_ANONYMOUS", ("0", "1")) == "1",
            addressing_style=_choice("BACKLOT_S3_ADDRESSING_STYLE", ("auto", "path", "virtual")),
        )

    def client_config(self) -> Config:
        """The client these settings ask for."""
        return Config(
            signature_version=UNSIGNED if self.anonymous else None,
            s3={"addressing_style": self.addressing_style},
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            max_pool_connections=POOL_SIZE,
            tcp_keepalive=True,
            # One attempt: the loop in retry.py is the only one, and it counts.
            retries={"mode": "standard", "total_max_attempts": 1},
            # Checksum trailers are news to many S3-compatible stores; the signature covers a
            # body that we send, and a body that arrives short is an error without them.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )


class Connection:
    """Runs coroutines for callers in any thread; keeps what they share."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._kept = AsyncExitStack()
        self._s3: Any = None
        self._s3_lock = asyncio.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="storage", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for `work`; not to be called from within the loop."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        finally:
            future.cancel()  # of effect only when the wait was broken off, as by Ctrl-C

    async def s3(self) -> Any:
        """The S3 client, made when it is first needed. Runs in the loop."""
        async with self._s3_lock:
            if self._s3 is None:
                # Only now: it takes a third of a second, and most places are not S3.
                from aiobotocore.session import get_session

                session = get_session()
                session.get_component("response_parser_factory").set_parser_defaults(
                    timestamp_parser=_time_or_none
                )
                made = session.create_client("s3", config=self._settings.client_config())
                try:
                    self._s3 = await self.keep(made)
                except ValueError:  # botocore quotes it, and a password with it
                    raise ValueError(
                        "the endpoint that AWS_ENDPOINT_URL or the profile names is no address: "
                        "write https://host or https://host:port"
                    ) from None
                self._s3.meta.events.register("before-call.s3.HeadBucket", _follow_no_redirect)
            return self._s3

    async def keep(self, resource: AbstractAsyncContextManager[T]) -> T:
        """Enter `resource`; it is left when the connection closes. Runs in the loop."""
        return await self._kept.enter_async_context(resource)

    def close(self) -> None:
        """Break off what is still asked for, let go of every socket and end the thread."""
        if not self._thread.is_alive():
            return
        closing = asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        try:
            closing.result(_CLOSE_S)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_CLOSE_S)

    async def _end(self) -> None:
        open_ = asyncio.all_tasks() - {asyncio.current_task()}
        for task in open_:  # a thread that waited for one would wait for ever
            task.cancel()
        await asyncio.gather(*open_, return_exceptions=True)
        await self._kept.aclose()


def connection() -> Connection:
    """The connection of this process, made from the environment when it is first needed.

    One for all threads: a client that lives in one loop is of no use in another.
    """
    with _making:
        return _connection(os.getpid())  # a forked child has no such thread: it makes its own


def disconnect() -> None:
    """Close this process's connection; the next request makes one from the environment anew."""
    if _connection.cache_info().currsize:
        connection().close()
        _connection.cache_clear()


def _time_or_none(value: Any) -> datetime | None:
    """What a store says of a time; None: nothing that can be read, so that the rest still counts.

    Some gateways leave `LastModified` empty, or write something of their own.
    """
    try:
        time: datetime = parse_timestamp(value)
    except (ValueError, RuntimeError):
        return None
    return time


def _follow_no_redirect(params: dict[str, Any], **_: Any) -> None:
    """Stop the client from asking for ever.

    Where a server redirects and names no region, the client asks HeadBucket for it; where that is
    redirected too, it asks HeadBucket for it (aiobotocore 3.10: RecursionError).
    """
    params["context"].setdefault("s3_redirect", {})["redirected"] = True


@cache
def _connection(_pid: int) -> Connection:
    made = Connection(Settings.from_environment())
    atexit.register(made.close)
    return made


def _choice(variable: str, allowed: tuple[str, ...]) -> str:
    value = os.environ.get(variable) or allowed[0]
    if value not in allowed:
        raise ValueError(
            f"{variable}={value!r}: set it to one of {', '.join(allowed)}, or unset it"
        )
    return value
