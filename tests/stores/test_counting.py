"""What the suite counts by, without any of its stores."""

from __future__ import annotations

import pytest

from pipeline import storage
from tests.small_s3 import SWIFT, SmallS3
from tests.stores.counting import Asked, CountingProxy, Log, refusals
from tests.stores.table import Tables

_OF_CEPH = (
    '2026-11-28T04:34 7f6f 1 beast: 0x7f7: 127.0.0.1 - catalogue [28/Nov/2026] "PUT /b/x HTTP/1.1" '
    '412 233 - "aiobotocore/3.10.0 md/Botocore" - latency=0.0\n'
)
_OF_SWIFT = (
    "proxy-server: 127.0.0.1 127.0.0.1 28/Nov/2026/04/43/38 GET /b%3Flist-type%3D2%26prefix%3Dx "
    "HTTP/1.0 403 - aiobotocore/3.10.0%20md/Botocore - - 215\n"
)


def test_logs_are_read_from_where_they_were(tmp_path) -> None:
    path = tmp_path / "log"
    path.write_text(_OF_CEPH)
    log = Log(path, is_quoted=True)
    with path.open("a") as file:
        file.write(_OF_CEPH + _OF_SWIFT + _OF_SWIFT.replace("aiobotocore", "Boto3"))
    assert refusals(log.asked()) == {"PutObject 412": 1, "ListObjectsV2 403": 1}


def test_nothing_there_is_no_refusal_of_a_question() -> None:
    asked = [Asked("GET", "/b/k", 404), Asked("HEAD", "/b/k", 404), Asked("PUT", "/b/k", 404)]
    assert refusals(asked) == {"PutObject 404": 1}


@pytest.mark.parametrize("num_bytes", [0, 1, 3 * 2**20])
def test_the_proxy_passes_everything_on_and_counts(monkeypatch, num_bytes) -> None:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL_S3", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.setenv(name, "us-east-1")
    with SmallS3(SWIFT) as small:
        small.put("catalogue/there", b"")
        proxy = CountingProxy(int(small.url.rpartition(":")[2]))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
        storage.disconnect()
        try:
            data = bytes(num_bytes)
            storage.write("s3://catalogue/in/x", data)
            assert storage.read("s3://catalogue/in/x") == data
            assert storage.list_files("s3://catalogue/in") == ["s3://catalogue/in/x"]
            assert storage.create("s3://catalogue/in/y", data)
            assert not storage.exists("s3://catalogue/none")
        finally:
            storage.disconnect()
        asked = proxy.asked()
        proxy.close()
    assert refusals(asked) == {"PutObject with a condition 501": 1}
    assert {"PutObject", "GetObject", "ListObjectsV2"} <= {one.operation() for one in asked}


def test_a_table_keeps_the_cells_of_what_was_not_tried(tmp_path) -> None:
    document = tmp_path / "stores.md"
    mark = "<!-- can: written by `make stores DOCS=1` -->\n"
    document.write_text(f"before\n{mark}<!-- /can -->\nafter\n")
    first, second = Tables(), Tables()
    first.note("can", "Swift", "reads", "yes | no")
    first.note("can", "Ceph", "reads", "yes")
    first.write_into(document)
    second.note("can", "Ceph", "writes", "no")
    second.write_into(document)
    assert document.read_text() == (
        f"before\n{mark}| store | reads | writes |\n| --- | --- | --- |\n| Ceph | yes | no |\n"
        "| Swift | yes \\| no | - |\n<!-- /can -->\nafter\n"
    )
    other = Tables()
    other.note("cannot", "Ceph", "reads", "no")
    with pytest.raises(ValueError, match="no place"):
        other.write_into(document)
