from __future__ import annotations

import pytest

from pipeline.tables.finding import find
from tests.unit.storage.conftest import Fill

KEYS = ["_t/0/a.parquet", ".h.parquet", "dt=1/._m.parquet", "a.parquet", "_d=1/b.parquet"]


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        ("_shop", ["_d=1/b.parquet", "a.parquet"]),
        ("_shop/*.parquet", ["a.parquet"]),
        ("_shop/**/*.parquet", ["_d=1/b.parquet", "a.parquet"]),
        ("_shop/_t/*/*.parquet", ["_t/0/a.parquet"]),
        ("_shop/.h.parquet", [".h.parquet"]),
    ],
)
def test_hidden_names_are_passed_over_on_an_object_store_too(
    bucket: str, fill: Fill, asked: str, seen: list[str]
) -> None:
    fill({f"_shop/{key}": b"x" for key in KEYS})
    found = find(f"{bucket}/{asked}")
    assert [file.removeprefix(f"{bucket}/_shop/") for file in found.files] == seen
