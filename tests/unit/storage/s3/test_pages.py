"""Files and folders on stores that list in other ways than Amazon's: none lost, none twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from pipeline import storage
from pipeline.errors import TransientError
from pipeline.storage.photographs.versions import versions
from pipeline.storage.retry import Backoff
from pipeline.storage.s3 import etag_search
from pipeline.storage.s3.connection import connection
from pipeline.storage.s3.objects import Objects
from tests.small_s3 import Manners, SmallS3
from tests.unit.storage import listers
from tests.unit.storage.listers import Lister

KEYS = [f"out/run_id={n}/results/{m}.parquet" for n in range(3) for m in range(7)]
ONE = "s3://shop/out/run_id=1"

QUICK = Backoff(attempts=2, first_s=0.001)

WAYS: dict[str, dict[str, Any]] = {
    "as Amazon": {},
    "pages of one key": {"page": 1},
    "all at once": {"page": 1000},
    "backwards": {"order": listers.backwards, "page": 3},
    "in no order": {"order": listers.scattered, "page": 3},
    "keys on two pages": {"page": 3, "overlap": 2},
    "nor a prefix": {"passes_over": frozenset({"prefix", "delimiter"}), "page": 3},
    "no delimiter": {"passes_over": frozenset({"delimiter"}), "page": 3},
    "no limit to a page": {"passes_over": frozenset({"max-keys"})},
    "an empty page first": {"empty_first": True},
    "a token after the end": {"tokens": "after the end"},
    "no sizes, no ETags": {"sizes": False, "etags": False, "page": 3},
    "empty times": {"times": "", "page": 3},
    "times of its own": {"times": "yesterday"},
}


@pytest.mark.parametrize("way", WAYS)
def test_files_and_folders_are_listed_once_each_and_sorted(lister: Lister, way: str) -> None:
    lister.holds([*KEYS, "out/run_id=1/results/", "out/run_id=10/x"], **WAYS[way])
    results = [f"s3://shop/{key}" for key in KEYS]
    assert storage.list_files(f"{ONE}/results", suffix=".parquet") == results[7:14]
    assert storage.list_folders("s3://shop/out") == [
        f"s3://shop/out/run_id={n}" for n in (0, 1, 10, 2)
    ]
    assert storage.glob_files("s3://shop/out/*/results/*.parquet") == results
    assert storage.is_folder(ONE)
    assert not storage.is_folder("s3://shop/out/run_id=4")


@pytest.mark.parametrize("tokens", ["none", "repeated", "ignored", "endless"])
def test_a_listing_without_an_end_is_refused_in_words(
    lister: Lister, tmp_path: Path, tokens: str
) -> None:
    lister.holds(KEYS, tokens=tokens, page=2)
    asked: list[Callable[[], object]] = [
        lambda: storage.list_files(ONE),
        lambda: storage.list_folders("s3://shop/out"),
        lambda: storage.glob_files(f"{ONE}/results/*"),
        lambda: storage.mirror(ONE, cache=tmp_path),
    ]
    for ask in asked:
        with pytest.raises(OSError, match=r"the store's listing (breaks off|goes in circles)"):
            ask()
    assert storage.is_folder(ONE)
    assert lister.counts["requests"] < 100


def test_a_store_that_answers_no_listing_of_more_than_a_page_does_for_folders_of_one(
    lister: Lister,
) -> None:
    lister.holds(KEYS, tokens="broken", page=7)
    store = Objects(connection(), backoff=QUICK)
    assert store.is_folder(ONE)
    assert list(store.sizes(ONE).values()) == [1] * 7
    with pytest.raises(OSError, match=r"HTTP 500.*none that has more than a page.*NODE_OPTIONS"):
        store.list_files("s3://shop/out", suffix="")


def test_a_store_that_answers_no_listing_at_all_is_down(lister: Lister) -> None:
    lister.holds(KEYS, is_down=True)
    with pytest.raises(TransientError, match="try again later"):
        Objects(connection(), backoff=QUICK).list_files(ONE, suffix="")


@pytest.mark.parametrize("way", [way for way, how in WAYS.items() if how.get("sizes", True)])
def test_sizes_are_those_of_all_files_below_by_one_listing(lister: Lister, way: str) -> None:
    lister.holds([*KEYS, "out/run_id=1/results/", "out/run_id=10/x"], **WAYS[way])
    assert storage.sizes(ONE) == {f"s3://shop/{key}": 1 for key in KEYS[7:14]}
    assert storage.sizes("s3://shop/out/run_id=4") == {}


@pytest.mark.parametrize("times", ["", "yesterday", "99999999999999999999"])
def test_times_that_cannot_be_read_cost_no_version(lister: Lister, times: str) -> None:
    keys = [f"shoes/{n:02d}.jpg" for n in range(25)]
    lister.holds(keys, times=times)
    looked = versions([f"s3://shop/{key}" for key in keys], backoff=QUICK)
    assert looked == {f"s3://shop/{key}": key.encode().hex() for key in keys}


def test_versions_are_found_one_by_one_where_a_listing_breaks_off(lister: Lister) -> None:
    keys = [f"shoes/{n:02d}.jpg" for n in range(25)]
    lister.holds(keys, tokens="none")
    looked = versions([f"s3://shop/{key}" for key in [*keys, "shoes/none.jpg"]], backoff=QUICK)
    assert len(looked) == 25
    assert not looked.unseen


def test_of_what_a_listing_breaks_off_before_that_is_said(lister: Lister) -> None:
    keys = [f"shoes/1.jpg{n:02d}" for n in range(25)]
    lister.holds(keys, tokens="none", order=listers.backwards, start_after="ignored")
    looked = versions([f"s3://shop/{key}" for key in ("shoes/1.jpg", keys[0])], backoff=QUICK)
    assert set(looked) == {f"s3://shop/{keys[0]}"}
    assert looked.unseen == {"s3://shop/shoes/1.jpg": etag_search.DOES_NOT_END}


@pytest.mark.parametrize("written", ['W/"{}"', '"{}-gzip"', "{}", '"{}"'], ids=str)
def test_weights_are_brought_though_what_stands_before_the_store_writes_their_etags_anew(
    store: SmallS3, tmp_path: Path, written: str
) -> None:
    weights = b"weights" * 999
    store.put("shop/w/a.bin", weights)

    def answers(request: web.Request, _: str) -> web.Response | None:
        if request.method != "GET" or "list-type" in request.query:
            return None
        there = store.objects["shop/w/a.bin"]
        headers = {"ETag": written.format(there.md5)}
        return web.Response(status=206, body=there.data, headers=headers)

    store.manners = Manners(refuses=answers, etag=lambda md5: f'"{md5.upper()}"')
    brought = storage.mirror("s3://shop/w", cache=tmp_path, backoff=QUICK)
    assert (brought / "a.bin").read_bytes() == weights


def test_weights_replaced_while_they_are_read_are_not_mixed(store: SmallS3, tmp_path: Path) -> None:
    store.put("shop/w/a.bin", b"old" * 999)

    def answers(request: web.Request, _: str) -> None:
        if request.method == "GET" and "list-type" not in request.query:
            store.put("shop/w/a.bin", b"new" * 999)

    store.manners = Manners(refuses=answers)
    with pytest.raises(TransientError, match="replaced while it was read"):
        storage.mirror("s3://shop/w", cache=tmp_path, backoff=QUICK)
