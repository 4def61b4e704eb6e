"""How functions of pymatting get compiled: those that are called, once on a machine, not in secret.

`import pymatting` has numba compile every function of the package, in each process that does so
where their cache cannot be written. Here a module is imported without its package, so that numba
sees no function but its own; what it compiles goes to a folder of the user's, under a lock.
"""

from __future__ import annotations

import fcntl
import importlib
import logging
import os
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, TextIO

from pipeline.errors import FatalError

logger = logging.getLogger(__name__)

_PACKAGE = "pymatting"
_LOCK = "compiling.lock"
_POLL_S = 0.2
_SILENT_S = 5.0
"""A wait that is longer is talked about."""


@cache
def load(name: str) -> ModuleType:
    """A module of pymatting, its functions compiled.

    The first process on a machine compiles them, which takes from a quarter of a minute to a few;
    others wait for it, and find them in its folder: what NUMBA_CACHE_DIR says, or else
    `backlot/numba` in XDG_CACHE_HOME or `~/.cache`, or where that cannot be written, a folder of
    ours among the temporary files.

    Args:
        name: below the package, such as `alpha.estimate_alpha_cf`.

    Raises:
        FatalError: there is no folder that can be written, or the module cannot be imported.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(_turn())
        stack.enter_context(_kept_in(folder))
        stack.enter_context(_said(name, folder))
        try:
            return _alone(f"{_PACKAGE}.{name}")
        except (ImportError, OSError) as error:
            raise FatalError(f"{_PACKAGE}.{name} cannot be loaded: {error}") from error


@contextmanager
def _turn() -> Iterator[Path]:
    """The folder for what is compiled, to this process alone; the lock dies with the process."""
    with ExitStack() as stack:
        refused: list[str] = []
        for folder, private in _folders():
            try:
                lock = stack.enter_context(_opened(folder, private=private))
                _wait(lock, folder)
            except OSError as error:  # no such disk, read-only, somebody else's, without locks
                refused.append(f"{folder}: {error.strerror or error}")
                continue
            if refused:
                logger.warning(
                    "compiled functions are kept in %s, which may be emptied, and then they are "
                    "compiled again: cannot use %s",
                    folder,
                    "; ".join(refused),
                )
            yield folder
            return
        raise FatalError(
            f"no folder for compiled functions can be written ({'; '.join(refused)}): name one in "
            "the environment variable NUMBA_CACHE_DIR"
        )


def _folders() -> Iterator[tuple[Path, bool]]:
    """Folders for compiled functions, best first, and whether others can write to each."""
    if chosen := _numba_config().CACHE_DIR:  # NUMBA_CACHE_DIR
        yield Path(chosen), False
    with suppress(RuntimeError):  # an account that the machine does not know has no home
        caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        yield Path(caches) / "backlot" / "numba", False
    yield Path(tempfile.gettempdir()) / f"backlot-{os.getuid()}" / "numba", True


@contextmanager
def _opened(folder: Path, *, private: bool) -> Iterator[TextIO]:
    """The lock file in a folder, which is made where it is missing and can be written.

    Raises:
        OSError: it cannot.
    """
    if private:
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        _check_ours(folder.parent)
    folder.mkdir(parents=True, exist_ok=True)
    # A lock file that was made earlier can be opened where nothing can be added.
    tempfile.TemporaryFile(dir=folder).close()
    with (folder / _LOCK).open("w") as lock:
        yield lock


def _check_ours(folder: Path) -> None:
    """Check that nobody else can write to a cache folder, since numba runs what it finds there.

    Raises:
        PermissionError: somebody else made it or may write to it.
    """
    status = folder.lstat()
    is_ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    if not is_ours or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(0, "somebody else can write there", str(folder))


def _wait(lock: TextIO, folder: Path) -> None:
    """Take the lock, and say so if that takes long. Raises OSError: the disk has no locks."""
    began, is_reported = time.monotonic(), False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not is_reported and time.monotonic() - began > _SILENT_S:
                logger.info("waiting for another process to compile functions into %s", folder)
                is_reported = True
            time.sleep(_POLL_S)
        else:
            return


@contextmanager
def _kept_in(folder: Path) -> Iterator[None]:
    """Have numba look for what it needs, and put what it compiles, into a folder."""
    config = _numba_config()
    before, config.CACHE_DIR = config.CACHE_DIR, str(folder)
    try:
        yield
    finally:
        config.CACHE_DIR = before


def _numba_config() -> Any:
    from numba.core import config

    return config


@contextmanager
def _said(name: str, folder: Path) -> Iterator[None]:
    """One line, as soon as anything is compiled: not where all of it is found."""
    from numba.core import event

    class Once(event.Listener):
        said = False

        def on_start(self, _: Any) -> None:
            if not self.said:
                logger.info(
                    "compiling %s.%s for this machine, once, into %s: that takes a quarter of a "
                    "minute to a few minutes",
                    _PACKAGE,
                    name,
                    folder,
                )
                self.said = True

        def on_end(self, _: Any) -> None:
            pass

    with event.install_listener("numba:compile", Once()):
        yield


def _alone(name: str) -> ModuleType:
    """Import a module without executing the packages it lies in.

    They stand in as empty ones while it is imported, and all of it is taken out again, for whoever
    imports the package itself later. Raises ImportError.
    """
    if _PACKAGE in sys.modules:  # somebody has: all of it is compiled
        return importlib.import_module(name)  # noqa: TID251  # here is its door
    try:
        for package in _packages():
            spec = find_spec(package)
            assert spec is not None
            sys.modules[package] = module_from_spec(spec)
        return importlib.import_module(name)  # noqa: TID251  # here is its door
    finally:
        for module in [name for name in sys.modules if name.split(".")[0] == _PACKAGE]:
            del sys.modules[module]


def _packages() -> Iterator[str]:
    """pymatting, and the packages below it. Raises ImportError."""
    spec = find_spec(_PACKAGE)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {_PACKAGE!r}")
    yield _PACKAGE
    for module in iter_modules(spec.submodule_search_locations):
        if module.ispkg:
            yield f"{_PACKAGE}.{module.name}"
