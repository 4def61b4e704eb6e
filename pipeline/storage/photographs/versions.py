"""Which version of a photograph is there now: what a nightly run compares with last night's.

By listing, 1000 keys a request: asking for each photograph would be a million requests. Only on the
web there is no other way, so there is a limit to that.
"""

from __future__ import annotations

import asyncio
import os
import posixpath
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path

from pipeline.storage.photographs.allowed_prefixes import Bounds
from pipeline.storage.photographs.fetching import ReadPolicy
from pipeline.storage.photographs.local_folder import LocalFolder
from pipeline.storage.photographs.spellings import respelled, unescaped
from pipeline.storage.retry import BACKOFF, Backoff
from pipeline.storage.s3.connection import connection
from pipeline.storage.s3.etag_search import HAS_NO_ETAG, MAY_NOT_BE_LISTED, look_up
from pipeline.storage.s3.requests import S3
from pipeline.storage.uris import absolute, address_fault, bucket_and_key, scheme_of
from pipeline.storage.web.downloads import (
    GAVE_NO_ANSWER,
    REFUSED_TO_SAY,
    Allowance,
    NotSeenError,
    WebReader,
)

_BRIEFLY = Backoff(attempts=2, longest_s=2.0)
"""A picture that is not looked at is no loss: it counts as it did."""
_SILENCES = 5
"""The number of unanswered questions in a row after which a host counts as down, and is not asked
again."""


class Versions(dict[str, str]):
    """A version of each image that is there, by URI."""

    def __init__(
        self,
        found: Mapping[str, str],
        unseen: Mapping[str, str],
        spelled: Mapping[str, str] | None = None,
    ) -> None:
        """Take what was found, and of others, by URI, why nothing can be said.

        `spelled` has the URIs of those that are there in another spelling, by the URI asked for.
        """
        super().__init__(found)
        self.unseen = dict(unseen)
        self.spelled = dict(spelled or {})


class Looker:
    """Looks at photographs for as long as a plan takes, and counts what it could not look at."""

    def __init__(
        self,
        policy: ReadPolicy,
        *,
        schemes: Collection[str],
        allowance: Allowance,
        backoff: Backoff = BACKOFF,
    ) -> None:
        """Ask nobody yet.

        Args:
            policy: what may be read: nothing else is looked at.
            schemes: of which photographs are looked at.
            allowance: of requests to web servers.
            backoff: how patient to be with an object store; with web servers it is two attempts.
        """
        self._policy, self._schemes, self._allowance = policy, schemes, allowance
        self._backoff = backoff
        self._web: WebReader | None = None
        self._silent = Counter[str]()
        self.unseen = Counter[str]()

    def versions(self, uris: Iterable[str], *, below: str | None = None) -> Versions:
        """Versions of photographs, as the function `versions` has them, and as web servers tell.

        Of what the policy does not let a manifest in the folder `below` name, nothing is told.
        """
        chosen, found, unseen = list[str](), dict[str, str](), dict[str, str]()
        bounds = None if below is None else self._policy.bounds(below)
        for uri in uris:
            scheme = scheme_of(uri)
            if scheme not in self._policy.allowed_schemes:
                continue
            if scheme == "s3" and not _is_within(uri, bounds):
                continue
            if scheme in self._schemes:
                chosen.append(uri)
            elif scheme != "file" or below is None or _is_below(uri, below):
                unseen[uri] = f"fetch.versions leaves out {scheme}"
        listed = versions(chosen, below=below, bounds=bounds, backoff=self._backoff)
        found, unseen = found | listed, unseen | listed.unseen
        asked = [uri for uri in chosen if scheme_of(uri) in ("http", "https")]
        if asked:
            answers, spelled = self._ask_web(asked)
            listed.spelled.update(spelled)
            for uri, answer in answers.items():
                if isinstance(answer, NotSeenError):
                    unseen[uri] = str(answer)
                elif answer is not None:
                    found[uri] = answer
        self.unseen.update(unseen.values())
        return Versions(found, unseen, listed.spelled)

    def _ask_web(
        self, uris: Sequence[str]
    ) -> tuple[dict[str, str | NotSeenError | None], dict[str, str]]:
        """Versions from web servers by URI, and the URIs they know where a table held HTML."""
        answers = connection().run(self._ask_all(uris))
        refused = [uri for uri, answer in answers.items() if _is_no(answer)]
        others = {uri: unescaped(uri) for uri in refused if unescaped(uri) != uri}
        again = connection().run(self._ask_all([*others.values()])) if others else {}
        spelled = {uri: other for uri, other in others.items() if isinstance(again[other], str)}
        return answers | {uri: again[other] for uri, other in spelled.items()}, spelled

    async def _ask_all(self, uris: Sequence[str]) -> dict[str, str | NotSeenError | None]:
        if self._web is None:
            self._web = self._policy.web_reader(connection(), _BRIEFLY)
        web = self._web
        turn = asyncio.Semaphore(self._policy.concurrency)

        async def ask(uri: str) -> str | NotSeenError | None:
            host = uri.partition("://")[2].partition("/")[0].lower()
            async with turn:
                if self._silent[host] >= _SILENCES:
                    return NotSeenError(GAVE_NO_ANSWER)
                try:
                    found = await self._version(web, uri)
                except NotSeenError as error:
                    self._silent[host] += str(error) == GAVE_NO_ANSWER
                    return error
                self._silent[host] = 0
                return found

        answers = await asyncio.gather(*map(ask, uris))
        return dict(zip(uris, answers, strict=True))

    async def _version(self, web: WebReader, uri: str) -> str | None:
        limit = asyncio.timeout(self._policy.max_seconds)
        try:
            async with limit:
                return await web.version(uri, allowance=self._allowance)
        except TimeoutError:
            if not limit.expired():
                raise
            raise NotSeenError(GAVE_NO_ANSWER) from None


def _is_no(answer: str | NotSeenError | None) -> bool:
    """Whether a server says that nothing is there, or that we may not have it."""
    return answer is None or str(answer) == REFUSED_TO_SAY


def _is_within(uri: str, bounds: Bounds | None) -> bool:
    return bounds is None or (address_fault(uri) is None and bounds.hold(uri))


def versions(
    uris: Iterable[str],
    *,
    below: str | None = None,
    bounds: Bounds | None = None,
    backoff: Backoff = BACKOFF,
) -> Versions:
    """A version of each image that changes when the image does, by URI.

    An object's ETag; of a local file `<bytes>-<mtime in ns>`. Absent: what does not exist, what is
    no address, and `https` images, which cannot be listed. Absent and named with the reason
    (`unseen`): what lies where it may not be listed, and what a store tells no version of.
    Neighbours of these have their versions. What is there in another spelling only (`spelled`), as
    a `PhotoReader` would find it, is looked for where the name itself is not there.

    Args:
        uris: of images.
        below: the local folder outside which nothing is looked at, be it through a link or a step
            back behind one; None: anywhere.
        bounds: the objects of which something may be told; None: any.
        backoff: how patient to be with an object store.

    Raises:
        TransientError: a listing got no answer, after all retries.
    """
    by_scheme: dict[str, set[str]] = defaultdict(set)
    for uri in uris:
        by_scheme[scheme_of(uri)].add(uri)
    files = _of_files(by_scheme["file"], "/" if below is None else below)
    objects = _of_objects(by_scheme["s3"], bounds, backoff)
    return Versions(files | objects, files.unseen | objects.unseen, files.spelled | objects.spelled)


def _of_files(uris: set[str], root: str) -> Versions:
    within = LocalFolder(root if scheme_of(root) == "file" else None)
    exact = _of_listed({uri for uri in uris if _is_below(uri, root)}, within)
    spelled = dict[str, str]()
    for uri in uris - exact.keys() - exact.unseen.keys():
        if address_fault(uri) is None and len(there := within.otherwise(uri)) == 1:
            spelled[uri] = there[0]
    others = _of_listed(set(spelled.values()), within)
    found = {uri: others[other] for uri, other in spelled.items() if other in others}
    unseen = {uri: others.unseen[one] for uri, one in spelled.items() if one in others.unseen}
    return Versions({**exact, **found}, exact.unseen | unseen, spelled)


def _is_below(uri: str, root: str) -> bool:
    return posixpath.normpath(absolute(uri)).startswith(root.rstrip("/") + "/")


def _of_listed(uris: set[str], within: LocalFolder) -> Versions:
    """Versions of files under their own names that a reader of the folder would read."""
    folders: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for uri in uris:
        path = Path(absolute(uri))
        folders[str(path.parent)][path.name].append(uri)
    found, unseen = dict[str, str](), dict[str, str]()
    for folder, names in folders.items():
        try:
            if not within.holds(folder):  # through a link, or a step back behind one
                continue
            with os.scandir(folder) as entries:
                chosen = [e for e in entries if e.name in names and not _leads_out(e, within)]
        except PermissionError:
            unseen |= dict.fromkeys(chain.from_iterable(names.values()), MAY_NOT_BE_LISTED)
            continue
        except (OSError, ValueError):  # no such folder, a NUL in its name
            continue
        for entry in chosen:
            try:
                if entry.is_file():
                    stat = entry.stat()
                    version = f"{stat.st_size}-{stat.st_mtime_ns}"
                    found |= dict.fromkeys(names[entry.name], version)
            except PermissionError:  # a link into a folder that is closed to us
                unseen |= dict.fromkeys(names[entry.name], MAY_NOT_BE_LISTED)
            except OSError:  # a link to itself or through a file; its neighbours are none
                continue
    return Versions(found, unseen)


def _leads_out(entry: os.DirEntry[str], within: LocalFolder) -> bool:
    return entry.is_symlink() and within.real(entry.path) is None


def _of_objects(uris: set[str], bounds: Bounds | None, backoff: Backoff) -> Versions:
    named = {uri: bucket_and_key(uri) for uri in uris if address_fault(uri) is None}
    exact = _looked_up(named, backoff)
    # Only of what is not there: who writes names as they are pays for no further listing.
    others = {
        uri: {
            f"s3://{bucket}/{other}": (bucket, other)
            for other in respelled(key)
            if _is_within(f"s3://{bucket}/{other}", bounds)
        }
        for uri, (bucket, key) in named.items()
        if uri not in exact and uri not in exact.unseen
    }
    all_others = {one: place for each in others.values() for one, place in each.items()}
    again = _looked_up(all_others, backoff)
    found, unseen, spelled = dict(exact), dict(exact.unseen), dict[str, str]()
    for uri, candidates in others.items():
        other = next((one for one in candidates if one in again or one in again.unseen), None)
        if other is None:
            continue
        if again.unseen.get(other) in (None, HAS_NO_ETAG):
            spelled[uri] = other
        if other in again:
            found[uri] = again[other]
        else:
            unseen[uri] = again.unseen[other]
    return Versions(found, unseen, spelled)


def _looked_up(named: Mapping[str, tuple[str, str]], backoff: Backoff) -> Versions:
    """Versions of objects by URI, each given with its bucket and key."""
    keys: dict[str, set[str]] = defaultdict(set)
    for bucket, key in named.values():
        keys[bucket].add(key)
    if not keys:
        return Versions({}, {})
    looked = connection().run(look_up(S3(connection(), backoff=backoff), keys))
    found, unseen = dict[str, str](), dict[str, str]()
    for uri, (bucket, key) in named.items():
        if key in looked[bucket].etags:
            found[uri] = looked[bucket].etags[key]
        elif key in looked[bucket].unseen:
            unseen[uri] = looked[bucket].unseen[key]
    return Versions(found, unseen)
