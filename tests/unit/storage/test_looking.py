from __future__ import annotations

from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from unittest.mock import ANY

import pytest

from pipeline.errors import ErrorCode, RowError
from pipeline.storage import Fetched, PhotoReader
from pipeline.storage.photographs import versions
from pipeline.storage.photographs.fetching import ReadPolicy
from pipeline.storage.photographs.versions import Looker
from pipeline.storage.retry import Backoff
from pipeline.storage.web import downloads
from pipeline.storage.web.downloads import Allowance
from tests.unit.storage.shop import Shop, opened

OLD = "Wed, 21 Oct 2015 07:28:00 GMT"


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setattr(versions, "_BRIEFLY", Backoff(attempts=2, first_s=0.01))
    with opened() as server:
        yield server


def policy_of(shop: Shop) -> ReadPolicy:
    return ReadPolicy(
        allowed_schemes=("http", "https", "file"),
        allowed_hosts=(shop.host,),
        allow_private_addresses=True,
    )


def looker(shop: Shop, *, requests: int = 1000, seconds: float = 60, **policy: object) -> Looker:
    return Looker(
        policy_of(shop).model_copy(update=policy),
        schemes=("http", "https", "file"),
        allowance=Allowance(requests=requests, seconds=seconds),
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"ETag": '"v1"'}, {"ETag": '"v2"'}),
        ({"ETag": 'W/"v1"'}, {"ETag": 'W/"v2"'}),
        ({"Last-Modified": OLD}, {"Last-Modified": OLD.replace("07", "08")}),
        ({"ETag": "x" * 5000}, {"ETag": "x" * 5000 + "y"}),
    ],
)
@pytest.mark.parametrize(
    "path", ["/a.jpg", "/no-head/405", "/no-head/403", "/no-head/500", "/ranges/a", "/endless"]
)
def test_a_picture_that_was_replaced_has_another_version(
    shop: Shop, path: str, before: dict[str, str], after: dict[str, str]
) -> None:
    def version() -> str:
        looking = looker(shop)
        found = looking.versions([f"{shop.root}{path}", f"{shop.root}/to{path}"])
        assert not looking.unseen
        first, redirected = found.values()
        assert first == redirected
        assert len(first) <= 200
        return first

    shop.headers[path] = before
    one = version()
    assert version() == one
    shop.headers[path] = after
    assert version() != one


def test_an_ampersand_as_html_writes_it_is_one_where_nothing_else_is_there(shop: Shop) -> None:
    shop.headers["/signed/a.jpg?w=1&sig=2"] = {"ETag": "v1"}
    meant = f"{shop.root}/signed/a.jpg?w=1&sig=2"
    uris = [meant.replace("&", "&amp;"), f"{shop.root}/b.jpg?w=1&amp;h=2"]
    found = looker(shop).versions(uris)
    assert found.spelled == dict.fromkeys(uris[:1], meant)
    assert found[uris[0]] == "v1"
    assert shop.asked["GET", "/b.jpg?w=1&amp;h=2"] == 0
    assert shop.asked["HEAD", "/b.jpg?w=1&amp;h=2"] == 1
    reader = PhotoReader(policy_of(shop), root=None, max_bytes=1000)
    assert reader.read_many(uris) == [Fetched(b"picture", 0, ANY)] * 2
    gone = f"{shop.root}/status/403?sig=1&amp;x=2"
    (refused,) = reader.read_many([gone])
    assert isinstance(refused, RowError)
    assert refused.code is ErrorCode.ACCESS_DENIED
    assert looker(shop).versions([gone]).unseen == {gone: downloads.REFUSED_TO_SAY}


@pytest.mark.parametrize("path", ["/a.jpg", "/no-head/501", "/zero/a"])
def test_the_length_will_do_where_nothing_else_is_said(shop: Shop, path: str) -> None:
    uri = f"{shop.root}{path}"
    # The time of the answer is none of the picture.
    shop.headers[path] = {"Last-Modified": formatdate(usegmt=True)}
    assert looker(shop).versions([uri]) == {uri: "7"}
    shop.body = b"another"
    assert looker(shop).versions([uri]) == {uri: "7"}
    shop.body = b"another one"
    assert looker(shop).versions([uri]) == {uri: "11"}


def test_what_was_not_looked_at_is_counted_by_why(shop: Shop, tmp_path: Path) -> None:
    uris = [f"{shop.root}/{path}" for path in ("status/404", "status/410", "status/403", "chunked")]
    uris += [f"{shop.root}/status/503", "http://example.com/a.jpg", "ftp://127.0.0.1/a", "http://["]
    looking = looker(shop)
    assert looking.versions([*uris, str(tmp_path / "none.jpg")]) == {}
    assert looking.unseen == {
        downloads.REFUSED_TO_SAY: 1,
        downloads.SAYS_NOTHING: 1,
        downloads.GAVE_NO_ANSWER: 1,
    }
    (tmp_path / "a.jpg").write_bytes(b"x")
    files_only = Looker(
        ReadPolicy(allowed_schemes=("http", "file")),
        schemes=("file",),
        allowance=Allowance(requests=9, seconds=9),
    )
    shop.asked.clear()
    assert files_only.versions([*uris, str(tmp_path / "a.jpg")]).keys() == {str(tmp_path / "a.jpg")}
    assert files_only.unseen == {"fetch.versions leaves out http": 7}
    assert not shop.asked


def test_no_more_requests_than_stated(shop: Shop) -> None:
    uris = [f"{shop.root}/{n}.jpg" for n in range(30)]
    looking = looker(shop, requests=12)
    found = looking.versions(uris[:10]) | looking.versions(uris[10:])
    assert len(found) == 12
    assert looking.unseen == {downloads.OVER_THE_LIMIT: 18}
    assert shop.asked.total() == 12
    refusing = looker(shop, requests=5, concurrency=2)  # two requests each
    assert len(refusing.versions([f"{shop.root}/no-head/40{n}" for n in range(5, 10)])) == 2
    assert shop.asked.total() == 17
    late = looker(shop, seconds=0)
    assert not late.versions(uris)
    assert late.unseen == {downloads.OVER_THE_LIMIT: 30}
    assert shop.asked.total() == 17


def test_a_host_that_is_silent_is_not_asked_for_ever(shop: Shop) -> None:
    looking = looker(shop, concurrency=1)
    uris = [f"{shop.root}/status/503?{n}" for n in range(40)]
    shop.headers["/a.jpg"] = {"ETag": "v"}
    assert looking.versions(uris) == {}
    assert looking.unseen == {downloads.GAVE_NO_ANSWER: 40}
    assert shop.asked.total() <= 20


def test_nobody_is_looked_at_who_may_not_be_asked(shop: Shop) -> None:
    uris = [f"{shop.root}/a.jpg", f"{shop.root}/to/a.jpg"]
    for policy in (
        {"allowed_hosts": ()},
        {"allowed_hosts": ("127.0.0.1",)},
        {"allow_private_addresses": False},
        {"allowed_schemes": ("https",)},
    ):
        assert looker(shop, **policy).versions(uris) == {}
    assert not shop.asked
