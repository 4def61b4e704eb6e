"""One run, one driver: a lease on the run's folder, kept alive by a heartbeat.

On an object store the lease is an object, made and renewed by conditional writes and stale when
its heartbeat is; its age is told by the store's clock alone. On a local path it is a file lock,
which the kernel releases with its process.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Protocol

from pipeline import interruption
from pipeline.errors import FatalError, TransientError
from pipeline.storage.connection import Connection, connection
from pipeline.storage.files import said_of
from pipeline.storage.retry import BACKOFF, Backoff
from pipeline.storage.s3 import S3, ConflictError, Found
from pipeline.storage.uris import absolute, join, scheme_of
from pipeline.wording import of_error

logger = logging.getLogger(__name__)

FILE_NAME = "lease.json"
_BEATS_PER_TTL = 3
"""Two heartbeats may fail before anybody may think us dead."""
_CLOCK_STEP_S = 1.0
"""HTTP dates are whole seconds: what looks `n` seconds old may be `n - 1`."""
_TURNS = 10
"""Each turn lost means that somebody else took or released the lease that very moment."""
_TAKEN = "another process has taken this run over ({}); what is done stays done"
_RELEASED = (
    "its lease is gone: another process has taken this run over and ended, or somebody deleted "
    "lease.json; what is done stays done: repeat the command"
)
_GONE = "the folder is gone: it was deleted or moved while this run worked on it"


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
        """Read a document.

        Raises:
            ValueError: it is none of ours.
        """
        try:
            return cls(**json.loads(document))
        except (TypeError, ValueError):
            raise ValueError(f"{uri} is no lease: find out who wrote it, or delete it") from None

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


class _Claim(Protocol):
    """A lease that was taken, wherever it is kept."""

    def renew(self) -> str | None:
        """Show a sign of life; where the lease is no longer ours, say why."""

    def lost(self) -> str | None:
        """Why the lease is no longer ours, as far as that can be told without a request."""

    def release(self) -> None:
        """Give it back, if it is still ours."""


class Lease:
    """The right to work on a run, until the `with` block ends or somebody takes it away."""

    def __init__(
        self,
        claim: _Claim,
        run_uri: str,
        *,
        ttl_s: float,
        clock: Callable[[], float],
        taken_at: float,
    ) -> None:
        """Start the heartbeat of a lease just taken; `acquire` takes one."""
        self.lost = threading.Event()
        """Set when somebody else has the lease: nothing more may be written."""
        self._claim = claim
        self._run_uri = run_uri
        self._ttl_s = ttl_s
        self._clock = clock
        self._renewed_at = taken_at
        self._ended = threading.Event()
        self._renewing = threading.Lock()
        self._why: str | None = None
        self._heart = threading.Thread(target=self._beat, name="lease", daemon=True)
        self._heart.start()

    @classmethod
    def acquire(
        cls,
        run_uri: str,
        *,
        owner: str,
        ttl_s: float,
        clock: Callable[[], float] = time.monotonic,
        backoff: Backoff = BACKOFF,
    ) -> Lease:
        """Take the lease on a run's folder.

        Args:
            run_uri: the folder.
            owner: who to name to those who come second.
            ttl_s: with no heartbeat for so long, a lease is free.
            clock: seconds, for telling how long ago our own last heartbeat was.
            backoff: how often and how fast an object store that fails is asked again.

        Raises:
            ValueError: somebody else holds it; one line says who, since when, and what to do.
        """
        # Before the request: the lease may be a request's time older than its answer.
        taken_at, holder = clock(), Holder(owner=owner, ttl_s=ttl_s)
        claim: _Claim
        if scheme_of(run_uri) == "file":
            claim = _FileClaim(absolute(run_uri), holder)
        else:
            claim = _ObjectClaim(run_uri, holder, S3(connection(), backoff=backoff), connection())
        return cls(claim, run_uri, ttl_s=ttl_s, clock=clock, taken_at=taken_at)

    def check(self) -> None:
        """Go on only while the lease is ours.

        A process that was paused for longer than its ttl asks before it goes on: perhaps nobody
        has taken its place.

        Raises:
            FatalError: somebody else has it, or its folder is gone, or no heartbeat got through
                for its ttl.
        """
        self._give_up(self._claim.lost())
        silent_s = self._clock() - self._renewed_at
        if self._why is None and silent_s > self._ttl_s:
            try:
                self._ask_again()
            except (OSError, TransientError) as error:
                raise FatalError(
                    f"{self._run_uri}: the lease could not be renewed for {silent_s:.0f} s "
                    f"({of_error(error)}) and may have been taken by another process; what is done "
                    "stays done: repeat the command"
                ) from None
        if self._why is not None:
            raise FatalError(f"{self._run_uri}: {self._why}")

    def release(self) -> None:
        """Stop the heartbeat and give the lease back. Twice is fine."""
        with interruption.deferred():
            self._release()

    def _release(self) -> None:
        if self._ended.is_set():
            return
        self._ended.set()
        self._heart.join()
        if not self.lost.is_set():
            try:
                self._claim.release()
            except (OSError, TransientError) as error:
                logger.warning("%s: the lease will run out by itself: %s", self._run_uri, error)

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def _beat(self) -> None:
        while not self._ended.wait(self._ttl_s / _BEATS_PER_TTL):
            self._renew()
            if self.lost.is_set():
                return

    def _renew(self) -> None:
        """Beat once; a beat that does not get through is the next one's business."""
        try:
            self._ask_again()
        except (OSError, TransientError) as error:
            said = of_error(error)
            logger.warning("%s: lease not renewed, will try again: %s", self._run_uri, said)

    def _ask_again(self) -> None:
        with self._renewing:
            asked_at = self._clock()
            self._give_up(self._claim.renew())
            self._renewed_at = asked_at

    def _give_up(self, why: str | None) -> None:
        if why is not None and self._why is None:
            self._why = why
            self.lost.set()


class _ObjectClaim:
    """A lease kept as an object."""

    def __init__(self, run_uri: str, holder: Holder, s3: S3, connection: Connection) -> None:
        self._run_uri = run_uri
        self._uri = join(run_uri, FILE_NAME)
        self._holder = holder
        self._connection = connection
        self._s3 = s3
        self._etag = self._take()

    def renew(self) -> str | None:
        self._holder = replace(self._holder, beat=self._holder.beat + 1)
        with suppress(ConflictError, FileNotFoundError):
            self._etag = self._put(if_match=self._etag)
            return None
        # Not what we left; unless it is our own renewal, whose answer got lost.
        return self._why_not_ours()

    def lost(self) -> str | None:
        return None

    def release(self) -> None:
        if self._why_not_ours() is None:
            self._connection.run(self._s3.delete(self._uri))

    def _take(self) -> str:
        for _ in range(_TURNS):
            found = self._get()
            try:
                self._put_over(found)
            except (ConflictError, FileNotFoundError) as error:
                logger.debug("%s: lost a turn: %s", self._uri, error)
            # Read back: the write of a lost answer counts, and one whose condition the store
            # did not understand does not.
            written = self._get()
            if written is not None and self._wrote(written):
                if not written.etag:
                    raise ValueError(
                        f"{self._run_uri}: the store gives no ETags, without which two drivers "
                        "could work on one run: switch them on there, or use another store"
                    )
                return written.etag
        raise ValueError(
            f"{self._run_uri}: the lease changed hands {_TURNS} times while we asked for it, or "
            "the store ignores conditional writes (If-None-Match, If-Match), which Backlot needs"
        )

    def _put_over(self, found: Found | None) -> None:
        if found is None:
            self._put(if_match=None)
            return
        held = Holder.from_json(found.data, self._uri)
        if found.answered_at is None or found.modified_at is None:
            raise OSError(
                f"{self._uri}: the store says neither when it was written nor what time it is "
                "(Last-Modified, Date), so nobody can tell whether its holder is alive"
            )
        age_s = (found.answered_at - found.modified_at).total_seconds()
        left_s = held.ttl_s + _CLOCK_STEP_S - age_s
        if left_s >= 0 and not held.is_dead():
            raise held.refusal(
                self._run_uri, age_s, free=f"if it died, the run is free in {left_s:.0f} s"
            )
        logger.info("%s: taken over from %s, pid %d", self._run_uri, held.owner, held.pid)
        self._put(if_match=found.etag)

    def _put(self, *, if_match: str | None) -> str:
        written = self._s3.put(
            self._uri,
            self._holder.as_json(),
            content_type="application/json",
            if_match=if_match,
            if_absent=if_match is None,
        )
        return self._connection.run(written)[0]

    def _get(self) -> Found | None:
        with suppress(FileNotFoundError):
            return self._connection.run(self._s3.get(self._uri))
        return None

    def _why_not_ours(self) -> str | None:
        found = self._get()
        if found is None:
            return _RELEASED
        try:
            holder = Holder.from_json(found.data, self._uri)
        except ValueError as error:
            return str(error)
        if holder.token != self._holder.token:
            return _TAKEN.format(f"{holder.owner}, pid {holder.pid} on {holder.host}")
        self._etag = found.etag
        return None

    def _wrote(self, found: Found) -> bool:
        return Holder.from_json(found.data, self._uri).token == self._holder.token


class _FileClaim:
    """A lease kept as a lock on a file, released by the kernel when the process dies."""

    def __init__(self, folder: str, holder: Holder) -> None:
        self._path = Path(folder, FILE_NAME)
        self._holder = holder
        with said_of(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = self._take(folder)
        try:
            self.renew()
        except OSError:  # not even room for this
            self.release()
            raise

    def renew(self) -> str | None:
        lost = self.lost()
        if lost is None:
            with said_of(self._path):
                # And with it the time of writing.
                os.pwrite(self._descriptor, self._holder.as_json(), 0)
        return lost

    def lost(self) -> str | None:
        if _is_same_file(self._descriptor, self._path):
            return None
        if not self._path.parent.is_dir():
            return _GONE
        return _TAKEN.format("its lease is another file") if self._path.exists() else _RELEASED

    def release(self) -> None:
        # Under the lock, so that nobody else's file is deleted.
        if _is_same_file(self._descriptor, self._path):
            self._path.unlink()
        os.close(self._descriptor)

    def _take(self, folder: str) -> int:
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                refusal = self._refusal(folder, descriptor)
                os.close(descriptor)
                raise refusal from None
            if _is_same_file(descriptor, self._path):
                os.ftruncate(descriptor, 0)
                return descriptor
            os.close(descriptor)  # deleted by its last holder between our two calls

    def _refusal(self, folder: str, descriptor: int) -> ValueError:
        status = os.fstat(descriptor)
        document = os.pread(descriptor, status.st_size, 0)
        if not document:  # locked a moment ago and not yet signed
            return ValueError(f"{folder}: another process has just begun to work on this run")
        return Holder.from_json(document, str(self._path)).refusal(
            folder, time.time() - status.st_mtime, free="the run is free as soon as it does"
        )


def _is_same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except (FileNotFoundError, NotADirectoryError):
        return False
