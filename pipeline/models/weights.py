"""Where weights come from: a pinned source, resolved to a verified local directory, offline.

Nothing here downloads. A local directory is used as it stands; a hub id is looked up in the local
Hugging Face cache. Weights that live on object storage are brought to the node by the stage that
needs them before it builds a model, and arrive here as a local directory.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.errors import FatalError
from pipeline.models.pins import MANIFEST, check_pin, check_sha256
from pipeline.processes.locks import locked, private_folder

logger = logging.getLogger(__name__)

PICKLED = frozenset({".bin", ".ckpt", ".pkl", ".pt", ".pth"})

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SAMPLED_BYTES = 1 << 20
_PATIENCE_S = 3600.0
"""The patience, in seconds, with others of a machine that load their weights one after another."""


class Checkpoint(BaseModel):
    """Which weights, exactly: a local directory, or a hub id at one commit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ALTERNATIVES: ClassVar[tuple[str, ...]] = ("path", "uri", "hub_id")
    """One of them says where the weights are. A recipe that names another one than the recipe which
    it extends takes over nothing else of that: pins and permissions were for those weights."""

    path: Path | None = Field(
        None, description="A local directory. Give one of `path`, `uri` and `hub_id`."
    )
    uri: str | None = Field(
        None,
        pattern=r"^s3://[^/]+/.*[^/].*$",
        description="A prefix on an object store, brought to each node once.",
    )
    hub_id: str | None = Field(
        None,
        pattern=r"^[\w.-]+/[\w.-]+$",
        description="owner/name on the Hugging Face Hub, as found in the local cache.",
    )
    revision: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{40}$",
        description="The commit of `hub_id`, 40 hex digits: a branch can move between runs.",
    )
    manifest_sha256: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{64}$",
        description=f"SHA-256 of the directory's own {MANIFEST} file (as `sha256sum` writes it). "
        "Given, it and every file it names are checked before loading; what it does not name is "
        "refused.",
    )
    allow_pickle: bool = Field(
        default=False,
        description="Accept weights in PyTorch's pickle format, which can run code when read. "
        "Without it only safetensors are read.",
    )
    allow_remote_code: bool = Field(
        default=False,
        description="Run Python code that comes with the weights. Needs a pinned `revision` or "
        "`manifest_sha256`: code that can change unseen is never run.",
    )

    @model_validator(mode="after")
    def _one_pinned_source(self) -> Checkpoint:
        if [getattr(self, name) for name in self.ALTERNATIVES].count(None) != 2:
            raise ValueError("give one of path, uri and hub_id")
        if self.hub_id is not None and self.revision is None:
            raise ValueError(
                f"hub_id {self.hub_id} needs a revision: the 40 hex digits of a commit"
            )
        if self.hub_id is None and self.revision is not None:
            raise ValueError("revision belongs to hub_id; pin a path or uri by manifest_sha256")
        if self.allow_remote_code and not self.pinned:
            raise ValueError("allow_remote_code needs a revision or a manifest_sha256")
        return self

    @property
    def pinned(self) -> bool:
        """Whether the bytes are decided by this configuration alone."""
        return self.revision is not None or self.manifest_sha256 is not None

    @property
    def name(self) -> str:
        """Names the weights before they are located; exact only where `pinned`."""
        source = self.hub_id or Path(self.path or self.uri or "").name
        pin = self.revision or self.manifest_sha256
        return f"{source}@{pin[:12]}" if pin else source


def locate(checkpoint: Checkpoint, *, cache_dir: Path | None = None) -> Path:
    """Find a checkpoint on this machine and check what can be checked without loading it.

    Args:
        checkpoint: which.
        cache_dir: the Hugging Face cache; None for the one the environment names (HF_HOME).

    Returns:
        A directory that exists, holds only formats the checkpoint allows, and matches its manifest
        where one is given.

    Raises:
        FatalError: it is missing or is not what was expected; the message names path and reason.
    """
    assert checkpoint.uri is None, f"{checkpoint.uri} was not brought to this node"
    directory = checkpoint.path or _snapshot(checkpoint, cache_dir)
    if not directory.is_dir():
        raise FatalError(f"weights {directory}: expected a directory, found {_kind(directory)}")
    if not any(_files(directory)):
        raise FatalError(f"weights {directory}: expected weights, found an empty directory")
    if not checkpoint.allow_pickle:
        _refuse_pickle(directory)
    if checkpoint.manifest_sha256 is not None:
        check_pin(directory, checkpoint.manifest_sha256)
    return directory


def check_file(file: Path, sha256: str | None) -> None:
    """Check a single file of weights, against its SHA-256 where one is given.

    Raises:
        FatalError: it is missing or is not what was expected.
    """
    if not file.is_file():
        raise FatalError(f"weights {file}: expected a file, found {_kind(file)}")
    if sha256 is not None:
        check_sha256(file, sha256)


def revision_of(directory: Path) -> str:
    """Name the weights in a directory, in 12 hex digits, for the result's record.

    The commit, where the directory is a snapshot of the Hugging Face cache. Otherwise a digest of
    every file's relative name, size, and first and last MiB: milliseconds instead of the minutes
    that hashing gigabytes takes, and enough to tell two trainings apart. It is no proof against
    tampering; `Checkpoint.manifest_sha256` is.
    """
    if directory.parent.name == "snapshots" and _COMMIT.fullmatch(directory.name):
        return directory.name[:12]
    digest = hashlib.sha256()
    for file in _files(directory):
        size = file.stat().st_size
        digest.update(f"{file.relative_to(directory).as_posix()}\0{size}\0".encode())
        with file.open("rb") as stream:
            digest.update(stream.read(_SAMPLED_BYTES))
            stream.seek(max(size - _SAMPLED_BYTES, 0))
            digest.update(stream.read(_SAMPLED_BYTES))
    return digest.hexdigest()[:12]


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Load weights while no other process of this user does so on this machine.

    Eight actors of a node that start together would hold eight copies in its memory and read the
    same file eight times over; one after another, the later ones find it in the page cache. The
    system lets go of the lock when a process dies; one that hangs is waited for an hour, and then,
    with a warning, no longer: the lock only saves memory.

    Raises:
        FatalError: this user can have no folder for the lock that is closed to others.
    """
    with ExitStack() as held:
        try:
            lock = private_folder() / "loading.lock"
            held.enter_context(locked(lock, patience_s=_PATIENCE_S))
        except TimeoutError as error:
            logger.warning("weights are loaded without waiting any longer: %s", error)
        except OSError as error:
            raise FatalError(f"weights cannot be loaded one after another: {error}") from error
        yield


def _snapshot(checkpoint: Checkpoint, cache_dir: Path | None) -> Path:
    # Imported here so that a recipe can be read where the diffusion extra is not installed.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    assert checkpoint.hub_id is not None
    try:
        return Path(
            snapshot_download(
                checkpoint.hub_id,
                revision=checkpoint.revision,
                cache_dir=cache_dir,
                local_files_only=True,
            )
        )
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError) as error:
        where = cache_dir or "the Hugging Face cache (HF_HOME)"
        raise FatalError(
            f"weights {checkpoint.hub_id}: expected revision {checkpoint.revision} in {where}, "
            "found none; weights are not downloaded during a run, so bring them to the node first"
        ) from error


def _refuse_pickle(directory: Path) -> None:
    """Refuse folders whose weights exist as pickles only.

    Published repositories often hold both formats side by side; there the loader, told to use
    safetensors, leaves the pickle unread.
    """
    files = list(_files(directory))
    safe = {file.parent for file in files if file.suffix == ".safetensors"}
    for file in files:
        if file.suffix in PICKLED and file.parent not in safe:
            raise FatalError(
                f"weights {file}: expected safetensors, found a pickle, which can run code when "
                "read; convert it, or set allow_pickle if you trust its origin"
            )


def _files(directory: Path) -> Iterator[Path]:
    """Every file, in an order that does not depend on the file system; hidden ones left out."""
    for file in sorted(directory.rglob("*")):
        parts = file.relative_to(directory).parts
        if file.is_file() and not any(part.startswith(".") for part in parts):
            yield file


def _kind(path: Path) -> str:
    if path.is_dir():
        return "a directory"
    return "a file" if path.exists() else "nothing"
