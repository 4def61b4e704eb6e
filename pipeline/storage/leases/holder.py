"""Who holds a lease: what is written in it, and what is told to who comes second."""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

FILE_NAME = "lease.json"
TAKEN = "another process has taken this run over ({}); what is done stays done"
RELEASED = (
    "its lease is gone: another process has taken this run over and ended, or somebody deleted "
    "lease.json; what is done stays done: repeat the command"
)


def _this_machine() -> str:
    """Where a process id means something: this boot of this machine, this PID namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # not Linux
        return f"{socket.gethostname()} {uuid.getnode():x}"


class Holder(BaseModel):
    """Who holds a lease: what is written in it, be it by an older version or by a newer one."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, frozen=True)

    owner: str
    ttl_s: float = Field(lt=1e9)
    host: str = "a machine that it does not name"
    pid: int = Field(0, ge=0, lt=2**31)
    machine: str = ""
    token: str = ""
    """Tells this lease from any other, of the same process too."""
    beat: int = 0
    """Counts heartbeats."""

    @classmethod
    def of_this_process(cls, *, owner: str, ttl_s: float) -> Holder:
        """A new holder, who is this process."""
        return cls(
            owner=owner,
            ttl_s=ttl_s,
            host=socket.gethostname(),
            pid=os.getpid(),
            machine=_this_machine(),
            token=uuid.uuid4().hex,
        )

    @classmethod
    def from_json(cls, document: bytes, uri: str) -> Holder:
        """Read a document.

        Raises:
            ValueError: it is none of ours.
        """
        try:
            return cls.model_validate_json(document)
        except ValidationError:
            raise ValueError(f"{uri} is no lease: find out who wrote it, or delete it") from None

    def as_json(self) -> bytes:
        """The document."""
        return self.model_dump_json(indent=1).encode()

    def after_a_beat(self) -> Holder:
        """The holder one heartbeat later."""
        return self.model_copy(update={"beat": self.beat + 1})

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
