"""Ray for the length of a block: one of its own on this machine, or a cluster that is there."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import secrets
import shutil
import stat
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import TracebackType

import ray
import ray._private.state as ray_state
import ray.data

from pipeline.engine.losses import Losses, Snapshot
from pipeline.engine.on_ray.cluster_token import own_token
from pipeline.engine.on_ray.forwarded_settings import forwarded
from pipeline.errors import FatalError
from pipeline.processes import interruption
from pipeline.processes.activity import doing
from pipeline.processes.folder_users import end_users, has_ended, users

logger = logging.getLogger(__name__)

SPARE_CPUS = 1
"""Logical CPUs a local cluster has above the machine's cores: fetching, storing and writing wait
for disks and networks, and would otherwise keep a core from the stages that compute. A pool of all
stages leaves it: a third actor on two cores makes nothing faster, and the first picture late."""
SPARE = "backlot_spare_cpus"
"""How a local cluster says so, as a resource of Ray's that nobody asks for."""

_PREFIX = "backlot-"
_OWNER = "owner"
"""A file in a folder of Ray's that is locked for as long as the folder is in use."""
_OPEN = "r"
"""The folder of what Ray makes, below the temporary one. One letter, since paths of sockets must be
short."""
_RANDOM_BYTES = 3
"""The number of random bytes in a folder's name, which must be short as well. An existing folder is
not taken."""
_ENDS_S = 1.0
"""The time, in seconds, for Ray's processes to end by themselves. Its agents notice after ten that
nobody is left."""
_DAEMONS = ("gcs_server", "raylet")
"""The processes without which nothing on this machine goes on."""
_WATCHES_S = 0.5
_LOOKS_S = 2.0
"""The time, in seconds, between two questions to the cluster: losses are told soon, and the
questions are cheap."""
_REMOVED_S = 2.0


@contextlib.contextmanager
def cluster(address: str | None) -> Iterator[None]:
    """Connect to Ray for the length of a block; what it started, it stops.

    Args:
        address: of a running cluster, or None for one of its own on this machine. A process that is
            connected already stays so.

    Raises:
        ValueError: a setting that workers need too holds a password.
        FatalError: Ray did not start on this machine.
    """
    ray.data.DataContext.get_current().enable_progress_bars = False  # ours tell more, and less
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    if ray.is_initialized():
        yield
    elif address is None:
        with own_token(), _own_cluster():
            yield
    else:
        runtime_env = {"env_vars": forwarded(os.environ)}
        try:
            with doing(f"connecting to Ray at {address}"):
                ray.init(address=address, logging_level=logging.WARNING, runtime_env=runtime_env)
            yield
        finally:
            with interruption.deferred(), doing("leaving Ray"):
                _disconnect()


@contextlib.contextmanager
def _own_cluster() -> Iterator[None]:
    # Sockets live below it and their paths must stay short.
    place = Path(os.environ.get("TMPDIR", "/tmp"))
    remove_abandoned(place)
    folder = place / f"{_PREFIX}{secrets.token_hex(_RANDOM_BYTES)}"
    interruption.clean_up(partial(_end, folder))
    try:
        with owned(folder):
            cores = max(2, len(os.sched_getaffinity(0)))
            with doing("starting Ray"), interruption.children_apart(), _temporary_files_in(folder):
                _start(folder, cores)
            with _daemons_watched(folder):
                yield
    finally:
        with interruption.deferred(), doing("stopping Ray"):
            was_left = ray.is_initialized() and _disconnect()
            _end(folder, _ENDS_S if was_left else 0.0)


def _start(folder: Path, cores: int) -> None:
    """Start Ray on this machine.

    Raises:
        FatalError: it was not there within the half minute that Ray gives it.
    """
    try:
        ray.init(
            address="local",
            num_cpus=cores + SPARE_CPUS,
            resources={SPARE: SPARE_CPUS},
            logging_level=logging.WARNING,
            include_dashboard=False,
            # Ray opens its folder to everybody; the one above it stays ours alone.
            _temp_dir=str(folder / _OPEN),
        )
    except Exception as error:
        if type(error) is Exception:  # Ray has no class of its own for being late
            raise FatalError(
                f"Ray did not start on this machine ({error}); where others keep it busy, "
                "the same command works later"
            ) from error
        raise


def _disconnect() -> bool:
    """Leave Ray in good order; False where the process ends anyway, and with it the connection.

    Ray ends a process on the spot, without a word, in which a thread still asks for something
    afterwards: one of Ray Data's, which may be at work when the main thread is interrupted.
    """
    if interruption.is_ending():
        return False
    ray.shutdown()
    return True


class LossWatch:
    """Looks for nodes and workers that were lost, for the length of a block, and tells of each."""

    def __init__(self, roll: Callable[[], Snapshot | None], *, num_pools: int) -> None:
        """Nothing is looked at yet.

        Args:
            roll: asks where workers sign in.
            num_pools: that rows go through.
        """
        self.finished = 0
        """Rows that have been written, as far as the driver knows."""
        self._roll = roll
        self._losses = Losses(pools=num_pools)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="lookout", daemon=True)

    def __enter__(self) -> LossWatch:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._is_over.set()
        if interruption.is_ending():
            return  # Ray may be gone, and a question to it takes a minute
        self._thread.join()  # whoever asks for something after Ray was left ends the process
        if kind is None:
            self._look()  # what was lost at the very end is told as well

    def _watch(self) -> None:
        while not self._is_over.wait(_LOOKS_S):
            self._look()

    def _look(self) -> None:
        here = ray.get_runtime_context().get_node_id()
        try:
            nodes = ray.nodes()  # type: ignore[no-untyped-call]
            # Ray's own list of actors asks a dashboard, which not every cluster has.
            restarts = {key: one["NumRestarts"] for key, one in ray_state.actors().items()}
            roll = self._roll()
        except ray.exceptions.RayError as error:
            logger.debug("nobody could say what is there: %s", error)
            return
        found = [] if roll is None else self._losses.found(nodes, restarts, roll, self.finished)
        for loss in found:
            logger.warning(loss.said, extra={"event": loss.event, "values": loss.values})
        if any(node["NodeID"] == here and not node["Alive"] for node in nodes):
            _lost_here("the node that the driver runs on is gone")


def _lost_here(what: str) -> None:
    """End the command: without Ray on its own machine a driver can do nothing."""
    interruption.abort(FatalError(f"{what}; what is done stays done: the same command goes on"))


@contextlib.contextmanager
def _daemons_watched(folder: Path) -> Iterator[None]:
    """Notice at once when one of Ray's daemons on this machine ends.

    Ray notices after ten seconds, prints pages and ends the process, whatever it is at.
    """
    daemons = [one for one in users(folder) if one.name() in _DAEMONS]
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(_WATCHES_S):
            for one in daemons:
                if has_ended(one):
                    _lost_here(f"Ray's {one.name()} on this machine (pid {one.pid}) has ended")
                    return

    thread = threading.Thread(target=watch, name="daemons", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _end(folder: Path, patience_s: float = 0.0) -> None:
    """Wait for Ray's processes to end, and kill those that do not; then remove their folder.

    Workers outlive their raylet by seconds, and of a start that was broken off Ray knows nothing.
    """
    end_users(folder, patience_s=patience_s)
    _remove(folder)


@contextlib.contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Make a folder that is known to be in use until the block is left or this process is gone."""
    folder.mkdir(mode=0o700)
    made, locked = folder / f".{_OWNER}", folder / _OWNER
    with made.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # the kernel lets go of it, whatever becomes of us
        made.rename(locked)  # so that nobody ever finds it there and free
        yield


@contextlib.contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    """Keep temporary files of processes that are started in this block in a folder of their own.

    They go with the folder.
    """
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(folder)
    try:
        yield
    finally:
        del os.environ["TMPDIR"]
        if before is not None:
            os.environ["TMPDIR"] = before


def remove_abandoned(place: Path) -> None:
    """Remove our own folders whose owners are gone, as after SIGKILL."""
    for lock in place.glob(f"{_PREFIX}*/{_OWNER}"):
        with contextlib.suppress(OSError):
            _remove_abandoned(lock)


def _remove_abandoned(lock: Path) -> None:
    """Remove the folder of a lock, if it is a folder of this user's that nobody holds.

    Raises:
        OSError: its owner lives, it is gone meanwhile, or it cannot be removed.
    """
    folder = lock.parent.lstat()  # where everybody may write, a link may have any name
    if not stat.S_ISDIR(folder.st_mode) or folder.st_uid != os.geteuid():
        return
    with lock.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # refused while the owner lives
        _end(lock.parent)
        logger.info("removed %s, whose run was killed", lock.parent)


def _remove(folder: Path) -> None:
    """Remove a folder into which processes that are about to end may still write."""
    deadline = time.monotonic() + _REMOVED_S
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=time.monotonic() < deadline)
        if folder.exists():
            time.sleep(0.1)
