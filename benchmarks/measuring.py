"""What every scenario needs: memory watched, rows shown as a table and as JSON."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil
from rich.table import Table

from jobs.terminal.screen import console, tell_json


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


def show(measured: Sequence[Mapping[str, object]]) -> None:
    """Print measurements that have the same keys: a column for each, and after it JSON."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for name in measured[0]:
        table.add_row(name, *(_said(one[name]) for one in measured))
    console().print(table)
    tell_json(json.dumps(measured, indent=2))


def _said(value: object) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)
