"""Reading the photographs that a manifest names, many at once, and only those it may name."""

from __future__ import annotations

import asyncio
import errno
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pipeline.errors import ErrorCode, RowError, TransientError
from pipeline.storage.integrity import Fetched
from pipeline.storage.photographs.absent_names import no_file, no_object
from pipeline.storage.photographs.addresses import quoted
from pipeline.storage.photographs.allowed_prefixes import Bounds, allowed_prefix
from pipeline.storage.photographs.batch_deadline import Patience
from pipeline.storage.photographs.local_folder import LocalFolder
from pipeline.storage.photographs.memory_tally import Tally
from pipeline.storage.photographs.spellings import respelled, unescaped
from pipeline.storage.retry import BACKOFF, Backoff
from pipeline.storage.s3.connection import Connection, connection
from pipeline.storage.s3.refusals import HiddenError
from pipeline.storage.s3.requests import S3
from pipeline.storage.uris import (
    absolute,
    address_fault,
    bucket_and_key,
    object_behind,
    scheme_of,
    shortened,
)
from pipeline.storage.web.downloads import WebReader, as_stored
from pipeline.storage.web.hosts import WebPolicy, allowed_host, entry_for
from pipeline.storage.web.request_targets import request_url
from pipeline.storage.withheld import WITHHELD, is_withheld

_NO_OBJECT = frozenset({ErrorCode.NOT_FOUND, ErrorCode.BAD_REQUEST})
"""Nothing is under a name, or the store can hold nothing under it."""
_NO_SUCH_PLACE = frozenset(
    {errno.EINVAL, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR}
)
"""The errors of a path, not of the disk: no later run will find anything there either."""


class _HiddenError(TransientError):
    """Access was refused, which may mean that nothing is there: see `refusals.HiddenError`."""


class ReadPolicy(BaseModel):
    """Which image URIs a manifest may name, and how hard we try to read them."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    allowed_schemes: tuple[Literal["s3", "file", "https", "http"], ...] = Field(
        ("s3", "file"),
        description="URI schemes a manifest may use. 'file' covers the manifest's own folder only.",
    )
    allowed_hosts: tuple[str, ...] = Field(
        (),
        description="Web hosts a manifest may use: exact names, or suffixes that start with a dot "
        "('.example.com'). They are asked at port 443 for https, 80 for http; at another one where "
        "the entry names it ('cdn.example.com:8443'), and then at no other. Redirects must stay "
        "among them. None by default.",
    )
    allow_private_addresses: bool = Field(
        default=False,
        description="Whether an allowed host may be inside our own network (10.x, localhost, ...).",
    )
    allowed_prefixes: tuple[str, ...] = Field(
        (),
        description="Buckets, and folders of buckets, whose objects a manifest may name besides "
        "those of its own folder: s3://catalog or s3://catalog/shoes/, with all that is below.",
    )
    concurrency: int = Field(16, ge=1, le=256, description="Reads under way at once per actor.")
    max_seconds: float = Field(
        120.0,
        gt=0,
        le=3600,
        description="Most seconds for one address: redirects, retries and the pauses between them "
        "included. Each address of a batch that meets it halves it for those that begin later, "
        "down to a sixteenth. What is not read by then is taken up by the next run.",
    )

    @field_validator("allowed_prefixes")
    @classmethod
    def _are_folders(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(allowed_prefix, value))

    @field_validator("allowed_hosts")
    @classmethod
    def _are_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for named in value:
            allowed_host(named)
        return value

    def bounds(self, root: str | None) -> Bounds:
        """The objects that a manifest may name whose folder is `root`, wherever that is."""
        return Bounds(root, self.allowed_prefixes)

    def web_reader(self, connection: Connection, backoff: Backoff) -> WebReader:
        """Reads what lies behind URLs."""
        return WebReader(
            WebPolicy(
                schemes=self.allowed_schemes,
                hosts=self.allowed_hosts,
                allow_private_addresses=self.allow_private_addresses,
            ),
            connection,
            concurrency=self.concurrency,
            backoff=backoff,
        )


class PhotoReader:
    """Reads photographs in batches; one event loop does all the waiting."""

    def __init__(
        self,
        policy: ReadPolicy,
        *,
        root: str | None,
        max_bytes: int,
        backoff: Backoff = BACKOFF,
    ) -> None:
        """Open nothing yet.

        Args:
            policy: what may be read.
            root: the manifest's folder. Nothing else that is local is read, and of objects only
                what `policy` adds. None: no local file at all.
            max_bytes: larger files are refused before their body is read.
            backoff: how often and how fast a storage that fails is asked again.
        """
        self._policy = policy
        is_local = root is not None and scheme_of(root) == "file"
        self._folder = LocalFolder(root if is_local else None)
        self._bounds = policy.bounds(root)
        self._max_bytes = max_bytes
        self._connection = connection()
        self._s3 = S3(self._connection, backoff=backoff)
        self._web = policy.web_reader(self._connection, backoff)
        self._turn = asyncio.Semaphore(policy.concurrency)
        self._patience = Patience(policy.max_seconds)
        self._is_going_on = False
        """Whether the batch that comes is the rest of the one before."""

    def read_many(self, uris: Sequence[str]) -> list[Fetched | RowError]:
        """The bytes at each URI, in order, or why they cannot be had."""
        return [one for (one,) in self.read_rows([[uri] for uri in uris])]

    def read_rows(
        self, rows: Sequence[Sequence[str]], *, most_bytes: int | None = None
    ) -> list[list[Fetched | RowError]]:
        """The bytes at the URIs of each row, for as many of the first rows as fit; at least one.

        What several rows name, a local file in whatever spelling, is read and held once.

        Args:
            rows: the URIs of each.
            most_bytes: of all files together, unless the first row alone has more; None: any.
        """
        named = [[_as_one(uri) for uri in uris] for uris in rows]
        spelled = dict[str, str]()
        for uri, name in zip(chain.from_iterable(rows), chain.from_iterable(named), strict=True):
            spelled.setdefault(name, uri)
        tally = Tally(named, most_bytes=most_bytes)
        found = self._connection.run(self._read_all(spelled, tally))
        return [[found[name] for name in names] for names in named[: tally.num_rows]]

    async def _read_all(
        self, spelled: Mapping[str, str], tally: Tally
    ) -> dict[str, Fetched | RowError]:
        """Read addresses, by name, as far as the rows fit that have them."""
        if not self._is_going_on:
            self._patience = Patience(self._policy.max_seconds)
        tasks = {
            name: asyncio.create_task(self._read(uri, name, tally)) for name, uri in spelled.items()
        }
        tally.watch(tasks)
        outcomes = await asyncio.gather(*tasks.values(), return_exceptions=True)
        found = dict[str, Fetched | RowError]()
        for name, outcome in zip(tasks, outcomes, strict=True):
            if isinstance(outcome, Fetched | RowError):
                if tally.is_in(name):
                    found[name] = outcome
            elif not isinstance(outcome, asyncio.CancelledError):
                raise outcome
        self._is_going_on = tally.is_cut
        return found

    async def _read(self, uri: str, name: str, tally: Tally) -> Fetched | RowError:
        async with self._turn:
            try:
                async with self._patience.for_one(uri):
                    found = await self._read_allowed(uri, partial(tally.count, name))
            except RowError as error:
                tally.settle(name, 0)
                return error
        tally.settle(name, len(found.data))
        return found

    async def _read_allowed(self, uri: str, count: Callable[[int], None]) -> Fetched:
        scheme = scheme_of(uri)
        if scheme not in self._policy.allowed_schemes:
            raise RowError(
                ErrorCode.URI_NOT_ALLOWED,
                f"scheme {scheme!r} of image_uri is not in fetch.allowed_schemes "
                f"{list(self._policy.allowed_schemes)}{_instead(uri)}",
            )
        fault = address_fault(uri)
        if fault is not None:
            raise RowError(ErrorCode.BAD_REQUEST, f"image_uri {fault}")
        if is_withheld(uri):
            raise TransientError(ErrorCode.NOT_FOUND, f"image_uri {WITHHELD}")
        if scheme == "file":
            path, size = await asyncio.to_thread(self._find_local, uri)
            count(size)
            await asyncio.sleep(0)  # where there is no room for it, it is broken off here
            return Fetched(await asyncio.to_thread(self._read_local, uri, path, size), 0)
        if scheme == "s3":
            refusal = self._bounds.refusal(uri)
            if refusal is not None:
                raise RowError(ErrorCode.URI_NOT_ALLOWED, f"image_uri {refusal}")
            return await self._read_object(uri, count)
        return await self._read_page(uri, count)

    async def _read_page(self, url: str, count: Callable[[int], None]) -> Fetched:
        try:
            return await self._web.get(url, max_bytes=self._max_bytes, count=count)
        except RowError as error:
            meant = unescaped(url)
            if meant == url or error.code not in (ErrorCode.NOT_FOUND, ErrorCode.ACCESS_DENIED):
                raise
            refused = error
        try:  # a table that was made of HTML or XML
            return await self._web.get(meant, max_bytes=self._max_bytes, count=count)
        except RowError:
            raise refused from None

    async def _read_object(self, uri: str, count: Callable[[int], None]) -> Fetched:
        try:
            return await self._get(uri, count)
        except RowError as error:
            if error.code not in _NO_OBJECT and not isinstance(error, _HiddenError):
                raise
            missing = error
        is_no_name = missing.code is ErrorCode.BAD_REQUEST
        is_hidden = isinstance(missing, _HiddenError)
        bucket, key = bucket_and_key(uri)
        others = [f"s3://{bucket}/{other}" for other in respelled(key)]
        for other in filter(self._bounds.hold, others):
            try:
                return await self._get(other, count)
            except RowError as error:
                if is_hidden and error.code is ErrorCode.NOT_FOUND:
                    break  # who is told that may list: access it was that was refused
                if is_hidden and isinstance(error, _HiddenError):
                    continue
                # Of a store that refuses the name itself nothing more is to be learnt.
                if not is_no_name and error.code not in _NO_OBJECT:
                    raise
        if is_no_name or is_hidden:
            raise missing
        raise no_object(key=key, said=missing.message)

    async def _get(self, uri: str, count: Callable[[int], None]) -> Fetched:
        try:
            found = await self._s3.get(uri, max_bytes=self._max_bytes, count=count)
        except ValueError as error:
            raise RowError(ErrorCode.BAD_REQUEST, f"image_uri {_in_short(error, uri)}") from None
        except FileNotFoundError as error:
            raise RowError(ErrorCode.NOT_FOUND, _in_short(error, uri)) from None
        except PermissionError as error:
            kind = _HiddenError if isinstance(error, HiddenError) else TransientError
            raise kind(ErrorCode.ACCESS_DENIED, _in_short(error, uri)) from None
        except OSError as error:  # an answer nobody foresaw: the next run may fare better
            raise TransientError(ErrorCode.STORAGE, _in_short(error, uri)) from None
        whole = Fetched(found.data, found.retries, found.doubt)
        return await as_stored(
            whole, found.content_encoding, what=shortened(uri), max_bytes=self._max_bytes
        )

    def _find_local(self, uri: str) -> tuple[str, int]:
        """The real path of a local file, and its bytes."""
        others = self._folder.otherwise(uri)
        if len(others) > 1:
            raise RowError(
                ErrorCode.NOT_FOUND,
                f"nothing at {shortened(uri)}, and {len(others)} files whose names differ from it, "
                "and from each other, only in how letters are composed (NFC, NFD): write one of "
                "them to the letter",
            )
        path = self._within(uri, others[0] if others else absolute(uri))
        with self._disk_in_words(uri):
            status = Path(path).stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would keep us waiting for ever
            raise RowError(ErrorCode.NOT_FOUND, f"{shortened(uri)} is no file")
        if status.st_size > self._max_bytes:
            raise RowError(
                ErrorCode.TOO_MANY_BYTES,
                f"{status.st_size} bytes, at most {self._max_bytes} accepted",
            )
        return path, status.st_size

    def _read_local(self, uri: str, path: str, size: int) -> bytes:
        with self._disk_in_words(uri), Path(path).open("rb") as file:
            data = file.read(size + 1)  # not one that is written while it is read
        if len(data) != size:
            raise TransientError(
                ErrorCode.STORAGE, f"{shortened(uri)} was written while it was read"
            )
        return data

    @contextmanager
    def _disk_in_words(self, uri: str) -> Iterator[None]:
        shown = shortened(uri)
        try:
            yield
        except FileNotFoundError:
            root, name = self._folder.split(absolute(uri))
            raise no_file(uri, root=root, name=name) from None
        except PermissionError:
            raise TransientError(ErrorCode.ACCESS_DENIED, f"not allowed to read {shown}") from None
        except OSError as error:
            words = f"cannot read {shown}: {error.strerror}"
            if error.errno in _NO_SUCH_PLACE:
                raise RowError(ErrorCode.NOT_FOUND, words) from None
            raise TransientError(ErrorCode.STORAGE, words) from None  # the disk's fault

    def _within(self, uri: str, path: str) -> str:
        """The real path that a path leads to.

        Raises:
            RowError: it is not within the manifest's folder.
        """
        real = self._folder.real(path)
        if real is not None:
            return real
        raise RowError(
            ErrorCode.URI_NOT_ALLOWED, f"image_uri {quoted(uri)} {self._folder.why_outside(path)}"
        )


def _as_one(uri: str) -> str:
    """The one name of a local file that is spelled in many ways; any other address to the letter.

    Of an object's key `//` is a part, and a server may mean anything by it.
    """
    if scheme_of(uri) != "file":
        return uri
    try:
        return absolute(uri)
    except ValueError:  # no such home folder: the row is told
        return uri


def _in_short(error: Exception, uri: str) -> str:
    """An error's words, with no more of the address than is read."""
    return str(error).replace(uri, shortened(uri))


def _instead(url: str) -> str:
    """The alternatives to a URL whose scheme is not allowed."""
    if scheme_of(url) not in ("http", "https"):
        return ""
    named = object_behind(url)
    other = "" if named is None else f", or write {shortened(named)}, which it is"
    host = "the host"
    with suppress(ValueError):  # what can be no address: that is told next
        host = repr(entry_for(request_url(url)))
    return f": add it, and {host} to fetch.allowed_hosts{other}"
