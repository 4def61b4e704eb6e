"""The other side of a `Companion`: says its process id, and returns what it was sent.

The header may ask for `sleep` (seconds), `exit` (a code) or `print` (text, first).
"""

from __future__ import annotations

import os
import sys
import time

from pipeline.processes.companion import serve


def answer(asked, body):
    os.write(1, asked.get("print", "").encode())
    time.sleep(asked.get("sleep", 0))
    if "exit" in asked:
        os._exit(asked["exit"])
    return {"pid": os.getpid(), "path": sys.path[0]}, body


if __name__ == "__main__":
    serve(answer)
