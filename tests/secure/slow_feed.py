"""A feed of 200 rows, whole or with rows that are slow: a server that drips, pixels without end.

    python -m tests.secure.slow_feed run studio --manifest ... --output ...

is `backlot` with the hook that makes some photographs slow to decode. They are as harmless as the
others: it is the hook that knows them, by a comment in the file, and works instead of decoding.
"""

from __future__ import annotations

import hashlib
import http.server
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import pipeline.flow
import pipeline.stages.matte
from jobs.cli import main
from pipeline.engine.stage import Mapper, MapperFactory
from pipeline.errors import Outcome, Row
from tests.flow import pictures

NUM_ROWS = 200
SLOW = (17, 58, 99, 140, 181)
"""Rows whose photograph is not decoded in time: in different blocks, which is the worst case."""
DRIPPING = (8, 49, 90, 131, 172)
"""Rows whose server sends a byte now and then."""
_MARK = b"takes for ever"
_SIDE_PX = 1100
_DRIP_S = 0.2


class Slowed:
    """A mapper of the matte stage in whose process marked photographs are not decoded in time."""

    def __init__(self, config: Any, *, mapper: MapperFactory) -> None:
        decode = pipeline.stages.matte.decode

        def slow(data: bytes, *arguments: Any, **options: Any) -> Any:
            while _MARK in data[:4096]:
                hashlib.sha256(bytes(2**24)).digest()  # as a decoder does: a core, without the lock
            return decode(data, *arguments, **options)

        pipeline.stages.matte.decode = slow
        self._mapper: Mapper = mapper(config)

    def map_batch(self, rows: Sequence[Row]) -> Sequence[Outcome]:
        """As the mapper inside."""
        return self._mapper.map_batch(rows)


def _slowed(matte: Any, *arguments: Any, **options: Any) -> Any:
    stage = matte(*arguments, **options)
    return replace(stage, mapper=partial(Slowed, mapper=stage.mapper))


class _Server(http.server.BaseHTTPRequestHandler):
    """Photographs: /good-..., /slow-... with the mark, /drip-... that never ends."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        photo = _photo(self.path.startswith("/slow"))
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Content-Length", str(len(photo)))
        self.end_headers()
        if not self.path.startswith("/drip"):
            self.wfile.write(photo)
            return
        with suppress(OSError):  # whoever has asked gives up
            for place in range(len(photo)):
                self.wfile.write(photo[place : place + 1])
                time.sleep(_DRIP_S)

    def log_message(self, *_: Any) -> None:
        pass


class _Quiet(http.server.ThreadingHTTPServer):
    """Says nothing of workers that were ended while they were connected."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


_photos: dict[bool, bytes] = {}


def _photo(is_slow: bool) -> bytes:
    if is_slow not in _photos:
        more = {"comment": _MARK} if is_slow else {}
        picture = pictures.photograph((_SIDE_PX, _SIDE_PX))
        _photos[is_slow] = pictures.encoded(picture, "JPEG", quality=92, **more)
    return _photos[is_slow]


@contextmanager
def served() -> Iterator[str]:
    """The server, on loopback; gives its host and port."""
    for is_slow in (False, True):
        _photo(is_slow)
    server = _Quiet(("127.0.0.1", 0), _Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def manifest(
    path: Path, host: str, *, slow: Sequence[int] = (), dripping: Sequence[int] = ()
) -> Path:
    """Write the feed; rows that are neither are the same in each."""
    kinds = dict.fromkeys(slow, "slow") | dict.fromkeys(dripping, "drip")
    rows = [
        {
            "id": f"{number:03d}",
            "image_uri": f"http://{host}/{kinds.get(number, 'good')}-{number}.jpg",
            "prompt": "a vase on oak",
        }
        for number in range(NUM_ROWS)
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


if __name__ == "__main__":
    pipeline.flow.matte = partial(_slowed, pipeline.flow.matte)
    sys.exit(main())
