from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.manifest.reader import open_manifest
from pipeline.manifest.rows import Manifest
from pipeline.planning.planner import Planner
from pipeline.recipe import Recipe, parse_recipe

NAMES = ["a", "b", "c"]
FRAME = pd.DataFrame(
    {
        "id": NAMES,
        "image_uri": [f"{name}.jpg" for name in NAMES],
        "prompt": ["oak", "pine", "sand"],
    }
)


def lay(folder: Path, ending: str, **files: dict[str, Any]) -> None:
    """A row in each file, by its folder; `__` in a name stands for `/`."""
    for number, (name, row) in enumerate(files.items()):
        place = folder / name.replace("__", "/")
        place.mkdir(parents=True, exist_ok=True)
        row = {"id": str(number), "image_uri": "x.jpg", "prompt": "oak", **row}
        path = place / f"part-{number}.{ending}"
        if ending == "parquet":
            pq.write_table(pa.Table.from_pylist([row]), path)
        elif ending == "csv":
            path.write_text(",".join(row) + "\n" + ",".join(map(str, row.values())) + "\n")
        else:
            path.write_text(json.dumps(row, default=str) + "\n")


def rows(manifest: Manifest, *columns: str) -> list[tuple[Any, ...]]:
    found = [
        tuple(row.values()) for batch, _ in manifest.batches(columns) for row in batch.to_pylist()
    ]
    assert len(found) == manifest.count()
    return found


def planned(recipe: Recipe, manifest: Manifest) -> list[dict[str, Any]]:
    planner = Planner(recipe=recipe, manifest=manifest)
    planner.check()
    return [row for table in planner.tables() for row in table.to_pylist()]


def test_what_folders_say_asks_for_results(tmp_path: Path, recipe: Recipe) -> None:
    frame = FRAME.assign(
        num_results=[1, 2, 3],
        channel=["ebay", None, "shopify"],
        seed=[7, 8, 9],
        size=["038", "x", "5.0"],
    )
    by = ["num_results", "channel", "seed", "size"]
    frame.to_parquet(tmp_path / "cat", partition_cols=by)
    manifest = open_manifest(str(tmp_path / "cat"))
    assert rows(manifest, "id", "size", "channel") == [
        ("a", "038", "ebay"),
        ("b", "x", None),
        ("c", "5.0", "shopify"),
    ]
    recipe = parse_recipe(
        "{name: plain, keep: [size], prompt: {template: '{size}'}}", source="test"
    )
    listed = planned(recipe, manifest)
    assert [row["id"] for row in listed] == ["a", "b", "b", "c", "c", "c"]
    assert [row["seed"] for row in listed] == [7, 8, 9, 9, 10, 11]
    assert [row["size"] for row in listed] == ["038", "x", "x", "5.0", "5.0", "5.0"]
    assert {row["shot"]["channel"] for row in listed if row["id"] != "b"} == {"ebay", "shopify"}
    assert [row["error"] for row in listed] == [None] * 6


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_conditions_see_what_folders_say(tmp_path: Path, ending: str) -> None:
    lay(tmp_path, ending, **{"dt=2026-11-02__sku=0012": {}, "dt=2026-11-03__sku=12": {}})
    null = tmp_path / "dt=__HIVE_DEFAULT_PARTITION__" / "sku=7"
    lay(null, ending, **{".": {"id": "null"}})

    def selected(where: str) -> list[str]:
        manifest = open_manifest(str(tmp_path), where=where)
        return sorted(id_ for (id_,) in rows(manifest, "id"))

    assert selected("dt = '2026-11-02'") == ["0"]
    assert selected("dt > '2026-11-02'") == ["1"]
    assert selected("dt is null") == ["null"]
    assert selected("sku = '0012'") == ["0"]
    assert selected("sku = '12' or dt is null") == ["1", "null"]


def test_values_are_decoded_and_other_folders_are_left_alone(tmp_path: Path) -> None:
    lay(
        tmp_path,
        "parquet",
        **{
            "brand=A%2FB%20%26%20C__deeper__size=1%3D2": {},
            "brand=M%C3%BCller": {},
            "brand=": {},
            "plain": {},
            "=x": {},
        },
    )
    manifest = open_manifest(str(tmp_path))
    assert manifest.schema.names == ["id", "image_uri", "prompt", "brand", "size"]
    assert sorted(rows(manifest, "id", "brand", "size")) == [
        ("0", "A/B & C", "1=2"),
        ("1", "Müller", None),
        ("2", "", None),
        ("3", None, None),
        ("4", None, None),
    ]


def test_folders_directly_above_what_is_named_count_and_no_others(tmp_path: Path) -> None:
    shop = tmp_path / "env=test" / "shop"
    lay(shop, "csv", **{"dt=1__channel=ebay": {}, "dt=1__channel=shopify": {}, "dt=2": {}})
    (file,) = (shop / "dt=1" / "channel=ebay").iterdir()
    for named, found in {
        shop: [("1", "ebay"), ("1", "shopify"), ("2", None)],
        shop / "dt=1": [("1", "ebay"), ("1", "shopify")],
        shop / "dt=1" / "channel=ebay": [("1", "ebay")],
        file: [("1", "ebay")],
        shop / "dt=*" / "channel=*" / "*.csv": [("1", "ebay"), ("1", "shopify")],
        shop / "**" / "*.csv": [("1", "ebay"), ("1", "shopify"), ("2", None)],
        shop / "dt=1" / "*" / "part-*": [("1", "ebay"), ("1", "shopify")],
    }.items():
        manifest = open_manifest(str(named))
        assert "env" not in manifest.schema.names
        columns = ["dt", *(["channel"] if "channel" in manifest.schema.names else [])]
        assert sorted(rows(manifest, *columns), key=str) == found, named


def test_of_folders_alone_there_are_rows_all_the_same(tmp_path: Path) -> None:
    pictures = pa.array([b"x" * 1000] * 5000)
    (tmp_path / "dt=1").mkdir()
    pq.write_table(
        pa.table({"image": pictures, "id": [str(n) for n in range(5000)]}),
        tmp_path / "dt=1" / "p.parquet",
    )
    manifest = open_manifest(str(tmp_path), where="dt = 1")
    assert rows(manifest, "dt") == [("1",)] * 5000


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_a_column_that_files_have_as_well_must_say_the_same(tmp_path: Path, ending: str) -> None:
    lay(
        tmp_path,
        ending,
        **{"dt=2__shop=x": {"dt": 2}, "dt=07__shop=y": {"dt": 7 if ending != "csv" else "07"}},
    )
    manifest = open_manifest(str(tmp_path))
    assert len(rows(manifest, "dt", "shop")) == 2
    lay(tmp_path / "dt=3", ending, **{"shop=z": {"id": "z", "dt": 4}})
    manifest = open_manifest(str(tmp_path))
    assert len(rows(manifest, "shop")) == 3  # harmless where nobody asks
    with pytest.raises(ValueError, match=r"\S") as caught:
        rows(manifest, "dt")
    assert f"{tmp_path}/dt=3/shop=z/part-0.{ending}: column 'dt' holds '4', and its folder" in str(
        caught.value
    )
    assert "\n" not in str(caught.value)


def test_files_that_have_a_column_give_its_type_to_folders(tmp_path: Path) -> None:
    day = datetime.date(2026, 11, 2)
    lay(tmp_path, "parquet", **{"in": {"dt": day}, "dt=2026-11-03": {}})
    manifest = open_manifest(str(tmp_path))
    assert sorted(rows(manifest, "dt")) == [(day,), (datetime.date(2026, 11, 3),)]
    lay(tmp_path / "x", "parquet", **{"dt=soon": {"id": "9"}})
    with pytest.raises(ValueError, match=r"'dt' is 'soon' by its folder, and date32.* in files"):
        rows(open_manifest(str(tmp_path)), "dt")


def test_a_column_twice_in_the_folders_matters_to_whoever_asks_for_it(tmp_path: Path) -> None:
    lay(tmp_path, "csv", **{"a=1__a=2": {}, "b=1__b=1": {}})
    manifest = open_manifest(str(tmp_path))
    assert sorted(rows(manifest, "id", "b"), key=str) == [("0", None), ("1", "1")]
    with pytest.raises(ValueError, match="column 'a' is twice in the folders of"):
        manifest.field("a")


def test_even_the_id_may_stand_in_a_folder(tmp_path: Path) -> None:
    for name in ("001", "2"):
        (tmp_path / f"id={name}").mkdir()
        (tmp_path / f"id={name}" / "m.csv").write_text("image_uri;prompt\nx.jpg;oak\n")
    manifest = open_manifest(str(tmp_path))
    assert rows(manifest, "id", "prompt") == [("001", "oak"), ("2", "oak")]
