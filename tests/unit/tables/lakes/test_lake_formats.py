"""Whatever is named at, above or below a table that a format keeps is told by that format's log."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.manifest.reader import open_manifest

ROWS = pa.table({"id": ["a", "b"], "image_uri": ["a.jpg", "b.jpg"], "prompt": ["oak", "pine"]})
UUID = "5a0f4ea9-9f02-4d05-b9d1-0c11bbd0bb5d"
LAYOUTS: dict[str, tuple[str, str, Sequence[str]]] = {
    "Delta": ("a Delta table", "part-0.parquet", ["_delta_log/00000000000000000000.json"]),
    "Delta after a checkpoint": (
        "a Delta table",
        "part-0.parquet",
        [
            "_delta_log/00000000000000000010.checkpoint.parquet",
            "_delta_log/_last_checkpoint",
        ],
    ),
    "Delta by partitions": (
        "a Delta table",
        "dt=2026-11-02/shop=x/part-0.parquet",
        ["_delta_log/00000000000000000000.json"],
    ),
    "Delta with universal format": (
        "a Delta table",
        "part-0.parquet",
        ["_delta_log/00000000000000000000.json", f"metadata/00001-{UUID}.metadata.json"],
    ),
    "Iceberg of a catalog": (
        "an Iceberg table",
        "data/00000-0.parquet",
        [f"metadata/00001-{UUID}.metadata.json"],
    ),
    "Iceberg in Hadoop's way": (
        "an Iceberg table",
        "data/dt=2026-11-02/00000-0.parquet",
        ["metadata/v3.metadata.json", "metadata/version-hint.text"],
    ),
    "Iceberg under names of its own": (
        "an Iceberg table",
        "data/00000-0.parquet",
        ["metadata/newest.metadata.json", "metadata/snap-1-1.avro"],
    ),
    "Iceberg, compressed": (
        "an Iceberg table",
        "data/a/b/00000-0.parquet",
        [f"metadata/00001-{UUID}.gz.metadata.json"],
    ),
    "Lance": ("a Lance dataset", "data/0.lance", ["_versions/1.manifest"]),
    "Hudi": ("a Hudi table", "2026/11/02/f-0.parquet", [".hoodie/hoodie.properties"]),
    "Paimon": (
        "a Paimon table",
        "bucket-0/data-0.parquet",
        ["schema/schema-0", "snapshot/snapshot-1"],
    ),
}
READ = {"Delta": "delta", "Iceberg": "iceberg", "Lance": "lance"}


def without(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """As if they were not installed, whoever has imported them before."""
    loaded = [name for name in sys.modules if name.partition(".")[0] in packages]
    for name in (*packages, *loaded):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.fixture(autouse=True)
def none_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "deltalake", "pyiceberg", "lance")


@pytest.fixture(params=LAYOUTS)
def layout(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str, str]:
    """A table's folder, what it is, and its data file."""
    called, data, log = LAYOUTS[request.param]
    root = tmp_path / "warehouse" / "products"
    for name in (data, *log):
        root.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
        root.joinpath(name).write_text("{}")
    pq.write_table(ROWS, root / data)
    return root, called, data


def refusal(name: Path | str) -> str:
    with pytest.raises(ValueError, match=r"^manifest ") as caught:
        open_manifest(str(name))
    said = str(caught.value)
    assert "\n" not in said
    assert said.startswith(f"manifest {name}")
    return said


def test_the_folder_itself_names_what_to_install_or_to_export(
    layout: tuple[Path, str, str],
) -> None:
    root, called, _ = layout
    said = refusal(root)
    assert f"{root} is {called}, which" in said
    extra = READ.get(called.split()[1])
    if extra is None:
        assert "cannot be read here: export its newest snapshot to Parquet" in said
    else:
        assert f"pip install 'backlot[{extra}]', or export its rows to Parquet" in said


@pytest.mark.parametrize("named", ["below", "file", "pattern", "deep pattern", "above", "log"])
def test_what_is_named_below_or_above_is_refused_and_the_folder_named(
    layout: tuple[Path, str, str], named: str
) -> None:
    root, called, data = layout
    if data == "part-0.parquet" and named == "below":
        pytest.skip("its files lie in the folder itself")
    log = next(
        path for path in sorted(root.rglob("*")) if path.is_file() and "part" not in path.name
    )
    name = {
        "below": (root / data).parent,
        "file": root / data,
        "pattern": f"{(root / data).parent}/*{Path(data).suffix}",
        "deep pattern": f"{root.parent}/**/*{Path(data).suffix}",
        "above": root.parent,
        "log": log.parent if "metadata" in str(log) or "_log" in str(log) else root / data,
    }[named]
    said = refusal(name)
    assert f"{root} is {called}, and which of its files and rows are live only its log" in said
    if called.split()[1] in READ:
        assert f"name the folder {root} itself, or export" in said


def test_one_table_among_plain_files_is_found(tmp_path: Path) -> None:
    pq.write_table(ROWS, tmp_path / "plain.parquet")
    log = tmp_path / "old" / "products" / "_delta_log"
    log.mkdir(parents=True)
    (log / "00000000000000000000.json").write_text("{}")
    assert f"{log.parent} is a Delta table" in refusal(tmp_path)
    # Files beside it are nobody's but their own.
    assert open_manifest(str(tmp_path / "plain.parquet")).count() == 2
    assert open_manifest(f"{tmp_path}/*.parquet").count() == 2


@pytest.mark.parametrize(
    "name",
    [
        f"main/products/ducklake-{UUID}.parquet",
        f"ducklake-{UUID}-delete.parquet",
    ],
)
def test_files_of_a_ducklake_are_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / "lake.ducklake.files" / name
    file.parent.mkdir(parents=True)
    pq.write_table(ROWS, file)
    for named in (file, file.parent, tmp_path):
        said = refusal(named)
        assert "is a file of a DuckLake catalog" in said
        assert "TO 'products.parquet'" in said


@pytest.mark.parametrize("name", ["00000000000000000000.json", "0.checkpoint.parquet"])
def test_a_file_of_the_log_is_no_manifest(tmp_path: Path, name: str) -> None:
    log = tmp_path / "products" / "_delta_log"
    log.mkdir(parents=True)
    pq.write_table(ROWS, log / name)
    assert f"{log.parent} is a Delta table" in refusal(log / name)


def test_a_link_into_a_table_leads_into_it(tmp_path: Path) -> None:
    log = tmp_path / "products" / "_delta_log"
    log.mkdir(parents=True)
    (log / "00000000000000000000.json").write_text("{}")
    file = tmp_path / "products" / "dt=1" / "0.parquet"
    file.parent.mkdir()
    pq.write_table(ROWS, file)
    for name, target in (("folder", file.parent), ("m.parquet", file)):
        (tmp_path / name).symlink_to(target)
        assert f"{tmp_path / 'products'} is a Delta table" in refusal(tmp_path / name)


@pytest.mark.parametrize(
    "beside",
    [
        "metadata/notes.json",
        "metadata/metadata.json",
        "schema/products.json",
        "_delta_logs/0.json",
        "versions/1.manifest",
        "_temporary/0/part-0.parquet",
        "ducklake.parquet",
    ],
)
def test_folders_that_only_look_like_it_are_read(tmp_path: Path, beside: str) -> None:
    pq.write_table(ROWS, tmp_path / "m.parquet")
    other = tmp_path / beside
    other.parent.mkdir(parents=True, exist_ok=True)
    if beside.endswith("parquet"):
        pq.write_table(ROWS.slice(0, 0), other)
    else:
        other.write_text("{}")
    assert open_manifest(str(tmp_path)).count() == 2
    assert open_manifest(str(tmp_path / "m.parquet")).count() == 2


def test_text_files_beside_a_log_are_nothing_of_the_table(tmp_path: Path) -> None:
    (tmp_path / "_delta_log").mkdir()
    (tmp_path / "_delta_log" / "00000000000000000000.json").write_text("{}")
    (tmp_path / "m.csv").write_text("id,image_uri,prompt\na,a.jpg,oak\n")
    assert open_manifest(str(tmp_path / "m.csv")).count() == 1
