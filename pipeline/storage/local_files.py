"""The verbs of storage on a local disk."""

from __future__ import annotations

import errno
import glob
import os
import re
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fsspec.utils import glob_translate

from pipeline.storage.uris import absolute

TEMPORARY_PREFIX = ".writing-"
"""Files under this name are unfinished: readers never see them under their own name."""

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)
"""The errors of a disk that has no second names for files, such as an SD card's."""

_ROOM = "make room there, or name another place"
_LEAVE = "let this account write there, or name another place"
_NO_LOCKS = (
    "this disk has no locks for files (flock), by which a run has one driver: mount it with them "
    "(NFS: lockd; Lustre: -o flock), or name another place"
)
_FIXES = {
    errno.EEXIST: "a file, or a link that leads nowhere, is where a folder is to be: name another",
    errno.ENOTDIR: "a part of that path is a file: name another place",
    errno.ELOOP: "a link on that path leads back to itself: name another place",
    errno.ENAMETOOLONG: "shorten it",
    errno.EIO: "the disk is damaged, or was lost: look at the system's log",
    errno.ESTALE: "the disk of another machine was lost: mount it again",
    errno.ENOLCK: _NO_LOCKS,
    errno.ENOSYS: _NO_LOCKS,
    errno.ENOTSUP: _NO_LOCKS,
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: "raise the quota or make room there, or name another place",
    errno.EFBIG: "the system allows no file that large (ulimit -f): raise that",
    errno.EACCES: _LEAVE,
    errno.EPERM: _LEAVE,
    errno.EROFS: _LEAVE,
}


class Files:
    """Local folders."""

    def exists(self, uri: str) -> bool:
        return Path(absolute(uri)).exists()

    def is_folder(self, uri: str) -> bool:
        return Path(absolute(uri)).is_dir()

    def read(self, uri: str) -> bytes:
        path = Path(absolute(uri))
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # it would keep us waiting for ever
            raise OSError(errno.EINVAL, "is a pipe or a device, not a file", str(path))
        return path.read_bytes()

    def write(
        self,
        uri: str,
        data: bytes,
        *,
        content_type: str | None,  # noqa: ARG002 - a disk keeps none
        below: str | None = None,
    ) -> int:
        if below is not None and not self.is_folder(below):
            raise FileNotFoundError(f"{below} is gone: it was deleted or moved while in use")
        with _draft(uri, data) as (draft, target):
            draft.replace(target)
        return 0

    def create(self, uri: str, data: bytes, *, content_type: str | None) -> bool:  # noqa: ARG002
        with _draft(uri, data) as (draft, target):
            try:
                target.hardlink_to(draft)
            except FileExistsError:
                return target.read_bytes() == data
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                # Not in one step there; the lock of a run keeps everybody else away.
                if target.exists():
                    return target.read_bytes() == data
                draft.replace(target)
        return True

    def remove(self, uri: str) -> None:
        Path(absolute(uri)).unlink(missing_ok=True)

    def list_files(self, uri: str, *, suffix: str) -> list[str]:
        return sorted(
            str(Path(folder, name))
            for folder, _, names in os.walk(absolute(uri))
            for name in names
            if name.endswith(suffix) and not name.startswith(TEMPORARY_PREFIX)
        )

    def sizes(self, uri: str) -> dict[str, int]:
        return {name: Path(name).stat().st_size for name in self.list_files(uri, suffix="")}

    def list_folders(self, uri: str) -> list[str]:
        folder = Path(absolute(uri))
        return sorted(str(e) for e in folder.iterdir() if e.is_dir()) if folder.is_dir() else []

    def glob_files(self, pattern: str) -> list[str]:
        path = absolute(pattern)
        if "**" in path.split("/"):
            # Python's own follows links to folders, round and round where one leads upwards.
            root = re.split(r"[*?\[]", path, maxsplit=1)[0].rpartition("/")[0] or "/"
            matches = re.compile(glob_translate(path)).match
            below = self.list_files(root, suffix="")
            return [name for name in below if matches(name) and Path(name).is_file()]
        # Names that begin with a dot as any others, as on an object store.
        found = glob.glob(  # noqa: PTH207 - Path cannot: absolute
            path, include_hidden=True
        )
        return sorted(
            name
            for name in found
            if Path(name).is_file() and not Path(name).name.startswith(TEMPORARY_PREFIX)
        )


@contextmanager
def _draft(uri: str, data: bytes) -> Iterator[tuple[Path, Path]]:
    """The bytes under a name that nobody looks for, and the path that they are to have."""
    target = Path(absolute(uri))
    with said_of(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}")
        try:
            draft.write_bytes(data)
            yield draft, target
        finally:
            draft.unlink(missing_ok=True)


@contextmanager
def said_of(path: Path) -> Iterator[None]:
    """Name the place, and what to do, where it cannot be written; the error's kind stays.

    Raises:
        OSError: it cannot.
    """
    try:
        yield
    except OSError as error:
        fix = _FIXES.get(error.errno or 0)
        said = error.strerror or str(error)
        raise type(error)(error.errno, f"{said}: {fix}" if fix else said, str(path)) from error
