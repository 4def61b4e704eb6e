"""Names of places: URIs taken apart and put together. Nothing here touches a disk or a network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_BUCKET = re.compile(r"[A-Za-z0-9._-]{1,255}|arn:aws[^/]+")
"""Wider than Amazon's own rule, which is not that of every S3-compatible store; an access point is
named by its ARN."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_AMAZON = re.compile(
    r"https?://(?:([a-z0-9.-]+)\.)?s3(?:[.-](?:dualstack\.)?[a-z0-9-]+)?\.amazonaws\.com(?:\.cn)?/(.*)",
    re.IGNORECASE | re.DOTALL,
)
_MOST_KEY_BYTES = 1024
"""S3's limit, in UTF-8."""
_SHOWN = 200
"""Characters of a URI in a message."""


def scheme_of(uri: str) -> str:
    """`s3`, `https`, ...; `file` for a local path with or without a scheme."""
    # Not urlsplit: it raises for some of what a manifest may hold, such as "http://[".
    found = _SCHEME.match(uri)
    return found[1].lower() if found else "file"


def absolute(uri: str) -> str:
    """A local path made absolute and free of `file://`; other URIs without a trailing slash.

    Raises:
        ValueError: it begins with `~`, and there is no such home folder.
    """
    if scheme_of(uri) != "file":
        return uri.rstrip("/")
    if _SCHEME.match(uri):
        path = uri.partition("://")[2].partition("/")[2]  # after the host, which is this machine
        return str(Path("/" + unquote(path)))
    try:
        return str(Path(uri).expanduser().absolute())
    except RuntimeError:
        raise ValueError(f"{_short(uri)}: no home folder is known: write the whole path") from None


def join(uri: str, *parts: str) -> str:
    """A place below `uri`."""
    return "/".join([uri.rstrip("/"), *(part.strip("/") for part in parts)])


def parent(uri: str) -> str:
    """The folder that holds `uri`."""
    return uri.rstrip("/").rpartition("/")[0] or "/"


def bucket_and_key(uri: str) -> tuple[str, str]:
    """The two halves of an `s3://` URI; the key is taken to the letter.

    >>> bucket_and_key("s3://catalog/shoes/red 42%.jpg")
    ('catalog', 'shoes/red 42%.jpg')

    Raises:
        ValueError: no bucket is named.
    """
    bucket, _, key = uri.partition("://")[2].partition("/")
    if not bucket:
        raise ValueError(f"{uri!r} names no bucket: write s3://bucket/key")
    return bucket, key


def object_behind(url: str) -> str | None:
    """The `s3://` URI of what an S3 URL of Amazon's leads to, signed or not; None: another URL.

    >>> object_behind("https://catalog.s3.eu-west-1.amazonaws.com/red%20shoe.jpg?X-Amz-Date=1")
    's3://catalog/red shoe.jpg'
    >>> object_behind("https://s3.amazonaws.com/catalog/shoe.jpg")
    's3://catalog/shoe.jpg'
    """
    found = _AMAZON.fullmatch(url)
    if found is None:
        return None
    path = unquote(re.split(r"[?#]", found[2], maxsplit=1)[0])
    named = f"s3://{found[1]}/{path}" if found[1] else f"s3://{path}"
    return named if address_fault(named) is None else None


def address_fault(uri: str) -> str | None:
    """Why no file can ever be at a URI, to follow the name of its column; None: one may be.

    What stands in a manifest is somebody else's text. Whether there is such a scheme, bucket or
    host, and whether it may be asked, is not looked at here.

    >>> address_fault("s3://")
    "'s3://' names no bucket: write s3://bucket/key"
    >>> address_fault("s3://catalog/shoes/red 42%.jpg")
    """
    if "\0" in (absolute(uri) if _SCHEME.match(uri) else uri):  # in a file:// URI it may be %00
        return "holds a NUL character: take it out"
    scheme = scheme_of(uri)
    if scheme == "file":
        return None  # a local file may be called anything else
    if scheme in ("http", "https") and _has_user(uri):
        return _USER_FAULT
    control = _CONTROL.search(uri)
    if control is not None:
        return f"holds the control character {control[0]!r}: rename the file, or take it out"
    if scheme != "s3":
        return None
    return _object_fault(uri)


def _object_fault(uri: str) -> str | None:
    bucket, _, key = uri.partition("://")[2].partition("/")
    if not bucket:
        return f"{_short(uri)} names no bucket: write s3://bucket/key"
    if "@" in uri and not {"@", ":"}.isdisjoint(bucket) and not bucket.startswith("arn:"):
        return (  # without a word of it: it may be a key of access
            "is no address: where the bucket's name belongs there is something before an '@': "
            "write s3://bucket/key, and set AWS_PROFILE or AWS_ACCESS_KEY_ID"
        )
    if not _BUCKET.fullmatch(bucket) or not bucket.strip("."):
        return (
            f"{_short(uri)}: {_short(bucket)} cannot be the name of a bucket: those are made of "
            "letters, digits, '.', '-' and '_'"
        )
    if not key:
        return f"{_short(uri)} names no object: write s3://bucket/key"
    num_bytes = len(key.encode("utf-8", "surrogatepass"))
    if num_bytes > _MOST_KEY_BYTES:
        return (
            f"{_short(uri)}: its key has {num_bytes} bytes, an object's at most {_MOST_KEY_BYTES}"
        )
    return None


_USER_FAULT = (
    "has a user name or password in it, before an '@': take it out, nothing is read with one"
)
"""The refusal of a user name or password, which quotes neither."""


def check_place(uri: str, *, what: str = "an address") -> None:
    """Refuse a place that somebody is named for, or has a key of access in it, without quoting it.

    Raises:
        ValueError: one line; where files of a store are to be read, its keys come from elsewhere.
    """
    is_point = uri.partition("://")[2].startswith("arn:")
    if scheme_of(uri) != "file" and not is_point and _has_user(uri):
        raise ValueError(f"{what} {_USER_FAULT}")


def _has_user(url: str) -> bool:
    authority, _, path = re.split(r"[?#]", url.partition("://")[2], maxsplit=1)[0].partition("/")
    port = authority.rpartition(":")[2] if ":" in authority else ""
    # A key with a slash in it: what comes before that is no port.
    return "@" in authority or ("@" in path and not re.fullmatch(r"[0-9]*|[0-9a-fA-F:.]*\]", port))


def shortened(uri: str) -> str:
    """A URI for a message: not the whole of what somebody put there by mistake."""
    return uri if len(uri) <= _SHOWN else f"{uri[:_SHOWN]}…"


def _short(text: str) -> str:
    return repr(shortened(text))


_LINKED = re.compile(r"//|https?|www\.", re.IGNORECASE)
_OBJECTS = ("s3://", "s3a://", "s3n://")


def without_secrets(text: str) -> str:
    """An address, or a cell with one in it, fit to be shown: the one door for all that is said.

    A user's name, a password and keys of access stay out of it, and of the web every query: which
    of them is a signature or a token nobody can tell.

    >>> without_secrets("https://me:secret@cdn.example.com/a.jpg?X-Amz-Signature=0f1e")
    'https://cdn.example.com/a.jpg'
    >>> without_secrets("s3://AKIA:se/cret@catalog/what?.jpg")
    's3://catalog/what?.jpg'
    """
    if not _LINKED.search(text):
        return text
    plain = "".join(_without_user(text)) if "@" in text else text
    start = plain[:200].lower()
    if start.startswith(_OBJECTS) and "http" not in plain.lower():  # a key may have such letters
        return plain
    return re.split(r"[?#]", plain, maxsplit=1)[0]


def _without_user(text: str) -> Iterator[str]:
    """The pieces of a text that are left without who somebody says to be, before an '@'."""
    before, mark, rest = text.partition("://")
    if mark and _has_user(text):
        end = re.split(r"[?#\s]", rest, maxsplit=1)[0].rfind("@") + 1
        text = before + mark + rest[end:]
    slashes = 0
    for piece in re.split(r"([/\s])", text):
        left = piece
        if piece == "/":
            slashes += 1
        elif piece:
            begin = piece.rfind("@") + 1 if slashes >= 2 else 0
            while (user := piece.find(":", begin)) >= 0 and (end := piece.find("@", user)) >= 0:
                begin = end + 1
            left, slashes = piece[begin:], 0
        yield left
