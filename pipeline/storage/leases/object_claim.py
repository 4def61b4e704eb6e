"""A lease on a prefix of an object store: an object whose heartbeat is its time of writing.

Whoever takes it holds a second object meanwhile, the latch, which is only ever written where there
is none (If-None-Match): of several that come at once one goes on. The lease itself is written
without a condition. So one that is paused for its ttl in the middle of a heartbeat, or while it
takes the lease, can write over its successor's: the successor ends at its own next heartbeat. What
both have done until then is paid for twice and does no harm (`pipeline.runs.reconcile`).
"""

from __future__ import annotations

import logging
import time
import uuid
from contextlib import suppress

from botocore.exceptions import ClientError

from pipeline.errors import TransientError
from pipeline.storage.leases.holder import FILE_NAME, RELEASED, TAKEN, Holder
from pipeline.storage.local_files import TEMPORARY_PREFIX
from pipeline.storage.retry import describe
from pipeline.storage.s3.connection import Connection
from pipeline.storage.s3.requests import S3, ConflictError, ReadObject
from pipeline.storage.uris import join

logger = logging.getLogger(__name__)

_CLOCK_STEP_S = 1.0
"""HTTP dates are whole seconds: what looks `n` seconds old may be `n - 1`."""
_TURNS = 10
"""Each turn lost means that a latch of the dead was removed, or that the store shows what was
written only after a while."""
_WAITS_PER_TTL = 10
"""The divisor of a lease's ttl that gives the most time from first write to first heartbeat."""
_WAY_OUT = (
    "so that two drivers could work on one run: if you see to it that there is only one, say "
    "--assume-single-driver; else use another store"
)


class _ConditionsError(OSError):
    """The store does not do what the condition of a write asks for; to follow `this store`."""


class ObjectClaim:
    """A lease kept as an object."""

    def __init__(
        self, run_uri: str, holder: Holder, s3: S3, connection: Connection, *, is_exclusive: bool
    ) -> None:
        """Take it.

        Args:
            run_uri: the prefix.
            holder: who takes it.
            s3: how the store is asked.
            connection: to the store.
            is_exclusive: False: somebody sees to it that there is no other driver, and nothing is
                asked of the store's conditions. Who comes while the heart beats is kept off still.

        Raises:
            ValueError: somebody else holds it, or the store's conditions are not to be relied on.
            OSError: nobody can tell whether its holder is alive.
        """
        self._run_uri = run_uri
        self._lease_uri = join(run_uri, FILE_NAME)
        self._latch_uri = join(run_uri, f"{TEMPORARY_PREFIX}lease")
        self._holder = holder
        self._s3 = s3
        self._connection = connection
        if not is_exclusive:
            self._write_over(self._check_free(self._lease_uri, must_tell_age=False))
            why = self._not_ours(self._lease_uri)
            if why is not None:
                raise ValueError(f"{run_uri}: {why}")
            return
        try:
            self._take()
        except _ConditionsError as error:
            raise ValueError(f"{run_uri}: this store {error}, {_WAY_OUT}") from None

    def renew(self) -> str | None:
        why = self._not_ours(self._lease_uri)
        if why is None:
            self._holder = self._holder.after_a_beat()
            self._put(self._lease_uri)
        return why

    def lost(self) -> str | None:
        return None

    def release(self) -> None:
        # What has just been renewed nobody else takes before it is deleted.
        if self.renew() is None:
            delete = self._s3.delete(self._lease_uri, within_s=self._holder.ttl_s / 2)
            self._connection.run(delete)

    def _take(self) -> None:
        for turn in range(_TURNS):
            if turn:
                time.sleep(self._s3.backoff.delay(turn))
            began = time.monotonic()
            self._check_free(self._lease_uri)
            try:
                if not self._latch():
                    continue
                self._write_over(self._check_free(self._lease_uri))
                # The first heartbeat. Before it, whoever writes past a condition that the store
                # does not look at in one step with the write is given as long as we took.
                time.sleep(min(time.monotonic() - began, self._holder.ttl_s / _WAITS_PER_TTL))
                if self.renew() is None:
                    return
            finally:
                if self._not_ours(self._latch_uri) is None:
                    self._connection.run(self._s3.delete(self._latch_uri))
        raise _ConditionsError("gives no answer that can be relied on to a write with a condition")

    def _latch(self) -> bool:
        """Whether the latch is ours; if not, it is gone by now: it was given back, or a dead one's.

        Raises:
            ValueError: somebody else has it.
            _ConditionsError: the store refuses the condition, or passes over it.
        """
        try:
            self._put_latch()
        except ConflictError:  # perhaps our own doing: the answer to the first attempt got lost
            if self._not_ours(self._latch_uri) is not None:
                if self._check_free(self._latch_uri):
                    self._connection.run(self._s3.delete(self._latch_uri))
                return False
        try:
            self._put_latch()
        except ConflictError:
            return True
        raise _ConditionsError("passes over the condition of a write (If-None-Match)")

    def _put_latch(self, *, is_repeated: bool = False) -> None:
        """Write the latch where there is none.

        Raises:
            ConflictError: there is one.
            _ConditionsError: the store refuses conditions, and takes what has none.
        """
        try:
            return self._put(self._latch_uri, if_absent=True)
        except ConflictError:
            raise
        except (OSError, ValueError, TransientError) as error:
            if not self._can_be_written():
                raise
            refusal = error
        if isinstance(refusal, TransientError) and not is_repeated:
            # Was it that the store was down? Some servers, and what is before them, break over a
            # condition that they do not know, or over one that does not hold.
            return self._put_latch(is_repeated=True)
        cause = refusal.__context__
        said = describe(cause) if isinstance(cause, ClientError) else type(refusal).__name__
        raise _ConditionsError(f"refuses writes that have a condition, with {said}")

    def _can_be_written(self) -> bool:
        probe_uri = join(self._run_uri, f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}")
        try:
            self._connection.run(self._s3.put(probe_uri, b"may this be written?"))
            self._connection.run(self._s3.delete(probe_uri))
        except (OSError, TransientError):
            return False
        return True

    def _get(self, uri: str) -> ReadObject | None:
        with suppress(FileNotFoundError):
            return self._connection.run(self._s3.get(uri))
        return None

    def _put(self, uri: str, *, if_absent: bool = False) -> None:
        document = self._holder.as_json()
        put = self._s3.put(uri, document, content_type="application/json", if_absent=if_absent)
        self._connection.run(put)

    def _write_over(self, left: Holder | None) -> None:
        self._put(self._lease_uri)
        if left is not None:
            logger.info("%s: taken over from %s, pid %d", self._run_uri, left.owner, left.pid)

    def _not_ours(self, uri: str) -> str | None:
        """Why what is there is not what we wrote; None: it is."""
        found = self._get(uri)
        if found is None:
            return RELEASED
        try:
            holder = Holder.from_json(found.data, uri)
        except ValueError as error:
            return str(error)
        if holder.token != self._holder.token:
            return TAKEN.format(f"{holder.owner}, pid {holder.pid} on {holder.host}")
        return None

    def _check_free(self, uri: str, *, must_tell_age: bool = True) -> Holder | None:
        """Let it be taken over only from one that is dead, or has been silent for its ttl.

        Returns:
            Whose it was; None: nobody's.

        Raises:
            ValueError: it is no lease, or its holder may well be alive.
            OSError: nobody can tell, and that is asked for.
        """
        found = self._get(uri)
        if found is None:
            return None
        held = Holder.from_json(found.data, uri)
        if held.token == self._holder.token:  # written in an earlier turn, and shown only now
            return None
        if not held.is_dead():
            if found.answered_at is None or found.modified_at is None:
                if not must_tell_age:
                    return held
                raise OSError(
                    f"{self._run_uri}: the store says neither when {FILE_NAME} was written nor "
                    "what time it is (Last-Modified, Date), so nobody can tell whether its holder "
                    f"is alive: delete it if {held.owner} (pid {held.pid} on {held.host}) is not"
                )
            age_s = (found.answered_at - found.modified_at).total_seconds()
            left_s = held.ttl_s + _CLOCK_STEP_S - age_s
            if left_s >= 0:
                free = f"if it died, the run is free in {left_s:.0f} s"
                raise held.refusal(self._run_uri, age_s, free=free)
        return held
