"""The stores, one after the other, and what is measured of each."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline import storage
from tests.children import python_child
from tests.stores.capabilities import client_of, honours_conditions, measure
from tests.stores.ceph import Ceph
from tests.stores.counting import CountingProxy, Log, refusals
from tests.stores.juicefs import JuiceFS, JuiceFSAsItComes
from tests.stores.moto import Moto
from tests.stores.rclone import Rclone
from tests.stores.s3rver import S3rver
from tests.stores.seaweedfs import SeaweedFS
from tests.stores.server import NotInstalledError, Server
from tests.stores.swift import Swift
from tests.stores.table import DOCUMENT, Tables

SERVERS: tuple[type[Server], ...] = (
    *(Ceph, Swift, SeaweedFS),
    *(JuiceFS, JuiceFSAsItComes, Rclone),
    *(Moto, S3rver),
)
_CHOSEN = {word.lower() for word in os.environ.get("BACKLOT_STORES", "").split()}
_tables = Tables()
_numbers = itertools.count()

Note = Callable[[str, str, str], None]
"""Fill in a cell of a table: its name, the column, what was measured."""


@dataclass(frozen=True)
class Store:
    """A store that runs, with an empty bucket for whoever asks for one."""

    server: Server
    client: Any
    capabilities: dict[str, str]
    refused: Counter[str]
    """Requests of the product that were refused while `watched`."""

    @property
    def name(self) -> str:
        return self.server.name

    @property
    def honours_conditions(self) -> bool:
        return honours_conditions(self.capabilities)

    @property
    def tells_versions(self) -> bool:
        """Whether a listing says which objects were replaced."""
        return not self.capabilities["ETag of GET / HEAD / list"].endswith("none")

    @property
    def options(self) -> list[str]:
        """What a command needs here that two drivers could work at once otherwise."""
        return [] if self.honours_conditions else ["--assume-single-driver"]

    def bucket(self) -> str:
        name = f"suite-{next(_numbers)}"
        self.client.create_bucket(Bucket=name)
        return name

    def fill(self, bucket: str, contents: dict[str, bytes]) -> None:
        for key, data in contents.items():
            self.client.put_object(Bucket=bucket, Key=key, Body=data)

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def renames(self, key: str) -> bool:
        """Whether the store itself keeps an object under another name than it was given."""
        bucket = self.bucket()
        self.fill(bucket, {key: b"x"})
        return self.keys(bucket) != [key]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "store" in metafunc.fixturenames:
        chosen = [one for one in SERVERS if not _CHOSEN or one.__name__.lower() in _CHOSEN]
        names = [one.__name__.lower() for one in chosen]
        metafunc.parametrize("store", chosen, ids=names, indirect=True, scope="session")


@pytest.fixture(scope="session")
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """One of them, started; this process and its children are led to it and to nothing else."""
    # Paths of sockets must stay short: not below pytest's folders.
    with tempfile.TemporaryDirectory(prefix="store-") as folder:
        server: Server = request.param(Path(folder))
        try:
            server.install()
        except NotInstalledError as reason:
            pytest.skip(f"{server.name}: {reason}")
        with pytest.MonkeyPatch.context() as patch:
            try:
                server.start()
                yield _started(server, patch)
            finally:
                storage.disconnect()
                server.stop()


def _started(server: Server, patch: pytest.MonkeyPatch) -> Store:
    for variable in ("AWS_PROFILE", "AWS_ENDPOINT_URL_S3", "AWS_SESSION_TOKEN"):
        patch.delenv(variable, raising=False)
    for variable, said in server.environment().items():
        patch.setenv(variable, said)
    storage.disconnect()
    client = client_of(server)
    bucket = f"suite-{next(_numbers)}"
    client.create_bucket(Bucket=bucket)
    capabilities = measure(client, bucket)
    _tables.note("capabilities", server.name, "version", server.version())
    _tables.note("capabilities", server.name, "from", server.packages)
    for column, said in capabilities.items():
        _tables.note("capabilities", server.name, column, said)
    return Store(server, client, capabilities, Counter())


@pytest.fixture
def note(store: Store) -> Note:
    return lambda table, column, said: _tables.note(table, store.name, column, said)


@pytest.fixture
def watched(store: Store, monkeypatch: pytest.MonkeyPatch, note: Note) -> Iterator[None]:
    """Count what the store refuses the product: by its own log, else by a proxy in front of it."""
    path, proxy = store.server.log(), None
    if path is None:
        proxy = CountingProxy(store.server.port)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
    watch = proxy if path is None else Log(path, is_quoted=store.server.quotes_its_log)
    storage.disconnect()
    yield
    storage.disconnect()
    asked = watch.asked()
    if proxy is not None:
        proxy.close()
    assert asked, "the store's log shows no request of ours"
    store.refused.update(refusals(asked))
    store.refused["requests"] += len(asked)
    counted = [f"{n} x {what}" for what, n in sorted(store.refused.items()) if what != "requests"]
    note("refused", "counted by", "its own log" if proxy is None else "a proxy in front of it")
    note("refused", "requests", f"{store.refused['requests']:,}")
    note("refused", "refused", "; ".join(counted) or "none")


@pytest.fixture(scope="session")
def address(store: Store) -> Iterator[str]:
    """A Ray cluster for all commands: its start takes longer than a run over a few photographs."""
    with python_child("-m", "tests.chaos.raylets", "alone") as (_, said):
        yield said


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tables; write them into the documentation where that is asked for."""
    if not _tables:
        return
    for name, text in _tables:
        terminalreporter.section(name)
        terminalreporter.write(text)
    if os.environ.get("BACKLOT_STORES_DOCS") == "1":
        _tables.write_into(DOCUMENT)
