from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.tables import Reading, Table, open_table, parse_reading
from pipeline.tables.renamed_columns import renamed


def shop(folder: Path) -> Table:
    path = folder / "shop.csv"
    path.write_text("Handle,Image Src,Title,Title,size\nmug,1.jpg,Mug,MUG,7\n")
    return open_table([str(path)], "CSV")


def test_columns_go_by_other_names_and_the_others_by_their_own(tmp_path: Path) -> None:
    table = renamed(shop(tmp_path), {"image_uri": "Image Src", "id": "Handle"})
    assert table.schema.names == ["id", "image_uri", "size"]
    assert table.untyped == {"id", "image_uri", "size"}
    (batch,) = table.batches(["size", "image_uri", "id"])
    assert batch.to_pylist() == [{"size": "7", "image_uri": "1.jpg", "id": "mug"}]
    assert table.count() == 1


def test_a_column_may_stand_for_two_and_two_may_change_places(tmp_path: Path) -> None:
    table = renamed(shop(tmp_path), {"id": "Handle", "prompt": "Handle", "Handle": "size"})
    assert sorted(table.schema.names) == ["Handle", "Image Src", "id", "prompt"]
    (batch,) = table.batches(["prompt", "id", "Handle"])
    assert batch.to_pylist() == [{"prompt": "mug", "id": "mug", "Handle": "7"}]
    swapped = renamed(shop(tmp_path), {"size": "Handle", "Handle": "size"})
    (batch,) = swapped.batches(["size", "Handle"])
    assert batch.to_pylist() == [{"size": "mug", "Handle": "7"}]


def test_what_cannot_be_read_cannot_be_read_under_another_name(tmp_path: Path) -> None:
    table = renamed(shop(tmp_path), {"prompt": "Title"})
    assert "prompt" not in table.schema.names
    assert "'Title' is twice in" in table.conflicts["prompt"]


def test_types_and_nulls_stay(tmp_path: Path) -> None:
    column = pa.array([[1, None], None], pa.list_(pa.int16()))
    pq.write_table(pa.table({"a b": column}), tmp_path / "m.parquet")
    table = renamed(open_table([str(tmp_path / "m.parquet")], "Parquet"), {"x": "a b"})
    assert table.schema.field("x").type == column.type
    assert [row for batch in table.batches(["x"]) for row in batch["x"].to_pylist()] == [
        [1, None],
        None,
    ]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({"id": "handle"}, "--map id='handle': there is no column 'handle', did you mean 'Handle'"),
        ({"image_uri": "image_src"}, "no column 'image_src', did you mean 'Image Src'?; there are"),
        ({"id": "ean"}, "no column 'ean'; there are ['Handle', 'Image Src', 'size', 'Title']"),
        ({"size": "Handle"}, "there is a column 'size' already: give that another name as well"),
    ],
)
def test_names_that_are_wrong_are_told(tmp_path: Path, names: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=r"\S") as caught:
        renamed(shop(tmp_path), names)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_a_command_line_says() -> None:
    reading = parse_reading(["image_uri=Image Src", "id=a=b", "x=Größe "])
    assert dict(reading.names) == {"image_uri": "Image Src", "id": "a=b", "x": "Größe "}
    assert parse_reading([]) == Reading() == Reading.from_json(Reading().as_json())
    back: Any = json.loads(json.dumps(reading.as_json()))
    assert Reading.from_json(back) == reading == parse_reading(["x=Größe ", "id=a=b", *_IMAGE])


_IMAGE = ["image_uri=Image Src", "image_uri=Image Src"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["image_uri"], "--map 'image_uri': write the name that Backlot knows, '=', and the name"),
        (["=x"], "--map '=x': write the name"),
        (["x="], "--map 'x=': write the name"),
        (["id=a", "id=b"], "--map 'id=b': 'id' is mapped to 'a' as well: keep one of them"),
    ],
)
def test_what_says_nothing_is_refused(given: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=r"\S") as caught:
        parse_reading(given)
    assert str(caught.value).startswith(said)
