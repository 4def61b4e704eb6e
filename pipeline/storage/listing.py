"""Which version of a photograph is there now: what a nightly run compares with last night's.

By listing, 1000 keys a request. Asking for each photograph instead would be a million requests.
"""

from __future__ import annotations

import asyncio
import os
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import takewhile
from pathlib import Path

from pipeline.storage.connection import connection
from pipeline.storage.retry import BACKOFF, Backoff
from pipeline.storage.s3 import S3
from pipeline.storage.uris import absolute, bucket_and_key, scheme_of

_LISTINGS_AT_ONCE = 16
_KEYS_PER_LISTING = 5000
"""Neighbours looked up by one walk through a listing: some pages each, and many walks at once."""


def versions(uris: Iterable[str], *, backoff: Backoff = BACKOFF) -> dict[str, str]:
    """A version of each image that changes when the image does, by URI.

    An object's ETag; of a local file `<bytes>-<mtime in ns>`. Absent: what does not exist, what
    lies under a prefix that may not be listed, and `https` images, which cannot be listed.

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
    if not uris:
        return {}
    keys: dict[str, list[str]] = defaultdict(list)
    for uri in uris:
        bucket, key = bucket_and_key(uri)
        if key:
            keys[bucket].append(key)
    return connection().run(_look_up(S3(connection(), backoff=backoff), keys))


async def _look_up(s3: S3, keys: dict[str, list[str]]) -> dict[str, str]:
    turn = asyncio.Semaphore(_LISTINGS_AT_ONCE)

    async def look_up(bucket: str, wanted: Sequence[str]) -> dict[str, str]:
        async with turn:
            found = await _walk(s3, bucket, wanted)
        if found is not None:
            return found
        # Refused: perhaps only their common folder may not be listed, and the folders in it may.
        folders: dict[str, list[str]] = defaultdict(list)
        for key in wanted:
            folders[_folder_of(key)].append(key)
        if len(folders) == 1:
            return {}
        return _merged(await asyncio.gather(*(look_up(bucket, few) for few in folders.values())))

    searches = []
    for bucket, unsorted in keys.items():
        wanted = sorted(unsorted)  # by code point, which is S3's order by UTF-8 byte
        for first in range(0, len(wanted), _KEYS_PER_LISTING):
            searches.append(look_up(bucket, wanted[first : first + _KEYS_PER_LISTING]))  # noqa: PERF401
    return _merged(await asyncio.gather(*searches))


async def _walk(s3: S3, bucket: str, wanted: Sequence[str]) -> dict[str, str] | None:
    """The ETags of sorted keys, leaping over what lies between; None where listing is refused.

    A leap starts just before the next wanted key, so there are never more requests than wanted
    keys, nor than pages, however many other objects the folders hold.
    """
    prefix = _common_folder(wanted[0], wanted[-1])
    sought, found = frozenset(wanted), dict[str, str]()
    position, after = 0, ""
    while position < len(wanted):
        # Without its last character a key sorts before itself and close to it.
        after = max(after, wanted[position][:-1])
        try:
            page = await s3.page(bucket, prefix=prefix, after=after)
        except PermissionError:
            return None
        except FileNotFoundError:  # no such bucket
            return {}
        found |= {key: page.etags[key] for key in page.etags.keys() & sought}
        if not page.next_page or not page.etags:
            break
        after = max(page.etags)
        position = bisect_right(wanted, after)
    return {f"s3://{bucket}/{key}": etag.strip('"') for key, etag in found.items()}


def _folder_of(key: str) -> str:
    return key[: key.rfind("/") + 1]


def _common_folder(one: str, other: str) -> str:
    pairs = zip(one.split("/")[:-1], other.split("/")[:-1], strict=False)
    shared = (name for name, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return "".join(f"{name}/" for name in shared)


def _merged(parts: Iterable[dict[str, str]]) -> dict[str, str]:
    return {uri: version for part in parts for uri, version in part.items()}
