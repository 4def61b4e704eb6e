"""A program that speaks in every way there is, while all but our own lines are kept off."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path

from jobs.terminal.logs import LogFormat, configure
from jobs.terminal.quiet import quiet

NOISE = ("print", "error", "descriptor 1", "descriptor 2", "child", "library", "warning", "thread")


def main(kept_in: str, format_: str, ways: str) -> None:
    """Make noise; `ways` are the letters of what is to happen: v(erbose), p(laced), b(reaks)."""
    configure(LogFormat(format_), verbose="v" in ways)
    with quiet() as capture:
        _noise("early")
        if "p" in ways:
            capture.place(Path(kept_in), shown="v" in ways)
        _noise("late")
        logging.getLogger("jobs.noisy").info("a line of ours")
        if "b" in ways:
            raise RuntimeError("it broke")
    print("the result")  # noqa: T201


def _noise(when: str) -> None:
    print(f"{when} print")  # noqa: T201
    sys.stderr.write(f"{when} error\n")
    os.write(1, f"{when} descriptor 1\n".encode())
    os.write(2, f"{when} descriptor 2\n".encode())
    subprocess.run(["echo", f"{when} child"], check=True)
    logging.getLogger("ray.data").warning("%s library", when)
    warnings.warn(f"{when} warning", stacklevel=1)
    thread = threading.Thread(target=os.write, args=(2, f"{when} thread\n".encode()))
    thread.start()
    thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
