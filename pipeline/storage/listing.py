"""Which version of a photograph is there now: what a nightly run compares with last night's.

By listing, 1000 keys a request. Asking for each photograph instead would be a million requests.
"""

from __future__ import annotations

import asyncio
import logging
import os
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path

from pipeline.storage.connection import connection
from pipeline.storage.retry import BACKOFF, Backoff
from pipeline.storage.s3 import S3
from pipeline.storage.uris import absolute, address_fault, bucket_and_key, scheme_of

logger = logging.getLogger(__name__)

_LISTINGS_AT_ONCE = 16
_KEYS_PER_LISTING = 5000
"""Neighbours looked up by one walk through a listing: some pages each, and many walks at once."""


def versions(uris: Iterable[str], *, backoff: Backoff = BACKOFF) -> dict[str, str]:
    """A version of each image that changes when the image does, by URI.

    An object's ETag; of a local file `<bytes>-<mtime in ns>`. Absent: what does not exist, what is
    no address, what lies under a prefix that may not be listed, and `https` images, which cannot
    be listed. Neighbours of these have their versions.

    Raises:
        TransientError: a listing got no answer, after all retries.
    """
    by_scheme: dict[str, set[str]] = defaultdict(set)
    for uri in uris:
        by_scheme[scheme_of(uri)].add(uri)
    return _of_files(by_scheme["file"]) | _of_objects(by_scheme["s3"], backoff)


def _of_files(uris: set[str]) -> dict[str, str]:
    folders: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for uri in uris:
        path = Path(absolute(uri))
        folders[str(path.parent)][path.name].append(uri)
    found: dict[str, str] = {}
    for folder, names in folders.items():
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name in names and entry.is_file():
                        stat = entry.stat()
                        version = f"{stat.st_size}-{stat.st_mtime_ns}"
                        found |= dict.fromkeys(names[entry.name], version)
        except (OSError, ValueError):  # no such folder, not ours to list, a NUL in its name
            continue
    return found


def _of_objects(uris: set[str], backoff: Backoff) -> dict[str, str]:
    keys: dict[str, set[str]] = defaultdict(set)
    named = {uri: bucket_and_key(uri) for uri in uris if address_fault(uri) is None}
    for bucket, key in named.values():
        keys[bucket].add(key)
    if not keys:
        return {}
    found = connection().run(_look_up(S3(connection(), backoff=backoff), keys))
    return {uri: found[address] for uri, address in named.items() if address in found}


_Etags = dict[tuple[str, str], str]
"""By bucket and key."""


async def _look_up(s3: S3, keys: Mapping[str, Iterable[str]]) -> _Etags:
    searches = []
    turn = asyncio.Semaphore(_LISTINGS_AT_ONCE)
    for bucket, unsorted in keys.items():
        wanted = sorted(unsorted)  # by code point, which is S3's order by UTF-8 byte
        for first in range(0, len(wanted), _KEYS_PER_LISTING):
            few = wanted[first : first + _KEYS_PER_LISTING]
            searches.append(_search(s3, turn, bucket, few))
    return _merged(await asyncio.gather(*searches))


async def _search(
    s3: S3, turn: asyncio.Semaphore, bucket: str, wanted: Sequence[str], *, again: bool = False
) -> _Etags:
    """The ETags of sorted keys that can be had, whatever the others among them do.

    Args:
        s3: makes the requests.
        turn: taken for each walk.
        bucket: where to look.
        wanted: at least one.
        again: whether this is part of a search that failed, in a bucket that can be listed.
    """
    try:
        async with turn:
            return await _walk(s3, bucket, wanted)
    except PermissionError:
        # Perhaps only their common folder may not be listed, and the folders in it may.
        folders: dict[str, list[str]] = defaultdict(list)
        for key in wanted:
            folders[_folder_of(key)].append(key)
        parts: Sequence[Sequence[str]] = list(folders.values())
    except (OSError, ValueError) as error:
        # Stores do not take every key, nor list after every key: perhaps it is one among many.
        middle = len(wanted) // 2
        parts = [wanted[:middle], wanted[middle:]]
        if len(wanted) == 1 or not (again or await _is_listable(s3, bucket)):
            logger.warning("no versions of %d photographs: %s", len(wanted), error)
            return {}
        again = True
    if len(parts) == 1:
        return {}
    return _merged(
        await asyncio.gather(*(_search(s3, turn, bucket, few, again=again) for few in parts))
    )


async def _is_listable(s3: S3, bucket: str) -> bool:
    try:
        await s3.page(bucket, prefix="", most=1)
    except PermissionError:
        return True  # folders in it may be
    except (OSError, ValueError):
        return False
    return True


async def _walk(s3: S3, bucket: str, wanted: Sequence[str]) -> _Etags:
    """The ETags of sorted keys, leaping over what lies between. Raises what `S3.page` raises.

    A leap starts just before the next wanted key, so there are never more requests than wanted
    keys, nor than pages, however many other objects the folders hold.
    """
    prefix = _common_folder(wanted[0], wanted[-1])
    sought, found = frozenset(wanted), dict[str, str]()
    position, after = 0, ""
    while position < len(wanted):
        # Without its last character a key sorts before itself and close to it.
        after = max(after, wanted[position][:-1])
        # Before the folder there is nothing to leap over, and not every store takes such a start.
        start = after if after > prefix else None
        try:
            page = await s3.page(bucket, prefix=prefix, after=start)
        except FileNotFoundError:  # no such bucket
            return {}
        found |= {key: page.etags[key] for key in page.etags.keys() & sought}
        if not page.next_page or not page.etags:
            break
        after = max(page.etags)
        position = bisect_right(wanted, after)
    # A store that gives no ETag tells no version: an empty one would never change.
    return {(bucket, key): etag.strip('"') for key, etag in found.items() if etag}


def _folder_of(key: str) -> str:
    return key[: key.rfind("/") + 1]


def _common_folder(one: str, other: str) -> str:
    pairs = zip(one.split("/")[:-1], other.split("/")[:-1], strict=False)
    shared = (name for name, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return "".join(f"{name}/" for name in shared)


def _merged(parts: Iterable[_Etags]) -> _Etags:
    return {address: etag for part in parts for address, etag in part.items()}
