"""A real proxy that misbehaves on purpose, in front of a real server.

It answers 503 SlowDown, cuts connections before, after and in the middle of an answer, dawdles,
and refuses a prefix, each for a given share of the requests. Which requests are hit follows from
the seed and from how often the same request was made before, never from the order in which
concurrent ones arrive. And it lies: what is sent under a good status is not what the server said.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

_SLOW_DOWN = (
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)
_DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
_CHUNK_BYTES = 2**16
_DELAY_S = 0.2


Lie = Callable[[bytes, int], bytes]
"""From an answer's body, and how often the same was asked for (1, 2, ...), to what is sent."""


def shortened(body: bytes, _: int) -> bytes:
    """As a proxy cuts it that announces what it sends."""
    return body[: len(body) // 2]


def flipped(body: bytes, _: int) -> bytes:
    """A few bits of the first kilobyte and every 997th byte, always the same ones."""
    damaged = bytearray(body)
    for place in (*range(40, min(1000, len(body)), 60), *range(1000, len(body), 997)):
        damaged[place] ^= 0x55
    return bytes(damaged)


def page(_: bytes, __: int) -> bytes:
    """What a captive portal answers, whatever was asked for."""
    return b"<!DOCTYPE html><html><title>Log in</title>" + bytes(200)


def emptied(_: bytes, __: int) -> bytes:
    """Nothing at all."""
    return b""


@dataclass(frozen=True, slots=True)
class _Message:
    """A request or an answer."""

    start: str
    headers: list[tuple[str, str]]
    body: bytes

    def encode(self) -> tuple[bytes, bytes]:
        lines = [self.start, *(f"{name}: {value}" for name, value in self.headers)]
        return "\r\n".join([*lines, "", ""]).encode("latin-1"), self.body


class FaultyProxy:
    """`with FaultyProxy(port, seed=1) as proxy:` and talk to `proxy.url` instead."""

    def __init__(
        self,
        target_port: int,
        *,
        seed: int,
        slow_down: float = 0.2,
        reset: float = 0.05,
        delay: float = 0.05,
        denied_prefix: str | None = None,
        lies: Mapping[str, Lie] | None = None,
        unsaid: Collection[str] = (),
    ) -> None:
        """Listen on nothing yet.

        Args:
            target_port: of the server behind, on this machine.
            seed: decides which requests are hit.
            slow_down: share of requests answered 503 SlowDown without reaching the server.
            reset: share of requests whose connection is reset: a third before they reach the
                server, a third after they took effect, a third in the middle of the answer.
            delay: share of requests answered late.
            denied_prefix: path-style requests for this `bucket/key` prefix are answered 403.
            lies: what becomes of the body of a GET that is answered well, by the request's prefix.
            unsaid: headers that are left out of answers, in lower case.
        """
        self.lies: Mapping[str, Lie] = lies or {}
        """May be exchanged meanwhile: with `{}` the network is mended."""
        self.denied_prefix = denied_prefix
        self._unsaid = unsaid
        self._asked: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        """requests, slow_down, reset, delay, denied, lies, and bytes_sent of answers' bodies."""
        self.most_at_once = 0
        """Requests that were open at the same time, at most."""
        self._open = 0
        self._target_port = target_port
        self._seed = seed
        self._shares = {"slow_down": slow_down, "reset": reset, "delay": delay}
        self._seen: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="faulty-proxy")
        self._server: asyncio.Server | None = None
        self.url = ""
        """The endpoint, once entered."""

    def __enter__(self) -> FaultyProxy:
        self._thread.start()
        starting = asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**20)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result()
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _stop(self) -> None:
        assert self._server is not None
        self._server.close()
        me = asyncio.current_task()
        open_ = [task for task in asyncio.all_tasks() if task is not me]
        for task in open_:
            task.cancel()
        await asyncio.gather(*open_, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await _read_message(reader, writer):
                self._open += 1
                self.most_at_once = max(self.most_at_once, self._open)
                try:
                    if not await self._answer(request, writer):
                        return
                finally:
                    self._open -= 1
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return  # the client went away, as clients do, or the test is over
        finally:
            writer.close()

    async def _answer(self, request: _Message, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False when the connection is no more."""
        self.counts["requests"] += 1
        method, path, _ = request.start.split(" ", 2)
        if self.denied_prefix is not None and path.lstrip("/").startswith(self.denied_prefix):
            self.counts["denied"] += 1
            return await self._send(_refusal("403 Forbidden", _DENIED, method), writer)
        fault, where = self._draw(f"{method} {path}")
        if fault is not None:
            self.counts[fault] += 1
        if fault == "slow_down":
            return await self._send(_refusal("503 Slow Down", _SLOW_DOWN, method), writer)
        if fault == "delay":
            await asyncio.sleep(_DELAY_S)
        if fault == "reset" and where == "before":
            return _reset(writer)
        answer = await self._forward(request)
        if fault == "reset" and where == "after":
            return _reset(writer)
        answer = self._told(method, path.lstrip("/"), answer)
        return await self._send(answer, writer, cut=fault == "reset")

    def _told(self, method: str, path: str, answer: _Message) -> _Message:
        """The answer as it is passed on."""
        said = [(name, value) for name, value in answer.headers if name.lower() not in self._unsaid]
        lie = next((lie for prefix, lie in self.lies.items() if path.startswith(prefix)), None)
        if lie is None or method != "GET" or answer.start.split(" ")[1] not in ("200", "206"):
            return _Message(answer.start, said, answer.body)
        self.counts["lies"] += 1
        self._asked[path] += 1
        body = lie(answer.body, self._asked[path])
        kept = [(name, value) for name, value in said if name.lower() != "content-length"]
        return _Message(answer.start, [*kept, ("Content-Length", str(len(body)))], body)

    def _draw(self, request: str) -> tuple[str | None, str]:
        self._seen[request] += 1
        dice = random.Random(f"{self._seed} {request} {self._seen[request]}")
        where = dice.choice(["before", "after", "within"])
        draw = dice.random()
        for fault, share in self._shares.items():
            if draw < share:
                return fault, where
            draw -= share
        return None, where

    async def _forward(self, request: _Message) -> _Message:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        try:
            kept = [(n, v) for n, v in request.headers if n.lower() not in ("expect", "connection")]
            passed_on = _Message(request.start, [*kept, ("Connection", "close")], request.body)
            writer.write(b"".join(passed_on.encode()))
            await writer.drain()
            has_body = not request.start.startswith("HEAD ")
            answer = await _read_message(reader, None, has_body=has_body)
            assert answer is not None, "the server behind the proxy closed without an answer"
            return answer
        finally:
            writer.close()

    async def _send(
        self, answer: _Message, writer: asyncio.StreamWriter, *, cut: bool = False
    ) -> bool:
        head, body = answer.encode()
        writer.write(head)
        sent = body[: len(body) // 2] if cut else body
        for first in range(0, len(sent), _CHUNK_BYTES):
            chunk = sent[first : first + _CHUNK_BYTES]
            writer.write(chunk)
            await writer.drain()
            self.counts["bytes_sent"] += len(chunk)
        await writer.drain()
        return _reset(writer) if cut else True


async def _read_message(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter | None,
    *,
    has_body: bool = True,
) -> _Message | None:
    """The next message; None at the end. `writer` is told to go on where it waits for that."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    start, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    named = {name.lower(): value for name, value in headers}
    if writer is not None and named.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
    if not has_body:
        return _Message(start, headers, b"")
    if named.get("transfer-encoding", "").lower() == "chunked":
        body = await _read_chunks(reader)
        plain = [(n, v) for n, v in headers if n.lower() != "transfer-encoding"]
        return _Message(start, [*plain, ("Content-Length", str(len(body)))], body)
    return _Message(start, headers, await reader.readexactly(int(named.get("content-length", "0"))))


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    chunks = []
    while size := int((await reader.readline()).split(b";")[0], 16):
        chunks.append(await reader.readexactly(size))
        await reader.readline()
    while (await reader.readline()).strip():
        continue  # trailers
    return b"".join(chunks)


def _refusal(status: str, body: bytes, method: str) -> _Message:
    headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
    return _Message(f"HTTP/1.1 {status}", headers, b"" if method == "HEAD" else body)


def _reset(writer: asyncio.StreamWriter) -> bool:
    """Close with RST instead of FIN, as a machine does that is gone."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False
