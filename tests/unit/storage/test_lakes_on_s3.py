"""Tables on an object store: read by their libraries with their own client, or through ours."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import storage
from pipeline.manifest.reader import open_manifest
from pipeline.manifest.rows import Manifest
from pipeline.storage import client_settings
from pipeline.storage.s3.objects import Objects
from tests.unit.storage.conftest import SECRET, Fill
from tests.unit.tables.lakes.test_lake_formats import without

NAMES = [f"r{n}" for n in range(6)]
ROWS = pa.table({"id": NAMES, "image_uri": ["a.jpg"] * 6, "prompt": ["oak"] * 6})


def ids(manifest: Manifest) -> list[str]:
    return [id_ for batch, _ in manifest.batches(["id"]) for id_ in batch["id"].to_pylist()]


def uploaded(folder: Path, uri: str) -> str:
    for file in folder.rglob("*"):
        if file.is_file():
            storage.write(f"{uri}/{file.relative_to(folder)}", file.read_bytes())
    return uri


def parquet() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(ROWS, sink)
    return bytes(sink.getvalue())


# --- what is handed over -------------------------------------------------------------------------


def test_a_local_table_needs_no_settings(tmp_path: Path) -> None:
    assert client_settings(str(tmp_path)) == {}


def test_a_store_of_ones_own_is_asked_by_path(s3_url: str) -> None:
    assert client_settings("s3://shop/products") == {
        "aws_region": "us-east-1",
        "aws_endpoint": s3_url,
        "aws_virtual_hosted_style_request": "false",
        "aws_allow_http": "true",
        "aws_access_key_id": "AKIAEXAMPLE",
        "aws_secret_access_key": SECRET,
    }


def test_buckets_that_are_hosts_are_part_of_the_endpoint(
    s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://store.example:9000")
    monkeypatch.setenv("BACKLOT_S3_ADDRESSING_STYLE", "virtual")
    found = client_settings("s3://shop/products")
    assert found["aws_endpoint"] == "https://shop.store.example:9000"
    assert found["aws_virtual_hosted_style_request"] == "true"
    assert found["aws_allow_http"] == "false"


def test_of_amazon_the_library_knows_the_endpoint(
    s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "passing")
    found = client_settings("s3://shop/products")
    assert "aws_endpoint" not in found
    assert found["aws_region"] == "eu-central-1"
    assert found["aws_session_token"] == "passing"


def test_public_buckets_are_asked_without_a_signature(
    s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKLOT_S3_ANONYMOUS", "1")
    found = client_settings("s3://shop/products")
    assert found["aws_skip_signature"] == "true"
    assert not [name for name in found if "key" in name]


# --- how tables are told -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("_delta_log/00000000000000000000.json", "is a Delta table"),
        ("metadata/v1.metadata.json", "is an Iceberg table"),
        ("_versions/1.manifest", "is a Lance dataset"),
        (".hoodie/hoodie.properties", "is a Hudi table"),
        ("schema/schema-0", "is a Paimon table"),
    ],
)
@pytest.mark.parametrize("named", ["", "/data", "/data/0.parquet", "/data/*.parquet", "/.."])
def test_a_table_is_told_at_above_and_below_its_prefix(
    bucket: str, fill: Fill, monkeypatch: pytest.MonkeyPatch, log: str, said: str, named: str
) -> None:
    without(monkeypatch, "deltalake", "pyiceberg", "lance")
    fill({"a/products/data/0.parquet": parquet(), f"a/products/{log}": b"{}"})
    name = f"{bucket}/a" if named == "/.." else f"{bucket}/a/products{named}"
    with pytest.raises(ValueError, match=f"{bucket}/a/products {said}"):
        open_manifest(name)


def test_a_manifest_beside_a_table_is_read(bucket: str, fill: Fill) -> None:
    log = "a/products/_delta_log/00000000000000000000.json"
    fill({"a/m/dt=1/0.parquet": parquet(), "m.parquet": parquet(), log: b"{}"})
    assert open_manifest(f"{bucket}/a/m").count() == 6
    assert open_manifest(f"{bucket}/m.parquet").count() == 6


def test_who_may_not_look_above_his_own_prefix_can_read_below_it(
    bucket: str, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill({"mine/m/0.parquet": parquet()})
    is_folder = Objects.is_folder

    def only_mine(self: Objects, uri: str) -> bool:
        if not f"{uri}/".startswith(f"{bucket}/mine/"):
            raise PermissionError(13, "refused", uri)
        return is_folder(self, uri)

    monkeypatch.setattr(Objects, "is_folder", only_mine)
    assert open_manifest(f"{bucket}/mine/m").count() == 6
    assert open_manifest(f"{bucket}/mine/m/0.parquet").count() == 6


# --- how they are read ---------------------------------------------------------------------------


def test_a_delta_table_is_read(bucket: str, tmp_path: Path) -> None:
    deltalake = pytest.importorskip("deltalake", reason="needs the extra delta")
    table = ROWS.append_column("shop", pa.array(["rot & grün", "a/b"] * 3))
    deltalake.write_deltalake(str(tmp_path / "t"), table, partition_by=["shop"])
    deltalake.DeltaTable(str(tmp_path / "t")).delete("id = 'r0'")
    uri = uploaded(tmp_path / "t", f"{bucket}/shop 1/products")
    manifest = open_manifest(uri, where="shop = 'rot & grün'")
    assert sorted(ids(manifest)) == ["r2", "r4"]
    assert open_manifest(uri).count() == 5
    assert manifest.root == uri
    with pytest.raises(ValueError, match="is a Delta table, and which of its files"):
        open_manifest(f"{uri}/*/*.parquet")


def test_a_lance_dataset_is_read(bucket: str, tmp_path: Path) -> None:
    lance = pytest.importorskip("lance", reason="needs the extra lance")
    lance.write_dataset(ROWS, str(tmp_path / "t")).delete("id = 'r0'")
    uri = uploaded(tmp_path / "t", f"{bucket}/products.lance")
    assert ids(open_manifest(uri)) == NAMES[1:]


def test_an_iceberg_table_is_read(bucket: str, s3_url: str) -> None:
    pytest.importorskip("pyiceberg", reason="needs the extra iceberg")
    pytest.importorskip("sqlalchemy", reason="needs a catalog to write tables with")
    from pyiceberg.catalog.memory import InMemoryCatalog

    keys = {"s3.access-key-id": "AKIAEXAMPLE", "s3.secret-access-key": SECRET}
    catalog = InMemoryCatalog(
        "tests", f"{bucket}/ware house", **keys, **{"s3.endpoint": s3_url, "s3.region": "us-east-1"}
    )
    catalog.create_namespace("shop")
    table = catalog.create_table("shop.products", schema=ROWS.schema)
    table.append(ROWS)
    table.delete("id == 'r0'")
    catalog.close()
    assert ids(open_manifest(table.location())) == NAMES[1:]
    assert ids(open_manifest(table.metadata_location)) == NAMES[1:]


@pytest.mark.parametrize("kind", ["delta", "lance"])
def test_what_a_store_refuses_is_one_line_without_the_secret(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    if kind == "delta":
        library = pytest.importorskip("deltalake", reason="needs the extra delta")
        library.write_deltalake(str(tmp_path / "t"), ROWS)
    else:
        library = pytest.importorskip("lance", reason="needs the extra lance")
        library.write_dataset(ROWS, str(tmp_path / "t"))
    uri = uploaded(tmp_path / "t", f"{bucket}/t")
    manifest = open_manifest(uri)
    for file in storage.list_files(uri):
        if "/_" not in file.removeprefix(uri):
            storage.remove(file)
    with pytest.raises(ValueError, match="cannot be read") as caught:
        ids(manifest)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)
