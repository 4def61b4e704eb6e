"""What docs/readers.md tells people to write, run as it stands there."""

from __future__ import annotations

import shutil
from collections import Counter
from importlib import import_module

import pytest

from tests.readers.page import KINDS, PAGE, blocks, value_of
from tests.readers.rows import picture_of, rows_of
from tests.readers.runs import KEPT

pytestmark = pytest.mark.readers

BLOCKS = blocks(PAGE.read_text())
READERS = dict.fromkeys(reader for reader, _ in BLOCKS)
OK = None
TUESDAY = Counter(
    [
        ("b", "tuesday", OK),
        ("c", "tuesday", "unsupported_format"),
        ("lost", "tuesday", OK),
        ("g", "tuesday", OK),
    ]
)
MONDAY = Counter(
    [
        ("0007", "monday", OK),
        ("b", "monday", OK),
        ("c", "monday", OK),
        ("broken", "monday", "unsupported_format"),
        ("lost", "monday", "not_found"),
        ("f", "monday", OK),
    ]
)
NEWEST = Counter(
    [
        ("0007", "monday", OK),
        ("b", "tuesday", OK),
        ("c", "monday", OK),
        ("lost", "tuesday", OK),
        ("f", "monday", OK),
        ("g", "tuesday", OK),
    ]
)
EXPECTED = dict(zip(KINDS, (TUESDAY, MONDAY + TUESDAY, NEWEST), strict=True))


@pytest.fixture(autouse=True)
def in_the_folder(there, request):
    if "Ray" in request.node.name:
        request.getfixturevalue("ray_here")


def test_every_reader_of_the_page_reads_one_run_all_runs_and_the_merged_view():
    assert set(BLOCKS) == {(reader, kind) for reader in READERS for kind in KINDS}
    assert len(READERS) == 10


@pytest.mark.parametrize(("reader", "kind"), [key for key in BLOCKS if key[1] in KINDS])
def test_a_reader_reads_every_row_once_with_its_columns_and_picture(reader, kind):
    rows = rows_of(value_of(BLOCKS[reader, kind]))
    found = Counter((row["sample_id"], row["run_id"], row["error_code"]) for row in rows)
    assert found == EXPECTED[kind]
    for row in rows:
        assert picture_of(row) == ((160, 120) if row["error_code"] is None else None)
        assert (row["gtin"], row["title"], row["price"]) == ("0012", "Küche", KEPT["price"])
    (full,) = [row for row in rows if row["sample_id"] == "g"]
    assert {name: full[name] for name in KEPT} == KEPT
    (empty,) = [row for row in rows if (row["sample_id"], row["run_id"]) == ("b", "tuesday")]
    assert empty["stock"] is empty["seen"] is empty["category"] is None


def test_pandas_fails_over_a_folder_with_pictures():
    pandas = import_module("pandas")
    for folder in ("dataset", "dataset/run_id=monday"):
        with pytest.raises(Exception, match="not a parquet file"):
            pandas.read_parquet(folder)


def test_polars_wants_globs_and_says_where_columns_differ():
    polars = import_module("polars")
    with pytest.raises(polars.exceptions.InvalidOperationError, match="_SUCCESS"):
        polars.read_parquet("merged")
    with pytest.raises(polars.exceptions.SchemaError, match="extra column"):
        polars.read_parquet("dataset/run_id=*/results/*.parquet")


def test_duckdb_leaves_out_columns_of_later_files_unless_united_by_name():
    duckdb = import_module("duckdb")
    plain = duckdb.sql("from 'dataset/**/*.parquet'")
    assert "stock" not in plain.columns
    assert len(plain) == 10


def test_datasets_fails_over_runs_with_other_columns():
    datasets = import_module("datasets")
    files = "dataset/run_id=*/results/*.parquet"
    for named in ({"path": "parquet", "data_files": files}, {"path": "dataset"}):
        with pytest.raises(datasets.exceptions.DatasetGenerationError):
            datasets.load_dataset(**named, split="train")


def test_datasets_takes_a_folder_for_its_pictures_where_no_card_says_otherwise(tmp_path):
    datasets = import_module("datasets")
    copied = shutil.copytree("dataset/run_id=tuesday", tmp_path / "dataset")
    assert "sample_id" in datasets.load_dataset(str(copied), split="train").column_names
    (copied / "README.md").unlink()
    found = datasets.load_dataset(str(copied), split="train")
    assert len(found) == 3
    assert "sample_id" not in found.column_names


def test_clickhouse_knows_no_struct_that_is_null():
    chdb = import_module("chdb")
    counted = "SELECT count() FROM file('merged/*.parquet') WHERE {} IS NULL"
    assert chdb.query(counted.format("error"), "CSV").data().strip() == "0"
    assert chdb.query(counted.format("error_code"), "CSV").data().strip() == "6"


def test_spark_leaves_out_columns_of_later_runs_unless_merged():
    session = import_module("pyspark.sql").SparkSession.builder.getOrCreate()
    plain = session.read.parquet("dataset/run_id=*/results")
    assert "stock" not in plain.columns
    assert plain.count() == 10
