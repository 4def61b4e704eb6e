"""A small S3 server with the manners of stores that differ from Amazon's.

Objects are in memory. What a store does otherwise is a field of `Manners`, so that a test says in
one line which store it means; what each does was read off real ones.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from urllib.parse import unquote_to_bytes
from xml.sax.saxutils import escape

from aiohttp import web

Refusal = tuple[int, str]
"""HTTP status and S3's word for it; without a word there is no body either."""


@dataclass(kw_only=True)
class Manners:
    """How a store answers; the defaults are Amazon's."""

    if_none_match: str | Refusal = "honoured"
    """Of a PUT: `honoured`, `ignored`, or what it is refused with."""
    slow_s: float = 0.0
    """Between the look at a condition and the write: such a store does not do both in one step."""
    losers_get: Callable[[], Refusal] = lambda: (412, "PreconditionFailed")
    """What is said where a condition does not hold."""
    etag: Callable[[str], str] = lambda md5: f'"{md5}"'
    """How an ETag is written."""
    etags_in: frozenset[str] = frozenset({"PUT", "GET", "HEAD", "LIST", "PART"})
    """Which answers have one."""
    says: Mapping[str, str] = field(default_factory=dict)
    """Headers of every answer to PUT, GET and HEAD, and of parts."""
    dates: bool = True
    """Whether answers have Date and Last-Modified."""
    ahead_s: float = 0.0
    """How far its clock is ahead of ours."""
    refuses: Callable[[web.Request, str], Refusal | web.Response | None] = lambda _, __: None
    """What a request for `bucket/key` is answered with whatever else it says; None: as ever."""


SWIFT = Manners(if_none_match=(501, "NotImplemented"))
"""OpenStack Swift's s3api."""
DEAF = Manners(if_none_match="ignored")
"""Gateways that pass over conditions: that of JuiceFS, `rclone serve s3`."""


@dataclass(frozen=True)
class _Object:
    data: bytes
    written_s: float

    @property
    def md5(self) -> str:
        return hashlib.md5(self.data, usedforsecurity=False).hexdigest()


@dataclass
class SmallS3:
    """`with SmallS3(SWIFT) as store:` and talk to `store.url`; every bucket exists."""

    manners: Manners = field(default_factory=Manners)
    """May be exchanged meanwhile."""
    objects: dict[str, _Object] = field(default_factory=dict)
    """By `bucket/key`."""
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    """Parts that were sent and not made an object of, by upload."""
    seen: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)
    """Method, `bucket/key` and headers of every request, headers in lower case."""

    def __post_init__(self) -> None:
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="small-s3")
        self._runner: web.AppRunner | None = None

    def __enter__(self) -> SmallS3:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(5)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._runner is not None
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def forget(self) -> None:
        """Be as new: empty, and with Amazon's manners."""
        self.manners = Manners()
        for kept in (self.objects, self.uploads, self.seen):
            kept.clear()  # type: ignore[attr-defined]

    def put(self, address: str, data: bytes, *, age_s: float = 0.0) -> None:
        """Store an object at `bucket/key`, written so long ago."""
        self.objects[address] = _Object(data, time.time() - age_s)

    def conditions(self) -> list[str]:
        """The conditions of all writes so far."""
        return [
            headers[name]
            for method, _, headers in self.seen
            for name in ("if-match", "if-none-match")
            if method == "PUT" and name in headers
        ]

    async def _start(self) -> None:
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = "http://{}:{}".format(*self._runner.addresses[0][:2])

    async def _serve(self, request: web.Request) -> web.Response:
        path, _, _ = request.raw_path.partition("?")
        address = unquote_to_bytes(path.lstrip("/")).decode()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.seen.append((request.method, address, headers))
        body = await request.read()
        refusal = self.manners.refuses(request, address)
        if isinstance(refusal, web.Response):
            answer = refusal
        elif refusal is not None:
            answer = self._error(refusal, is_bare=request.method == "HEAD")
        else:
            answer = await self._answer(request, address, headers, body)
        if self.manners.dates:
            answer.headers["Date"] = formatdate(time.time() + self.manners.ahead_s, usegmt=True)
        else:
            answer.headers["Date"] = ""
        return answer

    async def _answer(
        self, request: web.Request, address: str, headers: Mapping[str, str], body: bytes
    ) -> web.Response:
        query = request.query
        if request.method == "POST" or "uploadId" in query:
            return self._of_an_upload(request, address, body)
        if request.method == "PUT":
            return await self._put(address, headers, body)
        if request.method == "DELETE":
            self.objects.pop(address, None)
            return web.Response(status=204)
        if "list-type" in query:
            prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
            return self._list(address.rstrip("/"), prefix, delimiter)
        return self._get(request.method, address, headers)

    async def _put(self, address: str, headers: Mapping[str, str], body: bytes) -> web.Response:
        manners = self.manners
        how = manners.if_none_match
        if "if-none-match" in headers and how != "ignored":
            if not isinstance(how, str):  # as it is refused whatever the object is like
                return self._error(how)
            if address in self.objects:
                return self._error(manners.losers_get())
        if manners.slow_s:
            await asyncio.sleep(manners.slow_s)
        self.put(address, body)
        return web.Response(headers=self._etag("PUT", self.objects[address]))

    def _get(self, method: str, address: str, headers: Mapping[str, str]) -> web.Response:
        there = self.objects.get(address)
        if there is None:
            return self._error((404, "NoSuchKey"), is_bare=method == "HEAD")
        said = self._etag(method, there)
        if self.manners.dates:
            modified_s = there.written_s + self.manners.ahead_s
            said["Last-Modified"] = formatdate(modified_s, usegmt=True)
        if method == "HEAD":
            return web.Response(headers={**said, "Content-Length": str(len(there.data))})
        if "range" in headers:
            first, _, last = headers["range"].removeprefix("bytes=").partition("-")
            part = there.data[int(first) : int(last) + 1]
            of_what = f"bytes {first}-{int(first) + len(part) - 1}/{len(there.data)}"
            said["Content-Range"] = of_what
            return web.Response(status=206, body=part, headers=said)
        return web.Response(body=there.data, headers=said)

    def _list(self, bucket: str, prefix: str, delimiter: str) -> web.Response:
        found, folders = [], []
        for address, there in sorted(self.objects.items()):
            if not address.startswith(f"{bucket}/{prefix}"):
                continue
            key = address.removeprefix(f"{bucket}/")
            name, slash, _ = key.removeprefix(prefix).partition(delimiter or "\0")
            if slash:
                folders.append(f"{prefix}{name}{slash}")
                continue
            etag = self._etag("LIST", there).get("ETag", "")
            found.append(
                f"<Contents><Key>{escape(key)}</Key><Size>{len(there.data)}</Size>"
                f"<ETag>{escape(etag)}</ETag></Contents>"
            )
        rolled_up = [
            f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>"
            for folder in dict.fromkeys(folders)
        ]
        return _xml(f"<ListBucketResult>{''.join(found + rolled_up)}</ListBucketResult>")

    def _of_an_upload(self, request: web.Request, address: str, body: bytes) -> web.Response:
        query = request.query
        upload = query.get("uploadId", "")
        if request.method == "PUT":
            self.uploads[upload][int(query["partNumber"])] = body
            return web.Response(headers=self._etag("PART", _Object(body, 0.0)))
        if request.method == "DELETE":
            self.uploads.pop(upload, None)
            return web.Response(status=204)
        if not upload:
            upload = f"upload-{len(self.seen)}"
            self.uploads[upload] = {}
            return _xml(
                "<InitiateMultipartUploadResult>"
                f"<UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
            )
        self.put(address, b"".join(part for _, part in sorted(self.uploads.pop(upload).items())))
        return _xml("<CompleteMultipartUploadResult/>")

    def _etag(self, where: str, there: _Object) -> dict[str, str]:
        written = self.manners.etag(there.md5)
        headers = {} if where == "LIST" else dict(self.manners.says)
        return headers | ({"ETag": written} if where in self.manners.etags_in else {})

    def _error(self, refusal: Refusal, *, is_bare: bool = False) -> web.Response:
        status, code = refusal
        if is_bare or not code:
            return web.Response(status=status)
        return _xml(f"<Error><Code>{code}</Code></Error>", status)


def _xml(text: str, status: int = 200) -> web.Response:
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    return web.Response(status=status, text=head + text, content_type="application/xml")
