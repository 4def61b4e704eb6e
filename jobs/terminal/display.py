"""Our lines on the terminal, one at a time, and below them a line that moves, where it can.

On a terminal the last line shows how far a run is, or what is being done; elsewhere lines say it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from jobs.terminal.capture import is_captured, terminal
from jobs.terminal.screen import Spelled, console
from pipeline.text.printable import visible_lines

_PER_S = 4.0

_live: Any = None
"""rich's display, while something moves."""
_writing = threading.RLock()


def say(line: str) -> None:
    """Write a line; whole, and above the one that moves."""
    with _writing:
        if _live is None:
            stream = terminal()
            stream.write(f"{visible_lines(line)}\n")
            stream.flush()
            return
        from rich.text import Text

        _live.console.print(Text(line), soft_wrap=True)


def moves() -> bool:
    """Whether a line that moves is shown."""
    return _live is not None


def is_terminal() -> bool:
    """Whether a line that moves can be shown: somebody looks, and our lines alone are there."""
    stream: TextIO = terminal()
    return is_captured() and stream.isatty()


@contextlib.contextmanager
def moving(render: Callable[[], Any]) -> Iterator[None]:
    """Show what `render` returns, again and again, for the length of a block."""
    global _live  # noqa: PLW0603 - there is one terminal
    if not is_terminal() or moves():
        yield
        return
    from rich.live import Live

    shown = console(file=terminal())
    if shown.is_dumb_terminal:  # it cannot take a line back
        yield
        return
    live = Live(
        get_renderable=lambda: Spelled(render()),
        console=shown,
        refresh_per_second=_PER_S,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    with _writing:
        live.start()
        _live = live
    try:
        yield
    finally:
        with _writing:
            _live = None
            live.stop()


def clock(seconds: float) -> str:
    """A length of time as people read it: `0:07`, `12:30`, `3:00:00`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
