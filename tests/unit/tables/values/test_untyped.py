from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.tables import as_kind, is_kind, open_table, types_of
from pipeline.tables.text_files.streams import BATCH_ROWS


def type_of(folder: Path, *values: str) -> pa.DataType:
    path = folder / "m.csv"
    path.write_text("id,x\n" + "".join(f"{n},{value}\n" for n, value in enumerate(values)))
    return types_of(open_table([str(path)], "CSV"), ["x"])["x"]


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        (["1", "-20", "0", ""], pa.int64()),
        (["1", "2.5", ""], pa.float64()),
        (["true", "FALSE", ""], pa.bool_()),
        (["2026-01-31", ""], pa.date32()),
        (["2026-01-31", "2026-01-31 12:30"], pa.string()),
        (["2026-01-31T12:30:15.5", "2026-01-31 12:30"], pa.timestamp("us")),
        (["", ""], pa.string()),
        (["1", "0012"], pa.string()),
        (["1", "+1"], pa.string()),
        (["1", "1e5"], pa.string()),
        (["1", "NA"], pa.string()),
        (["1", "true"], pa.string()),
        (["-0", "1"], pa.float64()),
        (["1", "9" * 18], pa.int64()),
        (["2026-02-30"], pa.string()),
        (["1", " 2"], pa.string()),
    ],
)
def test_the_type_of_text_is_the_one_in_which_no_value_changes(
    tmp_path: Path, values: list[str], type_: pa.DataType
) -> None:
    assert type_of(tmp_path, *values) == type_


def test_the_last_value_counts_as_the_first(tmp_path: Path) -> None:
    many = [str(n) for n in range(2 * BATCH_ROWS)]
    assert type_of(tmp_path, *many) == pa.int64()
    assert type_of(tmp_path, *many, "2.5") == pa.float64()
    assert type_of(tmp_path, *many, "XL") == pa.string()


def test_bytes_that_are_no_utf8_are_text(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(b"id,x\n1,5\n2,\xff\n")
    table = open_table([str(tmp_path / "m.csv")], "CSV")
    assert types_of(table, ["x"]) == {"x": pa.string()}


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("3", "integer", 3),
        (" 3 ", "integer", 3),
        ("3.0", "integer", 3),
        ("3.5", "integer", "3.5"),
        ("1,5", "integer", "1,5"),
        ("9" * 400, "integer", "9" * 400),
        ("0.5", "number", 0.5),
        ("-1e-3", "number", -0.001),
        ("nan", "number", "nan"),
        ("True", "boolean", True),
        ("0", "boolean", False),
        ("2", "boolean", "2"),
        ("3", "text", "3"),
        ("a, b", "texts", "a, b"),
        (None, "integer", None),
        (7, "integer", 7),
    ],
)
def test_text_is_read_as_the_kind_of_value_it_spells(text: Any, kind: Any, value: Any) -> None:
    found = as_kind(text, kind)
    assert found == value
    assert type(found) is type(value)


def test_whether_text_spells_a_kind() -> None:
    assert [is_kind(text, "integer") for text in ("3", "3.0", "x")] == [True, True, False]
    assert is_kind("x", "text")
    assert not is_kind("2", "boolean")


@pytest.mark.parametrize("text", ["yes", "On", "TRUE", "1"])
def test_truth_is_spelled_in_many_ways(text: str) -> None:
    assert as_kind(text, "boolean") is True
    opposite = {"yes": "No", "On": "off", "TRUE": "FALSE", "1": "0"}[text]
    assert as_kind(opposite, "boolean") is False
