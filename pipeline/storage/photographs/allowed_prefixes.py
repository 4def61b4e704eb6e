"""Which objects a manifest may name: those of its own folder, and of prefixes that a recipe adds.

Whoever writes a manifest chooses what is read with our rights. So nothing of a bucket is read,
listed or told of that neither lies beside the manifest nor was named by whoever runs it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.storage.uris import address_fault, bucket_and_key, scheme_of, shortened

_STEP = re.compile(r"[/\\]")
_STEPS = re.compile(r"(?:^|[/\\])\.{0,2}(?:[/\\]|$)|\\")
"""The steps that may lead elsewhere: `.`, `..`, nothing between slashes, and slashes of Windows."""
_WILD = re.compile(r"[*?\[\]]")


class Bounds:
    """Folders of buckets, by their keys to the letter, and as paths: some stores are disks."""

    def __init__(self, root: str | None, prefixes: Sequence[str] = ()) -> None:
        """Nothing is asked for.

        Args:
            root: the manifest's folder; a local one, or None, holds no object.
            prefixes: as `fetch.allowed_prefixes` has them.
        """
        own = [root] if root is not None and scheme_of(root) == "s3" else []
        self._folders = [_folder(prefix) for prefix in (*own, *prefixes)]

    @property
    def beginnings(self) -> list[str]:
        """The beginnings of URIs of objects that may be named."""
        return [f"s3://{bucket}/{folder}" for bucket, folder in self._folders]

    def hold(self, uri: str) -> bool:
        """Whether an object may be named, given by its `s3://` URI."""
        bucket, key = bucket_and_key(uri)
        return any(
            bucket == named and key.startswith(folder) and _leads_below(key, folder)
            for named, folder in self._folders
        )

    def refusal(self, uri: str) -> str | None:
        """The reason why an object may not be named, to follow its column's name; None: it may."""
        if self.hold(uri):
            return None
        bucket, key = bucket_and_key(uri)
        place = f"{shortened(uri)!r} lies outside the manifest's folder and fetch.allowed_prefixes"
        if not {".", ".."}.isdisjoint(_STEP.split(key)):
            return f"{place}: write its key without the steps '.' and '..', which some stores take"
        folder = key[: key.rfind("/") + 1]
        return (
            f"{place}: if it may be read, add {shortened(f's3://{bucket}/{folder}')} to "
            "fetch.allowed_prefixes"
        )


def allowed_prefix(named: str) -> str:
    """An entry of `fetch.allowed_prefixes` as it is compared: a bucket, or a folder with its slash.

    >>> allowed_prefix("s3://catalog"), allowed_prefix("s3://catalog/shoes")
    ('s3://catalog/', 's3://catalog/shoes/')

    Raises:
        ValueError: it is no folder of a bucket.
    """
    how = "write a bucket or a folder of one, as s3://catalog or s3://catalog/shoes/"
    if scheme_of(named) == "file":
        raise ValueError(
            f"{shortened(named)!r} is no folder of a bucket: {how}; local photographs lie below "
            "the manifest's folder"
        )
    if scheme_of(named) != "s3" or not named.startswith("s3://"):
        raise ValueError(f"an entry begins with another scheme than s3://: {how}")
    whole = f"{named.removesuffix('/')}/"
    fault = address_fault(f"{whole}…")
    if fault is not None:
        raise ValueError(f"an entry {fault}")
    steps = _STEP.split(whole.removeprefix("s3://").removesuffix("/"))
    if not {"", ".", ".."}.isdisjoint(steps):
        raise ValueError(f"{shortened(named)!r} has an empty step, '.' or '..' in it: {how}")
    if _WILD.search(named):
        raise ValueError(f"{shortened(named)!r} has a wildcard in it, and all below counts: {how}")
    return whole


def _folder(prefix: str) -> tuple[str, str]:
    """The bucket of a prefix, and the beginning of the keys below it."""
    bucket, _, key = prefix.partition("://")[2].partition("/")
    key = key.strip("/") and f"{key.rstrip('/')}/"
    return bucket, key


def _leads_below(key: str, folder: str) -> bool:
    """Whether a key that begins with a folder is below it as a path, too."""
    if _STEPS.search(key) is None:
        return True
    walked, above = _walked(key), _walked(folder)
    return walked is not None and f"{walked}/".startswith(f"{above}/" if above else "")


def _walked(key: str) -> str | None:
    """The key as a path without steps; None: it leads out of its bucket."""
    parts: list[str] = []
    for part in _STEP.split(key):
        if part == ".." and not parts:
            return None
        if part == "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
