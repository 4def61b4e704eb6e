"""A lease on a prefix of an object store: an object, made and renewed by conditional writes.

It is stale when its heartbeat is; its age is told by the store's clock alone. Whether the store
does what a condition asks for is tried with each lease, and nothing is taken for granted: some
refuse conditions, some pass over them, and some compare an ETag without the quotes that they gave
it.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from botocore.exceptions import ClientError

from pipeline.errors import TransientError
from pipeline.storage.leases.holder import FILE_NAME, RELEASED, TAKEN, Holder
from pipeline.storage.local_files import TEMPORARY_PREFIX
from pipeline.storage.retry import describe
from pipeline.storage.s3.connection import Connection
from pipeline.storage.s3.requests import S3, ConflictError, Found
from pipeline.storage.uris import join

logger = logging.getLogger(__name__)

_CLOCK_STEP_S = 1.0
"""HTTP dates are whole seconds: what looks `n` seconds old may be `n - 1`."""
_TURNS = 10
"""Each turn lost means that somebody else took or released the lease that very moment."""
_WAITS_PER_TTL = 10
"""Of its ttl, what may pass at most between a lease's first write and its first heartbeat."""
_BRIEFLY = 3
"""Attempts of a write that has failed to the end before, once the store is known to answer."""
_NOBODYS = '"00000000000000000000000000000000"'
"""An ETag that no object has."""
_WAY_OUT = (
    "so that two drivers could work on one run: if you see to it that there is only one, say "
    "--assume-single-driver; else use another store"
)


class _ConditionsError(OSError):
    """The store does not do what the condition of a write asks for; to follow `this store`."""


def _as_given(etag: str) -> str:
    return etag


def _bare(etag: str) -> str:
    return etag.removeprefix("W/").strip('"')


def _quoted(etag: str) -> str:
    return f'"{_bare(etag)}"'


_Form = Callable[[str], str]
_FORMS: tuple[_Form, ...] = (_as_given, _quoted, _bare)
"""How an ETag may have to be written in If-Match. RFC 9110 wants it as it was given. Ceph's gateway
compares with the bare MD5 (16.2: quoted, it never matches); a proxy that compresses makes ETags
weak, which by the RFC match nothing; some gateways forget the quotes in their answers."""


@dataclass(frozen=True, slots=True)
class _Left:
    """The object as it was left: no two states of a lease have the same bytes."""

    data: bytes
    etag: str


class _LeaseObject:
    """The object that a lease is kept in, and the writes that are made of it."""

    def __init__(self, run_uri: str, s3: S3, connection: Connection) -> None:
        self._uri = join(run_uri, FILE_NAME)
        self._probe_uri = join(run_uri, f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}")
        self._s3 = s3
        self._brief_s3 = S3(connection, backoff=replace(s3.backoff, attempts=_BRIEFLY))
        self._connection = connection
        self._forms = list(_FORMS)
        """The one that this store is known to understand comes first."""
        self._is_understood = False
        """Whether a condition was ever met: from then on a refusal has other reasons."""
        self._heard: set[str] = set()
        """ETags of no object that were refused: conditions in their form are heard."""

    def get(self) -> Found | None:
        with suppress(FileNotFoundError):
            return self._connection.run(self._s3.get(self._uri))
        return None

    def holder(self, found: Found) -> Holder:
        return Holder.from_json(found.data, self._uri)

    def put(self, holder: Holder) -> None:
        """Write it whatever is there."""
        self._put(holder)

    def put_new(self, holder: Holder) -> None:
        """Write it where there is none.

        Raises:
            ConflictError: there is one.
            FileNotFoundError: there is no such bucket.
            _ConditionsError: the store refuses the condition.
        """
        self._put_if(holder, if_absent=True)

    def check_new(self, holder: Holder) -> None:
        """Try to write it where there is none, knowing that there is one.

        Raises:
            _ConditionsError: that was not refused.
        """
        try:
            self.put_new(holder)
        except ConflictError:
            return
        raise _ConditionsError("passes over the condition of a write (If-None-Match)")

    def put_over(self, holder: Holder, left: _Left) -> _Left:
        """Write it over the state that was left, and over no other.

        Raises:
            ConflictError, FileNotFoundError: it is in another state, perhaps our own doing: the
                first attempt arrived and its answer got lost.
            _ConditionsError: the store refuses the condition, passes over it, or knows its own
                ETag in no form.
        """
        etags, conflict = [left.etag], OSError(f"{self._uri} was changed")
        tried: set[str] = set()
        for form in tuple(self._forms):
            for etag in etags:
                written = form(etag)
                if written in tried:
                    continue
                tried.add(written)
                self._check(written, holder)
                try:
                    given = self._put_if(holder, if_match=written)
                except (ConflictError, FileNotFoundError) as error:
                    there = self.get()
                    if there is None or there.data != left.data:
                        raise
                    etags, conflict = [left.etag, there.etag], error
                    continue
                self._forms.sort(key=lambda known: known is not form)
                self._is_understood = True
                return self._left(holder, given)
        raise _ConditionsError(
            "refuses a write on condition of the very ETag that it gave (If-Match)"
        ) from conflict

    def delete(self, *, within_s: float) -> None:
        """Take it away, whoever wrote it; not later than in so many seconds."""
        self._connection.run(self._s3.delete(self._uri, within_s=within_s))

    def _left(self, holder: Holder, etag: str) -> _Left:
        data = holder.as_json()
        if etag:
            return _Left(data, etag)
        there = self.get()  # some say it of what is read and not of what is written
        if there is None or there.data != data:
            raise ConflictError(f"{self._uri} was changed by somebody else")
        return _Left(data, there.etag)

    def _check(self, written: str, holder: Holder) -> None:
        """Try once, in each form that is about to be relied on, what must be refused."""
        nobodys = _NOBODYS if '"' in written else _bare(_NOBODYS)
        nobodys = f"W/{nobodys}" if written.startswith("W/") else nobodys
        if nobodys in self._heard:
            return
        try:
            self._put_if(holder, if_match=nobodys)
        except (ConflictError, FileNotFoundError):
            self._heard.add(nobodys)
            return
        raise _ConditionsError("passes over the condition of a write (If-Match)")

    def _put_if(
        self, holder: Holder, *, if_match: str | None = None, if_absent: bool = False
    ) -> str:
        """Write on a condition.

        Raises:
            ConflictError: it does not hold; FileNotFoundError: nor can it, nothing is there.
            _ConditionsError: the store refuses conditions, and takes what has none.
        """
        try:
            return self._put(holder, if_match=if_match, if_absent=if_absent)
        except ConflictError:
            raise
        except (OSError, ValueError, TransientError) as error:
            is_known = self._is_understood or isinstance(error, FileNotFoundError)
            if (if_match is not None and is_known) or not self._can_be_written():
                raise
            refusal = error
        if isinstance(refusal, TransientError):
            # Was it that the store was down? Some servers, and what is before them, break over a
            # condition that they do not know, or over one that does not hold.
            with suppress(TransientError):
                return self._put(holder, if_match=if_match, if_absent=if_absent, s3=self._brief_s3)
        cause = refusal.__context__
        said = describe(cause) if isinstance(cause, ClientError) else type(refusal).__name__
        raise _ConditionsError(f"refuses writes that have a condition, with {said}")

    def _can_be_written(self) -> bool:
        try:
            self._connection.run(self._s3.put(self._probe_uri, b"may this be written?"))
            self._connection.run(self._s3.delete(self._probe_uri))
        except (OSError, TransientError):
            return False
        return True

    def _put(
        self,
        holder: Holder,
        *,
        if_match: str | None = None,
        if_absent: bool = False,
        s3: S3 | None = None,
    ) -> str:
        written = (s3 or self._s3).put(
            self._uri,
            holder.as_json(),
            content_type="application/json",
            if_match=if_match,
            if_absent=if_absent,
        )
        return self._connection.run(written)[0]


class ObjectClaim:
    """A lease kept as an object, which at most one driver can have."""

    def __init__(self, run_uri: str, holder: Holder, s3: S3, connection: Connection) -> None:
        """Take it.

        Raises:
            ValueError: somebody else holds it, or the store's conditions are not to be relied on.
        """
        self._run_uri = run_uri
        self._holder = holder
        self._object = _LeaseObject(run_uri, s3, connection)
        self._backoff = s3.backoff
        try:
            self._left = self._take()
        except _ConditionsError as error:
            if _not_ours(self._object.get(), self._object, holder) is None:
                self._object.delete(within_s=holder.ttl_s)
            raise ValueError(f"{run_uri}: this store {error}, {_WAY_OUT}") from None

    def renew(self) -> str | None:
        self._holder = replace(self._holder, beat=self._holder.beat + 1)
        with suppress(ConflictError, FileNotFoundError):
            self._left = self._object.put_over(self._holder, self._left)
            return None
        # Not what we left; unless it is our own renewal, whose answer got lost.
        found = self._object.get()
        why = _not_ours(found, self._object, self._holder)
        if why is None and found is not None:
            self._left = _Left(found.data, found.etag)
        return why

    def lost(self) -> str | None:
        return None

    def release(self) -> None:
        # What has just been renewed nobody else takes before it is deleted.
        if self.renew() is None:
            self._object.delete(within_s=self._holder.ttl_s / 2)

    def _take(self) -> _Left:
        said = "gives no answer that can be relied on"
        is_held = False
        for turn in range(_TURNS):
            if turn:  # some stores show what was written only after a while
                time.sleep(self._backoff.delay(turn))
            began = time.monotonic()
            found = self._object.get()
            is_held = is_held or found is not None
            if found is None:
                said = "does not give back what was written to it a moment ago"
                try:
                    self._object.put_new(self._holder)
                except ConflictError:
                    said = "says both that an object is there (If-None-Match) and that none is"
            elif _not_ours(found, self._object, self._holder) is not None:
                _check_free(found, self._object, self._run_uri, must_tell_age=True)
                with suppress(ConflictError, FileNotFoundError):
                    self._object.put_over(self._holder, _Left(found.data, found.etag))
            # Read back: the write of a lost answer counts.
            written = self._object.get()
            is_held = is_held or written is not None
            if _not_ours(written, self._object, self._holder) is not None or written is None:
                logger.debug("%s: lost a turn", self._run_uri)
                continue
            if not written.etag:
                raise _ConditionsError("gives no ETags")
            self._left = _Left(written.data, written.etag)
            self._object.check_new(self._holder)
            # The first heartbeat. Before it, whoever writes past a condition that the store does
            # not look at in one step with the write is given as long as our own requests took.
            time.sleep(min(time.monotonic() - began, self._holder.ttl_s / _WAITS_PER_TTL))
            if self.renew() is None:
                return self._left
        if not is_held:
            raise _ConditionsError(said)
        raise ValueError(
            f"{self._run_uri}: the lease changed hands {_TURNS} times while we asked for it"
        )


class LoneClaim:
    """A lease of somebody who sees to it that there is no other driver: no conditions.

    It still keeps off whoever comes while its heart beats, and yields to who came nevertheless.
    """

    def __init__(self, run_uri: str, holder: Holder, s3: S3, connection: Connection) -> None:
        """Take it.

        Raises:
            ValueError: somebody else holds it, and was alive a moment ago.
        """
        self._holder = holder
        self._object = _LeaseObject(run_uri, s3, connection)
        found = self._object.get()
        if found is not None:
            _check_free(found, self._object, run_uri, must_tell_age=False)
        self._object.put(holder)
        why = _not_ours(self._object.get(), self._object, holder)
        if why is not None:
            raise ValueError(f"{run_uri}: {why}")

    def renew(self) -> str | None:
        why = _not_ours(self._object.get(), self._object, self._holder)
        if why is None:
            self._holder = replace(self._holder, beat=self._holder.beat + 1)
            self._object.put(self._holder)
        return why

    def lost(self) -> str | None:
        return None

    def release(self) -> None:
        if self.renew() is None:
            self._object.delete(within_s=self._holder.ttl_s / 2)


def _not_ours(found: Found | None, lease: _LeaseObject, ours: Holder) -> str | None:
    """Why a lease is not the one that we took; None: it is."""
    if found is None:
        return RELEASED
    try:
        holder = lease.holder(found)
    except ValueError as error:
        return str(error)
    if holder.token != ours.token:
        return TAKEN.format(f"{holder.owner}, pid {holder.pid} on {holder.host}")
    return None


def _check_free(found: Found, lease: _LeaseObject, run_uri: str, *, must_tell_age: bool) -> None:
    """Let a lease be taken over only from a holder that is dead, or has been silent for its ttl.

    Raises:
        ValueError: it is no lease, or its holder may well be alive.
        OSError: nobody can tell, and that is asked for.
    """
    held = lease.holder(found)
    if held.is_dead():
        logger.info("%s: taken over from %s, pid %d", run_uri, held.owner, held.pid)
        return
    if found.answered_at is None or found.modified_at is None:
        if not must_tell_age:
            return
        raise OSError(
            f"{run_uri}: the store says neither when {FILE_NAME} was written nor what time it is "
            "(Last-Modified, Date), so nobody can tell whether its holder is alive: delete it if "
            f"{held.owner} (pid {held.pid} on {held.host}) is not"
        )
    age_s = (found.answered_at - found.modified_at).total_seconds()
    left_s = held.ttl_s + _CLOCK_STEP_S - age_s
    if left_s >= 0:
        raise held.refusal(run_uri, age_s, free=f"if it died, the run is free in {left_s:.0f} s")
    logger.info("%s: taken over from %s, pid %d", run_uri, held.owner, held.pid)
