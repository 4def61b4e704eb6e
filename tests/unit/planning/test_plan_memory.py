"""What planning takes of memory: as much as a few photographs, however many the manifest holds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.manifest.reader import open_manifest
from pipeline.planning.planner import BYTES_PER_FILE, Planner
from pipeline.recipe import parse_recipe

_CHILD = """
import resource, sys
from pipeline.runs.run_folder import start_ledger
from pipeline.runs.identity import Request
from pipeline.manifest.reader import open_manifest
from pipeline.planning.planner import Planner
from pipeline.recipe import parse_recipe

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

recipe = parse_recipe("{name: plain, keep: [page]}", source="test")
manifest = open_manifest(sys.argv[1])
planner = Planner(recipe=recipe, manifest=manifest)
planner.check()
before = peak()
request = Request(manifest=manifest.uri, where=None, limit=None, config_hash="0")
ledger = start_ledger(sys.argv[2], request=request, recipe=recipe, planner=planner)
print(ledger.num_planned, len(ledger.plan_files), peak() - before)
"""
_MB = 2**20


def planned(manifest: Path, run: Path) -> tuple[int, int, int]:
    """Rows, plan files, and the driver's peak above what it had before, MB."""
    child = subprocess.run(
        [sys.executable, "-c", _CHILD, str(manifest), str(run)],
        capture_output=True,
        text=True,
        check=True,
    )
    rows, files, peak = map(int, child.stdout.split())
    return rows, files, peak


def photographs(count: int) -> list[bytes]:
    return [np.random.default_rng(n).bytes(_MB) for n in range(count)]


def test_photographs_in_a_manifest_are_planned_a_few_at_a_time(tmp_path: Path) -> None:
    count = 160
    names = [str(n) for n in range(count)]
    table = pa.table(
        {"id": names, "prompt": ["oak"] * count, "page": names, "image": photographs(count)}
    )
    # As most libraries write them, a page for each few photographs.
    pq.write_table(table, tmp_path / "m.parquet", write_batch_size=1)
    rows, files, peak = planned(tmp_path / "m.parquet", tmp_path / "run_id=x")
    assert rows == count
    assert files >= count * _MB // BYTES_PER_FILE
    assert peak < 500  # it was more than 1,000: each photograph seven times


def test_photographs_in_many_files_are_planned_a_few_at_a_time(tmp_path: Path) -> None:
    num_files, each = 60, 8
    images = pa.array([photograph[: _MB // 2] for photograph in photographs(each)])
    for n in range(num_files):
        names = [f"{n} {m}" for m in range(each)]
        columns = {"id": names, "prompt": ["oak"] * each, "page": names}
        path = tmp_path / "catalog" / f"{n:03}.parquet"
        path.parent.mkdir(exist_ok=True)
        pq.write_table(pa.table({**columns, "image": images.cast(pa.large_binary())}), path)
    rows, _, peak = planned(tmp_path / "catalog", tmp_path / "run_id=x")
    assert rows == num_files * each
    assert peak < 600  # as with 200 files of 10 MB; all of them seven times would be 1,680


def test_small_photographs_in_one_group_are_planned_a_few_at_a_time(tmp_path: Path) -> None:
    count = 60_000
    names = [str(n) for n in range(count)]
    small = [photograph[:2000] for photograph in photographs(8)] * (count // 8)
    table = pa.table({"id": names, "prompt": ["oak"] * count, "page": names, "image": small})
    pq.write_table(table, tmp_path / "m.parquet", use_dictionary=False)
    rows, _, peak = planned(tmp_path / "m.parquet", tmp_path / "run_id=x")
    assert rows == count
    assert peak < 250  # 111 with 300,000 of them


@pytest.mark.parametrize("name", ["m.csv", "m.jsonl", "m.json", "m.parquet"])
def test_long_text_is_planned_a_few_rows_at_a_time(tmp_path: Path, name: str) -> None:
    count, page = 1200, "<p>mug</p>" * 10_000
    rows = [
        {"id": str(n), "image_uri": "a", "prompt": "b", "page": f"{n}{page}"} for n in range(count)
    ]
    path = tmp_path / name
    if name == "m.parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, use_dictionary=False, write_batch_size=16)
    elif name == "m.csv":
        lines = [",".join(row.values()) for row in rows]
        path.write_text("\n".join(["id,image_uri,prompt,page", *lines]))
    elif name == "m.json":
        path.write_text(json.dumps(rows, indent=1))
    else:
        path.write_text("\n".join(map(json.dumps, rows)))
    batches = [batch for batch, _ in open_manifest(str(path)).batches(["id", "page"])]
    assert sum(batch.num_rows for batch in batches) == count
    assert max(batch.nbytes for batch in batches) < 24 * _MB
    assert [row for batch in batches for row in batch["id"].to_pylist()] == [r["id"] for r in rows]


def test_plan_files_end_at_so_many_bytes_and_rows_stay_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.planning.planner.BYTES_PER_FILE", 5000)
    count = 100
    images = [bytes([n]) * (n * 37 % 1500) or None for n in range(count)]
    table = pa.table(
        {
            "id": [f"{n:03}" for n in range(count)],
            "image_uri": ["a.jpg"] * count,
            "image": pa.array(images, pa.binary()),
            "num_results": [1 + n % 3 for n in range(count)],
            "page": [f"page {n}" for n in range(count)],
        }
    )
    pq.write_table(table, tmp_path / "m.parquet", row_group_size=7)
    recipe = parse_recipe("{name: p, keep: [page], prompt: {default: oak}}", source="test")
    planner = Planner(recipe=recipe, manifest=open_manifest(str(tmp_path / "m.parquet")))
    tables = list(planner.tables())
    whole = pa.concat_tables(tables)
    expected = [n for n in range(count) for _ in range(1 + n % 3)]
    assert [int(id_) for id_ in whole["id"].to_pylist()] == expected
    assert whole["page"].to_pylist() == [f"page {n}" for n in expected]
    assert whole["image_input"].to_pylist() == [images[n] for n in expected]
    assert len(tables) > 10
    sizes = [sum(map(len, filter(None, one["image_input"].to_pylist()))) for one in tables]
    assert max(sizes) < 5000 + 3 * 1500
