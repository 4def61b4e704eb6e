"""Where a Ray cluster of the tests keeps its files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def own_ray_folder(prefix: str) -> Iterator[str]:
    """A new folder for a cluster that this process starts, removed at the end.

    Ray's default is here as well: `ray.cluster_utils.Cluster` writes the address of the cluster
    into the default folder, which it does not create, and which belongs to whatever Ray the reader
    of these tests has running.
    """
    # Sockets live below it and their paths must stay short: not below pytest's folders.
    within = os.environ.get("TMPDIR", "/tmp")
    with tempfile.TemporaryDirectory(prefix=prefix, dir=within) as folder:
        # TMPDIR as well: Ray's dashboard leaves files of multiprocessing behind when it is ended.
        os.environ |= {"RAY_TMPDIR": folder, "TMPDIR": folder}
        Path(folder, "ray").mkdir()
        yield folder
