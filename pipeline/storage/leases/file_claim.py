"""A lease on a local folder: a lock on a file, which the kernel releases with its process."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from pipeline.storage.leases.holder import FILE_NAME, RELEASED, TAKEN, Holder
from pipeline.storage.local_files import said_of

_GONE = "the folder is gone: it was deleted or moved while this run worked on it"


class FileClaim:
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
        return TAKEN.format("its lease is another file") if self._path.exists() else RELEASED

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
            except OSError:  # a disk without locks
                if not os.fstat(descriptor).st_size:
                    self._path.unlink(missing_ok=True)
                os.close(descriptor)
                raise
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
