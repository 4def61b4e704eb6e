"""A process that passes on what others write: each line marked, to a terminal or a job's log.

It is a process of its own so that the last words of a driver that crashes are passed on, too. It
ends when nobody is left who could write. It runs by itself and imports nothing of ours.
"""

from __future__ import annotations

import json
import re
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

MARK = "| "
"""The mark before a line that is not ours."""

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_UNSEEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Characters not to print, like `pipeline.text.printable`'s, which cannot be imported here."""


def marked(line: str, *, as_json: bool) -> str:
    """A line of others as it is shown: without colours, and with other controls spelled out."""
    line = _UNSEEN.sub(lambda found: f"[U+{ord(found[0]):04X}]", _COLOURS.sub("", line))
    if not as_json:
        return f"{MARK}{line}"
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    values = {"time": now, "level": "info", "logger": "output", "event": "output"}
    return json.dumps({**values, "message": line}, ensure_ascii=False)


def relay(*, as_json: bool, kept_in: str | None) -> None:
    """Read standard input to its end; lines go to standard error, and unmarked into a file."""
    with ExitStack() as stack:
        kept = None if kept_in is None else stack.enter_context(Path(kept_in).open("ab"))
        for raw in sys.stdin.buffer:
            if kept is not None:
                kept.write(raw)
                kept.flush()
            line = raw.decode(errors="backslashreplace").rstrip("\r\n")
            sys.stderr.write(f"{marked(line, as_json=as_json)}\n")
            sys.stderr.flush()


if __name__ == "__main__":
    relay(as_json=sys.argv[1] == "json", kept_in=sys.argv[2] if len(sys.argv) > 2 else None)
