"""A cell of a manifest has a size: a larger one costs its row, and not the machine."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.results.sheet_cards import cards
from jobs.results.sheet_html import _told
from pipeline.manifest.reader import open_manifest
from pipeline.planning.planner import Planner
from pipeline.recipe import Recipe
from pipeline.tables.values.cell_sizes import bounded, cut
from tests.conftest import MakeManifest
from tests.unit.past import past_run

HUGE = 20_000_000


def planned(manifest: str, recipe: Recipe) -> list[dict]:
    planner = Planner(recipe=recipe, manifest=open_manifest(manifest))
    planner.check()
    tables = planner.tables(recipe.fetch.looker(schemes=()))
    return [row for table in tables for row in table.to_pylist()]


@pytest.mark.parametrize(
    ("column", "most"),
    [("id", 512), ("prompt", 8_000), ("image_uri", 4_096), ("mask_uri", 4_096), ("title", 32_000)],
)
def test_what_is_too_long_costs_its_row_alone(
    make_manifest: MakeManifest, column: str, most: int
) -> None:
    columns = {
        "id": ["a", "b", "c"],
        "image_uri": ["1.jpg"] * 3,
        "mask_uri": ["m.png"] * 3,
        "prompt": ["sand"] * 3,
        "title": ["t"] * 3,
    }
    columns[column] = [*columns[column][:1], "x" * most, "x" * (most + 1)]
    recipe = Recipe(name="plain", keep=("title",))
    _, fits, too_long = planned(make_manifest(**columns), recipe)
    assert fits["error"] is None
    assert too_long["error"]["code"] == "bad_request"
    message = too_long["error"]["message"]
    assert message.startswith(f"{column} ")
    assert ("more than 32,000" if most == 32_000 else f"{most + 1:,} characters") in message
    assert f"at most {most:,}" in message
    assert len(message) < 400
    assert len(str(too_long)) < 2_000


def test_a_prompt_that_a_template_makes_has_the_same_limit(make_manifest: MakeManifest) -> None:
    manifest = make_manifest(id=["a"], image_uri=["1.jpg"], words=["x" * 7_000])
    recipe = Recipe.model_validate({"name": "plain", "prompt": {"template": "{words} and {words}"}})
    assert "14,005 characters" in planned(manifest, recipe)[0]["error"]["message"]


def test_ids_that_are_too_long_stay_unique_and_short(make_manifest: MakeManifest) -> None:
    long = ["x" * HUGE + end for end in "ab"]
    manifest = make_manifest(id=[*long, "c"], image_uri=["1.jpg"] * 3, prompt=["sand"] * 3)
    rows = planned(manifest, Recipe(name="plain"))
    assert len({row["sample_id"] for row in rows}) == 3
    assert [row["error"] is None for row in rows] == [False, False, True]
    for row in rows[:2]:
        assert row["id"].startswith("x" * 64 + "...sha256-")
        assert len(row["id"]) < 100
    assert [row["id"] for row in planned(manifest, Recipe(name="plain"))] == [
        row["id"] for row in rows
    ]
    with pytest.raises(ValueError, match=r"2 times") as caught:
        planned(
            make_manifest(id=[long[0]] * 2, image_uri=["1.jpg"] * 2, prompt=["sand"] * 2),
            Recipe(name="plain"),
        )
    assert len(str(caught.value)) < 500


def test_bytes_that_are_no_text_and_other_columns_are_left_alone() -> None:
    broken = pa.array([b"\xff" * 40_000, b"\xff", None], pa.binary()).view(pa.string())
    assert len(cut(broken).view(pa.binary())[1].as_py()) == 1
    numbers = pa.array([1, 2])
    assert cut(numbers) is numbers
    batch = pa.RecordBatch.from_pydict({"id": ["a"], "n": [1]})
    assert bounded(batch, besides=()) == (batch, {})


_FOLDED = """
import resource, sys
import pyarrow as pa
from pipeline.manifest.reader import open_manifest
from pipeline.planning.planner import Planner
from pipeline.recipe import Recipe
def most_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
recipe = Recipe(name="plain", keep=("title",))
before = most_mb()
planner = Planner(recipe=recipe, manifest=open_manifest(sys.argv[1]))
planner.check()
rows = sum(t.num_rows for t in planner.tables(recipe.fetch.looker(schemes=())))
print(rows, most_mb() - before)
"""


@pytest.mark.parametrize(
    "type_", [pa.string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
)
def test_a_small_file_does_not_unfold_in_memory(tmp_path: Path, type_: pa.DataType) -> None:
    num_rows, size = 3_000, HUGE // 10
    huge = pa.array(["x" * size], pa.string())
    prompts = pa.DictionaryArray.from_arrays(pa.array([0] * num_rows, pa.int32()), huge)
    path = tmp_path / "manifest.parquet"
    fields = {"id": pa.string(), "image_uri": pa.string(), "prompt": type_, "title": type_}
    # Written from a dictionary: nobody could hold its rows in memory. The type says otherwise.
    table = pa.table(
        {
            "id": [f"sku-{number}" for number in range(num_rows)],
            "image_uri": ["1.jpg"] * num_rows,
            "prompt": prompts,
            "title": prompts,
        }
    )
    declared = pa.schema(fields).serialize()
    with pq.ParquetWriter(
        path, table.schema, compression="zstd", store_schema=False, dictionary_pagesize_limit=2**30
    ) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"ARROW:schema": base64.b64encode(declared).decode()})
    assert path.stat().st_size < 100_000
    done = subprocess.run(
        [sys.executable, "-c", _FOLDED, str(path)], capture_output=True, text=True, check=True
    )
    rows, grown_mb = done.stdout.split()
    assert int(rows) == num_rows
    # Its rows would take 12 GB.
    assert float(grown_mb) < 700


def test_the_report_shows_the_beginning_of_what_is_long(
    make_manifest: MakeManifest, tmp_path: Path
) -> None:
    recipe = Recipe(name="plain", keep=("title",))
    manifest = make_manifest(
        id=["a"], image_uri=["1.jpg"], prompt=["p" * 8_000], title=["t" * 32_000]
    )
    ledger = past_run(str(tmp_path / "out"), "one", manifest, recipe=recipe)
    files = [str(file) for file in Path(ledger.uri, "results").iterdir()]
    (card,) = cards(files, filesystem=None)
    assert card.prompt == "p" * 2_000 + "…"
    assert _told(card, ["title"]) == [("title", "t" * 2_000 + "…")]
