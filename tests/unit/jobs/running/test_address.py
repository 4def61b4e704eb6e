from __future__ import annotations

import socket
import time

import pytest

from jobs.cli import main
from jobs.running.cluster_address import check_address
from pipeline.errors import FatalError
from tests.conftest import MakeManifest


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize(
    "address",
    [
        "",
        " ",
        "head",
        ":6379",
        "head:",
        "head:0",
        "head:99999",
        "head:6379999999999999999999",
        "head:port",
        "head:\u0666",
        "a\nb:6379",
        "nope://head:6379",
        "http://head:8265",
        "ray://",
        "ray://head:x",
    ],
)
def test_what_can_be_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"^--address .*: write host:port"):
        check_address(address)


def test_where_nobody_listens_is_said_at_once(closed_port: int) -> None:
    for address in (f"127.0.0.1:{closed_port}", f"ray://127.0.0.1:{closed_port}"):
        started = time.monotonic()
        with pytest.raises(FatalError, match=r"no Ray cluster answers there .*refused"):
            check_address(address)
        assert time.monotonic() - started < 5


def test_where_somebody_listens_is_left_to_ray() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}/", "auto", "local", None):
            check_address(address)


@pytest.mark.parametrize("command", ["run", "nightly", "estimate", "preflight"])
def test_no_command_waits_for_a_cluster_that_is_not_there(
    command: str,
    make_manifest: MakeManifest,
    capsys: pytest.CaptureFixture[str],
    closed_port: int,
) -> None:
    uri = make_manifest("m/m.parquet", id=["a"], image_uri=["x"], prompt=["oak"])
    output = uri.removesuffix("m/m.parquet") + "dataset"
    arguments = [command, "studio", "--manifest", uri, "--output", output]
    assert main([*arguments, "--address", f"127.0.0.1:{closed_port}"]) == 1
    said = capsys.readouterr()
    assert "no Ray cluster answers there" in said.out + said.err
    assert "Traceback" not in said.err
