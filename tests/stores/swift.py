"""OpenStack Swift with its S3 middleware: a proxy, and a server each for three kinds of things."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.stores.server import Server, free_port, from_debian

_KINDS = ("account", "container", "object")
_PROGRAMS = (*(f"swift-{kind}-server" for kind in (*_KINDS, "proxy")), "swift-ring-builder")
_PACKAGES = ("swift-proxy", "swift-account", "swift-container", "swift-object", "memcached")
_PYTHON = "/usr/bin/python3"
"""The one that the distribution's packages are made for."""
_MIDDLEWARE = (
    *("catch_errors", "gatekeeper", "healthcheck", "proxy-logging", "cache", "listing_formats"),
    *("bulk", "s3api", "tempauth", "copy", "slo", "dlo"),
)
_LAUNCHER = """
import runpy, sys
from swift.common import utils

utils.set_swift_dir(sys.argv.pop(1))  # else /etc/swift, and the servers have no option for it
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Swift(Server):
    name = "OpenStack Swift s3api"
    packages = "Debian: `swift-proxy swift-account swift-container swift-object memcached`"
    access_key = "test:tester"
    secret = "testing"
    quotes_its_log = True

    def install(self) -> None:
        from_debian((*_PROGRAMS, "memcached"), _PACKAGES)

    def version(self) -> str:
        command = ["dpkg-query", "-W", "-f", "${Version}", "swift-proxy"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def log(self) -> Path:
        return self.folder / "swift-proxy.out"

    def start(self) -> None:
        (self.folder / "devices" / "d1").mkdir(parents=True)
        (self.folder / "launch.py").write_text(_LAUNCHER)
        (self.folder / "swift.conf").write_text(
            "[swift-hash]\nswift_hash_path_suffix = suite\nswift_hash_path_prefix = suite\n"
            "[storage-policy:0]\nname = one\ndefault = yes\n"
        )
        memcached = free_port()
        self._launch(
            "memcached",
            ["memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", str(memcached), "-m", "32"],
        )
        for kind in _KINDS:
            port = free_port()
            self._ring(kind, port)
            self._serve(kind, _storage(self.folder, kind, port))
            self._wait(f"http://127.0.0.1:{port}/")  # the proxy answers before they do
        self._serve("proxy", _proxy(self.folder, self.port, memcached))
        self._wait(f"{self.endpoint}/healthcheck")

    def _ring(self, kind: str, port: int) -> None:
        builder = f"{kind}.builder"
        for step in (
            ("create", "4", "1", "1"),  # 2**4 partitions, one copy, one hour between moves
            ("add", f"r1z1-127.0.0.1:{port}/d1", "1"),
            ("rebalance",),
        ):
            command = ["swift-ring-builder", builder, *step]
            done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
            if done.returncode > 1:  # 1: done, with a warning
                raise RuntimeError(f"{self.name}: {' '.join(command)}: {done.stdout}{done.stderr}")

    def _serve(self, kind: str, configuration: str) -> None:
        path = self.folder / f"{kind}.conf"
        path.write_text(configuration)
        here = [self.folder / "launch.py", self.folder]
        server = f"swift-{kind}-server"
        self._launch(f"swift-{kind}", [_PYTHON, *here, f"/usr/bin/{server}", path, "-v"])


def _common(folder: Path, port: int) -> str:
    return (
        f"[DEFAULT]\nbind_ip = 127.0.0.1\nbind_port = {port}\nswift_dir = {folder}\n"
        f"devices = {folder}/devices\nmount_check = false\nworkers = 0\nfallocate_reserve = 0\n"
        f"user = {Path(folder).owner()}\n"
    )


def _storage(folder: Path, kind: str, port: int) -> str:
    return (
        f"{_common(folder, port)}[pipeline:main]\npipeline = {kind}-server\n"
        f"[app:{kind}-server]\nuse = egg:swift#{kind}\n"
    )


def _proxy(folder: Path, port: int, memcached: int) -> str:
    settings = {
        "s3api": "location = us-east-1\n",
        "tempauth": "user_test_tester = testing .admin\n",
        "cache": f"memcache_servers = 127.0.0.1:{memcached}\n",
    }
    eggs = {"proxy-logging": "proxy_logging", "cache": "memcache"}
    filters = [
        f"[filter:{name}]\nuse = egg:swift#{eggs.get(name, name)}\n{settings.get(name, '')}"
        for name in _MIDDLEWARE
    ]
    return (
        f"{_common(folder, port)}[pipeline:main]\n"
        f"pipeline = {' '.join(_MIDDLEWARE)} proxy-logging proxy-server\n"
        "[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n"
        f"{''.join(filters)}"
    )
