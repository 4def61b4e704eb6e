"""What is known of a profile, remembered under its SHA-256 and without the profile itself."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar, TypeVarTuple

Rest = TypeVarTuple("Rest")
R = TypeVar("R")


class _Name:
    """A profile as long as it is asked about, and only its digest afterwards."""

    __slots__ = ("digest", "profile")

    def __init__(self, profile: bytes) -> None:
        self.profile = profile
        self.digest = hashlib.sha256(profile).digest()

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Name) and self.digest == other.digest


def remembered(
    max_entries: int,
) -> Callable[[Callable[[bytes, *Rest], R]], Callable[[bytes, *Rest], R]]:
    """Keep the last `max_entries` answers of a function whose first argument is a profile.

    An `lru_cache` would hold the profiles as well: every photograph of a supplier can bring one of
    its own, of megabytes.
    """

    def decorated(function: Callable[[bytes, *Rest], R]) -> Callable[[bytes, *Rest], R]:
        @lru_cache(maxsize=max_entries)
        def by_name(name: _Name, rest: tuple[*Rest]) -> R:
            return function(name.profile, *rest)

        @wraps(function)
        def known(profile: bytes, /, *rest: *Rest) -> R:
            name = _Name(profile)
            try:
                return by_name(name, rest)
            finally:
                name.profile = b""  # the cache may hold on to the name

        return known

    return decorated
