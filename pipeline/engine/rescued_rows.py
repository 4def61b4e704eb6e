"""Finished rows of a block whose worker has to end: written before it does, so none goes again.

A block comes again whole when its worker is lost, and where many rows are slow most of the work
would be done twice. So what was finished by then is a result file of its own, and the registry
knows: who is given the block again leaves those rows out, and hands the file's receipt on with its
own. Results are the truth, as ever: where the registry is lost too, rows are made twice and counted
once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class Rescued:
    """A file of finished rows that nobody has heard of yet."""

    receipt: str
    ids: frozenset[str]


class RescueBook(Protocol):
    """Where it is known; it outlives the workers."""

    def rescue(self, rescued: Rescued) -> None:
        """Note a file.

        Raises:
            OSError: nobody could be told.
        """
        ...

    def rescued(self, ids: Sequence[str]) -> list[Rescued]:
        """The files that hold any of these rows."""
        ...


class Rescues:
    """A `RescueBook` in memory."""

    def __init__(self) -> None:
        self._by_id: dict[str, Rescued] = {}

    def rescue(self, rescued: Rescued) -> None:
        """See `RescueBook`."""
        self._by_id |= dict.fromkeys(rescued.ids, rescued)

    def rescued(self, ids: Iterable[str]) -> list[Rescued]:
        """See `RescueBook`."""
        found = [self._by_id[id_] for id_ in ids if id_ in self._by_id]
        return list(dict.fromkeys(found))
