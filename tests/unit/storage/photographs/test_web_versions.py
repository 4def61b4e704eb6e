"""What a nightly run makes of photographs behind URLs, replaced or not looked at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.manifest.reader import open_manifest
from pipeline.planning.planner import Planner
from pipeline.recipe import Recipe, parse_recipe
from pipeline.runs.documents import read_document
from pipeline.runs.earlier_runs import settled
from pipeline.runs.run_folder import NothingToDo
from pipeline.runs.seen_photographs import SeenBefore
from pipeline.storage.photographs import versions
from pipeline.storage.retry import Backoff
from pipeline.storage.web import downloads
from tests.conftest import MakeManifest
from tests.unit.past import past_run
from tests.unit.storage.shop import Shop, opened

NAMES = ["a", "b", "c"]


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setattr(versions, "_BRIEFLY", Backoff(attempts=2, first_s=0.01))
    with opened() as server:
        for name in NAMES:
            server.headers[f"/{name}.jpg"] = {"ETag": "v1"}
        yield server


@pytest.fixture
def manifest(make_manifest: MakeManifest, shop: Shop) -> str:
    uris = [f"{shop.root}/{name}.jpg" for name in NAMES]
    return make_manifest(id=NAMES, image_uri=uris, prompt=["sand"] * 3)


def recipe_with(shop: Shop, *overrides: str) -> Recipe:
    web = (
        "fetch.allowed_schemes=[http, file]",
        f"fetch.allowed_hosts=['{shop.host}']",
        "fetch.allow_private_addresses=true",
    )
    return parse_recipe("name: plain", overrides=[*web, *overrides], source="a test")


def to_do(output: str, manifest: str, recipe: Recipe) -> tuple[set[str], dict[str, int]]:
    """What a nightly run would make now, and what it could not look at."""
    seen = SeenBefore(output)
    planner = Planner(recipe=recipe, manifest=open_manifest(manifest), seen_before=seen)
    looker = recipe.fetch.looker()
    left = settled(output).left_out_of(planner.tables(looker))
    ids = {sample_id for table in left for sample_id in table["sample_id"].to_pylist()}
    return ids, dict(looker.unseen)


def test_a_picture_that_was_replaced_behind_its_url_is_made_again(
    shop: Shop, manifest: str, tmp_path
) -> None:
    output, recipe = str(tmp_path / "dataset"), recipe_with(shop)
    past_run(output, "r1", manifest, recipe=recipe)
    assert to_do(output, manifest, recipe) == (set(), {})
    shop.headers["/b.jpg"] = {"ETag": "v2"}
    assert to_do(output, manifest, recipe) == ({"b"}, {})


@pytest.mark.parametrize(
    ("override", "reason", "count"),
    [
        ("fetch.versions_http=1", downloads.OVER_THE_LIMIT, 2),
        ("fetch.versions_http=0", downloads.OVER_THE_LIMIT, 3),
        ("fetch.versions=[file, s3]", "fetch.versions leaves out http", 3),
        ("fetch.versions=none", "fetch.versions leaves out http", 3),
    ],
)
def test_what_is_not_looked_at_counts_as_before(
    shop: Shop, manifest: str, tmp_path, override: str, reason: str, count: int
) -> None:
    output = str(tmp_path / "dataset")
    past_run(output, "r1", manifest, recipe=recipe_with(shop))
    assert to_do(output, manifest, recipe_with(shop, override)) == (set(), {reason: count})
    ledger = past_run(output, "r2", manifest, recipe=recipe_with(shop, override), seen=True)
    assert ledger.not_looked_at == {reason: count}
    document = read_document(ledger.uri, "run.json")
    assert document is not None
    assert document["not_looked_at"] == {reason: count}
    with pytest.raises(NothingToDo) as nothing:
        past_run(
            output, "r3", manifest, recipe=recipe_with(shop, override), nightly=True, seen=True
        )
    assert nothing.value.not_looked_at == {reason: count}


def test_a_server_that_is_down_changes_nothing(shop: Shop, manifest: str, tmp_path) -> None:
    output, recipe = str(tmp_path / "dataset"), recipe_with(shop)
    past_run(output, "r1", manifest, recipe=recipe)
    shop.headers["/b.jpg"] = {"ETag": "v2"}
    past_run(output, "r2", manifest, recipe=recipe)
    shop.is_down = True
    assert to_do(output, manifest, recipe) == (set(), {downloads.GAVE_NO_ANSWER: 3})
    shop.is_down = False
    assert to_do(output, manifest, recipe) == (set(), {})
