from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.manifest.reader import open_manifest
from pipeline.manifest.rows import Manifest

lance = pytest.importorskip("lance", reason="needs the extra lance")

NAMES = [f"r{n:03d}" for n in range(20)]
ROWS = pa.table(
    {
        "id": NAMES,
        "image_uri": [f"{n}.jpg" for n in NAMES],
        "prompt": ["oak"] * len(NAMES),
        "category": pa.array(["tableware", "lamps"] * 10).dictionary_encode(),
        "image": [bytes([n]) * 1000 for n in range(20)],
    }
)


def rows(manifest: Manifest, *columns: str) -> list[dict[str, Any]]:
    return [row for batch, _ in manifest.batches(columns) for row in batch.to_pylist()]


def ids(manifest: Manifest) -> list[str]:
    return [row["id"] for row in rows(manifest, "id")]


@pytest.fixture(params=["products.lance", "rot & grün %20#?"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A dataset whose folder may be called anything, after rows were deleted and replaced."""
    place = str(tmp_path / request.param)
    made = lance.write_dataset(ROWS, str(tmp_path / "made"), max_rows_per_file=6)
    made.delete("id < 'r004'")
    made.update({"prompt": "'marble'"}, where="id = 'r010'")
    lance.write_dataset(ROWS.slice(0, 1), str(tmp_path / "made"), mode="append")
    (tmp_path / "made").rename(place)
    return place


def test_only_live_rows_of_the_newest_version_are_read(uri: str) -> None:
    manifest = open_manifest(uri, where="category = 'tableware'")
    assert sorted(ids(manifest)) == ["r000", *NAMES[4::2]]
    assert sorted(ids(open_manifest(uri))) == ["r000", *NAMES[4:]]
    assert open_manifest(uri).count() == 17
    assert (manifest.version, manifest.root) == ("Lance, version 4", uri)
    found = {row["id"]: row["prompt"] for row in rows(manifest, "id", "prompt")}
    assert found == dict.fromkeys(found, "oak") | {"r010": "marble"}
    assert {row["id"]: row["image"] for row in rows(manifest, "id", "image")}[
        "r006"
    ] == b"\6" * 1000


def test_an_opened_dataset_stays_at_its_version_in_its_order(uri: str) -> None:
    manifest = open_manifest(uri)
    before = ids(manifest)
    lance.dataset(str(Path(uri).rename(Path(uri).with_name("again")))).delete("id > 'r005'")
    Path(uri).with_name("again").rename(uri)
    assert [ids(manifest) for _ in range(3)] == [before] * 3
    assert manifest.count() == 17
    assert sorted(ids(open_manifest(uri))) == ["r000", "r004", "r005"]


def test_a_dataset_that_is_damaged_is_one_line(uri: str) -> None:
    for file in Path(uri, "_versions").glob("*"):
        file.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="as a Lance dataset cannot be read") as caught:
        open_manifest(uri)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000
