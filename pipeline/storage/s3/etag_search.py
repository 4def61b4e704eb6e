"""The ETags of objects, by listing: quickly where a store lists by key, and surely where not.

AWS lists a general purpose bucket in the order of the keys' UTF-8 bytes, so that one may leap from
one wanted key to the next. Other stores list folder by folder, or in no order (SeaweedFS, directory
buckets), and start where their own order has the key. So a key counts as absent only once it was
asked for by itself, or a listing that was read from its beginning to its end does not have it.
"""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, takewhile

from pipeline.errors import TransientError
from pipeline.storage.s3.pages import Course, ListingPage, version_of
from pipeline.storage.s3.requests import S3

logger = logging.getLogger(__name__)

MAY_NOT_BE_LISTED = "their folder may not be listed"
HAS_NO_ETAG = "the store gives no ETag"
DOES_NOT_END = "the store's listing does not come to an end"
NO_LISTING = "the store refused to list them"

_LISTINGS_AT_ONCE = 16
_KEYS_PER_WALK = 5000
"""Neighbours looked up by one walk through a listing: some pages each, and many walks at once."""
_MISSING_PER_PAGE = 50
"""The number of keys not found that are worth one page more of their folder, which is read page
after page; keys are asked for by themselves many at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownETags:
    """What became of keys of one bucket. Those in neither are not there."""

    etags: Mapping[str, str] = field(default_factory=dict)
    """What the ETag says, by key; never empty."""
    unseen: Mapping[str, str] = field(default_factory=dict)
    """Why nothing can be said of a key, by key."""


async def look_up(s3: S3, keys: Mapping[str, Iterable[str]]) -> dict[str, KnownETags]:
    """What is there under keys, by bucket.

    On a store that lists by key it takes no more requests than there are wanted keys, nor than
    there are pages, and about one more for each key that is not there.

    Raises:
        TransientError: a store gave no answer, after all retries.
    """
    turn = asyncio.Semaphore(_LISTINGS_AT_ONCE)
    looked = await asyncio.gather(
        *(_Bucket(s3, turn, name).look_up(sorted(wanted)) for name, wanted in keys.items())
    )
    return dict(zip(keys, looked, strict=True))


class _Bucket:
    def __init__(self, s3: S3, turn: asyncio.Semaphore, name: str) -> None:
        self._s3, self._turn, self._name = s3, turn, name

    async def look_up(self, wanted: Sequence[str]) -> KnownETags:
        """Sorted keys, by code point, which is the order of their UTF-8 bytes."""
        return await _merged(
            self._search(wanted[first : first + _KEYS_PER_WALK])
            for first in range(0, len(wanted), _KEYS_PER_WALK)
        )

    async def _search(self, wanted: Sequence[str]) -> KnownETags:
        try:
            async with self._turn:
                found, is_whole = await self._walk(wanted)
        except FileNotFoundError:  # no such bucket
            return KnownETags()
        except PermissionError:
            # Perhaps only their common folder may not be listed, and the folders in it may.
            folders = _by_folder(wanted)
            if len(folders) == 1:
                return _all_unseen(wanted, MAY_NOT_BE_LISTED)
            return await _merged(map(self._search, folders.values()))
        except (OSError, ValueError, TransientError) as error:
            # Stores do not take every key, nor start after every key, nor after any.
            if not await self._is_listable():
                logger.warning("no versions of %d photographs: %s", len(wanted), error)
                return _all_unseen(wanted, NO_LISTING)
            logger.info("looking for %d photographs one by one: %s", len(wanted), error)
            found, is_whole = {}, False
        missing = [key for key in wanted if key not in found]
        rest = KnownETags() if is_whole or not missing else await self._find(missing)
        return await _merged([_done(_with_etags(found)), _done(rest)])

    async def _is_listable(self) -> bool:
        """Raises TransientError: the store gives no answer whatever it is asked for."""
        try:
            await self._page(prefix="", most=1)
        except PermissionError:
            return True  # folders in it may be
        except (OSError, ValueError):
            return False
        return True

    async def _walk(self, wanted: Sequence[str]) -> tuple[dict[str, str], bool]:
        """What sorted keys have, leaping over what lies between; and whether all was read.

        A leap starts just before the next wanted key, so there are never more requests than wanted
        keys, nor than pages, however many other objects the folders hold. A page that is not in
        order, or not where it was asked for, ends it. Raises what `S3.page` raises.
        """
        prefix = _common_folder(wanted[0], wanted[-1])
        sought, found = frozenset(wanted), dict[str, str]()
        position, last, token, is_whole = 0, "", None, True
        while position < len(wanted):
            # Without its last character a key sorts before itself and close to it.
            start = wanted[position][:-1]
            if token is not None and start <= last:
                page = await self._page(prefix=prefix, token=token)
            else:
                # Before the folder there is nothing to leap over, and not every store takes that.
                after = start if start > prefix else None
                is_whole = token is None and after is None
                page = await self._page(prefix=prefix, after=after)
                last = max(last, after or "")
            found |= _sought(page, sought)
            if not page.next_page:
                return found, is_whole and not page.is_cut
            keys = list(page.etags)
            if not keys or any(one >= other for one, other in pairwise([last, *keys])):
                return found, False
            last, token = keys[-1], page.next_page
            position = bisect_right(wanted, last)
        return found, False

    async def _find(self, missing: Sequence[str]) -> KnownETags:
        """Keys that a walk has not come across, whatever the order of the listing."""
        folder = _common_folder(missing[0], missing[-1])
        most_pages = len(missing) // _MISSING_PER_PAGE
        try:
            async with self._turn:
                found, is_whole = await self._read(folder, missing, most_pages=most_pages)
        except (OSError, ValueError, TransientError):
            found, is_whole = {}, False
        left = [key for key in missing if key not in found]
        if is_whole or not left:
            return _with_etags(found)
        first = await self._ask(left[0])
        if first is None:  # a directory bucket takes folders only
            rest = _merged(map(self._read_folder, _by_folder(left).values()))
        else:
            rest = _merged([_done(first), *map(self._surely, left[1:])])
        return await _merged([_done(_with_etags(found)), rest])

    async def _surely(self, key: str) -> KnownETags:
        looked = await self._ask(key)
        return await self._read_folder([key]) if looked is None else looked

    async def _ask(self, key: str) -> KnownETags | None:
        """One key by itself; None where a store does not list by such a prefix."""
        try:
            async with self._turn:
                found, is_whole = await self._read(key, [key], most_pages=None, flat=False)
        except PermissionError:
            return _all_unseen([key], MAY_NOT_BE_LISTED)
        except ValueError:  # this key does not, as it seems
            return await self._read_folder([key])
        except (OSError, TransientError):
            return None
        if found or is_whole:
            return _with_etags(found)
        return _all_unseen([key], DOES_NOT_END)

    async def _read_folder(self, keys: Sequence[str]) -> KnownETags:
        """Keys of one folder, of which all is read."""
        try:
            async with self._turn:
                found, is_whole = await self._read(
                    _folder_of(keys[0]), keys, most_pages=None, flat=False
                )
        except PermissionError:
            return _all_unseen(keys, MAY_NOT_BE_LISTED)
        except ValueError:  # nothing can be there
            return KnownETags()
        except (OSError, TransientError) as error:
            logger.warning("no versions of %d photographs: %s", len(keys), error)
            return _all_unseen(keys, NO_LISTING)
        left = [] if is_whole else [key for key in keys if key not in found]
        return await _merged([_done(_with_etags(found)), _done(_all_unseen(left, DOES_NOT_END))])

    async def _read(
        self, prefix: str, keys: Collection[str], *, most_pages: int | None, flat: bool = True
    ) -> tuple[dict[str, str], bool]:
        """What keys have, page after page from the beginning; and whether all is known of them.

        A store that gives a page or a token again would keep us for ever: no more is read of it.
        """
        sought, found = frozenset(keys), dict[str, str]()
        token, num_pages, course = None, 0, Course()
        while most_pages is None or num_pages < most_pages:
            page = await self._page(prefix=prefix, token=token, flat=flat)
            found |= _sought(page, sought)
            if not page.next_page or len(found) == len(sought):
                return found, not page.is_cut or len(found) == len(sought)
            if course.is_circle(page):
                logger.warning("the listing of s3://%s/%s goes in circles", self._name, prefix)
                return found, False
            num_pages, token = num_pages + 1, page.next_page
        return found, False

    async def _page(
        self,
        *,
        prefix: str,
        after: str | None = None,
        token: str | None = None,
        flat: bool = True,
        most: int = 1000,
    ) -> ListingPage:
        return await self._s3.page(
            self._name, prefix=prefix, after=after, token=token, flat=flat, most=most
        )


def _sought(page: ListingPage, sought: Collection[str]) -> dict[str, str]:
    return {key: etag for key, etag in page.etags.items() if key in sought}


def _with_etags(found: Mapping[str, str]) -> KnownETags:
    # A store that gives no ETag tells no version: an empty one would never change.
    bare = {key: version_of(etag) for key, etag in found.items()}
    return KnownETags(
        etags={key: etag for key, etag in bare.items() if etag},
        unseen={key: HAS_NO_ETAG for key, etag in bare.items() if not etag},
    )


def _all_unseen(keys: Iterable[str], reason: str) -> KnownETags:
    return KnownETags(unseen=dict.fromkeys(keys, reason))


async def _done(looked: KnownETags) -> KnownETags:
    return looked


async def _merged(parts: Iterable[Awaitable[KnownETags]]) -> KnownETags:
    etags, unseen = dict[str, str](), dict[str, str]()
    for looked in await asyncio.gather(*parts):
        etags |= looked.etags
        unseen |= looked.unseen
    return KnownETags(etags=etags, unseen=unseen)


def _by_folder(keys: Iterable[str]) -> dict[str, list[str]]:
    folders: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        folders[_folder_of(key)].append(key)
    return folders


def _folder_of(key: str) -> str:
    return key[: key.rfind("/") + 1]


def _common_folder(one: str, other: str) -> str:
    pairs = zip(one.split("/")[:-1], other.split("/")[:-1], strict=False)
    shared = (name for name, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return "".join(f"{name}/" for name in shared)
