"""Delta tables, written by the library and by hand where it does not write what others do."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.manifest.reader import open_manifest
from pipeline.manifest.rows import Manifest
from pipeline.planning.planner import Planner
from pipeline.recipe import Recipe
from pipeline.runs.identity import Request
from pipeline.runs.run_folder import start_ledger

deltalake = pytest.importorskip("deltalake", reason="needs the extra delta")

NAMES = [f"r{n:03d}" for n in range(20)]
ROWS = pa.table(
    {"id": NAMES, "image_uri": [f"{n}.jpg" for n in NAMES], "prompt": ["oak"] * len(NAMES)}
)


def rows(manifest: Manifest, *columns: str) -> list[dict[str, Any]]:
    return [row for batch, _ in manifest.batches(columns) for row in batch.to_pylist()]


def ids(manifest: Manifest) -> list[str]:
    return [row["id"] for row in rows(manifest, "id")]


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return str(tmp_path / "products")


def test_only_live_rows_of_the_newest_version_are_read(uri: str) -> None:
    deltalake.write_deltalake(uri, ROWS)
    table = deltalake.DeltaTable(uri)
    table.delete("id < 'r010'")
    table.update(predicate="id = 'r012'", updates={"prompt": "'marble'"})
    deltalake.write_deltalake(uri, ROWS.slice(0, 1), mode="append")
    manifest = open_manifest(uri)
    assert sorted(ids(manifest)) == ["r000", *NAMES[10:]]
    assert manifest.count() == 11
    assert [r["id"] for r in rows(manifest, "id", "prompt") if r["prompt"] == "marble"] == ["r012"]
    assert manifest.version == "Delta, version 3"
    assert manifest.root == uri


def test_replaced_tables_and_checkpoints_are_right(uri: str) -> None:
    for number in range(4):
        deltalake.write_deltalake(uri, ROWS.slice(number, 3), mode="overwrite")
    deltalake.DeltaTable(uri).create_checkpoint()
    assert sorted(ids(open_manifest(uri))) == NAMES[3:6]
    deltalake.write_deltalake(uri, ROWS.slice(10, 1), mode="append")
    assert sorted(ids(open_manifest(uri))) == [*NAMES[3:6], "r010"]


def test_an_opened_table_stays_at_its_version(uri: str) -> None:
    deltalake.write_deltalake(uri, ROWS.slice(0, 5))
    manifest = open_manifest(uri, where="prompt = 'oak'")
    before = ids(manifest)
    deltalake.write_deltalake(uri, ROWS.slice(5, 5), mode="append")
    deltalake.DeltaTable(uri).delete("id = 'r000'")
    assert ids(manifest) == before
    assert manifest.count() == 5
    assert len(ids(open_manifest(uri))) == 9


def test_many_files_come_in_the_same_order_every_time(uri: str) -> None:
    for number in range(30):
        deltalake.write_deltalake(uri, ROWS.slice(number % 20, 1), mode="append")
    manifest = open_manifest(uri)
    assert len({tuple(ids(manifest)) for _ in range(5)}) == 1
    assert ids(open_manifest(uri)) == ids(manifest)
    assert ids(open_manifest(uri, limit=7)) == ids(manifest)[:7]
    where = open_manifest(uri, where="id > 'r010'")
    assert ids(where) == [id_ for id_ in ids(manifest) if id_ > "r010"]


def test_partition_columns_are_there_with_their_types(uri: str) -> None:
    table = ROWS.slice(0, 6)
    columns = {
        "category": pa.array(["rot & grün", "a/b%20c", "x=y:z#1", None, "", "ü"]),
        "day": pa.array([date(2026, 11, 2), None, date(9999, 12, 31), date(1, 1, 1)] + [None] * 2),
        "number": pa.array([1, -2, None, 4, 5, 6], pa.int32()),
        "price": pa.array([Decimal("1.50"), None, Decimal("2.25"), *[Decimal(0)] * 3]),
        "at": pa.array(
            [datetime(2026, 1, 2, 3, 4, 5, 678, UTC), *[None] * 5], pa.timestamp("us", "UTC")
        ),
        "is_new": pa.array([True, False, None, True, False, None]),
    }
    for name, array in columns.items():
        table = table.append_column(name, array)
    deltalake.write_deltalake(uri, table, partition_by=list(columns))
    manifest = open_manifest(uri)
    # Delta knows no empty text as the value of a partition: it is null.
    meant = [{**row, "category": row["category"] or None} for row in table.to_pylist()]
    found = sorted(rows(manifest, *table.column_names), key=lambda row: row["id"])
    assert found == meant
    assert ids(open_manifest(uri, where="category = 'rot & grün' and number = 1")) == ["r000"]
    assert sorted(ids(open_manifest(uri, where="is_new"))) == ["r000", "r003"]
    assert sorted(ids(open_manifest(uri, where="day > '2026-01-01'"))) == ["r000", "r002"]


def test_a_column_that_came_later_is_null_before(uri: str) -> None:
    deltalake.write_deltalake(uri, ROWS.slice(0, 2))
    later = ROWS.slice(2, 1).append_column("seed", pa.array([7]))
    deltalake.write_deltalake(uri, later, mode="append", schema_mode="merge")
    found = {row["id"]: row["seed"] for row in rows(open_manifest(uri), "id", "seed")}
    assert found == {"r000": None, "r001": None, "r002": 7}


def test_the_plan_has_the_live_rows_and_the_run_says_which_version(
    uri: str, tmp_path: Path, recipe: Recipe
) -> None:
    deltalake.write_deltalake(uri, ROWS)
    deltalake.DeltaTable(uri).delete("id != 'r007'")
    planner = Planner(recipe=recipe, manifest=open_manifest(uri))
    planner.check()
    (plan,) = planner.tables()
    assert plan["sample_id"].to_pylist() == ["r007"]
    assert plan["image_uri"].to_pylist() == [f"{uri}/r007.jpg"]
    run = tmp_path / "out" / "run_id=1"
    request = Request(manifest=uri, where=None, limit=None, config_hash="0")
    start_ledger(str(run), request=request, recipe=recipe, planner=planner)
    assert json.loads((run / "run.json").read_text())["manifest_version"] == "Delta, version 1"


# --- by hand -----------------------------------------------------------------------------------

ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
"""Of Z85, in which a short deletion vector is written."""


def deletion_vector(dead: list[int]) -> dict[str, Any]:
    """Positions below 65,536, as one array container of one 32-bit bitmap of a 64-bit one."""
    container = struct.pack(f"<{len(dead)}H", *dead)
    bitmap = struct.pack("<IIHHI", 12346, 1, 0, len(dead) - 1, 16) + container
    data = struct.pack("<IQI", 1681511377, 1, 0) + bitmap
    padded = data + bytes(-len(data) % 4)
    ours = bytes.maketrans(
        b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~",
        ALPHABET.encode(),
    )
    return {
        "storageType": "i",
        "pathOrInlineDv": base64.b85encode(padded).translate(ours).decode(),
        "sizeInBytes": len(data),
        "cardinality": len(dead),
    }


def write_log(root: Path, *actions: Mapping[str, Any]) -> None:
    log = root / "_delta_log"
    log.mkdir(parents=True, exist_ok=True)
    number = len(list(log.glob("*.json")))
    text = "\n".join(json.dumps(action) for action in actions)
    (log / f"{number:020d}.json").write_text(text)


def added(name: str, size: int, num_rows: int | None, **more: Any) -> dict[str, Any]:
    stats = {} if num_rows is None else {"stats": json.dumps({"numRecords": num_rows})}
    action = {
        "path": name,
        "size": size,
        "partitionValues": {},
        "modificationTime": 0,
        "dataChange": True,
        **stats,
        **more,
    }
    return {"add": action}


def described(
    table: pa.Table,
    *,
    features: list[str] = (),  # type: ignore[assignment]
    physical: Mapping[str, str] | None = None,
    configuration: Mapping[str, str] | None = None,
    partitions: list[str] = (),  # type: ignore[assignment]
) -> list[dict[str, Any]]:
    types = {pa.int64(): "long", pa.timestamp("us", "UTC"): "timestamp", pa.int32(): "integer"}
    fields = [
        {
            "name": field.name,
            "type": types.get(field.type, "string"),
            "nullable": True,
            "metadata": {
                "delta.columnMapping.id": number,
                "delta.columnMapping.physicalName": physical[field.name],
            }
            if physical
            else {},
        }
        for number, field in enumerate(table.schema, start=1)
    ]
    protocol: dict[str, Any] = {"minReaderVersion": 1, "minWriterVersion": 2}
    if features:
        protocol = {
            "minReaderVersion": 3,
            "minWriterVersion": 7,
            "readerFeatures": list(features),
            "writerFeatures": list(features),
        }
    return [
        {"protocol": protocol},
        {
            "metaData": {
                "id": "5a0f4ea9-9f02-4d05-b9d1-0c11bbd0bb5d",
                "format": {"provider": "parquet", "options": {}},
                "schemaString": json.dumps({"type": "struct", "fields": fields}),
                "partitionColumns": list(partitions),
                "configuration": dict(configuration or {}),
                "createdTime": 0,
            }
        },
    ]


def put(root: Path, name: str, table: pa.Table, **options: Any) -> int:
    root.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, root / name, **options)
    return (root / name).stat().st_size


def test_rows_in_deletion_vectors_are_dead(uri: str) -> None:
    root = Path(uri)
    size = put(root, "a.parquet", ROWS, row_group_size=6)
    put(root, "b.parquet", ROWS.slice(0, 1))
    dead = [0, 5, 6, 11, 19]
    write_log(
        root,
        *described(ROWS, features=["deletionVectors"]),
        added("a.parquet", size, 20, deletionVector=deletion_vector(dead)),
        added("b.parquet", (root / "b.parquet").stat().st_size, None),
    )
    manifest = open_manifest(uri)
    live = [name for number, name in enumerate(NAMES) if number not in dead]
    assert ids(manifest) == [*live, "r000"]
    assert manifest.count() == 16
    assert ids(open_manifest(uri, where="id >= 'r005'")) == [n for n in live if n >= "r005"]


def test_columns_that_are_called_otherwise_in_the_files_are_mapped(uri: str) -> None:
    root = Path(uri)
    physical = {"id": "col-1", "image_uri": "col-2", "prompt": "col-3", "shop": "col-4"}
    table = ROWS.append_column("shop", pa.array(["x"] * 20))
    stored = ROWS.rename_columns(["col-1", "col-2", "col-3"])
    size = put(root, "Ab/part-0.parquet", stored)
    write_log(
        root,
        *described(
            table,
            features=["columnMapping"],
            physical=physical,
            configuration={"delta.columnMapping.mode": "name"},
            partitions=["shop"],
        ),
        added("Ab/part-0.parquet", size, 20, partitionValues={"col-4": "x"}),
    )
    manifest = open_manifest(uri, where="shop = 'x'")
    assert ids(manifest) == NAMES
    assert rows(manifest, "prompt", "shop")[0] == {"prompt": "oak", "shop": "x"}


@pytest.mark.parametrize(
    ("features", "configuration", "said"),
    [
        (["columnMapping"], {"delta.columnMapping.mode": "id"}, "maps its columns by number"),
        (["catalogManaged"], {}, "catalog-managed table"),
        (["somethingNew"], {}, "somethingNew"),
    ],
)
def test_what_cannot_be_read_rightly_is_refused_by_name(
    uri: str, features: list[str], configuration: dict[str, str], said: str
) -> None:
    root = Path(uri)
    size = put(root, "a.parquet", ROWS)
    physical = {name: name for name in ROWS.column_names}
    log = described(ROWS, features=features, configuration=configuration, physical=physical)
    write_log(root, *log, added("a.parquet", size, 20))
    with pytest.raises(ValueError, match=said) as caught:
        open_manifest(uri)
    assert str(caught.value).startswith(f"manifest {uri} as a Delta table")
    assert "export its rows to Parquet" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_old_timestamps_of_spark_do_not_wrap_around(uri: str) -> None:
    root = Path(uri)
    moments = pa.array([datetime(9999, 12, 31), datetime(1600, 1, 1)] * 10, pa.timestamp("us"))
    stored = ROWS.append_column("until", moments)
    size = put(root, "a.parquet", stored, use_deprecated_int96_timestamps=True, store_schema=False)
    table = ROWS.append_column("until", moments.cast(pa.timestamp("us", "UTC")))
    write_log(root, *described(table), added("a.parquet", size, 20))
    found = rows(open_manifest(uri), "until")
    assert found[0]["until"] == datetime(9999, 12, 31, tzinfo=UTC)
    assert found[1]["until"] == datetime(1600, 1, 1, tzinfo=UTC)
    assert ids(open_manifest(uri, where="until > '2026-01-01'")) == NAMES[::2]


def test_files_with_odd_names_are_found(uri: str) -> None:
    root = Path(uri)
    names = ["a b.parquet", "ü%20+#?.parquet", "x=1:2/é.parquet"]
    encoded = ["a%20b.parquet", "%C3%BC%2520+%23%3F.parquet", "x=1:2/%C3%A9.parquet"]
    sizes = [put(root, name, ROWS.slice(n, 1)) for n, name in enumerate(names)]
    actions = [added(name, size, 1) for name, size in zip(encoded, sizes, strict=True)]
    write_log(root, *described(ROWS), *actions)
    assert sorted(ids(open_manifest(uri))) == NAMES[:3]


def test_a_file_that_is_gone_is_one_line(uri: str) -> None:
    root = Path(uri)
    size = put(root, "a.parquet", ROWS)
    write_log(root, *described(ROWS), added("a.parquet", size, 20), added("gone.parquet", 9, 1))
    manifest = open_manifest(uri)
    with pytest.raises(ValueError, match=r"as a Delta table cannot be read: .*gone\.parquet"):
        ids(manifest)


def test_a_log_that_is_none_is_one_line(uri: str) -> None:
    log = Path(uri) / "_delta_log"
    log.mkdir(parents=True)
    (log / "00000000000000000000.json").write_text("{}")
    with pytest.raises(ValueError, match="as a Delta table cannot be read") as caught:
        open_manifest(uri)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["log", "checkpoint", "hint", "data"])
def test_what_is_damaged_is_one_line(uri: str, damage: str) -> None:
    for number in range(3):
        deltalake.write_deltalake(uri, ROWS.slice(number, 1), mode="append")
    deltalake.DeltaTable(uri).create_checkpoint()
    pattern = {
        "log": "_delta_log/*.json",
        "checkpoint": "_delta_log/*.parquet",
        "hint": "_delta_log/_last_checkpoint",
        "data": "*.parquet",
    }[damage]
    for file in Path(uri).glob(pattern):
        file.write_bytes(file.read_bytes()[:20])
    if damage in ("log", "hint"):  # the checkpoint makes up for the one, the log for the other
        assert sorted(ids(open_manifest(uri))) == NAMES[:3]
        return
    with pytest.raises(ValueError, match=f"{uri} as a Delta table") as caught:
        ids(open_manifest(uri))
    assert "\n" not in str(caught.value)


def test_a_table_without_rows_selects_none(uri: str) -> None:
    deltalake.write_deltalake(uri, ROWS.slice(0, 0))
    manifest = open_manifest(uri)
    assert (manifest.count(), manifest.is_empty(), ids(manifest)) == (0, True, [])
