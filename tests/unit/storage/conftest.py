"""A real S3 server on a loopback port, and the environment that leads to it."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cache

import botocore.loaders
import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

from pipeline import storage
from pipeline.storage.retry import Backoff
from tests.small_s3 import SmallS3
from tests.unit.storage.listers import Lister

SECRET = "wJalrXUtnFEMI-not-a-real-key"
_numbers = itertools.count()

PointAt = Callable[[str], None]
Fill = Callable[[Mapping[str, bytes]], None]


@pytest.fixture(scope="session", autouse=True)
def _quick_clients() -> Iterator[None]:
    """Parse botocore's description of S3, a megabyte of JSON, once and not for every client."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.loaders, "create_loader", cache(botocore.loaders.create_loader))
        yield


@pytest.fixture(scope="session")
def s3_port() -> Iterator[int]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # or every request is a line
    yield server.get_host_and_port()[1]
    server.stop()


@pytest.fixture
def point_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[PointAt]:
    """Make an endpoint the one that storage talks to."""
    yield pointing(monkeypatch)
    storage.disconnect()


def pointing(monkeypatch: pytest.MonkeyPatch) -> PointAt:
    """As the fixture `point_at`, for as long as the patch lasts; to be disconnected at its end."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL_S3", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    def point(url: str) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        storage.disconnect()

    return point


@pytest.fixture(scope="module")
def small_store() -> Iterator[SmallS3]:
    """A store whose manners a test may change; one for all tests of a file, with one client."""
    with pytest.MonkeyPatch.context() as patch, SmallS3() as small:
        pointing(patch)(small.url)
        yield small
        storage.disconnect()


@pytest.fixture
def store(small_store: SmallS3) -> SmallS3:
    small_store.forget()
    return small_store


@pytest.fixture
def lister(point_at: PointAt) -> Iterator[Lister]:
    server = Lister()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    point_at(server.url)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def s3_url(s3_port: int, point_at: PointAt) -> str:
    url = f"http://127.0.0.1:{s3_port}"
    point_at(url)
    return url


@pytest.fixture
def bucket(s3_url: str) -> str:
    """The URI of an empty bucket of the test's own."""
    name = f"bucket-{next(_numbers)}"
    s3_backends[DEFAULT_ACCOUNT_ID]["aws"].create_bucket(name, "us-east-1")
    return f"s3://{name}"


@pytest.fixture
def fill(bucket: str) -> Fill:
    """Put many objects into the bucket at once, behind the server's back: requests take time."""
    store = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]

    def put(contents: Mapping[str, bytes]) -> None:
        for key, data in contents.items():
            store.put_object(bucket.removeprefix("s3://"), key, data)

    return put


@pytest.fixture
def quick() -> Backoff:
    """As often as in earnest, and a hundred times as fast."""
    return Backoff(first_s=0.002, longest_s=0.05)
