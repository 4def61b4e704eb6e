"""s3rver, a store for tests over a folder, on Node."""

from __future__ import annotations

import json

from tests.stores.server import TOOLS, Server, from_npm

VERSION = "3.7.1"


class S3rver(Server):
    name = "s3rver"
    packages = "npm: `s3rver`"
    access_key = "S3RVER"  # the only one that it knows
    secret = "S3RVER"
    checks_secrets = False

    def install(self) -> None:
        self._program = from_npm(f"s3rver@{VERSION}", "s3rver")

    def version(self) -> str:
        package = TOOLS / "npm" / "node_modules" / "s3rver" / "package.json"
        return str(json.loads(package.read_text())["version"])

    def start(self) -> None:
        (self.folder / "data").mkdir()
        place = ["--directory", self.folder / "data"]
        here = ["--address", "127.0.0.1", "--port", str(self.port)]
        self._launch("s3rver", [self._program, *place, *here])
        self._wait(self.endpoint)
