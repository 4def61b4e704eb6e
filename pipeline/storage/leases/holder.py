"""Who holds a lease: what is written in it, and what is told to who comes second."""

from __future__ import annotations

import json
import os
import socket
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

FILE_NAME = "lease.json"
TAKEN = "another process has taken this run over ({}); what is done stays done"
RELEASED = (
    "its lease is gone: another process has taken this run over and ended, or somebody deleted "
    "lease.json; what is done stays done: repeat the command"
)


class _Document(BaseModel):
    """A lease as it is read: what it does not say must not be taken for this process's own."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    owner: str
    ttl_s: float = Field(lt=1e9)
    host: str = "a machine that it does not name"
    pid: int = Field(0, ge=0, lt=2**31)
    machine: str = ""
    token: str = ""
    beat: int = 0


def _this_machine() -> str:
    """Where a process id means something: this boot of this machine, this PID namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # not Linux
        return f"{socket.gethostname()} {uuid.getnode():x}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Holder:
    """Who holds a lease: what is written in it."""

    owner: str
    ttl_s: float
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    machine: str = field(default_factory=_this_machine)
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Tells this lease from any other, of the same process too."""
    beat: int = 0
    """Counts renewals, so that no two states of a lease have the same ETag."""

    def as_json(self) -> bytes:
        """The document."""
        return json.dumps(asdict(self), indent=1).encode()

    @classmethod
    def from_json(cls, document: bytes, uri: str) -> Holder:
        """Read a document, be it of an older version or of a newer one, which may say more.

        Raises:
            ValueError: it is none of ours.
        """
        try:
            said = _Document.model_validate_json(document)
        except ValidationError:
            raise ValueError(f"{uri} is no lease: find out who wrote it, or delete it") from None
        return cls(**said.model_dump())

    def is_dead(self) -> bool:
        """Whether the holder is known to be gone: a process of this machine that has ended."""
        if self.machine != _this_machine():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:  # somebody else's process, and alive
            return False
        return False

    def refusal(self, run_uri: str, age_s: float, *, free: str) -> ValueError:
        """What to tell who comes second."""
        return ValueError(
            f"{run_uri}: {self.owner} (pid {self.pid} on {self.host}) is working on this run, "
            f"last heartbeat {max(0.0, age_s):.0f} s ago: wait until it ends, or stop it; {free}"
        )
