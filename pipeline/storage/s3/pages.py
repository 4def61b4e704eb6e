"""Pages of a listing: what a store answers, held against what was asked for.

Stores and what stands before them pass over a prefix, a delimiter or a token, give a key twice, or
break off. A file that is not listed is a row that is lost without a word, so nothing is believed
that an answer shows to be wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_MOST_IDLE_PAGES = 20
"""The most pages in a row without news: empty ones, which are allowed, and repeated ones."""
_HEX = re.compile(r"[0-9A-Fa-f]{32}(-[0-9]+)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class ListingPage:
    """One page of a listing, in the store's order: on AWS that of the keys' UTF-8 bytes."""

    etags: dict[str, str]
    """ETag by key; empty where the store gives none."""
    sizes: dict[str, int]
    """Bytes by key, where the store says so."""
    folders: list[str]
    """What the delimiter rolled up, each with its trailing slash, once."""
    next_page: str | None
    """The token that continues the listing; None at its end."""
    is_cut: bool
    """Whether there is more, and no token that leads to it."""


def read_page(answer: Mapping[str, Any], *, prefix: str, flat: bool) -> ListingPage:
    """What a store lists, as far as it was asked for.

    Args:
        answer: to ListObjectsV2.
        prefix: what the keys were to start with.
        flat: False: what has a slash after the prefix was to be rolled up.
    """
    etags, sizes, folders = dict[str, str](), dict[str, int](), dict[str, None]()
    for found in answer.get("Contents", []):
        key = found["Key"]
        if not key.startswith(prefix):
            continue
        name, slash, _ = key.removeprefix(prefix).partition("/")
        if slash and not flat:
            folders[f"{prefix}{name}/"] = None
            continue
        etags[key] = found.get("ETag") or ""
        if "Size" in found:
            sizes[key] = int(found["Size"])
    for rolled_up in answer.get("CommonPrefixes", []):
        if rolled_up["Prefix"].startswith(prefix):
            folders[rolled_up["Prefix"]] = None
    token, is_truncated = answer.get("NextContinuationToken"), answer.get("IsTruncated")
    return ListingPage(
        etags=etags,
        sizes=sizes,
        folders=list(folders),
        next_page=None if is_truncated is False else token or None,
        is_cut=bool(is_truncated) and not token,
    )


class Course:
    """Notices a listing that goes in circles, which would keep us for ever."""

    def __init__(self) -> None:
        self._tokens, self._firsts = set[str](), set[str]()
        self._num_idle = 0

    def is_circle(self, page: ListingPage) -> bool:
        """Whether the page after this one is not worth asking for."""
        token = page.next_page or ""
        first = next(iter([*page.etags, *page.folders]), None)
        self._num_idle = self._num_idle + 1 if first is None or first in self._firsts else 0
        was_here = token in self._tokens
        self._tokens.add(token)
        self._firsts |= set() if first is None else {first}
        return was_here or self._num_idle > _MOST_IDLE_PAGES


def version_of(etag: str) -> str:
    """What an ETag says, however it is written; empty where it says nothing.

    Quotes, the mark of a weak one and the case of hexadecimal digits come and go with the gateway
    that answers.

    >>> version_of('W/"D41D8CD98F00B204E9800998ECF8427E-2"'), version_of('"0x8DA"')
    ('d41d8cd98f00b204e9800998ecf8427e-2', '0x8DA')
    """
    bare = etag.strip().removeprefix("W/").strip('"')
    return bare.lower() if _HEX.fullmatch(bare) else bare
