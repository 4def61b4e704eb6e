"""Addresses as they are kept and shown: without what in them opens a door.

A signed link is a key to what it leads to, and a query may hold any other. So whatever is kept (a
plan, a result, a report) has an address without its query, and a hash in its place; the whole is
known to those alone who fetch it. Which query is a secret nobody can tell: none is kept.
"""

from __future__ import annotations

import hashlib
import re

from pipeline.storage.uris import scheme_of

_MARK = "?withheld="
_IS_WITHHELD = re.compile(r"https?://[^?#]*\?withheld=[0-9a-f]{16}", re.IGNORECASE)
WITHHELD = (
    "is what is kept of an address, without its query, and the manifest that had the whole one "
    "does not have it any more: the next run takes the row up as it stands there then"
)
"""Why nothing can be fetched by such an address, to follow the name of its column."""
_QUERY = re.compile(r"[?#]")

_DATED = ("x-amz-", "x-goog-", "x-oss-")
"""What the parameters of signatures begin with: AWS 4, Google 4, Alibaba 4."""
_SIGNERS = frozenset({"awsaccesskeyid", "googleaccessid", "key-pair-id", "ossaccesskeyid"})
_SIGNED = _SIGNERS | {"signature", "expires", "policy", "hash-algorithm"}
"""The older ones of AWS, Google and Alibaba, and those of CloudFront."""
_SAS = frozenset({
    "sv", "ss", "srt", "sr", "st", "se", "sp", "spr", "sip", "si", "sig", "skoid", "sktid", "skt",
    "ske", "sks", "skv", "saoid", "suoid", "scid", "sdd", "ses",
})  # fmt: skip
"""The parameters of a shared access signature of Azure."""


def unsigned(url: str) -> str:
    """The address without its signature: what stays when it is signed anew, and tells it apart.

    Only what is a signature of a store or a network by its parameters; any other query may say
    which picture is meant.

    >>> unsigned("https://cdn.example.com/a.jpg?w=200&X-Amz-Date=1&X-Amz-Signature=0f")
    'https://cdn.example.com/a.jpg?w=200'
    >>> unsigned("https://cdn.example.com/a.jpg?w=200&token=7")
    'https://cdn.example.com/a.jpg?w=200&token=7'
    """
    if scheme_of(url) not in ("http", "https"):
        return url
    before, mark, query = url.partition("?")
    if not mark:
        return url
    query, hash_, fragment = query.partition("#")
    parameters = [(part.partition("=")[0].lower(), part) for part in query.split("&")]
    names = {name for name, _ in parameters}
    signature = set[str]()
    if "signature" in names and not _SIGNERS.isdisjoint(names):
        signature |= _SIGNED
    if {"sig", "sv"} <= names:
        signature |= _SAS
    left = [
        part for name, part in parameters if name not in signature and not name.startswith(_DATED)
    ]
    if len(left) == len(parameters):
        return url
    return before + ("?" if left else "") + "&".join(left) + hash_ + fragment


def withheld(url: str) -> str:
    """The address as it is kept: a URL has a hash of the whole, less a signature, for its query.

    >>> withheld("https://cdn.example.com/a.jpg?w=200&X-Amz-Signature=0f")
    'https://cdn.example.com/a.jpg?withheld=4afb6f4f8e9707c1'
    >>> withheld("https://cdn.example.com/a.jpg"), withheld("s3://catalog/what?.jpg")
    ('https://cdn.example.com/a.jpg', 's3://catalog/what?.jpg')
    """
    if scheme_of(url) not in ("http", "https") or is_withheld(url):
        return url
    before, *rest = _QUERY.split(url, maxsplit=1)
    if not rest:
        return url
    return (
        f"{before}{_MARK}{hashlib.sha256(unsigned(url).encode(errors='replace')).hexdigest()[:16]}"
    )


def is_withheld(url: str) -> bool:
    """Whether an address is one of which a part is withheld: nothing can be fetched by it."""
    return _IS_WITHHELD.fullmatch(url) is not None
