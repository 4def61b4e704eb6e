"""Iceberg tables, written by PyIceberg; files of deletes, which it does not write, by hand."""

from __future__ import annotations

import json
import struct
import uuid
import zlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.manifest.reader import open_manifest
from pipeline.manifest.rows import Manifest

pytest.importorskip("pyiceberg", reason="needs the extra iceberg")
pytest.importorskip("sqlalchemy", reason="needs a catalog to write tables with")

from pyiceberg.catalog.memory import InMemoryCatalog
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestWriterV2,
    write_manifest_list,
)
from pyiceberg.typedef import Record

NAMES = [f"r{n:03d}" for n in range(20)]
ROWS = pa.table(
    {
        "id": NAMES,
        "image_uri": [f"{n}.jpg" for n in NAMES],
        "prompt": ["oak"] * len(NAMES),
        "category": [["tableware", "lamps", "rot & grün/%"][n % 3] for n in range(len(NAMES))],
        "day": pa.array([date(2026, 11, 1 + n) for n in range(len(NAMES))]),
    }
)


def rows(manifest: Manifest, *columns: str) -> list[dict[str, Any]]:
    return [row for batch, _ in manifest.batches(columns) for row in batch.to_pylist()]


def ids(manifest: Manifest) -> list[str]:
    return [row["id"] for row in rows(manifest, "id")]


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[InMemoryCatalog]:
    made = InMemoryCatalog("tests", warehouse=f"file://{tmp_path}/warehouse")
    made.create_namespace("shop")
    yield made
    made.close()


@pytest.fixture
def table(catalog: InMemoryCatalog) -> Any:
    made = catalog.create_table("shop.products", schema=ROWS.schema)
    made.append(ROWS)
    return made


def folder(table: Any) -> str:
    return str(table.location()).removeprefix("file://")


def test_only_live_rows_of_the_newest_snapshot_are_read(table: Any) -> None:
    table.delete("id < 'r010'")
    table.overwrite(ROWS.slice(0, 1), overwrite_filter="id == 'r015'")
    manifest = open_manifest(folder(table))
    assert sorted(ids(manifest)) == sorted(["r000", *NAMES[10:15], *NAMES[16:]])
    assert manifest.count() == 10
    assert manifest.root == folder(table)
    assert manifest.version is not None
    assert str(table.current_snapshot().snapshot_id) in manifest.version
    assert manifest.schema.field("day").type == pa.date32()


def test_an_opened_table_stays_at_its_snapshot_in_its_order(table: Any) -> None:
    for number in range(5):
        table.append(ROWS.slice(number, 1))
    manifest = open_manifest(folder(table), where="prompt = 'oak'")
    before = ids(manifest)
    assert len(before) == 25
    table.delete("id > 'r000'")
    assert [ids(manifest) for _ in range(3)] == [before] * 3
    assert set(ids(open_manifest(folder(table)))) == {"r000"}


def test_columns_by_which_files_are_parted_are_there(catalog: InMemoryCatalog) -> None:
    table = catalog.create_table("shop.parted", schema=ROWS.schema)
    with table.update_spec() as update:
        update.add_identity("category")
    table.append(ROWS)
    manifest = open_manifest(folder(table), where="category = 'rot & grün/%'")
    assert sorted(ids(manifest)) == NAMES[2::3]
    assert {row["category"] for row in rows(manifest, "category")} == {"rot & grün/%"}


def test_columns_that_came_later_or_were_renamed_keep_their_rows(table: Any) -> None:
    with table.update_schema() as update:
        update.rename_column("prompt", "words")
    with table.update_schema() as update:
        update.add_column("prompt", table.schema().find_type("id"))
    table.append(
        ROWS.slice(0, 1)
        .set_column(0, "id", pa.array(["new"]))
        .rename_columns(["id", "image_uri", "words", "category", "day"])
        .append_column("prompt", pa.array(["marble"]))
    )
    found = {row["id"]: row for row in rows(open_manifest(folder(table)), "id", "words", "prompt")}
    assert found["r000"] == {"id": "r000", "words": "oak", "prompt": None}
    assert found["new"] == {"id": "new", "words": "oak", "prompt": "marble"}


def test_the_hint_of_hadoop_counts_before_the_largest_number(table: Any) -> None:
    table.append(ROWS.slice(0, 1))
    metadata = Path(folder(table)) / "metadata"
    files = sorted(metadata.glob("*.metadata.json"))
    for number, file in enumerate(files, start=1):
        file.rename(metadata / f"v{number}.metadata.json")
    assert open_manifest(folder(table)).count() == 21
    (metadata / "version-hint.text").write_text(f"{len(files) - 1}\n")
    assert open_manifest(folder(table)).count() == 20
    (metadata / "version-hint.text").write_text("99")
    with pytest.raises(ValueError, match=r"version-hint.text says '99', and there is no such"):
        open_manifest(folder(table))


def test_numbers_count_as_numbers(table: Any) -> None:
    metadata = Path(folder(table)) / "metadata"
    files = sorted(metadata.glob("*.metadata.json"))
    for name, file in zip(("v9", "v10"), files, strict=True):
        file.rename(metadata / f"{name}.metadata.json")
    assert open_manifest(folder(table)).count() == 20


def test_of_two_that_are_equally_new_one_has_to_be_named(table: Any) -> None:
    metadata = Path(folder(table)) / "metadata"
    newest = max(metadata.glob("*.metadata.json"))
    other = metadata / f"{newest.name.partition('-')[0]}-{uuid.uuid4()}.metadata.json"
    other.write_bytes(newest.read_bytes())
    with pytest.raises(ValueError, match="equally new, and only the table's catalog knows"):
        open_manifest(folder(table))
    assert open_manifest(str(newest)).count() == 20
    assert open_manifest(str(newest)).root == folder(table)


def test_a_metadata_file_of_any_name_can_be_named(table: Any) -> None:
    metadata = Path(folder(table)) / "metadata"
    table.delete("id != 'r001'")
    newest, *older = sorted(metadata.glob("*.metadata.json"), reverse=True)
    for file in older:
        file.unlink()
    newest.rename(metadata / "newest.metadata.json")
    with pytest.raises(ValueError, match="has a number, so that the newest cannot be told"):
        open_manifest(folder(table))
    assert ids(open_manifest(str(metadata / "newest.metadata.json"))) == ["r001"]


def test_a_table_that_was_moved_says_where_it_was(table: Any, tmp_path: Path) -> None:
    moved = Path(folder(table)).rename(tmp_path / "moved")
    with pytest.raises(ValueError, match=f"says that it is at {table.location()}"):
        open_manifest(str(moved))


def test_settings_of_the_table_do_not_choose_how_its_files_are_read(table: Any) -> None:
    document = json.loads(table.metadata.model_dump_json(by_alias=True))
    document["properties"] |= {"py-io-impl": "no.such.module.FileIO", "s3.endpoint": "http://x"}
    file = Path(folder(table)) / "metadata" / f"00090-{uuid.uuid4()}.metadata.json"
    file.write_text(json.dumps(document))
    assert open_manifest(folder(table)).count() == 20


def test_a_table_without_rows_selects_none(catalog: InMemoryCatalog) -> None:
    table = catalog.create_table("shop.empty", schema=ROWS.schema)
    manifest = open_manifest(folder(table))
    assert (manifest.count(), ids(manifest)) == (0, [])


@pytest.mark.parametrize("damage", ["metadata", "list", "manifest", "data"])
def test_what_is_damaged_is_one_line(table: Any, damage: str) -> None:
    root = Path(folder(table))
    pattern = {
        "metadata": "metadata/*.metadata.json",
        "list": "metadata/snap-*.avro",
        "manifest": "metadata/*-m0.avro",
        "data": "data/*.parquet",
    }[damage]
    for file in root.glob(pattern):
        file.write_bytes(b"{}" if damage == "metadata" else file.read_bytes()[:40])
    with pytest.raises(ValueError, match="as an Iceberg table") as caught:
        ids(open_manifest(str(root)))
    assert "\n" not in str(caught.value)


# --- files of deletes ----------------------------------------------------------------------------


class DeletesWriter(ManifestWriterV2):
    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}


def puffin(dead: list[int], data_file: str) -> bytes:
    """A file with one deletion vector, of positions below 65,536, as the third format has them."""
    container = struct.pack(f"<{len(dead)}H", *dead)
    bitmap = struct.pack("<QI", 1, 0) + struct.pack("<IIHHI", 12346, 1, 0, len(dead) - 1, 16)
    vector = bytes.fromhex("d1d33964") + bitmap + container
    blob = struct.pack(">I", len(vector)) + vector + struct.pack(">I", zlib.crc32(vector))
    about = {
        "type": "deletion-vector-v1",
        "fields": [2147483645],
        "snapshot-id": -1,
        "sequence-number": -1,
        "offset": 4,
        "length": len(blob),
        "properties": {"referenced-data-file": data_file, "cardinality": str(len(dead))},
    }
    footer = json.dumps({"blobs": [about], "properties": {}}).encode()
    end = struct.pack("<iI", len(footer), 0) + b"PFA1"
    return b"PFA1" + blob + b"PFA1" + footer + end


def delete_by_file(
    table: Any, deletes: pa.Table | bytes, content: DataFileContent, **more: Any
) -> None:
    """What Spark, Flink or Trino write in merge-on-read: a file of deletes, as a new snapshot."""
    root, io = Path(folder(table)), PyArrowFileIO()
    file = root / "data" / f"{uuid.uuid4()}-deletes"
    if isinstance(deletes, bytes):
        file.write_bytes(deletes)
    else:
        pq.write_table(deletes, file)
    file_format = FileFormat.PUFFIN if isinstance(deletes, bytes) else FileFormat.PARQUET
    before, snapshot_id = table.metadata, 4242
    number = before.last_sequence_number + 1
    data_file = DataFile.from_args(
        _table_format_version=2,
        content=content,
        file_path=f"file://{file}",
        file_format=file_format,
        partition=Record(),
        record_count=1,
        file_size_in_bytes=file.stat().st_size,
        **more,
    )
    place = f"file://{root}/metadata/deletes-{uuid.uuid4()}.avro"
    with DeletesWriter(
        table.spec(), table.schema(), io.new_output(place), snapshot_id, "null"
    ) as writer:
        entry = ManifestEntry.from_args(
            _table_format_version=2,
            status=ManifestEntryStatus.ADDED,
            snapshot_id=snapshot_id,
            data_file=data_file,
        )
        writer.add_entry(entry)
    listed = f"file://{root}/metadata/snap-{snapshot_id}-{uuid.uuid4()}.avro"
    known = table.current_snapshot().manifests(io)
    with write_manifest_list(
        2, io.new_output(listed), snapshot_id, before.current_snapshot_id, number, "null"
    ) as manifests:
        manifests.add_manifests([*known, writer.to_manifest_file()])
    document = json.loads(before.model_dump_json(by_alias=True))
    document["snapshots"].append(
        {
            "snapshot-id": snapshot_id,
            "parent-snapshot-id": before.current_snapshot_id,
            "sequence-number": number,
            "timestamp-ms": before.last_updated_ms + 1,
            "manifest-list": listed,
            "summary": {"operation": "overwrite"},
            "schema-id": before.current_schema_id,
        }
    )
    document["current-snapshot-id"] = snapshot_id
    document["last-sequence-number"] = number
    document["last-updated-ms"] = before.last_updated_ms + 1
    document["refs"]["main"]["snapshot-id"] = snapshot_id
    (root / "metadata" / f"00090-{uuid.uuid4()}.metadata.json").write_text(json.dumps(document))


def test_rows_in_files_of_positions_are_dead(table: Any) -> None:
    table.append(ROWS.slice(0, 3))
    (task, _) = sorted(
        table.scan().plan_files(), key=lambda task: task.file.record_count, reverse=True
    )
    dead = [0, 7, 19]
    positions = pa.table(
        {"file_path": [task.file.file_path] * 3, "pos": pa.array(dead, pa.int64())},
        schema=pa.schema(
            [
                pa.field("file_path", pa.string(), False, {"PARQUET:field_id": "2147483546"}),
                pa.field("pos", pa.int64(), False, {"PARQUET:field_id": "2147483545"}),
            ]
        ),
    )
    delete_by_file(table, positions, DataFileContent.POSITION_DELETES)
    manifest = open_manifest(folder(table))
    live = [name for number, name in enumerate(NAMES) if number not in dead]
    assert sorted(ids(manifest)) == sorted([*live, *NAMES[:3]])
    assert manifest.count() == 20


def test_rows_in_deletion_vectors_are_dead(table: Any) -> None:
    (task,) = table.scan().plan_files()
    dead = [0, 7, 19]
    vectors = puffin(dead, task.file.file_path)
    delete_by_file(table, vectors, DataFileContent.POSITION_DELETES)
    manifest = open_manifest(folder(table))
    assert ids(manifest) == [name for number, name in enumerate(NAMES) if number not in dead]
    assert manifest.count() == 17


def test_deletes_by_equality_are_refused_by_name(table: Any) -> None:
    keys = pa.table(
        {"id": ["r003"]},
        schema=pa.schema([pa.field("id", pa.string(), False, {"PARQUET:field_id": "1"})]),
    )
    delete_by_file(table, keys, DataFileContent.EQUALITY_DELETES, equality_ids=[1])
    with pytest.raises(ValueError, match=r"as an Iceberg table .*equality deletes") as caught:
        open_manifest(folder(table))
    assert "export its rows to Parquet" in str(caught.value)
    assert "\n" not in str(caught.value)
