"""One run, one driver: a lease on the run's folder, kept alive by a heartbeat.

On an object store it is an object (`object_claim`), on a local path a locked file (`file_claim`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType

from pipeline.errors import FatalError, TransientError
from pipeline.processes import interruption
from pipeline.storage.leases.file_claim import FileClaim
from pipeline.storage.leases.holder import Holder
from pipeline.storage.leases.object_claim import ObjectClaim
from pipeline.storage.retry import BACKOFF, Backoff
from pipeline.storage.s3.connection import connection
from pipeline.storage.s3.requests import S3
from pipeline.storage.uris import absolute, scheme_of
from pipeline.text.printable import of_error

logger = logging.getLogger(__name__)

_BEATS_PER_TTL = 3
"""Two heartbeats may fail before anybody may think us dead."""


class Lease:
    """The right to work on a run, until the `with` block ends or somebody takes it away."""

    def __init__(
        self,
        claim: FileClaim | ObjectClaim,
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
        is_exclusive: bool = True,
        clock: Callable[[], float] = time.monotonic,
        backoff: Backoff = BACKOFF,
    ) -> Lease:
        """Take the lease on a run's folder.

        Args:
            run_uri: the folder.
            owner: who to name to those who come second.
            ttl_s: with no heartbeat for so long, a lease is free.
            is_exclusive: False: on an object store, do without conditional writes. Two drivers that
                ask at the same moment may both get it then; whoever asks sees to it that there is
                only one.
            clock: seconds, for telling how long ago our own last heartbeat was.
            backoff: how often and how fast an object store that fails is asked again.

        Raises:
            ValueError: somebody else holds it, or two drivers could have it at once in this store;
                one line says who, since when, and what to do.
        """
        # Before the request: the lease may be a request's time older than its answer.
        taken_at, holder = clock(), Holder.of_this_process(owner=owner, ttl_s=ttl_s)
        if scheme_of(run_uri) == "file":
            # An interrupt may come between this and the caller's `with`, who then holds nothing to
            # release. On an object store, where both can take long, such a lease runs out.
            with interruption.deferred():
                file = FileClaim(absolute(run_uri), holder)
                lease = cls(file, run_uri, ttl_s=ttl_s, clock=clock, taken_at=taken_at)
                interruption.clean_up(lease.release)
                return lease
        s3 = S3(connection(), backoff=backoff)
        claim = ObjectClaim(run_uri, holder, s3, connection(), is_exclusive=is_exclusive)
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
            if self._ended.is_set():
                return
            self._ended.set()
            self._heart.join()
            if self.lost.is_set():
                return
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
                # Its main thread may wait for pictures for as long as a network takes to load,
                # while the other driver works.
                interruption.abort(FatalError(f"{self._run_uri}: {self._why}"))
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
