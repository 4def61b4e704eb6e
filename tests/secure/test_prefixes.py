"""Objects and files outside a manifest's folder: not read, not listed, and nothing told of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.previews.dry_run import dry_run
from pipeline import storage
from pipeline.errors import ErrorCode, RowError
from pipeline.manifest.reader import open_manifest
from pipeline.planning.planner import Planner
from pipeline.recipe import Recipe, parse_recipe
from pipeline.runs.run_config import RunConfig
from pipeline.stages.fetch import FetchConfig, FetchMapper
from pipeline.storage import Bounds, Fetched
from tests.conftest import MakeManifest
from tests.small_s3 import SmallS3

INSIDE = "s3://shop/feed/shoes/1.jpg"
OUTSIDE = [
    "s3://shop/secret.jpg",
    "s3://shop/feed-other/1.jpg",
    "s3://shop/Feed/1.jpg",
    "s3://shop/feed",
    "s3://tenant-b/feed/1.jpg",
    "s3://shop/feed/../secret.jpg",
    "s3://shop/feed/shoes/../../secret.jpg",
    "s3://shop/feed/..\\secret.jpg",
    "s3://shop/feed/../../tenant-b/feed/1.jpg",
    "s3://shop//feed/1.jpg",
]


@pytest.fixture(scope="module")
def small_store() -> Iterator[SmallS3]:
    keys = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "none", "AWS_REGION": "x"}
    with pytest.MonkeyPatch.context() as patch, SmallS3() as store:
        for name, value in {**keys, "AWS_ENDPOINT_URL": store.url}.items():
            patch.setenv(name, value)
        storage.disconnect()
        yield store
        storage.disconnect()


@pytest.fixture
def store(small_store: SmallS3) -> SmallS3:
    small_store.forget()
    for uri in (INSIDE, *OUTSIDE):
        small_store.put(uri.removeprefix("s3://"), b"a secret")
    return small_store


def recipe(*overrides: str) -> Recipe:
    return parse_recipe("name: plain", overrides=["prompt.default=oak", *overrides], source="test")


def plan(manifest: str, *overrides: str) -> list[dict[str, Any]]:
    planner = Planner(recipe=recipe(*overrides), manifest=open_manifest(manifest))
    return [row for table in planner.tables() for row in table.to_pylist()]


def looked_at(store: SmallS3) -> set[str]:
    """The objects and folders that somebody has asked the store for."""
    return {address for _, address, _ in store.seen}


@pytest.mark.parametrize("root", ["s3://shop/feed", "/data/feed", None])
@pytest.mark.parametrize("uri", OUTSIDE)
def test_an_object_outside_is_neither_read_nor_looked_up(
    store: SmallS3, uri: str, root: str | None
) -> None:
    mapper = FetchMapper(FetchConfig(), root=root)
    row = {"image_uri": uri, "image_input": None, "mask_uri": None, "reference_uris": []}
    (refused,) = mapper.map_batch([row])
    assert isinstance(refused, RowError)
    assert refused.code is ErrorCode.URI_NOT_ALLOWED
    assert "fetch.allowed_prefixes" in refused.message
    found = FetchConfig().looker().versions([uri], below=root or "/nowhere")
    assert (found, found.unseen, found.spelled) == ({}, {}, {})
    assert store.seen == []


def test_what_is_inside_or_named_in_the_recipe_is_read(store: SmallS3) -> None:
    config = FetchConfig(allowed_prefixes=("s3://tenant-b/feed", "s3://shop/feed-other/"))
    uris = ["s3://tenant-b/feed/1.jpg", "s3://shop/feed-other/1.jpg", INSIDE]
    reader = storage.PhotoReader(config, root="s3://shop/feed", max_bytes=100)
    assert [isinstance(found, Fetched) for found in reader.read_many(uris)] == [True] * 3
    assert config.looker().versions(uris, below="s3://shop/feed").keys() == set(uris)
    assert not Bounds("s3://shop/feed", config.allowed_prefixes).hold("s3://tenant-b/feeds/1.jpg")


def test_no_other_spelling_of_a_name_leads_out(store: SmallS3) -> None:
    # None of these is there as it is written: the walked, slashed and trimmed ones would be.
    said = ["s3://shop/feed/x/..\\..\\..\\secret.jpg", "s3://shop/feed/ ../ ../secret.jpg"]
    reader = storage.PhotoReader(FetchConfig(), root="s3://shop/feed", max_bytes=100)
    assert all(isinstance(found, RowError) for found in reader.read_many(said))
    assert not FetchConfig().looker().versions(said, below="s3://shop/feed").spelled
    assert "shop/secret.jpg" not in looked_at(store)


@pytest.mark.parametrize("column", ["image_uri", "mask_uri", "reference_uri"])
def test_every_column_that_names_a_file_is_held_to_it(
    make_manifest: MakeManifest, store: SmallS3, column: str
) -> None:
    columns = {"id": ["bad", "good"], "image_uri": ["1.jpg", "2.jpg"]}
    manifest = make_manifest(**{**columns, column: ["s3://tenant-b/feed/1.jpg", "3.jpg"]})
    bad, good = plan(manifest)
    assert bad["error"]["code"] == "uri_not_allowed"
    assert bad["error"]["message"].startswith(f"{column} 's3://tenant-b/feed/1.jpg' ")
    assert bad["error"]["message"].endswith("add s3://tenant-b/feed/ to fetch.allowed_prefixes")
    assert bad["image_version"] is None
    assert good["error"] is None
    assert store.seen == []
    once_allowed, _ = plan(manifest, "fetch.allowed_prefixes=[s3://tenant-b/feed/]")
    assert once_allowed["error"] is None
    assert once_allowed["fingerprint"] != bad["fingerprint"]  # so that a night makes it


def test_links_and_steps_that_lead_out_tell_no_size_and_no_time(tmp_path: Path) -> None:
    feed = tmp_path / "feed"
    feed.mkdir()
    (tmp_path / "secret.jpg").write_bytes(b"a secret")
    (feed / "own.jpg").write_bytes(b"a shoe")
    (feed / "alias.jpg").symlink_to("own.jpg")
    (feed / "file.jpg").symlink_to(tmp_path / "secret.jpg")
    (feed / "folder").symlink_to(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (feed / "deep").symlink_to(tmp_path / "elsewhere")
    inside = [f"{feed}/own.jpg", f"{feed}/alias.jpg"]
    outside = ["file.jpg", "folder/secret.jpg", "deep/../secret.jpg", "folder/./secret.jpg"]
    uris = [*inside, *(f"{feed}/{name}" for name in outside)]
    found = FetchConfig().looker().versions(uris, below=str(feed))
    assert found.keys() == set(inside)
    assert (found.unseen, found.spelled) == ({}, {})


def test_allowing_a_prefix_leaves_a_run_and_finished_rows_what_they_are(
    make_manifest: MakeManifest,
) -> None:
    allowed = "fetch.allowed_prefixes=[s3://tenant-b]"
    assert recipe().config_hash == recipe(allowed).config_hash
    manifest = make_manifest(id=["a"], image_uri=["1.jpg"])
    assert plan(manifest)[0]["fingerprint"] == plan(manifest, allowed)[0]["fingerprint"]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("/data/feed", "local photographs lie below the manifest's folder"),
        ("https://shop.example/", "another scheme than s3://"),
        ("s3://", "cannot be the name of a bucket"),
        ("s3://shop/*/feed", "wildcard"),
        ("s3://shop/../tenant-b", "'..' in it"),
        ("s3://shop//feed", "an empty step"),
        ("s3://KEY:hunter2@shop/feed", "before an '@'"),
        ("*", "is no folder of a bucket"),
    ],
)
def test_an_entry_that_is_no_folder_of_a_bucket_is_refused(entry: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"fetch\.allowed_prefixes") as refused:
        recipe(f"fetch.allowed_prefixes=['{entry}']")
    assert said in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_dry_run_says_how_many_rows_lie_outside_and_what_to_add(
    make_manifest: MakeManifest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    uris = ["1.jpg", " S3://tenant-b/feed/2.jpg", "s3a://tenant-b/feed/3.jpg", "shoes3.jpg"]
    config = RunConfig(
        recipe=recipe(),
        manifest=make_manifest(id=list("abcd"), image_uri=uris),
        output=str(tmp_path / "out"),
    )
    with caplog.at_level(logging.WARNING):
        dry_run(config)
    (line,) = [one.message for one in caplog.records if "outside" in one.message]
    assert line.startswith("2 of 4 rows name photographs or masks outside")
    assert line.endswith("add s3://tenant-b/feed/ to fetch.allowed_prefixes")


def test_a_request_of_which_all_rows_lie_outside_is_refused_before_any_work(
    make_manifest: MakeManifest, tmp_path: Path
) -> None:
    config = RunConfig(
        recipe=recipe(),
        manifest=make_manifest(id=["a", "b"], image_uri=["s3://b/1.jpg", "s3://c/x/2.jpg"]),
        output=str(tmp_path / "out"),
    )
    with pytest.raises(ValueError, match=r"2 of 2 rows .* add s3://b/ to fetch\."):
        dry_run(config)
    assert not (tmp_path / "out").exists()
