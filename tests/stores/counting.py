"""Which requests a store refused: out of its own log, or of a proxy's in front of it."""

from __future__ import annotations

import asyncio
import re
import threading
from collections import Counter, deque
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

_OURS = "aiobotocore"
"""In the user agent of the product's requests, and of no others'."""
_CHUNK_BYTES = 2**16
_ENDLESS = 2**62
_LINE = re.compile(
    r'[" ](?P<method>GET|PUT|POST|HEAD|DELETE) (?P<target>/\S*) HTTP/1\.[01]"? (?P<status>\d{3})\b'
)
"""What the logs of web servers have in common."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request and how it was answered."""

    method: str
    target: str
    status: int
    has_condition: bool = False

    def operation(self) -> str:
        """What S3 calls it."""
        path, query = urlsplit(self.target).path, urlsplit(self.target).query
        asks = {part.partition("=")[0] for part in query.split("&")}
        is_bucket = "/" not in path.strip("/")
        if "uploadId" in asks:
            named = {"PUT": "UploadPart", "POST": "CompleteMultipartUpload"}
            return named.get(self.method, "AbortMultipartUpload")
        if "uploads" in asks:
            return "CreateMultipartUpload"
        if self.method == "GET" and is_bucket:
            return "ListObjectsV2"
        return f"{self.method.title()}{'Bucket' if is_bucket else 'Object'}" + (
            " with a condition" if self.has_condition else ""
        )


def refusals(asked: list[Asked]) -> Counter[str]:
    """How many requests were refused, by operation and status; not to be there is no refusal."""
    return Counter(
        f"{one.operation()} {one.status}"
        for one in asked
        if one.status >= 400 and not (one.status == 404 and one.method in ("GET", "HEAD"))
    )


class Log:
    """A log that a store writes itself, read from where it was when the watch began."""

    def __init__(self, path: Path, *, is_quoted: bool) -> None:
        """Begin to watch.

        Args:
            path: the log.
            is_quoted: whether targets are percent-encoded once more in it.
        """
        self._path = path
        self._plain = unquote if is_quoted else str
        self._start = path.stat().st_size if path.exists() else 0

    def asked(self) -> list[Asked]:
        """The product's requests since."""
        with self._path.open("rb") as file:
            file.seek(self._start)
            lines = file.read().decode(errors="replace").splitlines()
        found = [_LINE.search(line) for line in lines if _OURS in line]
        return [
            Asked(one["method"], self._plain(one["target"]), int(one["status"]))
            for one in found
            if one
        ]


class CountingProxy:
    """Passes on every byte as it came, both ways, and notes what was asked and answered."""

    def __init__(self, port: int) -> None:
        """Stand in front of a server on this machine.

        Args:
            port: the server's.
        """
        self._behind = port
        self._asked: list[Asked] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        starting = asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result()
        self.port = int(self._server.sockets[0].getsockname()[1])

    def asked(self) -> list[Asked]:
        """The product's requests since the last call."""
        asked, self._asked = self._asked, []
        return asked

    def close(self) -> None:
        async def end() -> None:
            self._server.close()
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, answering = await asyncio.open_connection("127.0.0.1", self._behind)
        waiting = deque[_Head]()
        requests, answers = _Messages(), _Messages(answers_to=waiting)

        def answered() -> None:
            for head in answers.heads():
                request = waiting.popleft()
                if _OURS in request.headers.get("user-agent", ""):
                    self._asked.append(_paired(request, head))

        async def to_server() -> None:
            while data := await reader.read(_CHUNK_BYTES):
                requests.feed(data)
                waiting.extend(requests.heads())
                answering.write(data)
                await answering.drain()

        async def to_client() -> None:
            while data := await there.read(_CHUNK_BYTES):
                answers.feed(data)
                answered()
                writer.write(data)
                await writer.drain()

        ways = [asyncio.ensure_future(to_server()), asyncio.ensure_future(to_client())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            # By `close` alone; asyncio of Python 3.11 would log it as a fault of the server.
            return
        finally:
            for way in ways:
                way.cancel()
            # A connection that either end cut is no fault of this proxy's.
            await asyncio.gather(*ways, return_exceptions=True)
            answering.close()
            writer.close()


@dataclass(frozen=True, slots=True)
class _Head:
    start: str
    headers: dict[str, str]


def _paired(request: _Head, answer: _Head) -> Asked:
    method, target, _ = request.start.split(" ", 2)
    conditions = {"if-match", "if-none-match"}
    return Asked(
        method, target, int(answer.start.split(" ")[1]), not conditions.isdisjoint(request.headers)
    )


class _Messages:
    """The heads of the messages in one direction of an HTTP/1.1 connection."""

    def __init__(self, answers_to: deque[_Head] | None = None) -> None:
        self._answers_to = answers_to
        self._kept = bytearray()
        self._skip = 0
        self._in_chunks = False
        self._found: list[_Head] = []

    def heads(self) -> list[_Head]:
        """Those of whole heads since the last call; of answers, the final ones."""
        found, self._found = self._found, []
        return found

    def feed(self, data: bytes) -> None:
        self._kept += data
        while self._step():
            pass

    def _step(self) -> bool:
        if self._skip:
            taken = min(self._skip, len(self._kept))
            del self._kept[:taken]
            self._skip -= taken
            return taken > 0
        if self._in_chunks:
            line = self._upto(b"\r\n")
            if line is None:
                return False
            size = int(line.split(b";")[0], 16)
            self._in_chunks = size > 0
            # After a chunk its line end; after the last one an empty line: no trailers are sent.
            self._skip = size + 2
            return True
        head = self._upto(b"\r\n\r\n")
        if head is None:
            return False
        start, *lines = head.decode("latin-1").split("\r\n")
        pairs = [line.split(":", 1) for line in lines]
        self._begin(_Head(start, {name.strip().lower(): said.strip() for name, said in pairs}))
        return True

    def _begin(self, head: _Head) -> None:
        if self._answers_to is not None:
            status = int(head.start.split(" ")[1])
            if status < 200:  # "go on": the answer is still to come
                return
            place = len(self._found)
            asked = self._answers_to[place].start.split(" ")[0]
            self._found.append(head)
            if asked == "HEAD" or status in (204, 304):
                return
        else:
            self._found.append(head)
        self._in_chunks = "chunked" in head.headers.get("transfer-encoding", "")
        # An answer that tells no length lasts until the connection is closed.
        endless = 0 if self._answers_to is None else _ENDLESS
        length = int(head.headers.get("content-length", endless))
        self._skip = 0 if self._in_chunks else length

    def _upto(self, mark: bytes) -> bytes | None:
        end = self._kept.find(mark)
        if end < 0:
            return None
        taken = bytes(self._kept[:end])
        del self._kept[: end + len(mark)]
        return taken
