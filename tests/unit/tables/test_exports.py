"""Files of text as shops, spreadsheets and programs write them."""

from __future__ import annotations

import bz2
import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.manifest.reader import open_manifest
from pipeline.tables import parse_reading

ROWS = [("001", "a.jpg", "Küche, hell"), ("002", "b.jpg", 'so "zart"; x|y'), ("3", "c.jpg", None)]


def text(delimiter: str, line_break: str = "\n") -> str:
    def cell(value: str | None) -> str:
        if value and any(sign in value for sign in f'"{delimiter}'):
            value = '"' + value.replace('"', '""') + '"'
        return value or ""

    rows = [("id", "image_uri", "prompt"), *ROWS]
    return "".join(delimiter.join(map(cell, row)) + line_break for row in rows)


def found(path: Path, **said: Any) -> list[tuple[Any, ...]]:
    manifest = open_manifest(str(path), reading=parse_reading([], **said))
    columns = ["id", "image_uri", "prompt"]
    rows = [
        tuple(row.values()) for batch, _ in manifest.batches(columns) for row in batch.to_pylist()
    ]
    assert manifest.count() == len(rows)
    return rows


def refused(path: Path, **said: Any) -> str:
    with pytest.raises(ValueError, match=r"\S") as caught:
        found(path, **said)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["m.csv", "m.tsv", "m.txt"])
def test_delimiters_and_encodings_are_seen(
    tmp_path: Path, delimiter: str, encoding: str, name: str
) -> None:
    (tmp_path / name).write_bytes(text(delimiter, "\r\n").encode(encoding))
    assert found(tmp_path / name) == ROWS


@pytest.mark.parametrize(
    ("header", "row", "delimiter"),
    [
        ("id;image_uri;prompt;price,eur", "1;a;b;3,50", ";"),
        ("id,image_uri,prompt,a|b|c|d|e", "1,a,b,x", ","),
        ("prompt;id;image_uri", 'b;"1";a', ";"),
        ('"id"|"image_uri"|"prompt; oh"|"prompt"', "1|a|c|b", "|"),
        ("x;y,id,image_uri,prompt", "z,1,a,b", ","),
    ],
)
def test_what_stands_beside_the_id_separates(
    tmp_path: Path, header: str, row: str, delimiter: str
) -> None:
    path = tmp_path / "m.csv"
    path.write_text(f"{header}\n{row}\n")
    assert found(path) == [("1", "a", "b")]
    assert found(path, delimiter=delimiter) == [("1", "a", "b")]


def test_what_excel_adds_is_no_row_and_no_column(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(
        b"\xef\xbb\xbfsep=;\r\n;;;;\r\nid;image_uri;prompt;;\r\n1;a;b;;\r\n2;c\r\n2;e;f;;;;\r\n"
        b" ; ;;;\r\n;;;;\r\n"
    )
    assert "line 5: 2 values, and the header names 5 columns" in refused(path)
    path.write_bytes(path.read_bytes().replace(b"2;c\r\n", b""))
    assert found(path) == [("1", "a", "b"), ("2", "e", "f")]
    assert open_manifest(str(path)).schema.names == ["id", "image_uri", "prompt"]


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "sep=\t", "sep=^"])
def test_excels_own_line_says_what_separates_and_lines_are_counted(
    tmp_path: Path, first: str
) -> None:
    path, sign = tmp_path / "m.csv", first.strip('"')[-1]
    path.write_text(f"{first}\n" + text(sign))
    assert found(path) == ROWS
    path.write_text(f"{first}\n" + text(sign) + f'x{sign}y{sign}"open\n')
    assert ", line 6: a double quote is opened" in refused(path)


def test_each_file_of_a_folder_has_its_own_way(tmp_path: Path) -> None:
    for number, (delimiter, encoding) in enumerate(
        [(";", "utf-16"), (",", "utf-8"), ("\t", "utf-8")]
    ):
        rows = text(delimiter).replace("00", f"{number}0")
        (tmp_path / f"{number}.csv").write_bytes(
            rows.replace("\n3", f"\n3{number}").encode(encoding)
        )
    assert len(found(tmp_path)) == 9
    said = refused(tmp_path, delimiter=",", encoding="utf-8")
    assert f"{tmp_path}/0.csv: 'comma' separates nothing in its first line, 'id;image_uri" in said
    assert "say what does, such as --csv-delimiter ';'" in said


@pytest.mark.parametrize(
    ("encoding", "told"),
    [
        ("cp1252", "windows-1252"),
        ("latin-1", "latin-1"),
        ("utf-16-le", "utf-16-le"),
        ("mac-roman", "mac-roman"),
    ],
)
def test_an_encoding_that_is_told_is_taken(tmp_path: Path, encoding: str, told: str) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(text(";").encode(encoding))
    assert found(path, encoding=told) == ROWS


def test_bytes_that_an_encoding_has_not_cost_their_row(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(b"id,image_uri,prompt\n1,a,\x81\n2,b,K\xfcche\n")
    manifest = open_manifest(str(path), reading=parse_reading([], encoding="cp1252"))
    ((batch, faults),) = manifest.batches(["id", "prompt"])
    assert batch.to_pylist()[1] == {"id": "2", "prompt": "Küche"}
    assert faults == {0: "prompt holds bytes that are no cp1252: correct them"}


def test_that_a_file_may_be_in_another_encoding_is_said_with_the_option(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(text(",").encode("cp1252"))
    ((batch, faults),) = open_manifest(str(path)).batches(["id", "prompt"])
    assert batch.num_rows == 3
    assert list(faults) == [0]
    assert faults[0] == (
        "prompt holds bytes that are no UTF-8: write it in UTF-8, or say what all of the file is, "
        "such as --csv-encoding cp1252"
    )


def packed(name: str, data: bytes) -> bytes:
    if name.endswith((".gz", ".gzip")):
        return gzip.compress(data)
    if name.endswith(".bz2"):
        return bz2.compress(data)
    if name.endswith((".zst", ".zstd")):
        return pa.compress(data, "zstd", asbytes=True)
    return data


@pytest.mark.parametrize(
    "name", ["m.csv.gz", "m.tsv.gz", "m.txt.gz", "m.csv.bz2", "m.csv.zst", "m.csv.gzip", "M.CSV.GZ"]
)
def test_packed_text_is_unpacked(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(packed(name.lower(), text(",").encode()))
    assert found(tmp_path / name) == ROWS


def objects(*, key: str = "id") -> list[dict[str, Any]]:
    return [{key: id_, "image_uri": uri, "prompt": prompt} for id_, uri, prompt in ROWS]


LAYOUTS = {
    "lines": "".join(json.dumps(row) + "\n" for row in objects()),
    "list": json.dumps(objects()),
    "indented list": json.dumps(objects(), indent=2),
    "a row a line in a list": "[\n" + ",\n".join(map(json.dumps, objects())) + "\n]\n",
    "indented objects": "\n".join(json.dumps(row, indent=4) for row in objects()),
    "two lists": json.dumps(objects()[:1]) + "\n\n" + json.dumps(objects()[1:]) + "\n",
    "tabs and carriage returns": json.dumps(objects(), indent="\t").replace("\n", "\r\n"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["m.json", "m.jsonl", "m.ndjson.gz", "m.json.gz", "m.jsonl.zst"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_is_read_however_it_is_laid_out(
    tmp_path: Path, layout: str, name: str, encoding: str
) -> None:
    (tmp_path / name).write_bytes(packed(name, LAYOUTS[layout].encode(encoding)))
    assert found(tmp_path / name) == ROWS


def test_one_object_is_one_row(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(json.dumps(objects()[0], indent=1))
    assert found(tmp_path / "m.json") == ROWS[:1]


def test_objects_in_a_list_may_be_longer_than_what_is_read_at_once(tmp_path: Path) -> None:
    rows = [{"id": str(n), "image_uri": "x" * (n * 700_000), "prompt": "a"} for n in range(5)]
    (tmp_path / "m.json").write_text(json.dumps(rows, indent=1))
    assert [len(row[1]) for row in found(tmp_path / "m.json")] == [n * 700_000 for n in range(5)]


def test_all_members_of_a_packed_file_are_read(tmp_path: Path) -> None:
    head, *rest = text(",").splitlines(keepends=True)
    path = tmp_path / "m.csv.gz"
    path.write_bytes(b"".join(gzip.compress(part.encode()) for part in [head, *rest]))
    assert found(path) == ROWS


@pytest.mark.parametrize("name", ["m.csv.gz", "m.csv.bz2", "m.csv.zst", "m.jsonl.gz", "m.json.gz"])
def test_a_packed_file_that_is_cut_off_is_no_short_table(tmp_path: Path, name: str) -> None:
    if "json" in name:
        whole = "".join(json.dumps({**objects()[0], "id": str(n)}) + "\n" for n in range(9000))
    else:
        whole = "id,image_uri\n" + "".join(f"{n},{n * 7919 % 9000}.jpg\n" for n in range(9000))
    data = packed(name, whole.encode())
    path = tmp_path / name
    path.write_bytes(data)
    assert open_manifest(str(path)).count() == 9000
    for cut in (len(data) - 1, len(data) - 9, len(data) // 2, 40):
        path.write_bytes(data[:cut])
        with pytest.raises(ValueError, match=f"{path}: (is cut off|cannot be read)"):
            open_manifest(str(path)).count()


@pytest.mark.parametrize("is_late", [True, False])
def test_a_packed_file_that_unpacks_without_end_is_refused_in_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_late: bool
) -> None:
    monkeypatch.setattr("pipeline.tables.text_files.streams._UNPACKED_FREELY", 16 * 2**20)
    path = tmp_path / "m.csv.gz"
    rows = text(",").encode() if is_late else b""
    path.write_bytes(gzip.compress(rows + (b" " * 2000 + b"\n") * 20_000))
    tracemalloc.start()
    said = refused(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert f"{path}: unpacks to more than 200 times its size" in said
    assert peak < 16 * 2**20


def test_what_is_packed_is_seen_whatever_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(gzip.compress(text(",").encode()))
    assert found(tmp_path / "m.csv") == ROWS
    (tmp_path / "n.csv.gz").write_text(text(","))
    assert found(tmp_path / "n.csv.gz") == ROWS
    (tmp_path / "o.csv.gz").write_bytes(gzip.compress(b"PK\3\4 a workbook"))
    assert "o.csv.gz: is an Excel workbook or a zip archive" in refused(tmp_path / "o.csv.gz")


@pytest.mark.parametrize("name", ["m.parquet", "m.jsonl"])
def test_what_is_said_of_csv_is_refused_elsewhere(tmp_path: Path, name: str) -> None:
    table = pa.table({"id": ["1"], "image_uri": ["a"], "prompt": ["b"]})
    if name.endswith("parquet"):
        pa.parquet.write_table(table, tmp_path / name)
    else:
        (tmp_path / name).write_text(json.dumps(table.to_pylist()[0]))
    for said in ({"delimiter": ";"}, {"encoding": "cp1252"}):
        assert "--csv-delimiter and --csv-encoding are for CSV" in refused(tmp_path / name, **said)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"delimiter": ""}, "--csv-delimiter '': give one character"),
        ({"encoding": "idna"}, "--csv-encoding 'idna': there is no such encoding"),
        ({"encoding": "punycode"}, "--csv-encoding 'punycode': there is no such encoding"),
        (
            {"delimiter": ";;"},
            "--csv-delimiter ';;': give one character, such as ';', or a name: tab",
        ),
        ({"delimiter": '"'}, "--csv-delimiter '\"': give one character"),
        ({"delimiter": "\n"}, "--csv-delimiter '\\n': give one character"),
        ({"encoding": "cp-1252-x"}, "--csv-encoding 'cp-1252-x': there is no such encoding; name"),
        ({"encoding": ""}, "--csv-encoding '': there is no such encoding"),
        ({"encoding": "hex"}, "--csv-encoding 'hex': there is no such encoding"),
        ({"encoding": "rot13"}, "--csv-encoding 'rot13': there is no such encoding"),
        ({"encoding": "a\0b"}, "--csv-encoding 'a\\x00b': there is no such encoding"),
    ],
)
def test_options_that_say_nothing_are_refused(said: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=r"\S") as caught:
        parse_reading([], **said)
    assert str(caught.value).startswith(message)


def test_delimiters_have_names() -> None:
    signs = [
        parse_reading([], delimiter=one).csv_delimiter
        for one in ("tab", "TAB", "\\t", "\t", "pipe")
    ]
    assert signs == ["\t", "\t", "\t", "\t", "|"]


def test_a_mark_in_the_file_is_more_certain_than_what_is_said_of_all(tmp_path: Path) -> None:
    rows = "id,image_uri,prompt\n{},a.jpg,Küche\n"
    marked = {"a": "utf-8-sig", "b": "utf-16", "c": "cp1252"}
    for name, encoding in marked.items():
        (tmp_path / f"{name}.csv").write_bytes(rows.format(name).encode(encoding))
    reading = parse_reading([], encoding="cp1252")
    manifest = open_manifest(str(tmp_path), reading=reading)
    read = [row for batch, _ in manifest.batches(["id", "prompt"]) for row in batch.to_pylist()]
    assert read == [{"id": name, "prompt": "Küche"} for name in marked]


def test_an_encoding_that_the_file_has_not_is_told(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("id,image_uri\n1,a.jpg\n")
    with pytest.raises(ValueError, match=r"is no utf-16: .* say another --csv-encoding, or none"):
        open_manifest(str(tmp_path / "m.csv"), reading=parse_reading([], encoding="utf-16"))


@pytest.mark.parametrize(
    "whole",
    [
        {"id": ["a", "b"], "image_uri": ["1", "2"]},
        {"columns": ["id", "image_uri"], "index": [0], "data": [["a", "1"]]},
    ],
)
def test_json_by_columns_is_told_from_rows(tmp_path: Path, whole: Any) -> None:
    (tmp_path / "m.json").write_text(json.dumps(whole))
    said = refused(tmp_path / "m.json")
    assert "line 1: is no row; it holds the columns of all: write a list" in said


def test_a_folder_of_other_files_is_not_called_empty(tmp_path: Path) -> None:
    (tmp_path / "20261101_ab.gz").write_bytes(gzip.compress(b"id,image_uri\n1,a.jpg\n"))
    (tmp_path / "0000_part_00").write_text("id|image_uri\n1|a.jpg\n")
    assert "no table there, by the ending of 2 files such as 0000_part_00; name a" in refused(
        tmp_path
    )
