"""moto, an in-memory store for tests."""

from __future__ import annotations

import sys
from importlib.metadata import version

from tests.stores.server import Server


class Moto(Server):
    name = "moto"
    packages = "PyPI: `moto[server]`"
    checks_secrets = False

    def install(self) -> None:
        """It is one of the development dependencies."""

    def version(self) -> str:
        return version("moto")

    def start(self) -> None:
        self._launch(
            "moto",
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
        )
        self._wait(self.endpoint)
