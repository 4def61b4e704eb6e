from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.tables import Table, open_table, readable
from pipeline.tables.text_files.streams import BATCH_ROWS


def write(folder: Path, *files: Any) -> list[str]:
    paths = [folder / f"{number}.jsonl" for number in range(len(files))]
    for path, file in zip(paths, files, strict=True):
        lines = file if isinstance(file, bytes) else "\n".join(map(json.dumps, file)).encode()
        path.write_bytes(lines)
    return [str(path) for path in paths]


def opened(folder: Path, *files: Any) -> Table:
    return open_table(write(folder, *files), "JSON Lines")


def rows(table: Table, *columns: str) -> list[dict[str, Any]]:
    found = [row for batch in table.batches(columns) for row in batch.to_pylist()]
    assert table.count() == len(found)
    return found


def types(table: Table) -> dict[str, pa.DataType]:
    return dict(zip(table.schema.names, table.schema.types, strict=True))


def test_a_key_counts_wherever_it_first_comes(tmp_path: Path) -> None:
    count = 3 * BATCH_ROWS
    plain = [{"id": str(n), "note": None} for n in range(count)]
    late = {"id": "x", "seed": 7, "mask_uri": "m.png", "note": "late"}
    table = opened(tmp_path, [*plain, late], [{"id": "y", "channel": "ebay"}])
    assert types(table) == {
        "id": pa.string(),
        "note": pa.string(),
        "seed": pa.int64(),
        "mask_uri": pa.string(),
        "channel": pa.string(),
    }
    assert rows(table, "id", "seed", "note", "channel")[-3:] == [
        {"id": str(count - 1), "seed": None, "note": None, "channel": None},
        {"id": "x", "seed": 7, "note": "late", "channel": None},
        {"id": "y", "seed": None, "note": None, "channel": "ebay"},
    ]


def test_values_are_what_they_are(tmp_path: Path) -> None:
    lines = [
        {"t": "2026-01-01", "n": 2**53 + 1, "x": 1, "b": True, "l": [1], "o": {"a": 1}, "e": []},
        {"t": "0012", "n": -(2**63), "x": 2.5, "b": None, "l": [2.5, None], "o": {"b": "c"}},
    ]
    table = opened(tmp_path, lines)
    assert rows(table, *table.schema.names) == [
        {**lines[0], "o": {"a": 1, "b": None}},
        {**lines[1], "o": {"a": None, "b": "c"}, "e": None},
    ]
    assert types(table)["x"] == pa.float64()
    assert types(table)["n"] == pa.int64()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["a", 1], "is text in {0}, line 1 and whole number in {0}, line 2: write it in one way"),
        ([1, True], "is whole number in {0}, line 1 and true or false in {0}, line 2"),
        ([2**53 + 1, 0.5], "is a whole number above 2^53 in {0}, line 1 and number in {0}, line 2"),
        (
            [1, 2**63],
            "holds a whole number of more than 64 bits in {0}, line 2: write such numbers",
        ),
        ([[1], ["a"]], "mixes values of no common type, {0}, line 1 and after"),
        ([[1], {"a": 1}], "mixes values of no common type, {0}, line 1 and after"),
        ([{"a": 1}, {"a": "x"}], "mixes values of no common type, {0}, line 1 and after"),
    ],
)
def test_what_has_no_type_in_common_is_harmless_until_it_is_used(
    tmp_path: Path, values: list[Any], said: str
) -> None:
    lines = [{"id": str(n), "x": value} for n, value in enumerate(values)]
    table = opened(tmp_path, lines)
    assert table.schema.names == ["id"]
    assert said.format(tmp_path / "0.jsonl") in table.conflicts["x"]
    assert [row["id"] for row in rows(table, "id")] == ["0", "1"]


def test_kinds_that_differ_from_file_to_file_are_said_with_both(tmp_path: Path) -> None:
    table = opened(tmp_path, [{"id": "1", "x": [1]}], [{"id": "2", "x": ["a"]}])
    assert table.conflicts["x"] == (
        f"column 'x' is list<item: int64> before {tmp_path}/1.jsonl, line 1 and "
        "list<item: string> after it: write it in one way"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", ": not readable as json: it is empty"),
        (b"\n \n", ": not readable as json: it is empty"),
        (b'{"id": "1"}\n\n{"id": ', ", line 3, column"),
        (b'{"id": "1"}\n{id: 2}', ", line 2, column 2: not readable as json: expecting"),
        (b'{"id": "1"}\n[1]\n', ", line 2: list and no object: write one object a line"),
        (b'{"id": "1"}\n"a"\n', ", line 2: text and no object"),
        (b"null\n", ", line 1: null and no object"),
        (b'{"id": "1"}{"id": "2"}\n', ", line 1, column 12: not readable as json: extra data"),
        (b'[{"id": "1"},\n[1]]\n', ", line 2: list and no object"),
        (b'[{"id": "1"},\n\n{"id": 2,}]', ", line 3: not readable as json: "),
        (
            b'[{"id": "1"}\n{"id": "2"}]',
            ", line 2: not readable as json: there is '{' where ',' or",
        ),
        (b'[{"id": "1"},', ", line 1: not readable as json: expecting value"),
        (b'[{"id": "1"}', ", line 1: not readable as json: it ends where ',' or ']' should be"),
        (b'[\n  {"id": "1",\n   "x": "caf', ", line 3: not readable as json: unterminated string"),
        (b" [ ]\n", ": not readable as json: it is empty"),
        (b'{"products": [{"id": "1"}]}', ", line 1: is no row; rows seem to be below its key 'pro"),
        (b'{"id": {"0": "a"}, "p": {"0": "b"}}', ", line 1: is an object of objects and no row"),
        (b'{"id": "1", "x": 1' + b"0" * 5000 + b"}\n", ", line 1: not readable as json: "),
        (
            b'{"id": "1"}\n{"caf\xe9": 1}',
            ", line 2: the key 'caf\\udce9' is no UTF-8: save the file as UTF-8",
        ),
        (
            b'{"id": "1"}\n{"a": 1, "b": 2, "a": 1}',
            ", line 2: not readable as json: the key 'a' is there twice: keep one",
        ),
        (
            b'{"id": "1", "o": {"k": 1, "k": 2}}',
            ", line 1: not readable as json: the key 'k' is there twice",
        ),
        (b"[" * 100_000, ", line 1: not readable as json: it is nested too deeply"),
        (b"PK\3\4", ": is an Excel workbook or a zip archive"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(tmp_path: Path, text: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=r"\S") as caught:
        opened(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path}/0.jsonl{said}")
    assert "\n" not in str(caught.value)


def test_files_as_programs_write_them(tmp_path: Path) -> None:
    text = b'\xef\xbb\xbf{"id": "1", "p": "caf\\u00e9"}\r\n\r\n  {"p": "\\ud83d\\ude00", "id": "2"}'
    assert rows(opened(tmp_path, text), "id", "p") == [
        {"id": "1", "p": "café"},
        {"id": "2", "p": "😀"},
    ]


def test_bytes_that_are_no_utf8_stay_in_their_cell(tmp_path: Path) -> None:
    table = opened(tmp_path, b'{"id": "1", "p": "caf\xe9"}\n{"id": "2", "p": "\\ud800"}\n')
    (batch,) = table.batches(["id", "p"])
    assert batch.column(0).to_pylist() == ["1", "2"]
    assert batch.column(1).cast("binary").to_pylist() == [b"caf\xe9", b"\xed\xa0\x80"]


def test_bytes_that_are_no_utf8_stay_in_their_cell_below_lists_and_objects_too(
    tmp_path: Path,
) -> None:
    lines = [
        b'{"id": "1", "o": {"l": [{"s": "caf\xe9", "n": 1}], "t": null}}',
        b'{"id": "2", "o": {"l": [], "t": "x"}}',
        b'{"id": "3", "o": null}',
    ]
    table = opened(tmp_path, b"\n".join(lines))
    assert types(table)["o"] == pa.struct(
        {"l": pa.list_(pa.struct({"s": pa.string(), "n": pa.int64()})), "t": pa.string()}
    )
    (batch,) = table.batches(["id", "o"])
    clean, faults = readable(batch)
    assert list(faults) == [0]
    assert clean.to_pylist() == [
        {"id": "1", "o": None},
        {"id": "2", "o": {"l": [], "t": "x"}},
        {"id": "3", "o": None},
    ]
    cafe = batch.column("o").field("l").flatten().field("s").cast(pa.binary(), safe=False)
    assert cafe.to_pylist() == [b"caf\xe9"]


def test_a_key_below_that_is_no_utf8_is_harmless_until_it_is_used(tmp_path: Path) -> None:
    table = opened(tmp_path, b'{"id": "1", "o": {"k": 1}}\n{"id": "2", "o": {"caf\xe9": 1}}\n')
    assert [row["id"] for row in rows(table, "id")] == ["1", "2"]
    assert table.conflicts["o"] == (
        f"column 'o' holds a key that is no UTF-8 in {tmp_path}/0.jsonl, line 2: save the file as "
        "UTF-8"
    )
