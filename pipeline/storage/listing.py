"""Which version of a photograph is there now: what a nightly run compares with last night's.

By listing, 1000 keys a request: asking for each photograph would be a million requests. Only on the
web there is no other way, so there is a limit to that.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path

from pipeline.storage.connection import connection
from pipeline.storage.photographs import ReadPolicy
from pipeline.storage.retry import BACKOFF, Backoff
from pipeline.storage.s3 import S3
from pipeline.storage.search import MAY_NOT_BE_LISTED, look_up
from pipeline.storage.uris import absolute, address_fault, bucket_and_key, scheme_of
from pipeline.storage.web import GAVE_NO_ANSWER, Allowance, NotSeenError, WebReader

_BRIEFLY = Backoff(attempts=2, longest_s=2.0)
"""A picture that is not looked at is no loss: it counts as it did."""
_SILENCES = 5
"""From a host, in a row: then it is down, and not asked again."""


class Versions(dict[str, str]):
    """A version of each image that is there, by URI."""

    def __init__(self, found: Mapping[str, str], unseen: Mapping[str, str]) -> None:
        """Take what was found, and why nothing can be said of others, by URI."""
        super().__init__(found)
        self.unseen = dict(unseen)


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

    def versions(self, uris: Iterable[str]) -> Versions:
        """As the function `versions`, and of web photographs what their servers say."""
        chosen, found, unseen = list[str](), dict[str, str](), dict[str, str]()
        for uri in uris:
            scheme = scheme_of(uri)
            if scheme in self._schemes:
                chosen.append(uri)
            elif scheme in self._policy.allowed_schemes:
                unseen[uri] = f"fetch.versions leaves out {scheme}"
        listed = versions(chosen, backoff=self._backoff)
        found, unseen = found | listed, unseen | listed.unseen
        asked = [uri for uri in chosen if scheme_of(uri) in ("http", "https")]
        if asked:
            answers = connection().run(self._ask_all(asked))
            for uri, answer in zip(asked, answers, strict=True):
                if isinstance(answer, NotSeenError):
                    unseen[uri] = str(answer)
                elif answer is not None:
                    found[uri] = answer
        self.unseen.update(unseen.values())
        return Versions(found, unseen)

    async def _ask_all(self, uris: Sequence[str]) -> list[str | NotSeenError | None]:
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
                    found = await web.version(uri, allowance=self._allowance)
                except NotSeenError as error:
                    self._silent[host] += str(error) == GAVE_NO_ANSWER
                    return error
                self._silent[host] = 0
                return found

        return list(await asyncio.gather(*map(ask, uris)))


def versions(uris: Iterable[str], *, backoff: Backoff = BACKOFF) -> Versions:
    """A version of each image that changes when the image does, by URI.

    An object's ETag; of a local file `<bytes>-<mtime in ns>`. Absent: what does not exist, what is
    no address, and `https` images, which cannot be listed. Absent and named with the reason
    (`unseen`): what lies where it may not be listed, and what a store tells no version of.
    Neighbours of these have their versions.

    Raises:
        TransientError: a listing got no answer, after all retries.
    """
    by_scheme: dict[str, set[str]] = defaultdict(set)
    for uri in uris:
        by_scheme[scheme_of(uri)].add(uri)
    files, objects = _of_files(by_scheme["file"]), _of_objects(by_scheme["s3"], backoff)
    return Versions(files | objects, files.unseen | objects.unseen)


def _of_files(uris: set[str]) -> Versions:
    folders: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for uri in uris:
        path = Path(absolute(uri))
        folders[str(path.parent)][path.name].append(uri)
    found, unseen = dict[str, str](), dict[str, str]()
    for folder, names in folders.items():
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name in names and entry.is_file():
                        stat = entry.stat()
                        version = f"{stat.st_size}-{stat.st_mtime_ns}"
                        found |= dict.fromkeys(names[entry.name], version)
        except PermissionError:
            unseen |= dict.fromkeys(chain.from_iterable(names.values()), MAY_NOT_BE_LISTED)
        except (OSError, ValueError):  # no such folder, a NUL in its name
            continue
    return Versions(found, unseen)


def _of_objects(uris: set[str], backoff: Backoff) -> Versions:
    keys: dict[str, set[str]] = defaultdict(set)
    named = {uri: bucket_and_key(uri) for uri in uris if address_fault(uri) is None}
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
