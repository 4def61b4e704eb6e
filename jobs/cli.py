"""The command line: what a command ends with, and being asked to end before that."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING

from pipeline.errors import FatalError, TransientError
from pipeline.processes import interruption
from pipeline.text.printable import of_error, one_line

if TYPE_CHECKING:
    import typer

EXIT_FAILED = 1
EXIT_USAGE = 2
_LONGEST_LINE = 1000
"""The most characters of a refusal: it quotes what was asked, however long that is."""
_INTERRUPTED = "interrupted; the same command goes on from here"
_CURSOR = "\x1b[?25h\r\x1b[K"
"""Brings the cursor back that a moving line has hidden, and takes its place."""
_TYPER_INTERRUPTED = 130
"""What typer makes of a KeyboardInterrupt."""


def process(arguments: list[str] | None = None, *, app: typer.Typer | None = None) -> int:
    """The command line as a process of its own: signals are waited for until that has ended.

    Args:
        arguments: of the command line; None: this process's own.
        app: the commands; None: those of `backlot`.
    """
    watch = _watch(ends_process=True)
    code = _watched(watch, sys.argv[1:] if arguments is None else arguments, app)
    if watch.is_ending():
        sys.stdout.flush()
        os._exit(code)  # without Ray's words of farewell
    return code


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns its exit code.

    A mistake in the request is one line on standard error and exit code 2, never a traceback.
    SIGINT, SIGTERM and SIGHUP interrupt it: one line, exit code 1, and nothing is left behind.
    """
    watch = _watch(ends_process=False)
    try:
        return _watched(watch, sys.argv[1:] if arguments is None else arguments, None)
    finally:
        watch.close()


def _watch(*, ends_process: bool) -> interruption.Watch:
    return interruption.Watch(last_words=_last_words, ends_process=ends_process)


def _last_words(error: Exception | None) -> None:
    """Print the last words, in another thread than the main one, which may hold the stream."""
    from jobs.terminal.capture import terminal_fd

    fd = terminal_fd()
    line = f"{_line(_INTERRUPTED if error is None else str(error), EXIT_FAILED)}\n"
    os.write(fd, (f"{_CURSOR}{line}" if os.isatty(fd) else line).encode())


def _watched(watch: interruption.Watch, arguments: list[str], app: typer.Typer | None) -> int:
    try:
        code = watch.run(partial(_command, arguments, app))
    except _RefusedError as refused:
        return _end_with(refused.message, refused.code)
    except FatalError as error:  # what it was aborted with
        return _end_with(str(error), EXIT_FAILED)
    return _end_with(_INTERRUPTED, EXIT_FAILED) if code is None else code


class _RefusedError(Exception):
    """A command that ends with a line that says why."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message, code)
        self.message, self.code = message, code


def _command(arguments: list[str], app: typer.Typer | None) -> int:
    import typer  # only now: from here on signals are heard

    from jobs.commands.app import app as ours

    try:
        result = (app or ours)(arguments, standalone_mode=False)
    except typer.TyperException as error:
        raise _RefusedError(error.format_message(), EXIT_USAGE) from error
    except typer.Abort:
        raise KeyboardInterrupt from None
    except ValueError as error:
        raise _RefusedError(str(error), EXIT_USAGE) from error
    except (FatalError, TransientError) as error:
        raise _RefusedError(str(error), EXIT_FAILED) from error
    except OSError as error:  # a full disk, a folder that is gone, a store that refuses
        raise _RefusedError(of_error(error), EXIT_FAILED) from error
    if result == _TYPER_INTERRUPTED and interruption.came():
        raise KeyboardInterrupt
    return int(result or 0)


def _end_with(message: str, code: int) -> int:
    if message:  # with no arguments at all, the help was shown instead
        from jobs.terminal.display import say

        say(_line(message, code))
    return code


def _line(message: str, code: int) -> str:
    from jobs.terminal.logs import last_line

    return last_line(f"backlot: error: {one_line(message, most=_LONGEST_LINE)}", code)


if __name__ == "__main__":
    sys.exit(process())
