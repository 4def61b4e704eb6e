"""What is said where a store, or the client before it, says no: the true cause and the fix."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from functools import partial

import pytest
from aiohttp import web

from pipeline.errors import TransientError
from pipeline.runs.output_checks import check_lease, check_writable
from pipeline.storage import PhotoReader, ReadPolicy, disconnect, retry
from pipeline.storage.retry import Backoff
from pipeline.storage.s3 import connection as connections
from pipeline.storage.s3.connection import connection
from pipeline.storage.s3.requests import S3
from tests.small_s3 import Manners, SmallS3
from tests.unit.storage.conftest import PointAt

URI = "s3://shop/shoes/1.jpg"
ACCESS = "give these credentials access"
FEW = Backoff(attempts=2, first_s=0.001)


def ask(verb: str, uri: str = URI) -> object:
    s3 = S3(connection(), backoff=FEW)
    how: dict[str, Callable] = {
        "GET": lambda: s3.get(uri),
        "HEAD": lambda: s3.size(uri),
        "PUT": lambda: s3.put(uri, b"x"),
        "LIST": lambda: s3.page("shop", prefix="shoes/"),
    }
    return connection().run(how[verb]())


@pytest.mark.parametrize("verb", ["GET", "HEAD", "PUT", "LIST"])
@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (403, "AccessDenied", ACCESS),
        (401, "", ACCESS),
        (403, "SignatureDoesNotMatch", "the secret is another one"),
        (403, "InvalidAccessKeyId", "does not know this access key"),
        (400, "InvalidToken", "AWS_SESSION_TOKEN"),
        (400, "ExpiredToken", "log in again"),
        (403, "ExpiredTokenException", "log in again"),
        (403, "RequestTimeTooSkewed", "clock"),
        (400, "AuthorizationHeaderMalformed", "set AWS_REGION"),
        (403, "AccountProblem", "settle it with the provider"),
        (403, "UserSuspended", "settle it with the provider"),
        (403, "QuotaExceeded", "raise the quota"),
        (507, "", "raise the quota"),
        (403, "InvalidObjectState", "restore it first"),
        (400, "KMS.DisabledException", "key management"),
        (501, "NotImplemented", "cannot do that"),
        (501, "XMinioKMSNotConfigured", "key management"),
        (409, "FileImmutable", "retention"),
        (413, "", "raise the limit there"),
        (400, "EntityTooLarge", "raise the limit there"),
        (407, "", "HTTPS_PROXY"),
        (400, "", "https:// where TLS is spoken"),
        (403, "SomethingNobodyKnows", "refused with SomethingNobodyKnows (HTTP 403)"),
        (418, "", "AWS_ENDPOINT_URL"),
    ],
)
def test_a_refusal_says_its_true_cause_in_one_line(
    store: SmallS3, verb: str, status: int, code: str, said: str
) -> None:
    store.manners = Manners(refuses=lambda *_: (status, code))
    with pytest.raises(OSError, match="refused with") as caught:
        ask(verb)
    message = str(caught.value)
    assert said in message
    assert "\n" not in message
    assert (ACCESS in message) is (said == ACCESS)
    assert "shop" in message


def test_a_full_store_is_not_asked_again(store: SmallS3) -> None:
    store.manners = Manners(refuses=lambda *_: (503, "XMinioStorageFull"))
    with pytest.raises(OSError, match="raise the quota"):
        ask("PUT")
    assert len(store.seen) == 1


def page(status: int, text: str = "<html><p>Sorry<br></html>") -> web.Response:
    return web.Response(status=status, text=text, content_type="text/html")


@pytest.mark.parametrize("verb", ["GET", "PUT", "LIST"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 451])
def test_a_page_is_not_taken_for_a_stores_refusal(store: SmallS3, verb: str, status: int) -> None:
    store.manners = Manners(refuses=lambda *_: page(status))
    with pytest.raises(OSError, match=rf"a web page for an answer \(HTTP {status}\)") as caught:
        ask(verb)
    assert "AWS_ENDPOINT_URL" in str(caught.value)
    assert ACCESS not in str(caught.value)
    reader = PhotoReader(ReadPolicy(), root="s3://shop", max_bytes=1000, backoff=FEW)
    (error,) = reader.read_many([URI])
    assert error.retryable  # it says nothing of the photograph


@pytest.mark.parametrize("verb", ["GET", "PUT", "LIST"])
@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
def test_nor_is_what_another_service_says(store: SmallS3, verb: str, kind: str) -> None:
    said = web.Response(status=403, text='{"message": "Forbidden"}', content_type=kind)
    store.manners = Manners(refuses=lambda *_: said)
    with pytest.raises(OSError, match="something else for an answer") as caught:
        ask(verb)
    assert "AWS_ENDPOINT_URL" in str(caught.value)


@pytest.mark.parametrize(
    ("verb", "right"),
    [
        ("GET", "s3:GetObject"),
        ("HEAD", "s3:GetObject"),
        ("PUT", "s3:PutObject"),
        ("LIST", "s3:ListBucket"),
    ],
)
def test_the_right_that_is_missing_is_named(store: SmallS3, verb: str, right: str) -> None:
    store.manners = Manners(refuses=lambda *_: (403, "AccessDenied"))
    with pytest.raises(PermissionError, match=rf"access to bucket 'shop' \({right}[;)]"):
        ask(verb)


def test_an_output_that_may_be_written_and_not_deleted_from_says_so(store: SmallS3) -> None:
    def refuses(request: web.Request, _: str) -> tuple[int, str] | None:
        return (403, "AccessDenied") if request.method == "DELETE" else None

    store.manners = Manners(refuses=refuses)
    with pytest.raises(ValueError, match=r"cannot be deleted from.*\(s3:DeleteObject\)"):
        check_writable("s3://shop/out")


def test_an_output_whose_store_is_down_is_no_wrong_request(
    store: SmallS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Backoff, "delay", lambda *_: 0.001)
    store.manners = Manners(refuses=lambda *_: (503, "SlowDown"))
    for check in (check_writable, partial(check_lease, is_exclusive=True)):
        with pytest.raises(TransientError, match=r"--output s3://shop/out: .*SlowDown"):
            check("s3://shop/out")


@pytest.mark.parametrize("verb", ["PUT", "LIST"])
@pytest.mark.parametrize("status", [200, 502, 503, 504])
@pytest.mark.parametrize("text", ["<html><p>Sorry<br></html>", "<?xml version='1.0'?><html/>"])
def test_a_page_that_may_pass_is_said_to_be_one(
    store: SmallS3, verb: str, status: int, text: str
) -> None:
    store.manners = Manners(refuses=lambda *_: page(status, text))
    with pytest.raises(TransientError, match=r"2 times in a row") as caught:
        ask(verb)
    assert "AWS_ENDPOINT_URL" in str(caught.value)
    assert "page" in str(caught.value) or "no object store's" in str(caught.value)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (429, "TooManyRequests"),
        (400, "TooManyRequestsException"),
        (400, "KMS.ThrottlingException"),
        (509, ""),
        (520, ""),
        (524, ""),
        (529, ""),
        (599, ""),
    ],
)
def test_what_may_pass_is_asked_for_again(store: SmallS3, status: int, code: str) -> None:
    store.put("shop/shoes/1.jpg", b"x")
    answers = iter([(status, code)])
    store.manners = Manners(refuses=lambda *_: next(answers, None))
    assert ask("GET").data == b"x"
    store.manners = Manners(refuses=lambda *_: (status, code))
    with pytest.raises(TransientError, match="busy or down: try again later"):
        ask("GET")


@pytest.mark.parametrize("verb", ["GET", "HEAD", "PUT", "LIST"])
@pytest.mark.parametrize(
    ("ahead_s", "side"), [(1200, "20 min behind the store's"), (-1200, "20 min ahead of the store")]
)
@pytest.mark.parametrize("code", ["RequestTimeTooSkewed", "AccessDenied", ""])
def test_a_clock_that_is_wrong_is_named_with_its_error(
    store: SmallS3, verb: str, ahead_s: float, side: str, code: str
) -> None:
    store.manners = Manners(refuses=lambda *_: (403, code), ahead_s=ahead_s)
    with pytest.raises(PermissionError, match=f"clock is {side}"):
        ask(verb)


def test_a_clock_that_stores_still_take_is_not_blamed(store: SmallS3) -> None:
    store.manners = Manners(refuses=lambda *_: (403, "AccessDenied"), ahead_s=600)
    with pytest.raises(PermissionError, match=ACCESS):
        ask("GET")


@pytest.mark.parametrize("verb", ["GET", "HEAD", "PUT", "LIST"])
def test_the_region_that_a_store_names_is_passed_on(store: SmallS3, verb: str) -> None:
    def refuses(_: web.Request, __: str) -> web.Response:
        return web.Response(
            status=301,
            headers={"x-amz-bucket-region": "eu-west-3"},
            text="<Error><Code>PermanentRedirect</Code></Error>",
            content_type="application/xml",
        )

    store.manners = Manners(refuses=refuses)
    with pytest.raises(PermissionError, match="set AWS_REGION=eu-west-3"):
        ask(verb)


@pytest.mark.parametrize("verb", ["GET", "HEAD", "PUT", "LIST"])
@pytest.mark.parametrize(
    ("status", "code"), [(301, "PermanentRedirect"), (307, "TemporaryRedirect"), (302, "")]
)
def test_a_redirect_that_says_not_where_to_ends(
    store: SmallS3, verb: str, status: int, code: str
) -> None:
    store.manners = Manners(refuses=lambda *_: (status, code))
    with pytest.raises(OSError, match=f"HTTP {status}") as caught:
        ask(verb)
    assert "AWS_ENDPOINT_URL" in str(caught.value)
    assert len(store.seen) <= 4


def test_what_a_server_says_is_not_repeated(store: SmallS3) -> None:
    said = web.Response(
        status=403,
        text="<Error><Code>\x1b[31m secret</Code><Message>secret</Message></Error>",
        content_type="application/xml",
    )
    store.manners = Manners(refuses=lambda *_: said)
    with pytest.raises((OSError, TransientError)) as caught:
        ask("GET")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [
        ("a/../b.jpg", 400, "InvalidArgument"),
        ("a//b.jpg", 400, "InvalidRequest"),
        ("a\\b.jpg", 400, "BadRequest"),
        ("\U0001f600.jpg", 400, ""),
        ("x" * 300, 400, "InvalidArgument"),
        ("plain.jpg", 400, "KeyTooLongError"),
        ("plain.jpg", 400, "XMinioInvalidObjectName"),
        ("plain.jpg", 414, ""),
    ],
)
def test_a_key_that_the_store_cannot_hold_costs_its_row_for_good(
    store: SmallS3, key: str, status: int, code: str
) -> None:
    store.manners = Manners(refuses=lambda *_: (status, code))
    reader = PhotoReader(ReadPolicy(), root="s3://shop", max_bytes=1000, backoff=FEW)
    (error,) = reader.read_many([f"s3://shop/{key}"])
    assert (str(error.code), error.retryable) == ("bad_request", False)
    assert "rename it" in error.message


@pytest.mark.parametrize("prefix", ["shoes/", "", "shoes/red-1/"])
@pytest.mark.parametrize("code", ["InvalidArgument", ""])
def test_a_listing_that_is_refused_does_not_blame_its_prefix(
    store: SmallS3, prefix: str, code: str
) -> None:
    store.manners = Manners(refuses=lambda *_: (400, code))
    with pytest.raises(OSError, match="refused with"):
        connection().run(S3(connection(), backoff=FEW).page("shop", prefix=prefix))


@pytest.mark.parametrize("code", ["InvalidRequest", "BadRequest"])
def test_a_wrong_request_for_a_plain_key_does_not_blame_the_key(store: SmallS3, code: str) -> None:
    store.manners = Manners(refuses=lambda *_: (400, code))
    reader = PhotoReader(ReadPolicy(), root="s3://shop", max_bytes=1000, backoff=FEW)
    (error,) = reader.read_many([URI])
    assert (str(error.code), error.retryable) == ("storage", True)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"AWS_ENDPOINT_URL": "store:9000"}, "write https://host"),
        ({"AWS_PROFILE": "nobody"}, "no credentials"),
        ({"AWS_CONFIG_FILE": "pyproject.toml", "AWS_PROFILE": "nobody"}, "AWS"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "no credentials"),
    ],
)
def test_settings_that_cannot_be_used_are_said(
    point_at: PointAt, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], said: str
) -> None:
    point_at("http://127.0.0.1:9")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    disconnect()
    with pytest.raises((OSError, ValueError), match=said):
        ask("GET")


def test_where_nobody_listens_the_place_is_named(point_at: PointAt) -> None:
    point_at("http://127.0.0.1:9")
    with pytest.raises(TransientError, match=r"no connection to 127\.0\.0\.1:9, 2 times"):
        ask("GET")


@pytest.mark.parametrize(("attempt_s", "said"), [(0.05, "no whole answer in time"), (9, "in time")])
def test_a_store_that_gives_no_answer_is_not_waited_for_for_ever(
    point_at: PointAt, monkeypatch: pytest.MonkeyPatch, attempt_s: float, said: str
) -> None:
    monkeypatch.setattr(retry, "ATTEMPT_S", attempt_s)
    monkeypatch.setattr(retry, "PATIENCE_S", 0.12)
    monkeypatch.setattr(connections, "READ_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the system takes connections for it
        point_at(f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(TransientError, match=said) as caught:
            connection().run(S3(connection(), backoff=Backoff(first_s=0.001)).size(URI))
    assert re.search(r", [1-7] times in a row", str(caught.value))


def test_a_host_that_nobody_knows_is_named(point_at: PointAt) -> None:
    point_at("http://store.invalid:9000")
    with pytest.raises(TransientError, match=r"no address is known for store\.invalid"):
        ask("GET")


def test_where_a_store_sends_us_is_named(store: SmallS3) -> None:
    elsewhere = {"Location": "http://127.0.0.1:9/shop/shoes/1.jpg"}
    store.manners = Manners(refuses=lambda *_: web.Response(status=307, headers=elsewhere))
    with pytest.raises(TransientError, match=r"sends us to 127\.0\.0\.1:9"):
        ask("GET")


def test_a_server_without_tls_is_asked_once_and_the_fix_is_said(point_at: PointAt) -> None:
    with SmallS3() as store:
        point_at(store.url.replace("http://", "https://"))
        with pytest.raises(OSError, match="set AWS_CA_BUNDLE"):
            ask("GET")
