"""A local run's Ray: who is on this machine, or in its network, and does not know its token."""

from __future__ import annotations

import http.client
import importlib
import os
import pkgutil
import re
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import grpc
import psutil
import pytest
import ray

from pipeline.engine.on_ray.cluster import cluster, remove_abandoned
from pipeline.engine.on_ray.cluster_token import own_token
from tests.ending.driver import Driver, driver
from tests.flow import pictures
from tests.flow.test_run import write_manifest

VARIABLES = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")

KNOWN_TO_ANSWER = {"/grpc.health.v1.Health/Check"}
"""Whether a server is up; nothing else may be asked of Ray's daemons without the token."""
WITHOUT_STUBS = {"/ray.rpc.ObjectManagerService/Pull", "/ray.rpc.ObjectManagerService/Push"}
"""What nodes ask each other for objects: in C++ alone."""
NUMBERS = "numbers"
"""Ray's agents serve numbers for Prometheus to everybody, whatever the path."""
ROUTES = (
    ("GET", "/"),
    ("GET", "/metrics"),
    ("GET", "/api/version"),
    ("GET", "/api/v0/tasks"),
    ("GET", "/api/jobs/"),
    ("GET", "/nodes?view=summary"),
    ("GET", "/logs"),
    ("POST", "/api/jobs/"),
    ("POST", "/api/job_agent/jobs/"),
    ("POST", "/get_or_create_runtime_env"),
    ("POST", "/delete_runtime_env_if_possible"),
    ("POST", "/get_runtime_envs_info"),
)
REFUSED = {"401", "403", "404", "405"}

COMES_IN = """
import sys, ray
ray.init(address=sys.argv[1], log_to_driver=False, namespace="stranger")
print("in", len(ray.nodes()), ray.get(ray.remote(lambda: 6 * 7).remote()))
"""


def test_whatever_is_said_for_clusters_a_local_ray_has_a_token_of_its_own(monkeypatch) -> None:
    said = {"RAY_AUTH_MODE": "disabled", "RAY_AUTH_TOKEN": "ours", "RAY_AUTH_TOKEN_PATH": "/our"}
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    tokens = set()
    for _ in range(2):
        with own_token():
            assert os.environ["RAY_AUTH_MODE"] == "token"
            assert "RAY_AUTH_TOKEN_PATH" not in os.environ
            tokens.add(os.environ["RAY_AUTH_TOKEN"])
        assert {name: os.environ[name] for name in said} == said
    assert len(tokens) == 2
    assert all(re.fullmatch("[0-9a-f]{64}", token) for token in tokens)


def test_what_was_not_said_is_not_said_afterwards(monkeypatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with own_token():
        pass
    assert not set(VARIABLES) & set(os.environ)


def test_for_a_cluster_that_is_there_the_users_own_settings_count(monkeypatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "the cluster's")
    seen = []
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(
        ray, "init", lambda **settings: seen.append((os.environ["RAY_AUTH_TOKEN"], settings))
    )
    with cluster("somewhere:6379"):
        pass
    ((token, settings),) = seen
    assert token == "the cluster's"
    assert token not in str(settings)


def test_a_folder_that_somebody_planted_is_left_alone(tmp_path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "owner").touch()
    place = tmp_path / "place"
    place.mkdir()
    (place / "backlot-abcdef").symlink_to(elsewhere)
    (place / "backlot-fedcba").mkdir()
    (place / "backlot-fedcba" / "owner").touch()
    remove_abandoned(place)
    assert [path.name for path in place.iterdir()] == ["backlot-abcdef"]
    assert (elsewhere / "owner").exists()


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Iterator[Driver]:
    """A real run at work, for long enough."""
    folder = tmp_path_factory.mktemp("local")
    pictures.write_all(folder / "images", {"a.png": pictures.with_alpha()})
    rows = [{"id": str(n), "image_uri": "images/a.png", "prompt": "sand"} for n in range(5000)]
    manifest = write_manifest(folder, rows)
    settings = ["--set", "input.max_megapixels=1", "--set", "output.image_objects=false"]
    with driver(folder, "run", "studio", "--manifest", str(manifest), *settings) as started:
        started.wait_until(lambda it: list(it.output.rglob("part-*.parquet")))
        yield started


@pytest.fixture
def token(run: Driver) -> str:
    """As a process of the same user can read it."""
    return psutil.Process(_daemon(run, "raylet").pid).environ()["RAY_AUTH_TOKEN"]


def _all(run: Driver) -> list[psutil.Process]:
    first = psutil.Process(run.process.pid)
    return [first, *first.children(recursive=True)]


def _daemon(run: Driver, name: str) -> psutil.Process:
    (found,) = [one for one in _all(run) if one.name() == name]
    return found


def _listening(run: Driver) -> list[tuple[str, str, int]]:
    """Process, address and port; on a wildcard address the port is asked at the loopback one."""
    found = set()
    for process in _all(run):
        with suppress(psutil.NoSuchProcess):
            words = process.cmdline()
            script = next((Path(word).name for word in words if word.endswith(".py")), "")
            name = words[0].strip() if words[0].startswith("ray::") else script or process.name()
            name = "driver" if process.pid == run.process.pid else name
            found |= {
                (name, one.laddr.ip, one.laddr.port)
                for one in process.net_connections("inet")
                if one.status == psutil.CONN_LISTEN
            }
    return sorted(found)


def _methods() -> list[str]:
    """The paths of all that Ray's servers can be asked by gRPC, from its own generated stubs."""
    import ray.core.generated as generated

    paths = {*KNOWN_TO_ANSWER, *WITHOUT_STUBS}

    class Channel:
        def __getattr__(self, _kind: str):
            return lambda path, *_serializers, **_options: paths.add(path)

    for module in pkgutil.iter_modules(generated.__path__):
        if module.name.endswith("_pb2_grpc"):
            there = vars(importlib.import_module(f"{generated.__name__}.{module.name}"))
            for name, stub in there.items():
                if name.endswith("Stub"):
                    stub(Channel())
    return sorted(paths)


def _by_grpc(host: str, port: int, methods: list[str], token: str | None) -> dict[str, str]:
    """What each method answers to an empty request; empty where nobody speaks gRPC."""
    metadata = [] if token is None else [("authorization", f"Bearer {token}")]
    answers = {}
    with grpc.insecure_channel(f"{host}:{port}") as channel:
        for method in methods:
            try:
                channel.unary_unary(method)(b"", timeout=10, metadata=metadata)
                answers[method] = "OK"
            except grpc.RpcError as error:
                answers[method] = error.code().name
                if answers[method] == "UNAVAILABLE":
                    return {}
    return answers


def _by_http(host: str, port: int) -> dict[str, str]:
    """The status of each route, or that numbers came; empty where nobody speaks HTTP."""
    answers = {}
    for method, route in ROUTES:
        connection = http.client.HTTPConnection(host, port, timeout=10)
        try:
            connection.request(method, route)
            answer = connection.getresponse()
            kind = answer.getheader("Content-Type", "")
            is_page = answer.status == 200 and kind.startswith("text/plain; version=")
            answers[f"{method} {route}"] = NUMBERS if is_page else str(answer.status)
        except (http.client.HTTPException, OSError):
            return {}
        finally:
            connection.close()
    return answers


@pytest.mark.secure
@pytest.mark.ray
def test_on_no_port_anything_that_matters_is_answered_without_the_token(run, capsys) -> None:
    methods, rows, asked = _methods(), [], 0
    assert len(methods) > 100
    for name, ip, port in _listening(run):
        host = "127.0.0.1" if ip in ("::", "0.0.0.0") else ip
        by_http = _by_http(host, port)
        by_grpc = {} if by_http else _by_grpc(host, port, methods, None)
        counted = Counter((by_http or by_grpc).values())
        rows.append((name, ip, port, "HTTP" if by_http else "gRPC" if by_grpc else "own", counted))
        asked += counted["UNAUTHENTICATED"] + counted["401"]
        assert not by_grpc or "UNAUTHENTICATED" in counted, (name, port)
        for method, answer in by_grpc.items():
            allowed = {"UNAUTHENTICATED", "UNIMPLEMENTED"} | (
                {"OK"} if method in KNOWN_TO_ANSWER else set()
            )
            assert answer in allowed, (name, method, answer)
        for route, status in by_http.items():
            assert status in {*REFUSED, NUMBERS}, (name, route, status)
    with capsys.disabled():
        for name, ip, port, speaks, counted in rows:
            said = ", ".join(f"{answer} {number}" for answer, number in sorted(counted.items()))
            print(f"\n{name:34}{ip:12}{port:6} {speaks:5} {said}", end="")  # noqa: T201
    assert {"gcs_server", "raylet", "driver"} <= {row[0] for row in rows}
    assert asked > 100


@pytest.mark.secure
@pytest.mark.ray
@pytest.mark.timeout(300)
def test_only_who_has_the_token_comes_in(run, token) -> None:
    (port,) = [port for name, _, port in _listening(run) if name == "gcs_server"]
    stranger = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    stranger["HOME"] = str(run.output.parent)  # with no token of Ray's own
    settings = [
        {"RAY_AUTH_MODE": "disabled"},
        {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64},
        {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token},
    ]
    clients = [
        subprocess.Popen(
            [sys.executable, "-c", COMES_IN, f"127.0.0.1:{port}"],
            env={**stranger, **setting},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for setting in settings
    ]
    without, wrong, right = [(*client.communicate(timeout=250), client) for client in clients]
    for out, errors, client in (without, wrong):
        assert client.returncode != 0
        assert "in" not in out.split()
        assert "AuthenticationError" in errors
    assert right[0].split() == ["in", "1", "42"], right[1]


@pytest.mark.secure
@pytest.mark.ray
def test_the_token_is_in_no_file_and_in_no_command_line(run, token) -> None:
    places = [run.temporary, run.output.parent]
    files = [path for place in places for path in place.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert not [path for path in files if token.encode() in path.read_bytes()]
    assert not [words for words in run.children() if token in words]
    environ = Path(f"/proc/{_daemon(run, 'raylet').pid}/environ")
    assert stat.S_IMODE(environ.stat().st_mode) == 0o400


@pytest.mark.secure
@pytest.mark.ray
def test_nobody_else_reaches_into_the_folder_of_a_run(run) -> None:
    (folder,) = run.temporary.glob("backlot-*")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert list(folder.rglob("plasma_store"))
