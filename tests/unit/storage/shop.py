"""A web shop whose server speaks of its pictures as some do: with validators, or without HEAD."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pipeline import storage


class Shop(ThreadingHTTPServer):
    """Pictures and how their server speaks of them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Shelf)
        self.headers: dict[str, dict[str, str]] = {}
        self.body = b"picture"
        self.is_down = False
        self.asked: Counter[tuple[str, str]] = Counter()
        self.host = f"127.0.0.1:{self.server_address[1]}"
        """As `fetch.allowed_hosts` names it."""
        self.root = f"http://{self.host}"

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is what is wanted."""


class _Shelf(BaseHTTPRequestHandler):
    server: Shop
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_HEAD(self) -> None:
        self.do("HEAD")

    def do_GET(self) -> None:
        self.do("GET")

    def do(self, method: str) -> None:
        if self.server.is_down:
            self.path = "/status/503"
        self.answer(method)

    def answer(self, method: str) -> None:
        self.server.asked[method, self.path] += 1
        verb, _, rest = self.path[1:].partition("/")
        body, status, headers = self.server.body, 200, dict(self.server.headers.get(self.path, {}))
        if verb == "no-head" and method == "HEAD":
            body, status, headers = b"", int(rest.partition("?")[0]), {}
        elif verb == "zero" and method == "HEAD":
            body = b""
        elif verb == "status" or (verb == "signed" and "amp;" in rest):
            body, status = b"", int(rest.partition("?")[0]) if verb == "status" else 403
        elif verb == "to":
            body, status, headers = b"", 302, {"Location": f"/{rest}"}
        elif verb == "endless" and method == "GET":
            body = bytes(2**26)
        elif self.headers.get("Range") == "bytes=0-0" and verb == "ranges":
            status = 206
            headers["Content-Range"] = f"bytes 0-0/{len(body)}"
            body = body[:1]
        self.send_response(status)
        if verb != "chunked":
            self.send_header("Content-Length", str(len(body)))
        else:
            self.close_connection = True
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if method == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def opened() -> Iterator[Shop]:
    """A shop on loopback, for the length of a block."""
    storage.disconnect()
    server = Shop()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        storage.disconnect()
        server.shutdown()
        thread.join()
        server.server_close()
