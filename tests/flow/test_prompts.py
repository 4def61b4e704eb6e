from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jobs.cli import main
from tests.chat_server import ChatServer, Sent, obliging
from tests.flow import pictures
from tests.flow.drivers import ALONE
from tests.flow.test_run import results, write_manifest

pytestmark = pytest.mark.ray


def test_a_moody_language_model_costs_no_row_and_is_counted(tmp_path: Path) -> None:
    pictures.write_all(tmp_path / "images", {"a.jpg": pictures.jpeg((200, 160))})
    prompts = ["oak table", "slate", "porn", "oak table"]
    rows = [
        {"id": str(n), "image_uri": "images/a.jpg", "prompt": text}
        for n, text in enumerate(prompts)
    ]
    manifest = write_manifest(tmp_path, rows)

    def moody(request: dict[str, object], count: int) -> Sent:
        return obliging(request, count) if "oak" in str(request) else Sent(status=500)

    def run(server: ChatServer, output: Path, *settings: str) -> int:
        enhancer = (
            f"prompt.enhancer={{kind: openai, base_url: '{server.base_url}', model: m, "
            "max_attempts: 1, timeout_s: 60, looks: true}"
        )
        command = ["run", "studio", "--manifest", str(manifest), "--output", str(output), *ALONE]
        for setting in (enhancer, "budget.max_failures=1", *settings):
            command += ["--set", setting]
        return main(command)

    with ChatServer(moody) as server:
        assert run(server, tmp_path / "out", "budget.max_fallbacks=1") == 0
        pictured = [len(request["messages"][1]["content"]) for request in server.requests]
        assert run(server, tmp_path / "strict", "budget.max_fallbacks=0") == 3
    assert pictured == [2, 2]
    found = results(tmp_path / "out")
    assert {name: row["prompt_fallback"] for name, row in found.items()} == {
        "0": None,
        "1": "server_error",
        "2": None,
        "3": None,
    }
    assert found["0"]["final_prompt"] == "photograph of a vase, oak table, soft shadows"
    assert found["1"]["final_prompt"] == "slate"
    assert found["2"]["error"]["code"] == "prompt_rejected"
    (report,) = (tmp_path / "out").glob("run_id=*/report.json")
    assert json.loads(report.read_text())["prompt_fallbacks"] == {"server_error": 1}
    (book,) = (tmp_path / "out").glob("_prompt-answers/*/*.pq")
    assert pq.read_table(book)["scene"].to_pylist() == ["oak table"]
