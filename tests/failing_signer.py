"""A signer that ends, is killed or hangs on a picture of that title, so many times; else it signs.

    python -m tests.failing_signer CERTIFICATES PRIVATE_KEY ALGORITHM FOLDER TIMES

FOLDER gets one file for each time, so that the next process knows of it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from pipeline.processes.companion import serve
from pipeline.stages.rendering.signer import Signer

WAYS = {
    "exits": lambda: os._exit(3),
    "is killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hangs": lambda: time.sleep(3600),
}


def main(certificates, private_key, algorithm, folder, times):
    signer = Signer(certificates, private_key, algorithm)

    def answer(asked, picture):
        way = WAYS.get(asked["manifest"]["title"])
        been = len(list(Path(folder).iterdir()))
        if way is not None and been < int(times):
            (Path(folder) / str(been)).touch()
            way()
        return signer(asked, picture)

    serve(answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
