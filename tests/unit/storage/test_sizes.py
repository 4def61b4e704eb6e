"""Files on stores that say of them another size than they have, or pass over Range."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.json as pj
import pytest
from aiohttp import web

from pipeline import storage
from pipeline.errors import TransientError
from pipeline.storage import retry
from tests.small_s3 import Manners, SmallS3

ROWS = b"".join(b'{"id": "%d"}\n' % n for n in range(1000, 1100))
URI = "s3://shop/rows.jsonl"


def rows() -> pa.Table:
    filesystem, path = storage.arrow_filesystem(URI)
    with filesystem.open_input_stream(path) as stream:
        return pj.read_json(stream)


def says(num_bytes: int) -> Manners:
    def refuses(request: web.Request, _: str) -> web.Response | None:
        if request.method != "HEAD":
            return None
        return web.Response(headers={"Content-Length": str(num_bytes)})

    return Manners(refuses=refuses)


def test_a_file_of_the_size_that_it_is_said_to_have(store: SmallS3) -> None:
    storage.write(URI, ROWS)
    assert rows().num_rows == 100


@pytest.mark.parametrize("num_bytes", [0, 13, len(ROWS) - 13, len(ROWS) + 1, 10 * len(ROWS)])
def test_no_row_is_lost_where_a_wrong_size_is_said(store: SmallS3, num_bytes: int) -> None:
    storage.write(URI, ROWS)
    store.manners = says(num_bytes)
    with pytest.raises(OSError, match=f"where the store said {num_bytes} before.*HEAD are wrong"):
        rows()


def test_a_file_that_is_replaced_while_it_is_read_is_not_mixed(store: SmallS3) -> None:
    storage.write(URI, ROWS * 1000)
    filesystem, path = storage.arrow_filesystem(URI)
    with filesystem.open_input_file(path) as file:
        assert file.read(13) == ROWS[:13]
        storage.write(URI, ROWS * 999)
        with pytest.raises(
            OSError, match=r"has \d+ bytes where.*it was replaced while it was read"
        ):
            file.read()


def test_an_empty_file_is_empty(store: SmallS3) -> None:
    storage.write(URI, b"")
    filesystem, path = storage.arrow_filesystem(URI)
    with filesystem.open_input_file(path) as file:
        assert file.read() == b""


def test_a_store_that_passes_over_range_is_told_from_a_bad_line(
    store: SmallS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry.BACKOFF.__class__, "delay", lambda *_: 0.0)
    storage.write(URI, ROWS)

    def refuses(request: web.Request, _: str) -> web.Response | None:
        return web.Response(body=ROWS) if request.method == "GET" else None

    store.manners = Manners(refuses=refuses)
    filesystem, path = storage.arrow_filesystem(URI)
    with filesystem.open_input_file(path) as file:
        file.seek(len(ROWS) - 13)
        with pytest.raises(TransientError, match=r"all of it for the part.*does not honour Range"):
            file.read(13)
