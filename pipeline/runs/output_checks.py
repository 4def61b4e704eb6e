"""Where a run may write: a place it can write to, and none that the next manifest is read from."""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

from pipeline import storage
from pipeline.errors import TransientError
from pipeline.text.printable import of_error

_TRIED_S = 60.0
"""The time, in seconds, for which a lease that is only tried would keep others off, if it stayed.
"""
_WRITTEN = (
    "_manifest/part-0.pq",
    "_plan/plan-00000.pq",
    "results/part-0.parquet",
    "run.json",
)
"""What a run leaves in its folder, one file of each kind, that a manifest might be read from."""


def check_named(output: str) -> None:
    """Refuse an output that names no place where files can be written at all.

    Raises:
        ValueError: one line naming it and what would do.
    """
    if not output.strip():
        raise ValueError("--output is empty: name a folder, or s3://bucket/prefix")
    scheme = storage.scheme_of(output)
    if scheme not in ("file", "s3"):
        raise ValueError(
            f"--output {storage.shown(output)}: nothing can be written to {scheme}://; name a "
            "folder, or s3://bucket/prefix"
        )
    fault = storage.address_fault(f"{output}/run")
    if fault is not None:
        raise ValueError(f"--output {fault}")


def check_apart(output: str, manifest: str) -> None:
    """Refuse an output whose files would belong to the manifest when it is read again.

    Args:
        output: folder of the dataset.
        manifest: a file, a folder (read with all below it) or a pattern, absolute.

    Raises:
        ValueError: one line naming both.
    """
    root = storage.absolute(output)
    if root == manifest:
        raise ValueError(f"--output {output}: that is the manifest; name another folder")
    written = [storage.join(root, "run_id=x", name) for name in _WRITTEN]
    if any(_is_read(uri, manifest) for uri in written):
        raise ValueError(
            f"--output {output}: lies within the manifest {manifest}, so that the next run would "
            "read results as part of it; name a folder outside"
        )


def check_writable(output: str) -> None:
    """Try to write under `output`, and take away again what that leaves.

    Raises:
        ValueError: it cannot be written, or what is there cannot be deleted.
        TransientError: the store gave no answer.
    """
    root = storage.absolute(output)
    probe = storage.join(root, f"{storage.TEMPORARY_PREFIX}{uuid.uuid4().hex}")
    lacking = "written"
    try:
        with folders_as_before(root):
            storage.write(probe, b"may this be written?")
            lacking = "deleted from, only written to"
            storage.remove(probe)
    except TransientError as error:
        raise TransientError(error.code, f"--output {output}: {error.message}") from None
    except OSError as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise ValueError(f"--output {output}: cannot be {lacking}: {reason}") from None


def check_lease(output: str, *, is_exclusive: bool) -> None:
    """Try to take a lease under `output`, as a run will, and give it back.

    Raises:
        ValueError: two drivers could have one at once there, and that is not to be; or none can.
        TransientError: the store gave no answer.
    """
    root = storage.absolute(output)
    place = storage.join(root, f"{storage.TEMPORARY_PREFIX}{uuid.uuid4().hex}")
    try:
        with folders_as_before(place):
            storage.Lease.acquire(
                place, owner="backlot, trying", ttl_s=_TRIED_S, is_exclusive=is_exclusive
            ).release()
    except ValueError as error:
        raise ValueError(f"--output {output}: {str(error).removeprefix(f'{place}: ')}") from None
    except TransientError as error:
        raise TransientError(error.code, f"--output {output}: {error.message}") from None
    except OSError as error:
        raise ValueError(f"--output {output}: can hold no lease: {of_error(error)}") from None


def _is_read(uri: str, manifest: str) -> bool:
    if any(character in manifest for character in "*?["):
        return re.fullmatch(_pattern(manifest), uri) is not None
    return uri.startswith(manifest.rstrip("/") + "/")


def _pattern(glob: str) -> str:
    """A glob pattern as a regular expression: only `**` crosses folders.

    >>> bool(re.fullmatch(_pattern("/a/*.parquet"), "/a/b/c.parquet"))
    False
    >>> bool(re.fullmatch(_pattern("/a/**/*.parquet"), "/a/b/c.parquet"))
    True
    """
    tokens = re.findall(r"\*\*/?|\*|\?|\[[^\]]{0,100}\]|.", glob, re.DOTALL)
    meanings = {"**": ".*", "**/": "(.*/)?", "*": "[^/]*", "?": "[^/]"}
    return "".join(
        meanings.get(token) or (token.replace("[!", "[^") if len(token) > 1 else re.escape(token))
        for token in tokens
    )


@contextlib.contextmanager
def folders_as_before(root: str) -> Iterator[None]:
    """Take away the local folders that a block makes and leaves empty."""
    missing = []
    if storage.scheme_of(root) == "file":
        missing = [
            path for path in (Path(root), *Path(root).parents) if not storage.exists(str(path))
        ]
    try:
        yield
    finally:
        for path in missing:
            with contextlib.suppress(OSError):
                path.rmdir()
