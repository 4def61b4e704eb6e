"""Ceph's object gateway, in front of one monitor and one disk, which is a file."""

from __future__ import annotations

import os
import re
import subprocess
import time
import uuid
from pathlib import Path

from tests.stores.server import Server, free_port, from_debian, said_by

_PROGRAMS = ("ceph", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
_PACKAGES = ("ceph-mon", "ceph-osd", "radosgw", "ceph-common")
_STEP_S = 180.0


class Ceph(Server):
    name = "Ceph RGW"
    packages = "Debian: `ceph-mon ceph-osd radosgw ceph-common`"

    def install(self) -> None:
        from_debian(_PROGRAMS, _PACKAGES)

    def version(self) -> str:
        found = re.search(r"version (\S+)", said_by("radosgw", "--version"))
        return found[1] if found else "unknown"

    def log(self) -> Path:
        return self.folder / "client.rgw.log"

    def start(self) -> None:
        cluster, disk = str(uuid.uuid4()), str(uuid.uuid4())
        monitor = f"[v2:127.0.0.1:{free_port()}/0,v1:127.0.0.1:{free_port()}/0]"
        self._conf = self.folder / "ceph.conf"
        self._conf.write_text(_configuration(self.folder, cluster, monitor, self.port))
        for name in ("mon", "osd", "rgw", "run"):
            (self.folder / name).mkdir()
        monmap = self.folder / "monmap"
        self._do(
            "monmaptool",
            "--create",
            "--clobber",
            "--fsid",
            cluster,
            "--addv",
            "a",
            monitor,
            str(monmap),
        )
        self._do("ceph-mon", "--mkfs", "-i", "a", "--monmap", str(monmap))
        self._daemon("ceph-mon", "-i", "a")
        self._do("ceph", "osd", "new", disk)
        self._do("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk)
        self._do("ceph", "osd", "crush", "add", "osd.0", "1.0", "host=here", "root=default")
        self._daemon("ceph-osd", "-i", "0")
        deadline = time.monotonic() + _STEP_S
        while "1 up" not in self._do("ceph", "osd", "stat"):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name}: the disk does not come up")
            time.sleep(0.5)
        keys = [f"--access-key={self.access_key}", f"--secret-key={self.secret}"]
        user = ["--uid=catalogue", "--display-name=catalogue", "--max-buckets=0"]
        self._do("radosgw-admin", "user", "create", *user, *keys)
        self._daemon("radosgw", "-n", "client.rgw")
        self._wait(self.endpoint)

    def _daemon(self, program: str, *arguments: str) -> None:
        self._launch(program, [program, *arguments, "-f", "-c", self._conf])

    def _do(self, *command: str) -> str:
        """Run one of Ceph's tools to its end."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, "CEPH_CONF": str(self._conf)},
            capture_output=True,
            text=True,
            timeout=_STEP_S,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{self.name}: {' '.join(command)}: {done.stderr[-2000:]}")
        return done.stdout


def _configuration(folder: Path, cluster: str, monitor: str, port: int) -> str:
    # No keys: nobody else gets at loopback. A gateway wants an encrypted connection to the monitor
    # then, which wants keys, unless it is told to do with checksums.
    return f"""\
[global]
fsid = {cluster}
mon host = {monitor}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
keyring = {os.devnull}
run dir = {folder}/run
admin socket = {folder}/run/$name.asok
log file = {folder}/$name.log
mon data = {folder}/mon
mon data avail crit = 1
mon allow pool size one = true
osd data = {folder}/osd
osd objectstore = bluestore
bluestore block size = {6 * 2**30}
osd memory target = {896 * 2**20}
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd crush chooseleaf type = 0
rgw data = {folder}/rgw
rgw frontends = beast endpoint=127.0.0.1:{port}
debug rgw = 1
"""
