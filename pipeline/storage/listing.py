"""Which version of a photograph is there now: what a nightly run compares with last night's.

By listing, 1000 keys a request. Asking for each photograph instead would be a million requests.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipeline.storage.connection import connection
from pipeline.storage.retry import BACKOFF, Backoff
from pipeline.storage.s3 import S3
from pipeline.storage.search import MAY_NOT_BE_LISTED, look_up
from pipeline.storage.uris import absolute, address_fault, bucket_and_key, scheme_of


class Versions(dict[str, str]):
    """A version of each image that is there, by URI."""

    def __init__(self, found: Mapping[str, str], unseen: Mapping[str, int]) -> None:
        """Take what was found, and of how many images nothing can be said, by why."""
        super().__init__(found)
        self.unseen = Counter(unseen)


def versions(uris: Iterable[str], *, backoff: Backoff = BACKOFF) -> Versions:
    """A version of each image that changes when the image does, by URI.

    An object's ETag; of a local file `<bytes>-<mtime in ns>`. Absent: what does not exist, what is
    no address, and `https` images, which cannot be listed. Absent and counted (`unseen`): what
    lies where it may not be listed, and what a store tells no version of. Neighbours of these have
    their versions.

    Raises:
        TransientError: a listing got no answer, after all retries.
    """
    by_scheme: dict[str, set[str]] = defaultdict(set)
    for uri in uris:
        by_scheme[scheme_of(uri)].add(uri)
    files, objects = _of_files(by_scheme["file"]), _of_objects(by_scheme["s3"], backoff)
    return Versions(files | objects, files.unseen + objects.unseen)


def _of_files(uris: set[str]) -> Versions:
    folders: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for uri in uris:
        path = Path(absolute(uri))
        folders[str(path.parent)][path.name].append(uri)
    found, unseen = dict[str, str](), Counter[str]()
    for folder, names in folders.items():
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name in names and entry.is_file():
                        stat = entry.stat()
                        version = f"{stat.st_size}-{stat.st_mtime_ns}"
                        found |= dict.fromkeys(names[entry.name], version)
        except PermissionError:
            unseen[MAY_NOT_BE_LISTED] += sum(map(len, names.values()))
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
    found, unseen = dict[str, str](), Counter[str]()
    for uri, (bucket, key) in named.items():
        if key in looked[bucket].etags:
            found[uri] = looked[bucket].etags[key]
        elif key in looked[bucket].unseen:
            unseen[looked[bucket].unseen[key]] += 1
    return Versions(found, unseen)
