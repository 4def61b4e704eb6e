"""Whether bytes are what the storage says it holds.

A good status proves nothing: a proxy cuts a body and announces the shorter length, a captive portal
answers with a page of its own, memory flips bits. Where an answer carries a checksum, or an ETag
that is one, the bytes are held against it, and asked for once more when they do not agree.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import re
import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from pipeline.errors import ErrorCode, TransientError

logger = logging.getLogger(__name__)

_PLAIN_MD5 = re.compile(r'"?([0-9a-fA-F]{32})"?')
"""An ETag that may be one. That of an upload in parts has a dash and their number behind it."""


def _digest(name: str) -> Callable[[bytes], bytes]:
    return lambda data: hashlib.new(name, data, usedforsecurity=False).digest()


_ALGORITHMS: Mapping[str, Callable[[bytes], bytes]] = {
    "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "md5": _digest("md5"),
    "sha": _digest("sha1"),  # as RFC 3230 calls it
    "sha1": _digest("sha1"),
    "sha256": _digest("sha256"),
    "sha512": _digest("sha512"),
}
"""Checksum algorithms that Python brings along; values of others (CRC-32C, CRC-64/NVME) are
ignored."""
_LISTS = ("repr-digest", "content-digest", "digest", "x-goog-hash")
"""Headers of `name=base64` with commas between: RFC 9530 (between colons), RFC 3230, Google."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """The reason why bytes may not be what the storage holds."""

    differs: bool
    """The storage says something else of them. False: it says nothing to hold them against."""
    reason: str
    """The reason in words that follow the file's name: `has the MD5 ...`. It is equal for equal
    bytes, and for no others."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that was read."""

    data: bytes
    retries: int
    """The number of times that the storage had to be asked again."""
    doubt: Doubt | None = None
    """None: the bytes are what the storage holds."""


Read = TypeVar("Read", bound=Fetched)


def doubt_of(data: bytes, headers: Mapping[str, str], *, md5: str | None) -> Doubt | None:
    """What an answer's headers say of its body; None when a checksum among them agrees.

    Args:
        data: the whole body.
        headers: by lower-case names.
        md5: what the body's MD5 should be, hex, as `md5_of` tells from an object store's answer.
    """
    stated = [*_stated(headers)]
    if any(_ALGORITHMS[name](data) == sum_ for name, sum_ in stated):
        return None
    # An ETag on the web may be anything; one that is the MD5 is so by no accident.
    named = _PLAIN_MD5.fullmatch(headers.get("etag", ""))
    found = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if named and named[1].lower() == found:
        return None
    if stated:
        name, sum_ = stated[0]
        return _unlike(name, _ALGORITHMS[name](data).hex(), sum_.hex())
    if md5 is not None:
        return _unlike("md5", found, md5)
    sha256 = hashlib.sha256(data).hexdigest()
    return Doubt(differs=False, reason=f"came without a checksum; its SHA-256 is {sha256[:16]}")


def md5_of(headers: Mapping[str, str]) -> str | None:
    """The MD5 of an object, hex, where its ETag is one; None where it is something else.

    It is none of an object that came in parts, that is encrypted with keys other than the store's
    own (SSE-KMS, SSE-C), or that lies in a directory bucket (AWS, "Checking object integrity").

    >>> md5_of({"etag": '"d41d8cd98f00b204e9800998ecf8427e"'})
    'd41d8cd98f00b204e9800998ecf8427e'
    """
    named = _PLAIN_MD5.fullmatch(headers.get("etag", ""))
    is_other = (
        headers.get("x-amz-server-side-encryption", "AES256") != "AES256"
        or "x-amz-server-side-encryption-customer-algorithm" in headers
        or headers.get("x-amz-storage-class") == "EXPRESS_ONEZONE"
    )
    return None if named is None or is_other else named[1].lower()


async def read_twice_if_they_differ(read: Callable[[], Awaitable[Read]], *, what: str) -> Read:
    """What `read` returns, asked for a second time if its bytes do not agree with their checksum.

    Bytes that come twice and agree neither time are handed on, in doubt: some gateways give ETags
    that look like an MD5 and are none, and CDNs change pictures and leave the headers.

    Raises:
        TransientError: both times other bytes, and neither are what the storage holds.
    """
    first = await read()
    if first.doubt is None or not first.doubt.differs:
        return first
    logger.info("%s %s; asking again", what, first.doubt.reason)
    again = await read()
    if again.doubt is not None and again.data != first.data:
        raise TransientError(
            ErrorCode.STORAGE,
            f"{what} arrived damaged, twice and each time otherwise: it {again.doubt.reason}",
        )
    if again.doubt is not None:
        logger.warning("%s %s, twice", what, again.doubt.reason)
    return replace(again, retries=first.retries + 1 + again.retries)


def _stated(headers: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """Algorithm and checksum, where a header says what the whole body's is."""
    for name, value in _named(headers):
        if name in _ALGORITHMS:
            length = len(_ALGORITHMS[name](b""))
            try:
                # Hexadecimal, against all rules; only of a CRC-32 is base64 as long.
                is_hex = len(value) == 2 * length and name != "crc32"
                sum_ = bytes.fromhex(value) if is_hex else base64.b64decode(value, validate=True)
            except ValueError:  # of an upload in parts: "<base64>-<number>"
                continue
            if len(sum_) == length:  # else it is of something else, or of nothing
                yield name, sum_


def _named(headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    prefix = "x-amz-checksum-"
    for header, value in headers.items():
        if header.startswith(prefix):
            yield header.removeprefix(prefix), value
        elif header == "content-md5":
            yield "md5", value
        elif header in _LISTS:
            for part in value.split(","):
                name, _, encoded = part.strip().partition("=")
                yield name.lower().replace("sha-", "sha"), encoded.strip(":")


def _unlike(name: str, found: str, said: str) -> Doubt:
    return Doubt(differs=True, reason=f"has the {name.upper()} {found}, the storage says {said}")
