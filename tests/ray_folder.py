"""Where a Ray cluster of the tests keeps its files, and that only one starts at a time."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def own_ray_folder(prefix: str) -> Iterator[str]:
    """A new folder for a cluster that this process starts, removed at the end.

    It is Ray's default as well: `ray.cluster_utils.Cluster` writes the address of the cluster into
    the default folder, which it does not create, and which belongs to whatever Ray the reader of
    these tests has running. A job looks for that address in the folder that the cluster was given,
    and where there is none it joins any Ray of this machine.
    """
    # Sockets live below it and their paths must stay short: not below pytest's folders.
    within = os.environ.get("TMPDIR", "/tmp")
    with tempfile.TemporaryDirectory(prefix=prefix, dir=within) as folder:
        # TMPDIR as well: Ray's dashboard leaves files of multiprocessing behind when it is ended.
        os.environ |= {"RAY_TMPDIR": folder, "TMPDIR": folder}
        Path(folder, "ray").symlink_to(folder)  # a folder below it would make paths longer
        yield folder


@contextmanager
def starting_ray() -> Iterator[None]:
    """Wait until no other process of these tests is in such a block.

    On a machine where two Rays start at once, one may not be up within the time that Ray gives
    itself, for which there is no setting.
    """
    with Path(__file__).open() as file:  # any would do: the kernel lets go of it in the end
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
