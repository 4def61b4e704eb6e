"""A real HTTP server that speaks chat completions, well or badly, as a test wants it to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Sent:
    """What the server sends."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait_s: float = 0.0
    cut_after: int | None = None
    """Bytes after which the connection is closed, whatever was announced."""


Behaviour = Callable[[dict[str, Any], int], Sent]
"""The request, and how many came before it."""


def completion(content: object, **choice: object) -> Sent:
    message = {"role": "assistant", "content": content}
    answer = {"choices": [{"index": 0, "message": message, "finish_reason": "stop", **choice}]}
    return Sent(json.dumps(answer).encode())


def scene_of(request: dict[str, Any]) -> str:
    content = request["messages"][1]["content"]
    text = content if isinstance(content, str) else content[-1]["text"]
    return str(json.loads(text)["scene"])


def obliging(request: dict[str, Any], _count: int) -> Sent:
    """A model as one would have it."""
    prompt = f"photograph of a vase, {scene_of(request)}, soft shadows"
    answer = {"subject": "vase", "medium": "photograph", "prompt": prompt}
    return completion(json.dumps(answer))


class ChatServer:
    """`with ChatServer(behaviour) as server:` and talk to `server.base_url`."""

    def __init__(self, behaviour: Behaviour = obliging) -> None:
        self.behaviour = behaviour
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.at_once = 0
        self._open = 0
        self._lock = threading.Lock()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> ChatServer:
        chat = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                # The client may have given up, as it should.
                with suppress(BrokenPipeError, ConnectionResetError):
                    chat._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        request = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        with self._lock:
            count = len(self.requests)
            self.requests.append(request)
            self.headers.append({"path": handler.path, **dict(handler.headers.items())})
            self._open += 1
            self.at_once = max(self.at_once, self._open)
        try:
            sent = self.behaviour(request, count)
            time.sleep(sent.wait_s)
        finally:
            # Before the client has its answer, and may ask the next.
            with self._lock:
                self._open -= 1
        handler.send_response(sent.status)
        for name, value in {"Content-Length": str(len(sent.body)), **sent.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(sent.body[: sent.cut_after])
        if sent.cut_after is not None:
            handler.close_connection = True
