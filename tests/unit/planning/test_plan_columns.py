"""What becomes of a manifest's columns in its plan: those that decide, those that are kept."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.manifest.reader import open_manifest
from pipeline.manifest.shots import COLUMNS
from pipeline.planning.planner import Planner
from pipeline.recipe import parse_recipe
from pipeline.tables import Reading
from pipeline.tables.values.union import plain
from tests.conftest import MakeManifest
from tests.hostile.arrow_types import columns

ALL = columns()
"""A column of two values of every type that a Parquet file can hold."""


def planner(uri: str, *overrides: str, **how: Any) -> Planner:
    recipe = parse_recipe("name: mine", overrides=overrides, source="mine")
    made = Planner(recipe=recipe, manifest=open_manifest(uri, **how))
    made.check()
    return made


def planned(uri: str, *overrides: str, **how: Any) -> pa.Table:
    return pa.concat_tables(list(planner(uri, *overrides, **how).tables()))


def errors(table: pa.Table) -> list[str | None]:
    return [
        error and f"{error['code']}: {error['message']}" for error in table["error"].to_pylist()
    ]


def refusal(uri: str, *overrides: str, **how: Any) -> str:
    with pytest.raises(ValueError, match=r"\S") as caught:
        planned(uri, *overrides, **how)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def two(make_manifest: MakeManifest, x: pa.Array) -> str:
    return make_manifest(id=["a", "b"], image_uri=["1.jpg"] * 2, prompt=["oak"] * 2, x=x)


@pytest.mark.parametrize("name", ALL)
def test_a_column_that_nobody_uses_does_not_matter(make_manifest: MakeManifest, name: str) -> None:
    uri = two(make_manifest, ALL[name])
    assert errors(planned(uri)) == [None, None]
    assert errors(planned(uri, where="id = 'b'")) == [None]


@pytest.mark.parametrize("name", [name for name in ALL if name != "no utf-8"])
def test_a_kept_column_is_carried_as_it_is(make_manifest: MakeManifest, name: str) -> None:
    uri = two(make_manifest, ALL[name])
    stored = pq.read_table(uri)["x"].combine_chunks()
    expected = stored if plain(stored.type) == stored.type else stored.cast(plain(stored.type))
    as_they_are = ("output.timestamps=as_they_are", "output.maps=as_they_are")
    found = planned(uri, "keep=[x]", "brief.num_results=2", *as_they_are)
    assert errors(found) == [None] * 4
    kept = found["x"].combine_chunks()
    assert kept.type == expected.type
    doubled = pa.concat_arrays([expected.slice(row, 1) for row in (0, 0, 1, 1)])
    assert str(kept) == str(doubled)
    assert kept.equals(doubled) or pa.types.is_floating(kept.type)  # not-a-number is not itself


def test_an_interval_of_months_is_carried_as_it_is(tmp_path: Path) -> None:
    # Arrow has a type for it, and writes no Parquet of it: other programs do.
    path = tmp_path / "m.parquet"
    columns = "'a' AS id, '1.jpg' AS image_uri, 'oak' AS prompt, INTERVAL 3 MONTH AS x"
    duckdb.sql(f"COPY (SELECT {columns}) TO '{path}'")
    assert errors(planned(str(path))) == [None]
    assert errors(planned(str(path), where="id = 'a'")) == [None]
    found = planned(str(path), "keep=[x]")
    assert found["x"].to_pylist() == [bytes([3]) + bytes(11)]


def test_a_kept_column_is_carried_over_files_that_lack_it(
    make_manifest: MakeManifest, tmp_path: Path
) -> None:
    columns = {"image_uri": ["1.jpg"], "prompt": ["oak"]}
    far = pa.array([10**17], pa.int64()).cast(pa.timestamp("us", "Asia/Tokyo"))
    make_manifest("all/1.parquet", id=["a"], **columns)
    make_manifest("all/2.parquet", id=["b"], **columns, valid_to=far)
    found = planned(str(tmp_path / "all"), "keep=[valid_to]")
    assert found["valid_to"].cast(pa.int64()).to_pylist() == [None, 10**17]


def torn() -> pa.Array:
    return pa.array([b"oak", b"K\xfcche"], pa.binary()).view(pa.string())


@pytest.mark.parametrize(
    ("column", "overrides"),
    [
        ("id", []),
        ("image_uri", []),
        ("mask_uri", []),
        ("prompt", []),
        ("placement", []),
        ("channel", []),
        ("title", ["keep=[title]"]),
        ("title", ["prompt.template='{title} wall'"]),
    ],
)
def test_bytes_that_are_no_utf8_cost_their_row_in_a_column_that_matters(
    make_manifest: MakeManifest, column: str, overrides: list[str]
) -> None:
    good = {"placement": b"fit", "channel": b"ebay"}.get(column, b"good")
    cells = pa.array([good, b"K\xfcche"], pa.binary()).view(pa.string())
    uri = make_manifest(
        **{"id": ["a", "b"], "image_uri": ["1.jpg"] * 2, "prompt": ["oak"] * 2, column: cells}
    )
    found = planned(uri, *overrides)
    first, second = errors(found)
    assert first is None
    assert second == f"bad_request: {column} holds bytes that are no UTF-8: write it in UTF-8"
    assert found["id"].to_pylist() == (["good", r"K\xfcche"] if column == "id" else ["a", "b"])


@pytest.mark.parametrize("index", [pa.int8(), pa.int32()], ids=str)
@pytest.mark.parametrize(("column", "overrides"), [("prompt", []), ("x", ["keep=[x]"]), ("x", [])])
def test_bytes_that_are_no_utf8_cost_their_row_out_of_a_dictionary_too(
    make_manifest: MakeManifest, column: str, overrides: list[str], index: pa.DataType
) -> None:
    coded = pa.DictionaryArray.from_arrays(pa.array([0, 1], index), torn())
    columns = {"id": ["a", "b"], "image_uri": ["1.jpg"] * 2, "prompt": ["oak"] * 2, column: coded}
    found = planned(make_manifest(**columns), *overrides)
    said = f"bad_request: {column} holds bytes that are no UTF-8: write it in UTF-8"
    assert errors(found) == [None, None if (column, overrides) == ("x", []) else said]
    if overrides:
        assert found["x"].type == coded.type
        assert found["x"].to_pylist() == ["oak", r"K\xfcche"]


def test_bytes_that_are_no_utf8_matter_nowhere_else(make_manifest: MakeManifest) -> None:
    uri = two(make_manifest, torn())
    assert errors(planned(uri)) == [None, None]
    assert errors(planned(uri, where="x IS NOT NULL")) == [None, None]


@pytest.mark.parametrize("name", ["date32 far away", "timestamp us far away"])
def test_a_value_that_cannot_be_written_out_costs_its_row_where_words_are_made_of_it(
    make_manifest: MakeManifest, name: str
) -> None:
    columns = {"id": ["a", "b"], "image_uri": ["1.jpg"] * 2, "x": ALL[name]}
    found = planned(make_manifest(**columns), "prompt.template='until {x}'")
    said = f"bad_request: x holds a {name[:3]}"
    assert all(error is not None and error.startswith(said) for error in errors(found))


def text_file(folder: Path, ending: str, records: list[dict[str, str]]) -> str:
    path = folder / f"m.{ending}"
    if ending == "jsonl":
        path.write_text("\n".join(map(json.dumps, records)))
    else:
        lines = [list(records[0]), *(list(record.values()) for record in records)]
        path.write_text("\n".join(",".join(line) for line in lines))
    return str(path)


def test_numbers_of_a_csv_are_numbers_where_they_should_be(tmp_path: Path) -> None:
    base = {"image_uri": "1.jpg", "prompt": "oak"}
    records = [
        {"id": "1", **base, "seed": "7", "num_results": "1", "margin": "0.1", "fast": "true"},
        {"id": "2", **base, "seed": "", "num_results": "", "margin": "", "fast": ""},
        {"id": "3", **base, "seed": "8.0", "num_results": "1.0", "margin": "0", "fast": "FALSE"},
        {"id": "4", **base, "seed": "many", "num_results": "1", "margin": "0", "fast": "0"},
        {"id": "5", **base, "seed": "1", "num_results": "some", "margin": "0", "fast": "1"},
        {"id": "6", **base, "seed": "1", "num_results": "1", "margin": "wide", "fast": "1"},
    ]
    found = planned(text_file(tmp_path, "csv", records))
    first, _, third, *bad = found.to_pylist()
    assert (first["seed"], first["shot"]["margin"], first["shot"]["fast"]) == (7, 0.1, True)
    assert (third["seed"], third["shot"]["margin"], third["shot"]["fast"]) == (8, 0.0, False)
    assert [error and error.split(":")[0] for error in errors(found)[:3]] == [None] * 3
    said = [row["error"]["message"] for row in bad]
    assert said[0] == "seed 'many' is no whole number"
    assert said[1].startswith("num_results: ")
    assert said[2].startswith("margin: ")


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [("seed", "many", "an integer"), ("margin", "12 EUR", "a number"), ("fast", "2", "boolean")],
)
def test_a_column_of_a_csv_of_which_no_value_is_good_is_refused_at_once(
    tmp_path: Path, column: str, value: str, kind: str
) -> None:
    record = {"id": "1", "image_uri": "1.jpg", "prompt": "oak", column: value}
    uri = text_file(tmp_path, "csv", [record, {**record, "id": "2", column: ""}])
    said = refusal(uri)
    assert f"column {column!r} must be {kind}, is text such as {value!r}: correct it" in said
    if column != "seed":
        assert errors(planned(uri, f"ignore_columns=[{column}]")) == [None, None]


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_kept_text_stays_as_it_was_written(tmp_path: Path, ending: str) -> None:
    record = {"id": "1", "image_uri": "1.jpg", "prompt": "oak", "gtin": "0012", "day": "2026-01-01"}
    records = [record, {**record, "id": "2", "gtin": "x1", "day": "soon"}]
    found = planned(text_file(tmp_path, ending, records), "keep=[gtin, day]")
    assert found["gtin"].to_pylist() == ["0012", "x1"]
    assert found["day"].to_pylist() == ["2026-01-01", "soon"]
    alone = planned(text_file(tmp_path, ending, records[:1]), "keep=[gtin, day]")
    assert alone.schema == found.schema


def test_values_of_json_lines_keep_their_types(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    base = {"image_uri": "1.jpg", "prompt": "oak"}
    kept: list[dict[str, Any]] = [
        {"n": 2**53 + 1, "x": 1, "b": True, "l": ["a"], "o": {"k": 1}},
        {"n": None, "x": 2.5, "b": None, "l": [], "o": None},
    ]
    lines = [{"id": str(n), **base, **values} for n, values in enumerate(kept)]
    path.write_text("\n".join(map(json.dumps, lines)))
    found = planned(str(path), "keep=[n, x, b, l, o]")
    assert found.select(["n", "x", "b", "l", "o"]).to_pylist() == kept


def test_a_type_that_no_parquet_file_can_hold_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text('{"id": "1", "image_uri": "1.jpg", "prompt": "oak", "extra": {}}\n')
    assert errors(planned(str(path))) == [None]
    said = refusal(str(path), "keep=[extra]")
    assert said.startswith("keep: column 'extra' is struct<>, which a Parquet file cannot hold")


def test_kinds_that_differ_are_refused_where_they_are_used(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    base = {"image_uri": "1.jpg", "prompt": "oak"}
    path.write_text(
        json.dumps({"id": "1", **base, "size": 38}) + "\n"
        + json.dumps({"id": "2", **base, "size": "XL"}) + "\n"
    )  # fmt: skip
    assert errors(planned(str(path))) == [None, None]
    said = f"column 'size' is whole number in {path}, line 1 and text in {path}, line 2"
    for override in ("keep=[size]", "prompt.template='{size}'"):
        assert said in refusal(str(path), override)
    assert said in refusal(str(path), where="size = 38")


def test_columns_of_later_files_ask_for_what_they_ask(
    make_manifest: MakeManifest, tmp_path: Path
) -> None:
    plain_rows = {"image_uri": ["1.jpg"], "prompt": ["oak"]}
    for name, id_ in (("2024-01", "a"), ("2024-03", "c")):
        make_manifest(f"all/{name}.parquet", id=[id_], **plain_rows)
    make_manifest(
        "all/2024-02.parquet",
        id=["b"],
        **plain_rows,
        mask_uri=["m.png"],
        num_results=[3],
        seed=[7],
        channel=["ebay"],
        day=[dt.date(2024, 2, 1)],
    )
    rows = planned(str(tmp_path / "all")).to_pylist()
    assert [row["sample_id"] for row in rows] == ["a", "b/1", "b/2", "b/3", "c"]
    assert [row["seed"] for row in rows[1:4]] == [7, 8, 9]
    assert {row["mask_uri"] for row in rows} == {None, str(tmp_path / "all" / "m.png")}
    assert {row["shot"]["channel"] for row in rows[1:4]} == {"ebay"}


@pytest.mark.parametrize(
    "values",
    [
        pa.nulls(2),
        pa.array([5.0, None]),
        pa.array([5.0, float("nan")]),
        pa.array([Decimal(5), None], pa.decimal128(9, 0)),
        pa.array([5, None], pa.uint64()),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["seed", "num_results"])
def test_whole_numbers_of_any_type_are_integers(
    make_manifest: MakeManifest, name: str, values: pa.Array
) -> None:
    asked = {name: values}
    uri = make_manifest(id=["a", "b"], image_uri=["1.jpg"] * 2, prompt=["oak"] * 2, **asked)
    table = planned(uri)
    assert not any(errors(table))
    if values.null_count < 2 and name == "seed":
        assert table["seed"][0].as_py() == 5
    if values.null_count < 2 and name == "num_results":
        assert table["id"].to_pylist() == ["a"] * 5 + ["b"]


def test_a_seed_with_a_fraction_costs_its_row(make_manifest: MakeManifest) -> None:
    seeds = pa.array([5.5, 6.0, float("inf"), -2.0])
    uri = make_manifest(id=list("abcd"), image_uri=["1.jpg"] * 4, prompt=["oak"] * 4, seed=seeds)
    table = planned(uri)
    assert errors(table) == [
        "bad_request: seed 5.5 is no whole number",
        None,
        "bad_request: seed inf is no whole number",
        "bad_request: seed -2.0 is negative: use 0 or more, or -1",
    ]
    assert table["seed"][1].as_py() == 6


_IMAGES = {
    "as datasets writes it": [("bytes", pa.binary()), ("path", pa.string())],
    "the other way round": [("path", pa.large_string()), ("bytes", pa.large_binary())],
    "views": [("bytes", pa.binary_view()), ("path", pa.string_view())],
    "with more": [("path", pa.string()), ("height", pa.int32()), ("bytes", pa.binary())],
    "no bytes": [("path", pa.string())],
}


@pytest.mark.parametrize("fields", _IMAGES.values(), ids=_IMAGES)
def test_a_hugging_face_image_may_be_a_path(
    tmp_path: Path, make_manifest: MakeManifest, fields: list[tuple[str, pa.DataType]]
) -> None:
    values = [{"path": "photos/1.jpg"}, {"path": "/etc/hostname"}, {"path": None}, None]
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.jpg").write_bytes(b"x")
    uri = make_manifest(
        id=list("abcd"), image=pa.array(values, pa.struct(fields)), prompt=["oak"] * 4
    )
    table = planned(uri)
    assert table["image_uri"].to_pylist() == [
        f"{tmp_path}/photos/1.jpg",
        "/etc/hostname",  # which fetch refuses: it lies outside the manifest's folder
        None,
        None,
    ]
    assert [bool(version) for version in table["image_version"].to_pylist()] == [True] + [False] * 3
    assert [error and error["code"] for error in table["error"].to_pylist()] == [
        None,
        None,
        "bad_request",
        "bad_request",
    ]


def test_bytes_come_before_a_path(make_manifest: MakeManifest) -> None:
    uri = make_manifest(id=["a"], image=[{"bytes": b"x", "path": "1.jpg"}], prompt=["oak"])
    (row,) = planned(uri).to_pylist()
    assert (row["image_input"], row["image_uri"], row["error"]) == (b"x", None, None)


def files(folder: Path, *columns: pa.Array, folders: tuple[str, ...] = ("", "")) -> str:
    """A manifest of a file for each column x, of a row each."""
    for number, (column, below) in enumerate(zip(columns, folders, strict=True)):
        table = pa.table(
            {"id": [f"s{number}"], "image_uri": ["1.jpg"], "prompt": ["oak"], "x": column}
        )
        (folder / "m" / below).mkdir(parents=True, exist_ok=True)
        pq.write_table(table, folder / "m" / below / f"{number}.parquet")
    return str(folder / "m")


LATE = pa.array([dt.datetime(9999, 12, 31)], pa.timestamp("us"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pa.array([2**53 + 1]), pa.array([0.5])),
        (pa.array([2**63], pa.uint64()), pa.array([-1])),
        (LATE, pa.array([dt.datetime(2026, 1, 1)], pa.timestamp("ns"))),
        (pa.array([Decimal("12345678901234567890.1")]), pa.array([0.5])),
        (pa.array([[2**53 + 1]]), pa.array([[0.5]])),
    ],
    ids=lambda array: str(array.type),
)
@pytest.mark.parametrize("use", ["keep=[x]", "prompt.template='{x}'"])
def test_a_value_that_does_not_fit_over_all_files_is_told_before_anything_is_planned(
    tmp_path: Path, one: pa.Array, other: pa.Array, use: str
) -> None:
    uri = files(tmp_path, one, other)
    use = "keep=[x]" if pa.types.is_nested(one.type) else use
    with pytest.raises(ValueError, match=r"0\.parquet: column 'x' is .* over all files"):
        planner(uri, use)
    planned(uri)  # and nobody else is disturbed


def test_what_folders_and_files_disagree_about_is_told_before_anything_is_planned(
    tmp_path: Path,
) -> None:
    two = (pa.array([1]), pa.array([3]))
    uri = files(tmp_path, *two, folders=("x=1", "x=2"))
    with pytest.raises(ValueError, match="'x' holds '3', and its folder says '2'"):
        planner(uri, "keep=[x]")
    planned(uri)


@pytest.mark.parametrize("whole", [pa.int8(), pa.int64(), pa.uint64()], ids=str)
def test_whole_numbers_and_decimals_meet_in_decimals(tmp_path: Path, whole: pa.DataType) -> None:
    largest = 2 ** (whole.bit_width - (not pa.types.is_unsigned_integer(whole))) - 1
    uri = files(tmp_path, pa.array([Decimal("1.5")]), pa.array([largest], whole))
    assert planned(uri, "keep=[x]")["x"].to_pylist() == [Decimal("1.5"), Decimal(largest)]


@pytest.mark.parametrize("name", ["Seed", "SEED", "seed\u200b", "Mask URI", "maskUri", "mask-uri",
                                  "Num_Results", "numResults", "Background color"])  # fmt: skip
def test_a_column_that_is_called_nearly_like_ours_is_not_passed_over(
    make_manifest: MakeManifest, name: str
) -> None:
    uri = make_manifest(**{"id": ["a"], "image_uri": ["1.jpg"], "prompt": ["oak"], name: ["7"]})
    said = refusal(uri)
    assert f"nobody looks at column {name!r}" in said
    meant = said.partition("like '")[2].partition("'")[0]
    assert f"say --map {meant}={name!r}, or" in said
    assert errors(planned(uri, reading=Reading(names=((f"other_{meant}", name),)))) == [None]
    if meant in COLUMNS:
        assert errors(planned(uri, f"ignore_columns=[{meant}]")) == [None]


def test_a_column_that_somebody_looks_at_may_be_called_nearly_like_ours(
    make_manifest: MakeManifest,
) -> None:
    uri = make_manifest(id=["a"], image_uri=["1.jpg"], Prompt=["oak"], Image=["b.jpg"])
    assert "nobody looks at column 'Prompt'" in refusal(uri, "prompt.default=pine")
    assert planned(uri, "prompt.template='{Prompt} table'")["prompt"].to_pylist() == ["oak table"]


@pytest.mark.parametrize("lines", [False, True])
def test_a_photograph_that_is_null_in_every_row_is_none(tmp_path: Path, lines: bool) -> None:
    row = {"id": "a", "image_uri": "1.jpg", "prompt": "oak", "image": None}
    named = {"id": "b", "prompt": "oak", "image": {"bytes": None, "path": "2.jpg"}}
    for number, one in enumerate((row, named)):
        uri = tmp_path / ("m.jsonl" if lines else "m.parquet")
        if lines:  # as datasets writes pictures that it has not opened
            uri.write_text(json.dumps(one))
        else:
            pq.write_table(pa.Table.from_pylist([one]), uri)
        (found,) = planned(str(uri)).to_pylist()
        assert found["error"] is None
        assert found["image_uri"] == f"{tmp_path}/{number + 1}.jpg"


def test_text_beside_the_photographs_address_is_told_how_to_stay(
    make_manifest: MakeManifest,
) -> None:
    uri = make_manifest(id=["a"], image_uri=["1.jpg"], prompt=["oak"], image=["big"])
    assert "--map other_image=image, as image_uri is there as well" in refusal(uri)
    assert errors(planned(uri, reading=Reading(names=(("other_image", "image"),)))) == [None]


@pytest.mark.parametrize(("one", "other"), [([2**53 + 1], [0.5]), ({"x": 0.5}, {"x": 2**53 + 1})])
def test_a_number_within_json_that_fits_no_other_row_is_told_before_anything_is_planned(
    tmp_path: Path, one: Any, other: Any
) -> None:
    for name, x in (("1", one), ("2", other)):
        row = {"id": name, "image_uri": "1.jpg", "prompt": "oak", "x": x}
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row))
    with pytest.raises(ValueError, match=r"[12]\.jsonl, line 1 and after: column 'x' is .*double"):
        planner(str(tmp_path), "keep=[x]")
    assert errors(planned(str(tmp_path))) == [None, None]


@pytest.mark.parametrize(
    "x",
    [
        pa.array([["oak"], []]),
        pa.array([{"a": 1}, None]),
        pa.array([b"oak", None]),
        pa.array([b"oak", None]).dictionary_encode(),
        pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())),
    ],
    ids=lambda array: str(array.type),
)
def test_a_prompt_is_made_of_words(make_manifest: MakeManifest, x: pa.Array) -> None:
    uri = two(make_manifest, x)
    assert "column 'x' is " in (said := refusal(uri, "prompt.template='{x} wall'"))
    assert "of which no words can be made: take another one" in said


def test_a_number_that_is_none_is_null_in_a_template_too(make_manifest: MakeManifest) -> None:
    uri = make_manifest(id=["a", "b"], image_uri=["1.jpg"] * 2, x=[1.5, float("nan")])
    made = planned(uri, "prompt.template='{x} cm'", "prompt.default=oak")
    assert made["prompt"].to_pylist() == ["1.5 cm", "oak"]


@pytest.mark.parametrize(
    "condition", ["random() < 0.5", "id IN (SELECT uuid())", "sleep_ms(1) IS NULL"]
)
def test_a_condition_selects_the_same_rows_each_time(
    make_manifest: MakeManifest, condition: str
) -> None:
    uri = make_manifest(id=["a", "b"], image_uri=["1.jpg"] * 2, prompt=["oak"] * 2)
    assert "() selects other rows each time it is asked: write what stays" in refusal(
        uri, where=condition
    )
    assert planned(uri, where="hash(id) % 100 >= 0 AND current_date > '2020-01-01'").num_rows == 2
