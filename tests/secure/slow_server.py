"""A web server on loopback that is slow in the ways that servers are, for tests of our limits."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from aiohttp import ClientConnectionResetError, web

DRIP_S = 0.05
"""Between two bytes."""


class SlowServer:
    """What it does is what a path begins with; it counts what it is asked."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.open_now = 0
        self.most_at_once = 0
        self.host = ""
        self.root = ""
        self._loop = asyncio.new_event_loop()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        kind, _, rest = request.path[1:].partition("/")
        self.asked[kind] += 1
        self.open_now += 1
        self.most_at_once = max(self.most_at_once, self.open_now)
        try:
            if kind == "good":
                return web.Response(body=f"picture {rest}".encode())
            if kind == "large":  # /large/<bytes>/<name>
                return web.Response(body=bytes(int(rest.partition("/")[0])))
            if kind == "silent":
                await asyncio.sleep(3600)
            if kind == "hops":
                await asyncio.sleep(2 * DRIP_S)
                return web.Response(status=302, headers={"Location": f"/hops/{self.asked[kind]}"})
            if kind == "busy":
                await asyncio.sleep(DRIP_S)
                return web.Response(status=503)
            return await self._drip(request, unfinished=kind == "cut")
        finally:
            self.open_now -= 1

    async def _drip(self, request: web.Request, *, unfinished: bool) -> web.StreamResponse:
        """Send a byte now and then, for ever, or until the connection is cut."""
        answer = web.StreamResponse(headers={"Content-Length": "100000"})
        await answer.prepare(request)
        with suppress(ClientConnectionResetError):  # who asked has had enough
            for _ in range(3 if unfinished else 100_000):
                await answer.write(b"x")
                await asyncio.sleep(DRIP_S)
        if request.transport is not None:
            request.transport.close()
        return answer

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.host = f"127.0.0.1:{self._runner.addresses[0][1]}"
        self.root = f"http://{self.host}"

    async def stop(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:  # what is silent would be so for long
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._runner.cleanup()


@contextmanager
def opened() -> Iterator[SlowServer]:
    """A server in a thread of its own, for the length of a block."""
    server = SlowServer()
    loop = server._loop
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
