"""A small object store that lists as some stores do: in other orders, and in worse ways."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit
from xml.sax.saxutils import escape

Order = Callable[[str], Any]


def by_byte(key: str) -> Any:
    """AWS, general purpose buckets."""
    return key.encode()


def by_folder(key: str) -> Any:
    """SeaweedFS 4.48: a folder's name sorts without its slash."""
    return [part.encode() for part in key.split("/")]


def backwards(key: str) -> Any:
    """By the end of the name."""
    return key.encode()[::-1]


def scattered(key: str) -> Any:
    """Directory buckets promise no order at all."""
    return hash(("scattered", key)), key


@dataclass(kw_only=True)
class Habits:
    """How a store lists."""

    order: Order = by_byte
    start_after: Literal["own order", "by byte", "ignored", "refused"] = "own order"
    tokens: Literal["fine", "ignored", "repeated", "endless", "none", "after the end", "broken"] = (
        "fine"
    )
    """`broken`: s3rver 3.7.1 on Node 17 and newer, whose cipher for them is no longer there."""
    is_down: bool = False
    only_folders: bool = False
    """A prefix must end in a slash."""
    etags: bool = True
    etag: Callable[[str], str] = lambda name: f'"{name}"'
    """How one is written."""
    sizes: bool = True
    times: str | None = None
    """What is said of when a key was written; None: nothing."""
    page: int = 10
    """At most."""
    overlap: int = 0
    """Names of a page that are on the next one too."""
    empty_first: bool = False
    """The first page holds nothing, and a token."""
    passes_over: frozenset[str] = field(default_factory=frozenset)
    """Parameters of a request that are as if not said."""
    refused: frozenset[str] = field(default_factory=frozenset)
    """Prefixes that may not be listed."""


class Lister(ThreadingHTTPServer):
    """One bucket of keys, whose ETag is their name in hexadecimal digits."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Page)
        self.habits = Habits()
        self.keys: Sequence[str] = ()
        self.counts: Counter[str] = Counter()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.numbers = itertools.count()

    def holds(self, keys: Sequence[str], **habits: Any) -> None:
        """Begin anew."""
        self.keys, self.habits = keys, Habits(**habits)
        self.counts.clear()


class _Page(BaseHTTPRequestHandler):
    server: Lister
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # or each answer waits for an acknowledgement of its headers

    def do_GET(self) -> None:
        habits = self.server.habits
        said = parse_qsl(urlsplit(self.path).query, keep_blank_values=True)
        asked = {name: value for name, value in said if name not in habits.passes_over}
        self.server.counts["requests"] += 1
        prefix, after = asked.get("prefix", ""), asked.get("start-after")
        if habits.is_down:
            self.refuse(500, "InternalError")
        elif prefix in habits.refused:
            self.refuse(403, "AccessDenied")
        elif after is not None and habits.start_after == "refused":
            self.refuse(501, "NotImplemented")
        elif habits.only_folders and prefix and not prefix.endswith("/"):
            self.refuse(400, "InvalidArgument")
        else:
            self.list(asked, prefix, after)

    def list(self, asked: Mapping[str, str], prefix: str, after: str | None) -> None:
        habits = self.server.habits
        rolled = (_rolled(key, prefix, asked.get("delimiter")) for key in self.server.keys)
        names = sorted(
            {name for name in rolled if name is not None}, key=lambda name: habits.order(name[0])
        )
        token = asked.get("continuation-token")
        first = 0
        if token is not None:
            first = int(token.partition("-")[0])
        elif after is not None and habits.start_after != "ignored":
            order = by_byte if habits.start_after == "by byte" else habits.order
            # By an order of its own a store still gives a tail of its listing.
            first = sum(order(name[0]) <= order(after) for name in names)
        elif habits.empty_first and names:
            self.answer(200, _page([], "0", habits, is_truncated=True))
            return
        last = first + min(habits.page, int(asked.get("max-keys", habits.page)))
        if habits.tokens == "broken" and last < len(names):
            self.refuse(500, "InternalError")
            return
        following = {
            "broken": None,
            "fine": f"{last - habits.overlap}",
            "none": None,
            "after the end": f"{last}",
            "repeated": "0",
            "ignored": f"0-{next(self.server.numbers)}",
            "endless": f"0-{next(self.server.numbers)}",
        }[habits.tokens]
        more = last < len(names) or habits.tokens == "endless"
        given = following if more or habits.tokens == "after the end" else None
        self.answer(200, _page(names[first:last], given, habits, is_truncated=more))

    def refuse(self, status: int, code: str) -> None:
        self.server.counts[code] += 1
        self.answer(status, f"<Error><Code>{code}</Code></Error>")

    def answer(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def _rolled(key: str, prefix: str, delimiter: str | None) -> tuple[str, bool] | None:
    """A name, and whether it is a folder's; None: it is not below the prefix."""
    if not key.startswith(prefix):
        return None
    name, slash, _ = key[len(prefix) :].partition("/") if delimiter else ("", "", "")
    return (f"{prefix}{name}/", True) if slash else (key, False)


def _page(
    names: Sequence[tuple[str, bool]], token: str | None, habits: Habits, *, is_truncated: bool
) -> str:
    parts = []
    for name, is_folder in names:
        if is_folder:
            parts.append(f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>")
            continue
        etag = escape(habits.etag(name.encode().hex())) if habits.etags else None
        said = "" if etag is None else f"<ETag>{etag}</ETag>"
        size = "<Size>1</Size>" if habits.sizes else ""
        time = "" if habits.times is None else f"<LastModified>{habits.times}</LastModified>"
        parts.append(f"<Contents><Key>{escape(name)}</Key>{time}{size}{said}</Contents>")
    more = "" if token is None else f"<NextContinuationToken>{token}</NextContinuationToken>"
    return (
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>'
        f"<IsTruncated>{str(is_truncated).lower()}</IsTruncated>{more}{''.join(parts)}"
        "</ListBucketResult>"
    )
