from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.storage.photographs.versions import Versions, versions
from pipeline.storage.retry import Backoff
from pipeline.storage.s3 import etag_search
from pipeline.storage.s3.pages import version_of
from tests.unit.storage import listers
from tests.unit.storage.listers import Lister

ORDERS = [listers.by_byte, listers.by_folder, listers.backwards, listers.scattered]
STARTS = ["own order", "by byte", "ignored", "refused"]
"""How a store takes a key to start after."""


def found(keys: list[str]) -> Versions:
    return versions([f"s3://shop/{key}" for key in keys], backoff=Backoff(attempts=2, first_s=0.01))


def etags(keys: list[str]) -> dict[str, str]:
    return {f"s3://shop/{key}": version_of(key.encode().hex()) for key in keys}


def test_a_folder_beside_files_of_its_stem(lister: Lister) -> None:
    keys = ["shoes/red/2.jpg", "shoes/red-1.jpg", "shoes/red.jpg", "shoes/red0.jpg", "shoes/x/1"]
    for order, start_after, page in product(ORDERS, STARTS, (1, 10)):
        lister.holds(keys, order=order, start_after=start_after, page=page)
        assert found(keys) == etags(keys)
        assert found(keys[:2]) == etags(keys[:2])
        assert found([*keys[1:3], "shoes/none.jpg", "none"]) == etags(keys[1:3])
        assert not found(keys).unseen


def test_many_in_one_folder_and_some_of_many(lister: Lister) -> None:
    keys = [f"many/{n // 7:02d}{slash}{n}.jpg" for n in range(100) for slash in "/-"]
    for order in ORDERS[1:]:
        lister.holds(keys, order=order, page=30)
        assert found(keys) == etags(keys)
        assert found(keys[::9]) == etags(keys[::9])


KEYS = st.lists(st.text("a-/.é", min_size=1, max_size=5), min_size=1, max_size=25, unique=True)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    keys=KEYS,
    others=KEYS,
    order=st.sampled_from(ORDERS),
    start_after=st.sampled_from(STARTS),
    only_folders=st.booleans(),
    page=st.integers(1, 7),
    overlap=st.integers(0, 2),
    etag=st.sampled_from(["{}".format, '"{}"'.format, 'W/"{}"'.format]),
    passes_over=st.sampled_from([(), ("max-keys",), ("delimiter",), ("delimiter", "prefix")]),
)
def test_every_version_is_found_whatever_the_order(
    lister: Lister,
    keys: list[str],
    others: list[str],
    order: listers.Order,
    start_after: str,
    only_folders: bool,
    page: int,
    overlap: int,
    etag: Callable[[str], str],
    passes_over: tuple[str, ...],
) -> None:
    lister.holds(
        [*{*keys, *others}],
        order=order,
        start_after=start_after,
        only_folders=only_folders,
        page=page + overlap,
        overlap=overlap,
        etag=etag,
        passes_over=frozenset(passes_over),
    )
    looked = found([*keys, "none", "a/none"])
    assert looked == etags(keys)
    assert not looked.unseen


@pytest.mark.parametrize("tokens", ["ignored", "repeated", "endless"])
def test_a_listing_that_does_not_end_is_left_and_said(lister: Lister, tokens: str) -> None:
    keys = [f"photos/{n:03d}.jpg" for n in range(35)]
    lister.holds(keys, tokens=tokens, start_after="ignored")
    looked = found([*keys, "photos/none.jpg"])
    # Each was asked for by itself; of what no page has, an endless listing never says so.
    assert looked == etags(keys)
    assert looked.unseen == (
        {"s3://shop/photos/none.jpg": etag_search.DOES_NOT_END} if tokens == "endless" else {}
    )
    assert lister.counts["requests"] < 90


def test_requests_are_few_where_keys_are_listed_in_their_order(lister: Lister) -> None:
    keys = [f"shop/{n // 10:03d}/{n:05d}.jpg" for n in range(2000)]
    lister.holds(keys, page=100)
    assert len(found(keys)) == 2000
    assert lister.counts["requests"] == 20  # as many as there are pages
    for wanted, missing in [(keys[::200], 0), (keys[::200], 3), (keys[:500], 2)]:
        lister.counts.clear()
        names = [*wanted, *(f"shop/{n:03d}/none.jpg" for n in range(missing))]
        assert found(names) == etags(wanted)
        assert lister.counts["requests"] <= min(len(wanted), 20) + 2 * missing


def test_none_of_many_in_a_small_folder(lister: Lister) -> None:
    lister.holds([f"shop/{n}.jpg" for n in range(100)], page=100)
    assert found([f"shop/new-{n}.jpg" for n in range(3000)]) == {}
    assert lister.counts["requests"] <= 3


def test_what_is_not_seen_is_counted_by_why(lister: Lister) -> None:
    keys = ["a/1.jpg", "a/2.jpg", "b/1.jpg"]
    lister.holds(keys, refused=frozenset({"", "a/", "a/1.jpg", "a/2.jpg"}))
    looked = found([*keys, "b/none.jpg"])
    assert looked == etags(["b/1.jpg"])
    assert Counter(looked.unseen.values()) == {etag_search.MAY_NOT_BE_LISTED: 2}
    lister.holds(keys, etags=False)
    looked = found([*keys, "b/none.jpg"])
    assert looked == {}
    assert Counter(looked.unseen.values()) == {etag_search.HAS_NO_ETAG: 3}
    lister.holds(keys, start_after="refused", only_folders=True, refused=frozenset({"b/"}))
    assert Counter(found(keys).unseen.values()) == {etag_search.MAY_NOT_BE_LISTED: 1}
