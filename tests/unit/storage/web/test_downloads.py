from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import re
import threading
import zlib
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pyarrow as pa
import pytest

from pipeline import storage
from pipeline.errors import ErrorCode, RowError, TransientError
from pipeline.storage import Fetched, PhotoReader, ReadPolicy
from pipeline.storage.retry import BACKOFF, Backoff
from pipeline.storage.web.hosts import WebPolicy
from pipeline.storage.web.request_targets import redirected, request_url

SIZE = 48 * 2**20


def unsigned(path: str) -> str:
    """A request's target without its signature."""
    return re.sub(r"[0-9a-f]{64}", "", path)


def signed(text: str) -> str:
    """The same with one, in place of `SIG`."""
    path = f"/signed/{text}"
    bare = path.replace("SIG", "")
    return path.replace("SIG", hmac.new(b"key", bare.encode(), hashlib.sha256).hexdigest())


class Site(ThreadingHTTPServer):
    """Answers by what its paths say, and counts."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Page)
        self.asked: Counter[str] = Counter()
        self.sent_bytes = 0
        self.locations: dict[str, str] = {}
        self.bodies: dict[str, tuple[str, bytes]] = {}
        self.raw: dict[str, bytes] = {}
        self.port = self.server_address[1]
        self.root = f"http://127.0.0.1:{self.port}"

    def handle_error(self, *_: object) -> None:
        """A client that hangs up on us is what some tests are about."""


class Page(BaseHTTPRequestHandler):
    server: Site
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked[self.path] += 1
        verb, _, rest = self.path.partition("?")[0].strip("/").partition("/")
        if verb == "picture":
            self.answer(200, b"picture")
        elif verb == "status":
            status = int(rest.partition("/")[0])
            self.answer(status, b"" if status in (204, 304) else b"words")
        elif verb == "redirect":  # /redirect/2/picture
            left, _, target = rest.partition("/")
            further = f"/redirect/{int(left) - 1}/{target}" if int(left) > 1 else f"/{target}"
            self.answer(302, b"", Location=further)
        elif verb == "to":  # /to/<host>/<path>
            self.answer(301, b"", Location=f"http://{rest}")
        elif verb == "scheme":
            self.answer(307, b"", Location=f"{rest}:///etc/passwd")
        elif verb == "busy":
            self.answer(503 if self.server.asked[self.path] <= int(rest) else 200, b"at last")
        elif verb == "cut":  # announces more than it sends, once
            self.answer(200, b"whole", cut=self.server.asked[self.path] == 1)
        else:
            self.do_other(verb, rest)

    def do_other(self, verb: str, rest: str) -> None:
        if verb == "signed":  # as links are that are signed over their text
            digest = hmac.new(b"key", unsigned(self.path).encode(), hashlib.sha256).hexdigest()
            self.answer(200 if digest in self.path else 403, b"picture")
        elif verb == "sends":
            self.answer(302, b"", Location=self.server.locations[rest])
        elif verb == "encoded":
            encoding, body = self.server.bodies[rest]
            sums = {"Content-MD5": base64.b64encode(hashlib.md5(body).digest()).decode()}
            self.answer(200, body, **{"Content-Encoding": encoding}, **sums)
        elif verb == "said":
            self.say(rest)
        elif verb == "raw":
            self.wfile.write(self.server.raw[rest])
            self.close_connection = True
        elif verb == "large":
            self.answer(200, bytes(SIZE), chunked=rest == "chunked")
        else:
            self.answer(404, b"")

    def say(self, what: str) -> None:
        """Answer with a checksum, and damaged by a cache on the way, which may look again."""
        md5 = hashlib.md5(b"picture")
        asked_past_caches = self.headers.get("Cache-Control") == "no-cache"
        if what == "etag":
            self.answer(200, b"picture", ETag=f'"{md5.hexdigest()}"')
        else:
            is_good = what == "once" and asked_past_caches
            sum_ = base64.b64encode(md5.digest()).decode()
            self.answer(200, b"picture" if is_good else b"pic", **{"Content-MD5": sum_})

    def answer(
        self, status: int, body: bytes, *, cut: bool = False, chunked: bool = False, **headers: str
    ) -> None:
        self.send_response(status)
        framing = {} if chunked else {"Content-Length": str(len(body))}
        for name, value in {**headers, **framing}.items():
            self.send_header(name, value)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if cut:
            self.wfile.write(body[:2])
            self.close_connection = True
            return
        for first in range(0, len(body), 2**16):
            chunk = body[first : first + 2**16]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk) if chunked else chunk)
            self.server.sent_bytes += len(chunk)

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


@pytest.fixture
def site() -> Iterator[Site]:
    storage.disconnect()
    server = Site()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    storage.disconnect()
    server.shutdown()
    thread.join()
    server.server_close()


def read(
    *urls: str,
    hosts: tuple[str, ...] | None = None,
    schemes: tuple[str, ...] = ("http", "https"),
    private: bool = True,
    backoff: Backoff = BACKOFF,
    max_bytes: int = 10_000,
) -> list[Fetched | RowError]:
    if hosts is None:  # those of the site
        hosts = tuple(
            {found for url in urls for found in re.findall(r"127\.0\.0\.1(?::\d+)?", url)}
        )
    policy = ReadPolicy(
        allowed_schemes=schemes, allowed_hosts=hosts, allow_private_addresses=private
    )
    photographs = PhotoReader(policy, root=None, max_bytes=max_bytes, backoff=backoff)
    return photographs.read_many(urls)


def bodies(outcomes: list[Fetched | RowError]) -> list[tuple[bytes, int]]:
    assert all(isinstance(outcome, Fetched) for outcome in outcomes), outcomes
    return [(outcome.data, outcome.retries) for outcome in outcomes]


def codes(outcomes: list[Fetched | RowError]) -> list[ErrorCode]:
    assert all(isinstance(outcome, RowError) for outcome in outcomes), outcomes
    return [outcome.code for outcome in outcomes]


def test_pictures_from_an_allowed_host(site: Site) -> None:
    urls = [f"{site.root}/picture", f"{site.root}/redirect/3/picture", f"{site.root}/picture?w=1"]
    outcomes = read(*urls)
    assert bodies(outcomes) == [(b"picture", 0)] * 3
    # A web server need not say a checksum, and this one does not.
    assert all(outcome.doubt and not outcome.doubt.differs for outcome in outcomes)


def test_what_disagrees_with_its_checksum_is_asked_for_again_past_the_caches(site: Site) -> None:
    good, bad, named = read(
        f"{site.root}/said/once", f"{site.root}/said/always", f"{site.root}/said/etag"
    )
    assert good == Fetched(b"picture", 1)
    assert bodies([bad]) == [(b"pic", 1)]
    assert bad.doubt.differs
    assert "the storage says" in bad.doubt.reason
    assert named == Fetched(b"picture", 0)  # an ETag that is the MD5 is so by no accident
    assert set(site.asked.values()) == {1, 2}


def test_hosts_and_schemes_that_are_not_listed_are_not_asked(site: Site) -> None:
    url = f"{site.root}/picture"
    outcomes = [
        *read(url, hosts=()),
        *read(url, hosts=("example.com", ".0.0.1.example.com", "7.0.0.1")),
        *read(url, schemes=("https",)),
        *read(url, schemes=("s3", "file")),
        *read("http://notexample.com/a", "http://example.com/a", hosts=(".example.com",)),
    ]
    assert set(codes(outcomes)) == {ErrorCode.URI_NOT_ALLOWED}
    assert "allowed_hosts" in str(outcomes[0])
    assert not site.asked


def test_a_user_name_or_a_password_is_never_sent(site: Site) -> None:
    outcomes = [
        *read(f"http://me:hunter2@127.0.0.1:{site.port}/picture"),
        *read("http://example.com@evil.example/", hosts=("example.com",)),
    ]
    assert set(codes(outcomes)) == {ErrorCode.BAD_REQUEST}
    assert "hunter2" not in str(outcomes)
    assert not site.asked


@pytest.mark.parametrize(
    ("named", "host"),
    [
        ("bücher.example", "bücher.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "Bücher.example"),
        (".bücher.example", "cdn.bücher.example"),
        ("cdn.example", "cdn.example."),
        ("cdn.example.", "CDN.example"),
        ("::1", "[::1]"),
        ("[::1]", "[0:0:0:0:0:0:0:1]"),
    ],
)
def test_a_host_is_allowed_however_it_is_written(named: str, host: str) -> None:
    policy = WebPolicy(schemes=("https",), hosts=(named,), allow_private_addresses=True)
    assert policy.refusal(request_url(f"https://{host}/a.jpg")) is None
    assert policy.refusal(request_url("https://other.example/")) is not None


@pytest.mark.parametrize(
    "named",
    [
        "",
        ".",
        "..",
        " cdn.example",
        "*.example",
        "[::1]:",
        "a.example/b",
        "cdn.example:0",
        "cdn.example:99999",
        "cdn.example:80:80",
        "cdn.example:",
        "https://cdn.example",
        "me@cdn.example",
    ],
)
def test_what_can_be_no_host_is_refused_before_a_run(named: str) -> None:
    with pytest.raises(ValueError, match="is not the name of a host: write it alone"):
        ReadPolicy(allowed_hosts=(named,))


def test_a_suffix_allows_what_is_below_it(site: Site) -> None:
    assert bodies(read(f"{site.root}/picture", hosts=(f".0.0.1:{site.port}",))) == [(b"picture", 0)]


def test_redirects_stay_on_the_list(site: Site) -> None:
    port = site.port
    outcomes = read(
        f"{site.root}/to/localhost:{port}/picture",
        f"{site.root}/scheme/file",
        f"{site.root}/redirect/21/picture",
    )
    assert set(codes(outcomes)) == {ErrorCode.URI_NOT_ALLOWED}
    assert "redirected" in str(outcomes[0])
    assert f"'localhost:{port}' is not in" in str(outcomes[0])
    assert "more than 20 times" in str(outcomes[2])
    assert site.asked["/picture"] == 0


def test_redirects_go_to_no_port_that_is_not_named(site: Site) -> None:
    port = site.port
    site.locations["on"] = "http://127.0.0.1:9/picture"
    (named,) = read(f"{site.root}/sends/on", backoff=Backoff(attempts=1))
    assert codes([named]) == [ErrorCode.URI_NOT_ALLOWED]
    assert "redirected to where we may not (http://127.0.0.1:9/picture): port 9 of" in str(named)
    assert "add '127.0.0.1:9' if it may be asked" in str(named)
    site.locations["back"] = f"http://localhost:{port}/picture"
    hosts = (f"127.0.0.1:{port}", "localhost")
    (other,) = read(f"{site.root}/sends/back", hosts=hosts)
    assert f"port {port} of 'localhost'" in str(other)
    assert site.asked["/picture"] == 0


def test_redirects_to_what_is_not_on_the_web_are_told_as_they_are(site: Site) -> None:
    site.locations |= {
        "data": "data:image/png;base64,AAAA",
        "name": "a:b.jpg",
        "host": "///b.jpg",
        "port": "//127.0.0.1:99999/b.jpg",
    }
    data, name, host, port = read(*(f"{site.root}/sends/{what}" for what in site.locations))
    assert "(data:image/png;base64,AAAA): scheme 'data' is not in" in str(data)
    assert "(a:b.jpg): scheme 'a' is not in" in str(name)
    assert codes([host, port]) == [ErrorCode.BAD_REQUEST] * 2
    assert "redirected to what is no address (http:///b.jpg)" in str(host)
    assert "redirected to what is no address (http://127.0.0.1:99999/b.jpg)" in str(port)


def test_a_host_that_is_not_there_is_told_in_words() -> None:
    once = Backoff(attempts=1)
    unknown, nobody = read(
        "http://no-such-host.invalid/a.jpg",
        "http://127.0.0.1:9/a.jpg",
        hosts=(".invalid", "127.0.0.1:9"),
        backoff=once,
    )
    assert codes([unknown, nobody]) == [ErrorCode.STORAGE] * 2
    assert "no-such-host.invalid/a.jpg: no address is known for its host" in str(unknown)
    assert "127.0.0.1:9/a.jpg: no connection" in str(nobody)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_our_own_network_is_not_asked(site: Site, host: str) -> None:
    url = f"http://{host}:{site.port}/picture"
    entry = f"{host}:{site.port}"
    (outcome,) = read(url, hosts=(entry,), private=False)
    assert codes([outcome]) == [ErrorCode.URI_NOT_ALLOWED]
    assert "public" in str(outcome)
    assert not site.asked
    assert bodies(read(url, hosts=(entry,), private=True)) == [(b"picture", 0)]


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "[::ffff:7f00:1]"])
def test_nor_under_another_spelling(site: Site, host: str) -> None:
    url = f"http://{host}:{site.port}/picture"
    (outcome,) = read(url, hosts=(f"{host}:{site.port}",), private=False)
    assert codes([outcome])[0] in (ErrorCode.URI_NOT_ALLOWED, ErrorCode.BAD_REQUEST)
    assert not site.asked


@pytest.mark.parametrize("url", ["http://[", "http://a:99999/", f"http://{'a' * 70}.example/"])
def test_urls_that_are_none(site: Site, url: str) -> None:
    assert codes(read(url, hosts=("a", ".example"))) == [ErrorCode.BAD_REQUEST]


def test_why_a_picture_cannot_be_had(site: Site) -> None:
    asked = [404, 410, 401, 402, 403, 407, 451, 400, 204]
    outcomes = read(*(f"{site.root}/status/{status}?token=hunter2" for status in asked))
    assert codes(outcomes) == [
        ErrorCode.NOT_FOUND,
        ErrorCode.NOT_FOUND,
        *[ErrorCode.ACCESS_DENIED] * 5,
        ErrorCode.NOT_FOUND,
        ErrorCode.NOT_FOUND,
    ]
    assert [outcome.retryable for outcome in outcomes] == [False] * 2 + [True] * 5 + [False] * 2
    assert "hunter2" not in str(outcomes)
    assert set(site.asked.values()) == {1}


def test_a_busy_site_is_asked_again(site: Site, quick: Backoff) -> None:
    outcomes = read(f"{site.root}/busy/3", f"{site.root}/cut", backoff=quick)
    assert bodies(outcomes) == [(b"at last", 3), (b"whole", 1)]


def test_a_site_that_stays_down_is_for_the_next_run(site: Site) -> None:
    backoff = Backoff(attempts=3, first_s=0.001)
    down = [f"{site.root}/status/{status}?token=hunter2" for status in (429, 503, 522)]
    nobody = "http://127.0.0.1:9/picture"
    outcomes = read(*down, nobody, backoff=backoff)
    assert codes(outcomes) == [ErrorCode.STORAGE] * 4
    assert all(isinstance(outcome, TransientError) for outcome in outcomes)
    assert set(site.asked.values()) == {3}
    assert "hunter2" not in str(outcomes)


@pytest.mark.parametrize("status", [202, 206, 304, 420, 423, 425, 501])
def test_what_may_be_there_tomorrow_is_for_the_next_run(site: Site, status: int) -> None:
    (found,) = read(f"{site.root}/status/{status}", backoff=Backoff(attempts=2, first_s=0.001))
    assert isinstance(found, TransientError)
    assert found.code is ErrorCode.STORAGE
    assert site.asked.total() == 2


UNREADABLE = {
    "no status": b"ICY\r\n\r\nhunter2",
    "no header": b"HTTP/1.1 200 OK\r\nhunter2\r\n\r\npicture",
    "no length": b"HTTP/1.1 200 OK\r\nContent-Length: hunter2\r\n\r\npicture",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nContent-Length: 3\r\n\r\npicture",
    "more than said": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nhunter2",
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_is_no_http_is_for_the_next_run_and_is_not_quoted(site: Site, what: str) -> None:
    site.raw["x"] = UNREADABLE[what]
    (found,) = read(f"{site.root}/raw/x", backoff=Backoff(attempts=2, first_s=0.001))
    assert isinstance(found, TransientError)
    assert found.code is ErrorCode.STORAGE
    assert "an answer that is no HTTP" in found.message
    assert "hunter2" not in found.message


def test_what_is_whole_is_taken_whatever_it_is_called(site: Site) -> None:
    lengthy = f"X-Policy: {'x' * 20_000}"
    for name, status, header in (
        ("changed", "203 Non-Authoritative Information", "Via: 1.1 proxy"),
        ("all of it", "206 Partial Content", "Content-Range: bytes 0-6/7"),
        ("policy", "200 OK", lengthy),
    ):
        head = f"HTTP/1.1 {status}\r\n{header}\r\nContent-Length: 7\r\n\r\n"
        site.raw[name.replace(" ", "%20")] = f"{head}picture".encode()
    names = ("changed", "all%20of%20it", "policy")
    assert bodies(read(*(f"{site.root}/raw/{name}" for name in names))) == [(b"picture", 0)] * 3


def test_what_is_too_large_is_not_read(site: Site) -> None:
    outcomes = read(f"{site.root}/large", f"{site.root}/large/chunked")
    assert codes(outcomes) == [ErrorCode.TOO_MANY_BYTES] * 2
    assert f"{SIZE} bytes" in str(outcomes[0])
    assert site.sent_bytes < SIZE  # of twice that; sockets' buffers take some


SIGNED = [
    "SIG/280x280/http%3A%2F%2Fshop.test%2Fp%2Fmug.jpg",
    "SIG/plain/http://shop.test/p//mug.jpg@webp",
    "SIG/key%20with%20%28brackets%29.jpg",
    "SIG/key(with)brackets,!$&'*+;=:@~-._.jpg",
    "SIG/l%27eau.jpg",
    "SIG/caf%c3%a9.jpg",
    "SIG/caf%C3%A9%7E%2d.jpg",
    "SIG/a%2Fb%2fc%5Cd%00.jpg",
    "SIG/a/../b/./c.jpg",
    "SIG//c//",
    "mug.jpg?X-Amz-Credential=AK%2F2026%2Fs3&X-Amz-Date=1&X-Amz-Signature=SIG",
    "mug.jpg?Policy=eyJ~_-&Signature=SIG&Key-Pair-Id=K%2b1",
    "mug.jpg?hdnts=exp=1~acl=/*~hmac=SIG",
    "mug.jpg?a=b+c%20d&&e=%26;f=[1]|2&g='h'&sig=SIG&empty=",
    "mug.jpg?SIG?second?",
    "SIG/mug.jpg?",
]


@pytest.mark.parametrize("text", SIGNED)
def test_the_bytes_of_a_signed_link_are_sent(site: Site, text: str) -> None:
    path = signed(text)
    site.locations |= {"whole": f"{site.root}{path}", "path": path, "name": f"..{path}"}
    links = [f"{site.root}{path}", *(f"{site.root}/sends/{name}" for name in site.locations)]
    links += [f"{links[0]}#fragment", f"HTTP{links[0][4:]}"]
    assert bodies(read(*links)) == [(b"picture", 0)] * 6
    assert site.asked[path] == 6


def test_what_no_request_can_hold_is_encoded_as_browsers_do(site: Site) -> None:
    sent = {
        "/picture/é ü.jpg?q=ß x": "/picture/%C3%A9%20%C3%BC.jpg?q=%C3%9F%20x",
        '/picture/"<>.jpg?"': "/picture/%22%3C%3E.jpg?%22",
        "/picture/100%.jpg": "/picture/100%25.jpg",
        "/picture/e\u0301.jpg": "/picture/e%CC%81.jpg",
        "?a": "/?a",
    }
    read(*(f"{site.root}{path}" for path in sent))
    assert set(site.asked) == set(sent.values())


def test_the_message_shows_what_was_sent(site: Site) -> None:
    site.locations["on"] = "/status/403/%28a%29.jpg?sig=hunter2"
    plain, on = read(f"{site.root}/status/404/ü%28.jpg?sig=hunter2", f"{site.root}/sends/on")
    assert "/status/404/%C3%BC%28.jpg" in str(plain)
    assert "/sends/on, redirected to http://127.0.0.1" in str(on)
    assert "/status/403/%28a%29.jpg (HTTP 403)" in str(on)
    assert "hunter2" not in f"{plain} {on}"
    (long,) = read(f"{site.root}/status/404/{'x' * 3000}")
    assert len(str(long)) < 300


def test_many_redirects_are_followed_and_circles_are_not(site: Site) -> None:
    site.locations |= {"a": "/sends/b", "b": "/sends/a", "none": ""}
    ten, a, none = read(
        f"{site.root}/redirect/10/picture", f"{site.root}/sends/a", f"{site.root}/sends/none"
    )
    assert bodies([ten]) == [(b"picture", 0)]
    assert codes([a, none]) == [ErrorCode.URI_NOT_ALLOWED] * 2
    assert "in a circle" in str(a)
    assert site.asked["/sends/a"] == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1\\@evil.example/",
        "http://127.0.0.1%2f@evil.example/",
        "http://evil.example\\.127.0.0.1/",
        "http://127.0.0.1%23.evil.example/",
        "http://127.0.0.1 .evil.example/",
        "http://evil.example?.127.0.0.1/",
        "http://evil.example#@127.0.0.1/",
        "http://127.0.0.1@evil.example/",
        "http://[::1%25eth0]/",
        "http:/127.0.0.1/",
        "http:127.0.0.1/",
        "http:///127.0.0.1/",
        "http://127.0.0.1:80:80/",
        "http://127.0.0.1:+80/",
        "http://127.0.0.1:65536/",
    ],
)
def test_a_host_is_read_in_one_way_only(site: Site, url: str) -> None:
    site.locations["there"] = url
    once = Backoff(attempts=1)
    hosts = ("127.0.0.1", ".127.0.0.1", f"127.0.0.1:{site.port}")
    outcomes = read(url, f"{site.root}/sends/there", hosts=hosts, backoff=once)
    assert set(codes(outcomes)) <= {
        ErrorCode.URI_NOT_ALLOWED,
        ErrorCode.BAD_REQUEST,
        ErrorCode.NOT_FOUND,
        ErrorCode.STORAGE,
    }
    assert set(site.asked) <= {"/sends/there", "/sends/127.0.0.1/", "/127.0.0.1/"}


def compressed(codec: str, data: bytes) -> bytes:
    return bytes(pa.Codec(codec).compress(data))


JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 8
BARE = zlib.compressobj(wbits=-15)
ENCODED = {
    "gzip": ("gzip", gzip.compress(JPEG)),
    "old-gzip": ("X-GZIP", gzip.compress(JPEG)),
    "members": ("gzip", gzip.compress(JPEG[:500]) + gzip.compress(JPEG[500:])),
    "twice": ("gzip, gzip", gzip.compress(gzip.compress(JPEG))),
    "zlib": ("deflate", zlib.compress(JPEG)),
    "bare": ("deflate", BARE.compress(JPEG) + BARE.flush()),
    "br": ("br", compressed("brotli", JPEG)),
    "zstd": ("zstd", compressed("zstd", JPEG)),
    "over": ("br, gzip", gzip.compress(compressed("brotli", JPEG))),
    "untrue": ("gzip", JPEG),
    "untrue-br": ("br", JPEG),
    "charset": ("utf-8", JPEG),
    "chunked": ("aws-chunked", JPEG),
    "both": ("gzip,aws-chunked", gzip.compress(JPEG)),
    "identity": ("identity", JPEG),
}


def test_content_encodings_are_undone(site: Site) -> None:
    site.bodies |= ENCODED
    outcomes = read(*(f"{site.root}/encoded/{name}" for name in ENCODED))
    assert dict(zip(ENCODED, outcomes, strict=True)) == dict.fromkeys(ENCODED, Fetched(JPEG, 0))


def test_content_encodings_that_cannot_be_undone(site: Site) -> None:
    packed = {
        "gzip": gzip.compress(bytes(2**20)),
        "deflate": zlib.compress(bytes(2**20)),
        "br": compressed("brotli", bytes(2**20)),
        "zstd": compressed("zstd", bytes(2**20)),
        "gzip, gzip": gzip.compress(gzip.compress(bytes(2**20))),
    }
    site.bodies |= {str(n): pair for n, pair in enumerate(packed.items())}
    outcomes = read(*(f"{site.root}/encoded/{n}" for n in range(len(packed))), max_bytes=2**19)
    assert set(codes(outcomes)) == {ErrorCode.TOO_MANY_BYTES}
    site.bodies |= {"lzw": ("compress", b"\x1f\x9d..."), "cut": ("gzip", ENCODED["gzip"][1][:-9])}
    lzw, cut = read(f"{site.root}/encoded/lzw", f"{site.root}/encoded/cut")
    assert codes([lzw, cut]) == [ErrorCode.UNSUPPORTED_FORMAT, ErrorCode.CORRUPT_IMAGE]
    assert "'compress' is not read" in str(lzw)
    assert not cut.retryable  # its checksum agrees: it is so on the server


def test_redirects_are_joined_to_where_they_come_from() -> None:
    base = "http://h.example:8/a/b%2f/go?q=1#f"
    joined = {
        "c%28.jpg": "http://h.example:8/a/b%2f/c%28.jpg",
        "./c?x=/../y": "http://h.example:8/a/b%2f/c?x=/../y",
        "../c//d": "http://h.example:8/a/c//d",
        "../../../../c": "http://h.example:8/c",
        "..": "http://h.example:8/a/",
        "?r=2": "http://h.example:8/a/b%2f/go?r=2",
        "": "http://h.example:8/a/b%2f/go?q=1",
        "/x/../y": "http://h.example:8/x/../y",
        "//o.example/z": "http://o.example/z",
        "HTTPS://o.example/z#g": "HTTPS://o.example/z#g",
    }
    assert {to: redirected(base, to) for to in joined} == joined
    assert redirected("http://h.example", "c") == "http://h.example/c"
