"""The key of an endpoint, and a recipe that names another one. And passwords in settings."""

from __future__ import annotations

from dataclasses import replace

import pytest
import ray

from jobs.cli import main
from jobs.previews.preflight import Findings, key
from jobs.running.cluster_address import check_address
from pipeline.engine.nodes import Node
from pipeline.engine.on_ray.cluster import cluster
from pipeline.errors import FatalError
from pipeline.prompts.question import Question
from pipeline.stages.prompting.endpoint import (
    API_KEY_VARIABLE,
    ORIGIN_VARIABLE,
    ChatEndpoint,
    EndpointConfig,
    headers_for,
)
from tests.chat_server import ChatServer
from tests.conftest import MakeManifest

KEY = "sk-planted"


@pytest.fixture(autouse=True)
def with_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(API_KEY_VARIABLE, KEY)
    monkeypatch.delenv(ORIGIN_VARIABLE, raising=False)


def config(base_url: str) -> EndpointConfig:
    return EndpointConfig(base_url=base_url, model="tiny", timeout_s=1)


@pytest.mark.parametrize("origin", [None, "", "http://127.0.0.1:1", "https://api.example.com"])
def test_a_recipes_own_server_gets_neither_the_key_nor_a_question(origin, monkeypatch) -> None:
    if origin is not None:
        monkeypatch.setenv(ORIGIN_VARIABLE, origin)
    with ChatServer() as theirs:
        with pytest.raises(FatalError) as refused:
            ChatEndpoint(config(theirs.base_url)).ask([Question(scene="oak")])
        assert theirs.headers == []
        here = theirs.base_url.removesuffix("/v1")
        assert f"set it to {here}" in str(refused.value)
    said = str(refused.value)
    assert said.startswith("prompt.enhancer.base_url: ")
    assert ORIGIN_VARIABLE in said
    assert KEY not in said
    assert "\n" not in said


def test_the_origin_that_is_named_gets_it(monkeypatch) -> None:
    with ChatServer() as ours:
        monkeypatch.setenv(ORIGIN_VARIABLE, ours.base_url.removesuffix("/v1") + "/")
        ChatEndpoint(config(ours.base_url)).ask([Question(scene="oak")])
        assert ours.headers[0]["Authorization"] == f"Bearer {KEY}"


def test_without_a_key_every_endpoint_is_asked_as_before(monkeypatch) -> None:
    monkeypatch.delenv(API_KEY_VARIABLE)
    assert headers_for("http://llm:8000/v1") == {}
    with ChatServer() as server:
        ChatEndpoint(config(server.base_url)).ask([Question(scene="oak")])
        assert "Authorization" not in server.headers[0]


@pytest.mark.parametrize(
    ("base_url", "origin"),
    [
        ("https://API.Example.com/v1", "https://api.example.com"),
        ("https://api.example.com/v1", "https://api.example.com:443/"),
        ("https://bücher.example/v1", "https://xn--bcher-kva.example"),
        ("http://localhost:8000/v1", "http://LOCALHOST:8000"),
        ("http://[::1]:8000/v1", "http://[0:0:0:0:0:0:0:1]:8000"),
        ("http://127.0.0.2/v1", "http://127.0.0.2:80"),
    ],
)
def test_one_origin_may_be_spelled_in_several_ways(base_url, origin, monkeypatch) -> None:
    monkeypatch.setenv(ORIGIN_VARIABLE, origin)
    assert headers_for(base_url) == {"Authorization": f"Bearer {KEY}"}


@pytest.mark.parametrize(
    ("base_url", "origin"),
    [
        ("http://api.example.com/v1", "https://api.example.com"),
        ("https://api.example.com:8443/v1", "https://api.example.com"),
        ("https://api.example.com.evil.example/v1", "https://api.example.com"),
        ("https://api.example.com@evil.example/v1", "https://api.example.com"),
        ("https://evil.example/https://api.example.com", "https://api.example.com"),
        ("https://evil.example\\@api.example.com/v1", "https://api.example.com"),
        ("https://sub.api.example.com/v1", "https://api.example.com"),
        ("https://127.0.0.1/v1", "https://localhost"),
    ],
)
def test_what_only_looks_like_the_origin_is_another(base_url, origin, monkeypatch) -> None:
    monkeypatch.setenv(ORIGIN_VARIABLE, origin)
    with pytest.raises(ValueError, match=r"prompt\.enhancer\.base_url"):
        headers_for(base_url)


@pytest.mark.parametrize("host", ["llm:8000", "10.0.0.7", "127.0.0.1.example.com", "2130706433"])
def test_the_key_is_never_sent_unencrypted_but_to_loopback(host, monkeypatch) -> None:
    monkeypatch.setenv(ORIGIN_VARIABLE, f"http://{host}")
    with pytest.raises(ValueError, match="would be sent unencrypted to http://"):
        headers_for(f"http://{host}/v1")


@pytest.mark.parametrize(
    "origin",
    ["api.example.com", "https://", "https://u:hidden@api.example.com", "https://a.example/v1"],
)
def test_an_origin_that_is_none_is_told_and_not_quoted(origin, monkeypatch) -> None:
    monkeypatch.setenv(ORIGIN_VARIABLE, origin)
    with pytest.raises(ValueError, match=f"{ORIGIN_VARIABLE} is no origin") as refused:
        headers_for("https://api.example.com/v1")
    assert "hidden" not in str(refused.value)


def test_a_run_is_refused_before_it_starts(tmp_path, make_manifest: MakeManifest, capsys) -> None:
    manifest = make_manifest(id=["a"], image_uri=["a.png"], prompt=["oak"])
    endpoint = "{kind: openai, base_url: 'https://evil.example/v1', model: m}"
    words = ["run", "studio", "--manifest", manifest, "--output", str(tmp_path / "out")]
    assert main([*words, "--set", f"prompt.enhancer={endpoint}"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert f"{ORIGIN_VARIABLE} does not say" in line
    assert "set it to https://evil.example:443 if the key is that endpoint's" in line
    assert not (tmp_path / "out").exists()


def test_preflight_names_the_node_whose_key_is_for_another() -> None:
    node = Node(node_id="n", address="10.0.0.1", group="light", cpus=4, gpus=0, memory_bytes=1)
    clean = Findings(
        node=node, unreadable=(), unwritable=None, weights={}, key=None, gpu_memory_mb=()
    )
    assert key([clean]).ok
    found = key([clean, replace(clean, key="why")])
    assert not found.ok
    assert found.said == f"{node}: why"


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_no_password_of_an_endpoint_goes_to_a_cluster(name, monkeypatch) -> None:
    monkeypatch.setenv(name, "http://root:hunter2@store:9000")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **_: pytest.fail("connected"))
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    for ask in (lambda: check_address("auto"), lambda: cluster("auto").__enter__()):
        with pytest.raises(ValueError, match=f"{name} holds a user name or password") as refused:
            ask()
        assert "hunter2" not in str(refused.value)
    monkeypatch.setenv(name, "http://store:9000")
    check_address("auto")
