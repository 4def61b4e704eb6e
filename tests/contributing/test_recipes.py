from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import ray

from jobs.demo.catalogue import build_catalogue
from pipeline.engine.on_ray.cluster import cluster
from tests.contributing.recipes import PAGE, blocks, changed, follow
from tests.ray_folder import starting_ray

pytestmark = pytest.mark.ray

ROOT = PAGE.parent


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository, and the catalogue that `make demo` leaves in one."""
    copy = tmp_path_factory.mktemp("copy")
    for folder in ("benchmarks", "jobs", "pipeline", "tests", "tools"):
        passed_over = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, copy / folder, ignore=passed_over)
    for file in (".importlinter", "pyproject.toml"):
        shutil.copy(ROOT / file, copy)
    (copy / ".venv").symlink_to(sys.prefix)
    build_catalogue(copy / "demo-output" / "catalogue")
    return copy


@pytest.fixture(scope="module", autouse=True)
def ray_in_the_copy(copy: Path) -> Iterator[None]:
    """One Ray for the commands of all sections, whose workers run the code of the copy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(copy))
        # Actors reserve memory for the largest photograph; a small machine would refuse.
        patch.setenv("RAY_OVERRIDE_RESOURCES", json.dumps({"memory": 256 * 2**30}))
        with starting_ray():
            local = cluster(None)
            local.__enter__()
        patch.setenv("RAY_ADDRESS", ray.get_runtime_context().gcs_address)
        yield
        local.__exit__(None, None, None)


def run(command: str, copy: Path) -> None:
    """Run a command in the copy to its end, which is a good one."""
    done = subprocess.run(
        ["bash", "-ec", command], cwd=copy, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def follow_section(title: str, copy: Path) -> list[dict[str, Any]]:
    """Write and run what a section says; returns the rows that were made."""
    changes = [block for block in blocks(title) if block.kind != "sh"]
    for block in changes:
        follow(block, copy)
    touched = " ".join(block.path for block in changes if block.path.endswith(".py"))
    run(f".venv/bin/ruff format --diff {touched} && .venv/bin/ruff check {touched}", copy)
    run(".venv/bin/lint-imports", copy)
    for block in blocks(title):
        if block.kind == "sh":
            run(block.text, copy)
    (finished,) = (copy / "dataset").glob("run_id=*/_SUCCESS")
    rows = [
        row
        for file in (finished.parent / "results").glob("*.parquet")
        for row in pq.read_table(file).to_pylist()
    ]
    shutil.rmtree(copy / "dataset")
    assert [row["error"] for row in rows] == [None, None]
    return rows


def test_a_stage_that_is_added_fills_its_column(copy: Path) -> None:
    for row in follow_section("Adding a stage", copy):
        assert re.fullmatch("#[0-9a-f]{6}", row["product_color"])
        assert row["timings"]["measure_s"] > 0


def test_a_generator_that_is_added_draws(copy: Path) -> None:
    for row in follow_section("Adding a generator", copy):
        assert row["generation_model"] == "gradient-1"
        assert row["image"]["bytes"]


@pytest.mark.parametrize(
    ("text", "diff", "times"),
    [
        ("a\nb\n", " a\n+new\n c\n", 0),
        ("a\nb\na\nb\n", " a\n+new\n b\n", 2),
        ("a\na\n", "+new\n a\n", 2),
        ("ab\n", " b\n+new\n", 0),
    ],
)
def test_a_hunk_without_its_one_place_is_refused(text: str, diff: str, times: int) -> None:
    with pytest.raises(AssertionError, match=f"x.py has these lines {times} times"):
        changed(text, diff, source="x.py")


def test_hunks_change_their_places_alone() -> None:
    assert changed("a\nb\nc\n", "+0\n a\n@@\n-b\n+B\n c\n", source="x.py") == "0\na\nB\nc\n"
