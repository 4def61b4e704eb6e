from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from pipeline.tables import Reading, Table, open_table
from pipeline.tables.text_files.streams import BATCH_ROWS


def write(folder: Path, **files: str | bytes) -> list[str]:
    for name, text in files.items():
        path = folder / f"{name}.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return [str(folder / f"{name}.csv") for name in files]


def rows(table: Table, *columns: str) -> list[dict[str, Any]]:
    return [row for batch in table.batches(columns) for row in batch.to_pylist()]


def read(folder: Path, text: str | bytes, *columns: str) -> list[tuple[Any, ...]]:
    table = open_table(write(folder, m=text), "CSV")
    found = [tuple(row.values()) for row in rows(table, *(columns or table.schema.names))]
    assert table.count() == len(found)
    return found


def refusal(folder: Path, text: str | bytes) -> str:
    with pytest.raises(ValueError, match=r"\S") as caught:
        read(folder, text)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(folder / "m.csv"))
    return message.removeprefix(str(folder / "m.csv"))


def test_every_value_is_text_as_it_stands_there(tmp_path: Path) -> None:
    text = "id,n,d\n00123,1e5,2026-01-01\nNA,true,\n, null ,-0\n"
    assert read(tmp_path, text) == [
        ("00123", "1e5", "2026-01-01"),
        ("NA", "true", None),
        (None, " null ", "-0"),
    ]


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["", "\n", "\n\n\n"])
def test_files_as_programs_write_them(tmp_path: Path, line_break: str, mark: str, end: str) -> None:
    text = mark + '\n\n"id",p\n1,"a ""b"", c"\n\n2,"two\nlines"\n3,5" pipe' + end
    found = read(tmp_path, text.replace("\n", line_break))
    assert [(id_, p.replace(line_break, "\n")) for id_, p in found] == [
        ("1", 'a "b", c'),
        ("2", "two\nlines"),
        ("3", '5" pipe'),
    ]


def test_files_have_columns_of_their_own_in_any_order(tmp_path: Path) -> None:
    files = write(tmp_path, a="id,x\n1,one\n", b="seed,id\n7,2\n", c="id\n3\n")
    table = open_table(files, "CSV")
    assert table.schema.names == ["id", "x", "seed"]
    assert table.untyped == {"id", "x", "seed"}
    assert rows(table, "seed", "id") == [
        {"seed": None, "id": "1"},
        {"seed": "7", "id": "2"},
        {"seed": None, "id": "3"},
    ]


def test_rows_come_a_few_at_a_time(tmp_path: Path) -> None:
    count = 2 * BATCH_ROWS + 1
    text = "id\n" + "".join(f"{n}\n" for n in range(count))
    table = open_table(write(tmp_path, m=text), "CSV")
    assert [batch.num_rows for batch in table.batches(["id"])] == [BATCH_ROWS, BATCH_ROWS, 1]
    assert [row["id"] for row in rows(table, "id")] == [str(n) for n in range(count)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", ": not readable as csv: it is empty"),
        (b"\n\n", ": not readable as csv: it is empty"),
        (b"id,p\n1,a\n2,b,c\n", ", line 3: 3 values, and the header names 2 columns: put a value"),
        (b"id,p\n1,a\n2\n", ", line 3: 1 values"),
        (b'id,p\n1,"two\nlines"\n2\n', ", line 4: 1 values"),
        (b'id,p\n1,a\n2,"b\n3,c\n', ", line 3: a double quote is opened and never closed"),
        (b'id,p\n1,"b\n2,"c"\n3,d\n', ", line 2: a value goes on after its closing double quote"),
        (b'id,p\n1,"b"x\n', ", line 2: a value goes on after its closing double quote"),
        (b'"id,p\n1,a\n', ", line 1: a double quote is opened and never closed"),
        ("id,größe\n1,a\n".encode("latin-1"), ": a column's name is no UTF-8: save the file as"),
        (b"PK\3\4 a workbook called .csv", ": is an Excel workbook or a zip archive: save it as"),
        (b"PAR1 and more", ": is a Parquet file: call it .parquet"),
        (b"<!DOCTYPE html><title>Sign in", ": is a web page and no table: was it saved while"),
        (b"\n <HTML lang='en'>", ": is a web page and no table: was it saved while"),
        (b"\xef\xbb\xbf<products><id>", ": is XML: export it as CSV, TSV or JSON"),
        (b"<Error><Code>AccessDenied</Code>", ": is XML: export it as CSV, TSV or JSON"),
        (b"version https://git-lfs.github.com/spec/v1\n", ": stands for a file that Git LFS holds"),
        (b'{"id": "1"}\n', ": is JSON: call it .jsonl or .json"),
        (b'[{"id": "1"}]', ": is JSON: call it .jsonl or .json"),
        (gzip.compress(gzip.compress(b"id,p\n1,a\n")), ": is packed twice: unpack it once"),
        (gzip.compress(b"id,p\n") + b"xy", ": is cut off, or damaged: Not a gzipped file"),
        (
            b"i\0d,\0p\n\0",
            ", line 1: has bytes that are zero, as no text in UTF-8 has so many: export it again",
        ),
        ("id,p\n1,a\n".encode("utf-32-le"), "; if it is in UTF-16 or UTF-32, say so, such as --"),
        (b"id,p\n1,a\n" + b"\0" * 512, ", line 3: has bytes that are zero"),
        (b"id,p\n\1\2\0\3,a\n", ", line 2: has bytes that are zero"),
        ("id,p\n1,a\n".encode("utf-16")[:-1], ": is no utf-16-le: truncated data"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(tmp_path: Path, text: bytes, said: str) -> None:
    found = refusal(tmp_path, text)
    assert found.startswith(said) or (said.startswith(";") and said in found)


def test_a_name_twice_matters_to_nobody_who_does_not_use_it(tmp_path: Path) -> None:
    table = open_table(write(tmp_path, m="id,p,p\n1,2,3\n"), "CSV")
    assert table.schema.names == ["id"]
    assert table.conflicts["p"].startswith("column 'p' is twice in ")


def test_bytes_that_are_no_utf8_stay_in_their_cell(tmp_path: Path) -> None:
    table = open_table(write(tmp_path, m=b"id,p,q\n1,caf\xe9,x\n2,\xe2\x82\xac,\xff\n"), "CSV")
    assert [row["id"] for row in rows(table, "id")] == ["1", "2"]
    (batch,) = table.batches(["p", "q"])
    assert batch.column(0).cast("binary").to_pylist() == [b"caf\xe9", b"\xe2\x82\xac"]
    assert batch.column(1).cast("binary").to_pylist() == [b"x", b"\xff"]


def test_a_zero_in_a_cell_is_its_cells_affair_wherever_in_the_file_it_is(tmp_path: Path) -> None:
    for before in ("", "0,oak\n" * 100):
        found = read(tmp_path, f"id,p\n{before}1,oak\0pine\n2,elm\n")
        assert found[-2:] == [("1", "oak\0pine"), ("2", "elm")]


def test_a_row_may_hold_a_photograph_and_no_film(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read(tmp_path, "id,p\n1," + "x" * 300_000 + "\n")[0][0] == "1"
    monkeypatch.setattr("pipeline.tables.text_files.delimited.MOST_ROW_BYTES", 1000)
    assert refusal(tmp_path, "id,p\n1," + "x" * 3000).startswith(", line 2: longer than")
    assert ", line 2: a double quote is opened" in refusal(
        tmp_path, 'id,p\n1,"' + "x\n" * 2000 + '"\n'
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "id^p\n1^a\n",
            "'comma' separates nothing in its first line, 'id^p': say what does, such ",
        ),
        ('"id":"p"\n1:a\n', "such as --csv-delimiter ':'"),
        ("sep=;\nid,p\n1,a\n", "'semicolon' separates nothing in its first line, 'id,p'"),
        ("Products of November\nid,p\n1,a\n", "line 2 seems to name the columns, as 'id' stands "),
        ("# shop,,\n\n# 2026\nid,p\n1,a\n", "line 4 seems to name the columns, as 'id' stands "),
        ("a,1.jpg\nb,2.jpg\n", "its first line should name the columns, and holds '1.jpg'"),
        ("a,https://x/1\nb,https://x/2\n", "its first line should name the columns, and holds"),
    ],
)
def test_a_first_line_that_is_no_header_is_told(tmp_path: Path, text: str, said: str) -> None:
    (file,) = write(tmp_path, m=text)
    with pytest.raises(ValueError, match=r"\S") as caught:
        open_table([file], "CSV", key="id")
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{file}: ")
    if "such as --csv-delimiter '" in said:
        sign = str(caught.value).rpartition("--csv-delimiter '")[2][0]
        table = open_table([file], "CSV", key="id", reading=Reading(csv_delimiter=sign))
        assert rows(table, "id", "p") == [{"id": "1", "p": "a"}]


def test_of_several_files_the_one_without_the_column_is_told_what_comes_near(
    tmp_path: Path,
) -> None:
    files = write(tmp_path, a="id,p\n1,a\n", b="ID,p\n2,b\n")
    with pytest.raises(ValueError, match=r"has no column 'id'.* did you mean 'ID'"):
        open_table(files, "CSV", key="id")


def test_a_delimiter_at_the_end_of_the_header_asks_nothing_of_the_rows(tmp_path: Path) -> None:
    table = open_table(write(tmp_path, m="id,p,,\n1,a\n2,b,,\n3,c,,x\n"), "CSV")
    assert [row["id"] for row in rows(table, "id", "p")] == ["1", "2", "3"]
    with pytest.raises(ValueError, match="line 2: 1 values"):
        rows(open_table(write(tmp_path, m="id,p,\n1\n"), "CSV"), "id")


def test_excels_line_counts_in_any_case(tmp_path: Path) -> None:
    assert rows(open_table(write(tmp_path, m="SEP=;\nid;p\n1;a\n"), "CSV"), "p") == [{"p": "a"}]


@pytest.mark.parametrize("row", ["id,1.jpg,oak", "7,id,oak", "id,id,x"])
def test_a_row_that_holds_the_name_of_a_column_is_no_header(tmp_path: Path, row: str) -> None:
    (file,) = write(tmp_path, m=f"sku,lang,prompt\n{row}\n")
    assert open_table([file], "CSV", key="id").schema.names == ["sku", "lang", "prompt"]
