"""The one door to the terminal: nothing that is printed can do more there than be read.

What a table, the name of a file, a cluster or a model says is somebody else's text. Control
characters in it would colour lines, forge them, or set the terminal's title; here they are spelled
out.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TextIO

from pipeline.text.printable import visible, visible_json, visible_lines

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.measure import Measurement


def tell(*lines: str) -> None:
    """Print lines, each of which stays one."""
    _write(sys.stdout, "".join(f"{visible(line)}\n" for line in lines))


def tell_json(document: str) -> None:
    """Print a JSON document, which says the same to machines."""
    _write(sys.stdout, f"{visible_json(document)}\n")


def tell_log(piece: str) -> None:
    """Print a piece of a log: its lines are kept, its colours are not."""
    _write(sys.stdout, visible_lines(piece))


def advise(*lines: str) -> None:
    """Print lines to standard error: what no program reads that comes after us."""
    _write(sys.stderr, "".join(f"{visible(line)}\n" for line in lines))


def _write(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()


def console(*, file: TextIO | None = None, width: int | None = None) -> Console:
    """A console of rich's for tables and progress, which spells out what it is given."""
    from rich.console import Console

    made = Console(file=file, highlight=False, width=width)
    hook: Any = _Hook()  # a class of rich's own would have to be loaded with this module
    made.push_render_hook(hook)
    return made


class _Hook:
    """Stands before all that a console prints."""

    def process_renderables(self, renderables: Iterable[Any]) -> list[Any]:
        """Each spelled out as it is drawn."""
        return [Spelled(renderable) for renderable in renderables]


class Spelled:
    """What rich can draw, with the controls of others in its texts made visible."""

    def __init__(self, renderable: Any) -> None:
        """Draw nothing yet."""
        self._renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Rich's own controls are marked as such, and stay."""
        from rich.segment import Segment

        for segment in console.render(self._renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(visible_lines(segment.text), segment.style)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Measure the content: this is as wide as what it holds."""
        from rich.measure import Measurement

        return Measurement.get(console, options, self._renderable)
