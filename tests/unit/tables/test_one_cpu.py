"""JSON Lines on a machine with one CPU, where Arrow's reader of JSON was seen to hang."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_CHILD = """
import os, sys
from pipeline.manifest.reader import open_manifest
from pipeline.planning.planner import Planner
from pipeline.recipe import parse_recipe

manifest = open_manifest(sys.argv[1], where="n % 2 = 0 and note is not null")
recipe = parse_recipe("{name: p, keep: [n, note]}", source="test")
planner = Planner(recipe=recipe, manifest=manifest)
planner.check()
rows = [row for table in planner.tables() for row in table.select(["id", "note"]).to_pylist()]
print(len(os.sched_getaffinity(0)), len(rows), len({row["id"] for row in rows}))
assert all(row["note"].startswith("note") for row in rows)
"""


@pytest.mark.skipif(shutil.which("taskset") is None, reason="taskset keeps a process to one CPU")
def test_a_folder_of_many_files_is_read_on_one_cpu(tmp_path: Path) -> None:
    for file in range(8):
        rows = [
            {
                "id": f"{file}-{n}",
                "image_uri": "a.jpg",
                "prompt": "oak",
                "n": n,
                "note": f"note {n}",
            }
            for n in range(200)
        ]
        # The first line of each file is longer than what Arrow reads at once.
        rows[0]["note"] = "note " + "x" * (1_500_000 if file % 4 == 0 else 10)
        text = "\n".join(map(json.dumps, rows))
        (tmp_path / f"part-{file:02}.jsonl").write_text(text)
    child = subprocess.run(
        [
            "taskset",
            "-c",
            str(min(os.sched_getaffinity(0))),
            sys.executable,
            "-c",
            _CHILD,
            tmp_path,
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert child.returncode == 0, child.stderr[-2000:]
    assert child.stdout.split() == ["1", "800", "800"]


def test_arrows_reader_of_json_is_not_used() -> None:
    root = Path(__file__).parents[3]
    for folder in ("pipeline", "jobs"):
        for path in (root / folder).rglob("*.py"):
            assert not re.search(
                r"pyarrow\.json|pa\.json|JsonFileFormat|read_json", path.read_text()
            )
