from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from jobs.cli import main
from tests.chat_server import ChatServer, Sent, obliging

MakeManifest = Callable[..., str]


def test_prompts_are_shown_before_and_after_with_the_reasons(
    make_manifest: MakeManifest, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = make_manifest(
        id=["a", "b", "c", "d"],
        image_uri=["1.jpg", "2.jpg", "3.jpg", "4.jpg"],
        prompt=["oak by Banksy", "porn set", "[red]slate[/red]", None],
    )
    assert main(["prompts", uri, "--recipe", "studio"]) == 0
    said = capsys.readouterr().out
    lines = {line.split()[0]: line for line in said.splitlines() if line[:1] in "abcd"}
    assert "celebrities: 'Banksy' removed" in lines["a"]
    assert "prompt_rejected" in lines["b"]
    assert lines["c"].count("[red]slate[/red]") == 2
    assert "prompt_missing" in lines["d"]
    assert "1 changed  2 refused  1 unchanged" in said


def test_a_kept_value_that_python_has_not_is_no_matter_of_prompts(
    make_manifest: MakeManifest, capsys: pytest.CaptureFixture[str]
) -> None:
    far = pa.array([2**31 - 1], pa.int32()).cast(pa.date32())
    uri = make_manifest(id=["a"], image_uri=["1.jpg"], prompt=["oak"], until=far)
    assert main(["prompts", uri, "--recipe", "studio", "--set", "keep=[until]"]) == 0
    assert "1 unchanged" in capsys.readouterr().out


def test_words_of_a_manifest_steer_no_terminal(
    make_manifest: MakeManifest, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = make_manifest(id=["\x1b[2Ja\nb"], image_uri=["1.jpg"], prompt=["oak\x07 \u202etable"])
    assert main(["prompts", uri, "--recipe", "studio"]) == 0
    said = capsys.readouterr().out
    assert "[U+001B][2Ja[U+000A]b" in said
    assert "oak[U+0007] [U+202E]table" in said
    assert not set("\x1b\x07\u202e") & set(said)


def test_a_language_model_is_asked_and_its_failures_are_counted(
    make_manifest: MakeManifest,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)

    def moody(request: dict[str, object], count: int) -> Sent:
        return obliging(request, count) if "oak" in str(request) else Sent(status=500)

    uri = make_manifest(id=["a", "b"], image_uri=["1.jpg", "2.jpg"], prompt=["oak", "slate"])
    there = sorted(tmp_path.rglob("*"))
    with ChatServer(moody) as server:
        setting = (
            f"prompt.enhancer={{kind: openai, base_url: '{server.base_url}', model: m, "
            "timeout_s: 1, max_attempts: 1}"
        )
        assert main(["prompts", uri, "--recipe", "studio", "--limit", "2", "--set", setting]) == 0
    said = capsys.readouterr().out
    assert "photograph of a vase, oak, soft shadows" in said
    assert "fell back: server_error" in said
    assert "1 changed  1 fell back" in said
    assert sorted(tmp_path.rglob("*")) == there
