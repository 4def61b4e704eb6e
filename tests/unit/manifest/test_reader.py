from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.manifest.reader import open_manifest
from pipeline.manifest.rows import Manifest
from pipeline.tables import Reading
from tests.conftest import MakeManifest


def rows(manifest: Manifest, *columns: str) -> list[dict[str, Any]]:
    return [row for batch, _ in manifest.batches(columns) for row in batch.to_pylist()]


def ids(manifest: Manifest) -> list[str]:
    return [row["id"] for row in rows(manifest, "id")]


def refusal(uri: str | Path, **how: Any) -> str:
    """What is said when a manifest is refused, now or once its ids are read."""
    with pytest.raises(ValueError, match=r"\S") as caught:
        open_manifest(str(uri), **how).unsound_ids()
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture
def catalogue(make_manifest: MakeManifest) -> str:
    return make_manifest(
        id=["a", "b", "c", "d"],
        image_uri=["1.jpg", "2.jpg", "3.jpg", "4.jpg"],
        brand=["Acme", "O'Hara", None, "Acme"],
        price=[10, 20, 30, 40],
    )


def test_a_parquet_file(catalogue: str) -> None:
    manifest = open_manifest(catalogue)
    assert ids(manifest) == ["a", "b", "c", "d"]
    assert manifest.count() == 4
    assert manifest.root == str(Path(catalogue).parent)


def test_only_the_columns_asked_for_are_read_in_their_order(catalogue: str) -> None:
    (first, *_) = rows(open_manifest(catalogue), "price", "id")
    assert list(first.items()) == [("price", 10), ("id", "a")]


def test_a_folder_is_all_its_files_in_order_of_their_names(
    make_manifest: MakeManifest, tmp_path: Path
) -> None:
    make_manifest("all/b.parquet", id=["3"], image_uri=["x"])
    make_manifest("all/a.parquet", id=["1", "2"], image_uri=["x", "x"])
    make_manifest("all/deeper/c.PARQUET", id=["4"], image_uri=["x"])
    (tmp_path / "all" / "_SUCCESS").touch()
    (tmp_path / "all" / "notes.txt").write_text("not a manifest")
    manifest = open_manifest(str(tmp_path / "all"))
    assert ids(manifest) == ["1", "2", "3", "4"]
    assert manifest.root == str(tmp_path / "all")


def test_a_pattern_is_the_files_that_match_and_its_root_the_folder_before_it(
    make_manifest: MakeManifest, tmp_path: Path
) -> None:
    for name in ("shop-1", "shop-2", "other"):
        make_manifest(f"all/{name}.parquet", id=[name], image_uri=["x"])
    manifest = open_manifest(str(tmp_path / "all" / "shop-*.parquet"))
    assert ids(manifest) == ["shop-1", "shop-2"]
    assert manifest.root == str(tmp_path / "all")
    deeper = open_manifest(str(tmp_path / "*" / "other.parquet"))
    assert ids(deeper) == ["other"]
    assert deeper.root == str(tmp_path)


def test_a_path_may_be_relative_or_a_file_uri(
    catalogue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(catalogue).parent)
    relative, uri = open_manifest("manifest.parquet"), open_manifest(f"file://{catalogue}")
    assert relative.uri == uri.uri == catalogue
    assert relative.root == uri.root == str(Path(catalogue).parent)


def test_csv_text_stays_text_and_only_nothing_is_null(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text(
        "id,image_uri,prompt,brand,seed\n"
        "00123,1.jpg,,NA,7\n"
        "1e5,2.jpg,null,,\n"
        'NA,3.jpg,"red, ""loud""",nan,-1\n'
        "2024-01-01,4.jpg,true,x,9\n"
    )
    found = rows(open_manifest(str(path)), "id", "prompt", "brand", "seed")
    assert [row["id"] for row in found] == ["00123", "1e5", "NA", "2024-01-01"]
    assert [row["prompt"] for row in found] == [None, "null", 'red, "loud"', "true"]
    assert [row["brand"] for row in found] == ["NA", None, "nan", "x"]
    assert [row["seed"] for row in found] == ["7", None, "-1", "9"]


def test_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    lines = [{"id": "007", "image_uri": "1.jpg", "seed": 3}, {"id": "8", "image_uri": "2.jpg"}]
    path.write_text("\n".join(map(json.dumps, lines)))
    assert rows(open_manifest(str(path)), "id", "seed") == [
        {"id": "007", "seed": 3},
        {"id": "8", "seed": None},
    ]


@pytest.mark.parametrize(
    "type_", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())], ids=str
)
def test_ids_may_be_stored_in_any_kind_of_text(
    make_manifest: MakeManifest, type_: pa.DataType
) -> None:
    text = pa.array(["x", "y", "x"]).cast(type_)
    uri = make_manifest(id=text, image_uri=text, prompt=text)
    manifest = open_manifest(uri)
    assert ids(manifest) == ["x", "y", "x"]
    assert manifest.unsound_ids() == [("x", 2)]


@pytest.mark.parametrize("type_", [pa.binary(), pa.large_binary()], ids=str)
def test_photographs_may_come_along_as_bytes(
    make_manifest: MakeManifest, type_: pa.DataType
) -> None:
    uri = make_manifest(id=["a"], image=pa.array([b"\xff\xd8"], type_))
    assert rows(open_manifest(uri), "image") == [{"image": b"\xff\xd8"}]


def test_photographs_may_come_along_as_a_hugging_face_image(make_manifest: MakeManifest) -> None:
    images = pa.array(
        [{"bytes": b"\xff\xd8", "path": "1.jpg"}, None],
        pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    )
    found = rows(open_manifest(make_manifest(id=["a", "b"], image=images)), "image")
    assert found == [{"image": {"bytes": b"\xff\xd8", "path": "1.jpg"}}, {"image": None}]


def test_names_of_columns_are_taken_as_they_are(make_manifest: MakeManifest) -> None:
    name = 'shelf "A"; order by'
    uri = make_manifest(**{"id": ["a"], "image_uri": ["x"], name: ["top"]})
    assert rows(open_manifest(uri), name) == [{name: "top"}]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"sku": ["a"], "image_uri": ["x"]}, r"column 'id' is missing (there are ['sku', 'im"),
        ({"id": ["a"]}, "column 'image_uri' (or 'image' with the bytes) is missing"),
        ({"id": [True], "image_uri": ["x"]}, "column 'id' must be string, is bool: cast it"),
        ({"id": [date(2026, 11, 28)], "image_uri": ["x"]}, "'id' must be string, is date32[day]"),
        ({"id": ["a"], "image_uri": [1.5]}, "column 'image_uri' must be string, is double"),
        ({"id": ["a"], "image_uri": ["x"], "prompt": [True]}, "'prompt' must be string, is bool"),
        ({"id": ["a"], "image_uri": ["x"], "seed": ["7"]}, "'seed' must be an integer, is string"),
        ({"id": ["a"], "image_uri": ["x"], "seed": [True]}, "'seed' must be an integer, is bool"),
        ({"id": ["a"], "image": ["x"]}, "rename it, such as with --map image_uri=image"),
        ({"id": ["a"], "image": [[1, 2]]}, "column 'image' must be binary (or a struct with"),
        ({"id": ["a"], "image": [{"data": b"x"}]}, "column 'image' must be binary (or a struct"),
        ({"ID": ["a"], "id": ["b"], "image_uri": ["x"]}, "such as --map other_ID='ID'"),
    ],
)
def test_columns_that_cannot_be_used_are_refused(
    make_manifest: MakeManifest, columns: dict[str, Sequence[Any]], message: str
) -> None:
    uri = make_manifest(**columns)
    refused = refusal(uri)
    assert uri in refused
    assert message in refused


def test_a_column_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    twice = pa.table([["a"], ["x"], ["y"]], names=["id", "image_uri", "image_uri"])
    pq.write_table(twice, tmp_path / "m.parquet")
    assert "column 'image_uri' is twice in" in refusal(tmp_path / "m.parquet")


def test_where_selects_rows(catalogue: str) -> None:
    manifest = open_manifest(catalogue, where="brand = 'Acme' OR price BETWEEN 15 AND 25")
    assert ids(manifest) == ["a", "b", "d"]
    assert manifest.count() == 3


@pytest.mark.parametrize(
    ("where", "selected"),
    [
        ("brand = 'O''Hara'", ["b"]),
        ("brand IS NULL", ["c"]),
        ("price > (SELECT max(x) FROM (VALUES (15), (20)) AS prices (x))", ["c", "d"]),
        ("brand LIKE '%--%' OR brand = '; /*' OR price = 10", ["a"]),
        ("id IN ('a', 'zz')", ["a"]),
        ("false", []),
    ],
)
def test_where_is_sql(catalogue: str, where: str, selected: list[str]) -> None:
    manifest = open_manifest(catalogue, where=where)
    assert ids(manifest) == selected
    assert manifest.count() == len(selected)


@pytest.mark.parametrize(("limit", "selected"), [(1, ["a"]), (3, ["a", "b", "d"]), (9, None)])
def test_limit_takes_the_first_of_those_that_where_selects(
    catalogue: str, limit: int, selected: list[str] | None
) -> None:
    manifest = open_manifest(catalogue, where="brand IS NOT NULL", limit=limit)
    assert ids(manifest) == (selected or ["a", "b", "d"])
    assert manifest.count() == len(selected or ["a", "b", "d"])


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("brand =", "syntax error"),
        ("", "is empty"),
        (" \n", "is empty"),
        ("colour = 'red'", '"colour" not found'),
        ("price > 'many'", "Could not convert string"),
        ("brand", "Could not convert string"),
        ("count(*) > 1", "aggregates"),
        ("true) --", "without comments"),
        ("true) LIMIT (1", "syntax error"),
        ("id IN (SELECT id FROM somewhere)", "somewhere does not exist"),
        ("id IN (SELECT id FROM manifest)", "manifest does not exist"),
    ],
)
def test_a_condition_that_makes_no_sense_is_one_line_that_quotes_it(
    catalogue: str, where: str, message: str
) -> None:
    refused = refusal(catalogue, where=where)
    assert f"--where {where!r}" in refused
    assert message in refused


@pytest.mark.parametrize(
    "source",
    [
        "read_text('{}')",
        "read_csv('{}')",
        "'{}'",
        "glob('/*')",
        "pandas_frame",
        "duckdb_secrets() WHERE load_aws_credentials()",
    ],
)
def test_a_condition_cannot_read_anything_else(catalogue: str, tmp_path: Path, source: str) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("id\na\n")
    source = source.format(secret)
    refused = refusal(catalogue, where=f"id IN (SELECT * FROM {source})")
    assert "Permission Error" in refused or "Catalog Error" in refused


def test_a_value_the_condition_stumbles_over_far_into_the_rows_is_one_line(
    make_manifest: MakeManifest,
) -> None:
    count = 500_000
    sizes = pa.array(["1"] * (count - 1) + ["XL"])
    names = pa.array(range(count)).cast(pa.string())
    uri = make_manifest(id=names, image_uri=names, size=sizes)
    manifest = open_manifest(uri, where="CAST(size AS INT) = 1")
    with pytest.raises(ValueError, match=r"--where 'CAST.*Could not convert string 'XL'") as caught:
        rows(manifest, "id")
    assert "\n" not in str(caught.value)


def test_doubled_and_missing_ids_are_found_among_the_selected_rows_only(
    make_manifest: MakeManifest,
) -> None:
    uri = make_manifest(
        id=["a", "b", "a", None, None, None, "c"], image_uri=["x"] * 7, n=[1, 1, 2, 2, 2, 2, 3]
    )
    assert open_manifest(uri).unsound_ids() == [(None, 3), ("a", 2)]
    assert open_manifest(uri, where="n = 2").unsound_ids() == [(None, 3)]
    assert open_manifest(uri, where="n = 1").unsound_ids() == []
    assert open_manifest(uri, limit=2).unsound_ids() == []


def test_a_single_missing_id_is_unsound(make_manifest: MakeManifest) -> None:
    uri = make_manifest(id=["a", None], image_uri=["x", "x"])
    assert open_manifest(uri).unsound_ids() == [(None, 1)]


@pytest.mark.parametrize("where", ["absent.parquet", "empty", "no-*.parquet"])
def test_nothing_there_is_said_with_what_would_be_right(tmp_path: Path, where: str) -> None:
    (tmp_path / "empty").mkdir()
    refused = refusal(tmp_path / where)
    assert str(tmp_path / where) in refused
    assert "nothing there; name a Parquet, CSV or JSON Lines file" in refused


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.xlsx", b"PK", "['.xlsx'] is not a manifest format: save it as CSV in UTF-8 (use .par"),
        ("m.avro", b"Obj", "['.avro'] is not a manifest format: write it as Parquet"),
        ("m.parquet.gz", b"\x1f\x8b", "['.parquet'] is packed, as a whole: unpack it"),
        ("m.csv.xz", b"\xfd7zXZ", "['.xz'] is not a manifest format: unpack it"),
        (
            "manifest",
            b"id",
            "a name without an ending says no format, and it is no Parquet file: u",
        ),
        ("m.gz", b"\x1f\x8b", "a name without an ending says no format"),
        ("m.csv.br", b"\x0b", "['.br'] is not a manifest format: unpack it, or pack it by gzip"),
        ("m.bak", b"id", "['.bak'] is not a manifest format: use .parquet, .pq, .parq, .csv, .tsv"),
        ("m.parquet", b"id,image_uri\n", "it is no Parquet file: call it what it is, such as .csv"),
        ("m.parquet", b"", "not readable as parquet: it is empty: copy it here again"),
        (
            "m.parquet",
            b"PAR1cut",
            "not readable as parquet: it is cut off, or damaged: copy it here",
        ),
        (
            "m.parquet",
            b"PAREsecret",
            "not readable as parquet: it is encrypted: write it in the cl",
        ),
        ("m.parquet", b"ORC", "not readable as parquet: it is an ORC file: write it as Parquet"),
        (
            "m.parquet",
            b"version https://git-lfs.github.com/spec/v1\n",
            "fetch that, by git lfs pull",
        ),
        ("m.csv", b"", "not readable as csv"),
        ("m.jsonl", b"", "not readable as json"),
        ("m.jsonl", b'{"id": ', "not readable as json"),
    ],
)
def test_what_is_no_manifest_is_refused(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    assert message in refusal(tmp_path / name)


def test_mixed_formats_are_refused(make_manifest: MakeManifest, tmp_path: Path) -> None:
    make_manifest("all/a.parquet", id=["1"], image_uri=["x"])
    (tmp_path / "all" / "b.csv").write_text("id,image_uri\n2,x\n")
    assert "mixes ['.csv', '.parquet']: keep one format" in refusal(tmp_path / "all")


def test_a_torn_file_among_good_ones_is_named(make_manifest: MakeManifest, tmp_path: Path) -> None:
    make_manifest("all/a.parquet", id=["1"], image_uri=["x"])
    torn = tmp_path / "all" / "b.parquet"
    torn.write_bytes((tmp_path / "all" / "a.parquet").read_bytes()[:-20])
    assert str(torn) in refusal(tmp_path / "all")


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_a_folder_has_the_columns_of_all_its_files(tmp_path: Path, ending: str) -> None:
    first = [{"id": "a", "image_uri": "1.jpg"}]
    second = [{"mask_uri": "m.png", "id": "b", "image_uri": "2.jpg", "channel": "ebay"}]
    for order in (("1", "2"), ("2", "1")):
        for name, records in zip(order, (first, second), strict=True):
            _write(tmp_path / f"{order[0]}" / f"{name}.{ending}", records)
        manifest = open_manifest(str(tmp_path / order[0]))
        found = {row["id"]: row for row in rows(manifest, "id", "mask_uri", "channel")}
        assert found == {
            "a": {"id": "a", "mask_uri": None, "channel": None},
            "b": {"id": "b", "mask_uri": "m.png", "channel": "ebay"},
        }
        assert ids(open_manifest(str(tmp_path / order[0]), where="channel = 'ebay'")) == ["b"]


def _write(path: Path, records: list[dict[str, Any]]) -> None:
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(records), path)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, records)))
    else:
        lines = [records[0].keys(), *(record.values() for record in records)]
        path.write_text("\n".join(",".join(map(str, line)) for line in lines))


def test_types_that_do_not_fit_together_are_refused_where_they_are_used(
    make_manifest: MakeManifest, tmp_path: Path
) -> None:
    columns = {"id": ["a"], "image_uri": ["1.jpg"]}
    one = make_manifest("all/1.parquet", **columns, size=[38], seed=pa.array([1], pa.int8()))
    other = make_manifest("all/2.parquet", **columns, size=["XL"], seed=[2**40])
    folder = str(tmp_path / "all")
    said = f"column 'size' is int64 in {one} and string in {other}: cast one of them"
    manifest = open_manifest(folder)
    assert [row["seed"] for row in rows(manifest, "seed")] == [1, 2**40]
    with pytest.raises(ValueError, match="column 'size'") as caught:
        manifest.field("size")
    assert said in str(caught.value)
    assert said in refusal(folder, where="size > 3")
    make_manifest("all/3.parquet", **columns, seed=["7"])
    assert "column 'seed' is int8 in" in refusal(folder)
    assert "string in" in refusal(folder)


def test_columns_that_a_condition_cannot_read_matter_to_that_alone(
    make_manifest: MakeManifest,
) -> None:
    uri = make_manifest(
        id=["a", "b"],
        image_uri=["1.jpg", "2.jpg"],
        n=[1, 2],
        wide=pa.nulls(2, pa.decimal256(60, 2)),
        narrow=pa.array([1.5, 2.5], pa.float64()).cast(pa.float16()),
        lists=pa.nulls(2, pa.list_(pa.float16())),
    )
    assert ids(open_manifest(uri, where="n > 1")) == ["b"]
    assert ids(open_manifest(uri, where="narrow < 2")) == ["a"]
    assert ids(open_manifest(uri, where="COLUMNS('n.*') > 1.6")) == ["b"]
    for name, type_ in (("wide", "decimal256(60, 2)"), ("lists", "list<")):
        refused = refusal(uri, where=f"{name} IS NULL")
        assert f"column {name!r} is {type_}" in refused
        assert "which a condition cannot read: cast it" in refused


def test_text_of_a_csv_is_compared_as_what_all_of_it_is(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    rows_ = [f"i{n},x.jpg,{n},00{n}" for n in range(10_000)]
    path.write_text("\n".join(["id,image_uri,price,sku", *rows_]))
    assert ids(open_manifest(str(path), where="price >= 9998")) == ["i9998", "i9999"]
    assert ids(open_manifest(str(path), where="sku = '0012'")) == ["i12"]
    assert ids(open_manifest(str(path), where="sku LIKE '0012%'"))[:2] == ["i12", "i120"]
    path.write_text("\n".join(["id,image_uri,price,sku", *rows_, "x,x.jpg,on request,1"]))
    assert ids(open_manifest(str(path), where="price = 'on request'")) == ["x"]


def test_bytes_that_are_no_utf8_matter_to_their_row_alone(make_manifest: MakeManifest) -> None:
    torn = pa.array([b"good", b"K\xfcche", None], pa.binary()).view(pa.string())
    good = pa.array(["a", "b", "c"])
    uri = make_manifest(id=good, image_uri=good, title=torn)
    assert ids(open_manifest(uri)) == ["a", "b", "c"]
    assert ids(open_manifest(uri, where="title LIKE 'K%' OR title IS NULL")) == ["b", "c"]
    ((batch, faults),) = open_manifest(uri).batches(["id", "title"])
    assert faults == {1: "title holds bytes that are no UTF-8: write it in UTF-8"}
    assert batch.column(1).to_pylist() == ["good", r"K\xfcche", None]
    uri = make_manifest(id=torn, image_uri=good)
    assert open_manifest(uri).unsound_ids() == [(None, 1)]
    assert ids(open_manifest(uri, limit=2)) == ["good", r"K\xfcche"]


@pytest.mark.parametrize(("limit", "where"), [(7, None), (7, "n % 3 = 0"), (None, "n % 3 = 0")])
def test_rows_are_selected_in_order_over_many_batches(
    tmp_path: Path, limit: int | None, where: str | None
) -> None:
    for file in range(5):
        numbers = range(file * 7000, (file + 1) * 7000)
        names = [f"{n}" for n in numbers]
        table = pa.table({"id": names, "image_uri": names, "n": list(numbers)})
        pq.write_table(table, tmp_path / f"{file}.parquet", row_group_size=999)
    expected = [f"{n}" for n in range(35_000) if where is None or n % 3 == 0][:limit]
    manifest = open_manifest(str(tmp_path), where=where, limit=limit)
    assert ids(manifest) == expected
    assert manifest.count() == len(expected)
    assert not manifest.is_empty()


def test_a_storage_that_is_not_supported_is_refused() -> None:
    assert "scheme 'ftp' is not supported" in refusal("ftp://host/manifest.parquet")


def test_opening_reads_no_rows(make_manifest: MakeManifest) -> None:
    uri = make_manifest(id=["a", "a"], image_uri=["x", "x"])
    assert open_manifest(uri).schema.names == ["id", "image_uri"]


@pytest.mark.parametrize("uri", ["", "  "])
def test_a_manifest_that_is_named_by_nothing_is_not_the_folder_we_are_in(uri: str) -> None:
    with pytest.raises(ValueError, match="the manifest is named by nothing: give"):
        open_manifest(uri)


@pytest.mark.parametrize("name", ["id", "image_uri", "prompt", "seed", "mask_uri", "num_results"])
def test_a_name_of_ours_with_blanks_around_it_is_told(tmp_path: Path, name: str) -> None:
    header = ["id", "image_uri", "prompt", "seed", "mask_uri", "num_results", " other "]
    path = tmp_path / "m.csv"
    path.write_text(
        ",".join(f" {one}" if one == name else one for one in header) + "\n1,2,3,4,5,6,7\n"
    )
    assert f"the column ' {name}' has blanks around its name: take them out" in refusal(path)
    reading = Reading(names=((name, f" {name}"),))
    assert open_manifest(str(path), reading=reading).count() == 1
