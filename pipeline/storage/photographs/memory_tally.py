"""Which rows of a batch fit into memory together, found out while they are read."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any


class Tally:
    """The bytes that the rows of a batch hold so far.

    Nobody knows how large files are before they come. Once there are too many bytes, the last row
    is put off and its reads are broken off, and so on from the end: the first rows always go
    through, in order, and at least one of them.
    """

    def __init__(self, rows: Sequence[Sequence[str]], *, most_bytes: int | None) -> None:
        """Begin with nothing.

        Args:
            rows: the addresses of each. One that several rows name is held once.
            most_bytes: that are held together, unless the first row alone is larger; None: any.
        """
        self._most_bytes = most_bytes
        self._row = dict[str, int]()
        for number, addresses in enumerate(rows):
            for address in addresses:
                self._row.setdefault(address, number)
        self._held = Counter[str]()
        self._tasks: Mapping[str, asyncio.Task[Any]] = {}
        self._num_all = self.num_rows = len(rows)
        """The number of rows, and of those that are read this time."""

    @property
    def addresses(self) -> list[str]:
        """Each once, in the order of the rows."""
        return list(self._row)

    @property
    def is_cut(self) -> bool:
        """Whether rows were put off."""
        return self.num_rows < self._num_all

    def is_in(self, address: str) -> bool:
        """Whether a row has it that was not put off."""
        return self._row[address] < self.num_rows

    def watch(self, tasks: Mapping[str, asyncio.Task[Any]]) -> None:
        """Break these reads off, by address, where there is no room."""
        self._tasks = tasks

    def count(self, address: str, num_bytes: int) -> None:
        """Add bytes that came from an address, or subtract some; from the loop of the reads."""
        if not self.is_in(address):  # it was put off
            return
        self._held[address] += num_bytes
        while (
            self._most_bytes is not None
            and self.num_rows > 1
            and self._held.total() > self._most_bytes
        ):
            self.num_rows -= 1
            for other, row in self._row.items():
                if row == self.num_rows:
                    self._held.pop(other, None)
                    self._tasks[other].cancel()

    def settle(self, address: str, num_bytes: int) -> None:
        """Set the number of bytes that an address holds in the end."""
        self.count(address, num_bytes - self._held[address])
