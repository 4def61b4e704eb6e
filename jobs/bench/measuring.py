"""What every scenario needs: memory watched, rows shown as a table and as JSON."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil
from rich.console import Console
from rich.table import Table


@dataclass
class Memory:
    """Resident memory of this process."""

    peak_bytes: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Sample until told to stop."""
        process = psutil.Process()
        while not self._stop.wait(0.05):
            self.peak_bytes = max(self.peak_bytes, process.memory_info().rss)


@contextmanager
def peak_memory() -> Iterator[Memory]:
    """Watch the memory of this process for the length of a block."""
    memory = Memory()
    thread = threading.Thread(target=memory.watch, daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        memory._stop.set()
        thread.join()


def show(rows: Sequence[Mapping[str, object]]) -> None:
    """Print rows that have the same keys as a table, and after it as JSON."""
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False)
    for name in rows[0]:
        table.add_column(name, justify="right", overflow="fold")
    for row in rows:
        table.add_row(*(f"{v:,}" if isinstance(v, int | float) else str(v) for v in row.values()))
    console.print(table)
    console.print_json(json.dumps(rows))
