"""What type a kept column has: the manifest's, the recipe's, or that of the dataset so far."""

from __future__ import annotations

import datetime as dt
import logging
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.planning.planner import Planner
from pipeline.recipe import Recipe, parse_recipe
from pipeline.runs.earlier_runs import current, held_columns
from pipeline.runs.merged_view import materialise
from pipeline.runs.run_config import RunConfig, prepare
from pipeline.tables import parse_reading
from tests.conftest import MakeManifest
from tests.unit.past import past_run


def recipe(*overrides: str) -> Recipe:
    return parse_recipe(
        "name: mine", overrides=["prompt.default=oak", "keep=[x]", *overrides], source="mine"
    )


def manifest(make_manifest: MakeManifest, x: Any, name: str = "manifest.parquet") -> str:
    ids = [f"{name} {number}" for number in range(len(x))]
    return make_manifest(name, id=ids, image_uri=["1.jpg"] * len(x), x=x)


def text_manifest(folder: Path, *values: str) -> str:
    path = folder / "manifest.csv"
    rows = "".join(f'{n},1.jpg,"{value}"\n' for n, value in enumerate(values))
    path.write_text("id,image_uri,x\n" + rows)
    return str(path)


def planner(uri: str, output: Path, *overrides: str) -> Planner:
    made, _ = prepare(RunConfig(recipe=recipe(*overrides), manifest=uri, output=str(output)))
    return made


def kept(uri: str, output: Path, *overrides: str) -> pa.ChunkedArray:
    return pa.concat_tables(list(planner(uri, output, *overrides).tables()))["x"]


@pytest.mark.parametrize(
    ("kind", "written", "expected", "type_"),
    [
        ("text", ["0012", "x"], ["0012", "x"], pa.string()),
        ("integer", ["0012", " -7 "], [12, -7], pa.int64()),
        ("integer", ["3.0", ""], [3, None], pa.int64()),
        ("number", ["1.10", "1e3"], [1.1, 1000.0], pa.float64()),
        ("boolean", ["yes", "FALSE"], [True, False], pa.bool_()),
        ("date", ["2026-11-28", ""], [dt.date(2026, 11, 28), None], pa.date32()),
        ("decimal(10, 2)", ["1.10", "7"], [Decimal("1.10"), Decimal("7.00")], pa.decimal128(10, 2)),
        (
            "timestamp",
            ["2026-11-28 10:30", "2026-11-28T10:30:00+02:00"],
            [dt.datetime(2026, 11, 28, 10, 30), dt.datetime(2026, 11, 28, 8, 30)],
            pa.timestamp("us"),
        ),
    ],
)
def test_a_recipe_types_what_a_text_file_spells(
    tmp_path: Path, kind: str, written: list[str], expected: list[Any], type_: pa.DataType
) -> None:
    found = kept(text_manifest(tmp_path, *written), tmp_path / "out", f"keep_types={{x: '{kind}'}}")
    assert (found.to_pylist(), found.type) == (expected, type_)


def test_without_a_type_the_columns_of_text_files_are_text(tmp_path: Path) -> None:
    found = kept(text_manifest(tmp_path, "0012", "2026-11-28", "1.10"), tmp_path / "out")
    assert found.to_pylist() == ["0012", "2026-11-28", "1.10"]
    lines = tmp_path / "manifest.jsonl"
    lines.write_text('{"id": "a", "image_uri": "1.jpg", "x": "2026-11-28"}\n')
    assert kept(str(lines), tmp_path / "out").to_pylist() == ["2026-11-28"]


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        ("integer", "5.5"),
        ("integer", "XL"),
        ("number", "1,5"),
        ("boolean", "maybe"),
        ("date", "28.11.2026"),
        ("decimal(4, 2)", "1.005"),
    ],
)
def test_a_value_that_does_not_fit_its_type_costs_its_row(
    tmp_path: Path, kind: str, bad: str
) -> None:
    good = {"boolean": "true", "date": "2026-11-28"}.get(kind, "7")
    uri = text_manifest(tmp_path, good, bad, good)
    tables = planner(uri, tmp_path / "out", f"keep_types={{x: '{kind}'}}").tables()
    table = pa.concat_tables(list(tables))
    errors = table["error"].to_pylist()
    assert [error and error["code"] for error in errors] == [None, "bad_request", None]
    assert f"x '{bad}' is no {kind}, which keep_types says it is" in errors[1]["message"]
    assert table["x"].null_count == 1


def test_numbers_may_be_typed_as_text(tmp_path: Path, make_manifest: MakeManifest) -> None:
    uri = manifest(make_manifest, pa.array([12, 2**53 + 1]))
    found = kept(uri, tmp_path / "out", "keep_types={x: text}")
    assert found.to_pylist() == ["12", "9007199254740993"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["keep_types={x: gtin}"], "keep_types.x: 'gtin' is no type: use text, integer, number"),
        (["keep_types={x: 'decimal(50, 2)'}"], "is no type"),
        (["keep_types={y: text}"], "keep_types: 'y' is not in `keep`"),
    ],
)
def test_types_that_are_none_are_refused(overrides: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=r"^mine: ") as refused:
        recipe(*overrides)
    assert message in str(refused.value)


def test_a_column_that_can_be_none_of_the_type_is_refused(
    tmp_path: Path, make_manifest: MakeManifest
) -> None:
    uri = manifest(make_manifest, [{"a": 1}])
    with pytest.raises(ValueError, match="column 'x' is struct<a: int64>, which can be no date"):
        kept(uri, tmp_path / "out", "keep_types={x: date}")


TONIGHT = {
    "a whole number where the dataset has others": ([5], [6.0], pa.int64(), [6]),
    "a smaller type": (pa.array([5]), pa.array([6], pa.int8()), pa.int64(), [6]),
    "a larger type": (pa.array([5], pa.int8()), pa.array([6]), pa.int8(), [6]),
    "whole numbers where there are fractions": ([5.5], [6], pa.float64(), [6.0]),
    "numbers where there is text": (["5"], [6], pa.string(), ["6"]),
    "text that spells numbers": ([5], ["6", None], pa.int64(), [6, None]),
    "a dictionary": (["a"], pa.array(["b"]).dictionary_encode(), pa.string(), ["b"]),
    "another unit of time": (
        pa.array([1], pa.timestamp("ms")),
        pa.array([2_000_000], pa.timestamp("ns")),
        pa.timestamp("ms"),
        [dt.datetime(1970, 1, 1, 0, 0, 0, 2000)],
    ),
    "nothing but null": ([5], pa.nulls(1), pa.int64(), [None]),
    "something after nothing but null": (pa.nulls(1), [6], pa.int64(), [6]),
    "an object with a part more": (
        [{"a": 1}],
        [{"b": "v", "a": 2}],
        pa.struct({"a": pa.int64(), "b": pa.string()}),
        [{"a": 2, "b": "v"}],
    ),
    "an object with other parts": (
        [{"a": 1, "c": 7}],
        pa.array([{"a": 2, "b": "v"}], pa.struct({"a": pa.int8(), "b": pa.string()})),
        pa.struct({"a": pa.int64(), "c": pa.int64(), "b": pa.string()}),
        [{"a": 2, "c": None, "b": "v"}],
    ),
    "objects in lists in objects": (
        [{"o": [{"a": 1}]}],
        [{"o": [{"a": 2, "b": "v"}, None]}, None],
        pa.struct({"o": pa.list_(pa.struct({"a": pa.int64(), "b": pa.string()}))}),
        [{"o": [{"a": 2, "b": "v"}, None]}, None],
    ),
    "values of a map": (
        pa.array([[("k", {"a": 1})]], pa.map_(pa.string(), pa.struct({"a": pa.int64()}))),
        pa.array(
            [[("k", {"a": 2, "b": 3})]],
            pa.map_(pa.string(), pa.struct({"a": pa.int64(), "b": pa.int64()})),
        ),
        pa.list_(
            pa.struct(
                [
                    pa.field("key", pa.string(), nullable=False),
                    ("value", pa.struct({"a": pa.int64(), "b": pa.int64()})),
                ]
            )
        ),
        [[{"key": "k", "value": {"a": 2, "b": 3}}]],
    ),
}


@pytest.mark.parametrize(("last", "tonight", "type_", "expected"), TONIGHT.values(), ids=TONIGHT)
def test_what_a_dataset_holds_stays_its_type(
    tmp_path: Path,
    make_manifest: MakeManifest,
    last: Any,
    tonight: Any,
    type_: pa.DataType,
    expected: list[Any],
) -> None:
    output = tmp_path / "out"
    past_run(str(output), "one", manifest(make_manifest, last, "one.parquet"), recipe=recipe())
    uri = manifest(make_manifest, tonight, "two.parquet")
    found = kept(uri, output)
    assert (found.type, found.to_pylist()) == (type_, expected)
    past_run(
        str(output),
        "two",
        uri,
        recipe=recipe(),
        held=held_columns(str(output), ["x"]),
    )
    materialise(current(str(output)), str(tmp_path / "merged"))
    merged = pq.read_table(tmp_path / "merged" / "part-00000.parquet")["x"]
    assert merged.type == type_
    assert merged.to_pylist()[-len(expected) :] == expected


@pytest.mark.parametrize(
    ("last", "tonight", "said"),
    [
        ([5], [5.5], "int64 in this dataset (run one) and double here, such as '5.5'"),
        ([12], ["0012"], "int64 in this dataset (run one) and string here, such as '0012'"),
        ([12], ["x1"], "such as 'x1'"),
        ([1.5], [2**53 + 1], "such as '9007199254740993'"),
        (pa.array([1], pa.int8()), [300], "int8 in this dataset (run one) and int64 here"),
        ([True], [1], "bool in this dataset (run one) and int64 here, which cannot be that"),
        ([[1]], ["1"], "which cannot be that"),
        ([{"a": 1}], [{"a": "v", "b": 2}], "'x.a' is int64 in this dataset (run one) and string"),
        ([[{"a": {"b": 1}}]], [[{"a": {"b": "v"}}]], "column 'x.a.b' is int64 in this dataset"),
        ([{"a": 1}], [{"A": 1}], "struct<a: int64> in this dataset (run one) and struct<A: int64>"),
    ],
)
def test_what_would_tear_a_dataset_apart_is_refused_before_anything_is_planned(
    tmp_path: Path, make_manifest: MakeManifest, last: Any, tonight: Any, said: str
) -> None:
    output = tmp_path / "out"
    past_run(str(output), "one", manifest(make_manifest, last, "one.parquet"), recipe=recipe())
    before = sorted(output.rglob("*"))
    uri = manifest(make_manifest, tonight, "two.parquet")
    with pytest.raises(ValueError, match=r"keep: column 'x[.ab]*' is ") as refused:
        planner(uri, output)
    assert said in str(refused.value)
    assert "cast it to that, keep it under another name, such as --map x_2='x', or name" in str(
        refused.value
    )
    assert sorted(output.rglob("*")) == before


def test_types_of_the_recipe_tear_no_dataset_apart_either(
    tmp_path: Path, make_manifest: MakeManifest
) -> None:
    output = tmp_path / "out"
    past_run(str(output), "one", manifest(make_manifest, [12], "one.parquet"), recipe=recipe())
    uri = manifest(make_manifest, ["0012"], "two.parquet")
    with pytest.raises(ValueError, match=r"'x' is int64 in this .*and string as text"):
        planner(uri, output, "keep_types={x: text}")
    with pytest.raises(ValueError, match="such as '0012'"):
        planner(uri, output)
    renamed = prepare(
        RunConfig(
            recipe=recipe("keep=[x_2]", "keep_types={x_2: text}"),
            manifest=uri,
            output=str(output),
            reading=parse_reading(["x_2=x"]),
        )
    )[0]
    assert pa.concat_tables(list(renamed.tables()))["x_2"].to_pylist() == ["0012"]


def test_a_column_that_is_kept_anew_has_the_type_that_it_had(
    tmp_path: Path, make_manifest: MakeManifest
) -> None:
    output = str(tmp_path / "out")
    past_run(output, "one", manifest(make_manifest, [5], "one.parquet"), recipe=recipe())
    past_run(
        output,
        "two",
        manifest(make_manifest, ["six"], "two.parquet"),
        recipe=recipe("keep=[]"),
    )
    held = held_columns(output, ["x", "y"])
    assert {name: (column.type, column.run_id) for name, column in held.items()} == {
        "x": (pa.int64(), "one")
    }


def test_names_that_differ_in_their_letters_alone_are_refused(
    tmp_path: Path, make_manifest: MakeManifest
) -> None:
    output, row = tmp_path / "out", {"id": ["a"], "image_uri": ["1.jpg"]}
    first = make_manifest("one.parquet", **row, Title=["Chair"])
    past_run(str(output), "one", first, recipe=recipe("keep=[Title]"))
    second = make_manifest("two.parquet", **row, title=["chair"], Error=["none"])
    for column, said in (
        ("Error", "'Error' is 'error' but for its letters, a column of every result"),
        ("title", "'title' is 'Title' but for its letters, a column of this dataset (run one)"),
    ):
        with pytest.raises(ValueError, match="Spark and DuckDB take them for one") as refused:
            planner(second, output, f"keep=[{column}]")
        assert said in str(refused.value)
    past_run(str(output), "two", second, recipe=recipe("keep=[title]"))  # as earlier versions did
    assert planner(second, output, "keep=[title]")


NANOSECONDS = pa.array([1_000, 1_001, None], pa.timestamp("ns"))
NESTED = {
    "plain": (NANOSECONDS, 1),
    "in a zone": (NANOSECONDS.cast(pa.timestamp("ns", "Asia/Tokyo")), 1),
    "in a dictionary": (NANOSECONDS.dictionary_encode(), 1),
    "time of day": (pa.array([1_000, 1_001, None], pa.time64("ns")), 1),
    "in a list": (pa.array([[1_000, 1_001], [2_000], None], pa.list_(pa.timestamp("ns"))), 1),
    "in a struct": (pa.array([{"t": 1_001}], pa.struct([("t", pa.timestamp("ns"))])), 1),
    "in a map": (pa.array([[("t", 2_000)]], pa.map_(pa.string(), pa.timestamp("ns"))), 0),
    "in a fixed list": (pa.array([[1_001], [1_000]], pa.list_(pa.timestamp("ns"), 1)), 1),
}


@pytest.mark.parametrize(("column", "lost"), NESTED.values(), ids=NESTED)
def test_nanoseconds_become_microseconds_and_what_is_cut_is_said(
    tmp_path: Path,
    make_manifest: MakeManifest,
    caplog: pytest.LogCaptureFixture,
    column: pa.Array,
    lost: int,
) -> None:
    uri = manifest(make_manifest, column)
    with caplog.at_level(logging.WARNING):
        found = kept(uri, tmp_path / "out")
    pq.write_table(pa.table({"x": found}), tmp_path / "kept.parquet")
    assert "ns" not in str(found.type)
    assert "nanoseconds" not in str(pq.ParquetFile(tmp_path / "kept.parquet").schema)
    said = [record.getMessage() for record in caplog.records if "microseconds" in record.message]
    assert len(said) == bool(lost)
    if lost:
        assert f"keep: {lost} values of column 'x' are cut to whole microseconds" in said[0]
    as_they_are = ("output.timestamps=as_they_are", "output.maps=as_they_are")
    asked = kept(uri, tmp_path / "out", *as_they_are)
    assert "ns" in str(asked.type)
    plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    assert asked.cast(plain.type).combine_chunks() == plain


def test_maps_become_lists_of_keys_and_values(tmp_path: Path, make_manifest: MakeManifest) -> None:
    type_ = pa.map_(pa.string(), pa.list_(pa.map_(pa.string(), pa.timestamp("ns"))))
    column = pa.array([[("k", [[("t", 1_000)]])], [], None, [("k", None)]], type_)
    uri = manifest(make_manifest, column)
    found = kept(uri, tmp_path / "out")
    assert "map" not in str(found.type)
    (pair,) = found.to_pylist()[0]
    assert pair["key"] == "k"
    assert [value["key"] for value in pair["value"][0]] == ["t"]
    assert found.to_pylist()[1:] == [[], None, [{"key": "k", "value": None}]]
    asked = kept(uri, tmp_path / "out", "output.maps=as_they_are")
    assert pa.types.is_map(asked.type)


NONE = pa.array([[], None], pa.list_(pa.null()))
TAGS = pa.array([["oak"], []])
SMALL = pa.array([{"a": 1}, None])
LARGE = pa.array([{"b": "x", "a": 2}, None])


@pytest.mark.parametrize(
    ("last", "tonight", "type_"),
    [
        (NONE, TAGS, TAGS.type),
        (TAGS, NONE, TAGS.type),
        (LARGE, SMALL, LARGE.type),
        (pa.array([[{"b": None, "a": 1}]]), pa.array([[{"a": 2}]]), None),
    ],
    ids=["none, then some", "some, then none", "a part less", "a part less within a list"],
)
def test_what_is_only_empty_tonight_fits_what_the_dataset_has(
    tmp_path: Path, make_manifest: MakeManifest, last: Any, tonight: Any, type_: pa.DataType | None
) -> None:
    output = tmp_path / "out"
    past_run(str(output), "one", manifest(make_manifest, last, "one.parquet"), recipe=recipe())
    found = kept(manifest(make_manifest, tonight, "two.parquet"), output)
    assert found.type == (type_ or last.type)
    assert found.drop_null().to_pylist() == tonight.cast(found.type).drop_null().to_pylist()
