"""Running PyTorch networks: the device that was asked for, whole weights, errors with a meaning."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from pipeline.errors import FatalError
from pipeline.models.weights import Checkpoint


def require(device: str, *, num_threads: int) -> torch.device:
    """The device, with CPU threads pinned for the whole process.

    Raises:
        FatalError: a GPU was asked for and there is none.
    """
    torch.set_num_threads(num_threads)
    if device == "cuda" and not torch.cuda.is_available():
        raise FatalError("device cuda: expected a GPU, found none that PyTorch can use")
    return torch.device(device)


def load(cls: Any, directory: Path, checkpoint: Checkpoint, dtype: str) -> Any:
    """Build a transformers model from a local directory, complete or not at all.

    transformers fills missing weights with random ones and only logs it; here that is fatal.

    Raises:
        FatalError: the directory does not hold this model.
    """
    try:
        model, info = cls.from_pretrained(
            directory,
            dtype=getattr(torch, dtype),
            local_files_only=True,
            trust_remote_code=checkpoint.allow_remote_code,
            use_safetensors=None if checkpoint.allow_pickle else True,
            output_loading_info=True,
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, ImportError,
            SafetensorError) as error:  # fmt: skip
        # Whatever a loader raises over files means one thing.
        reason = " ".join(str(error).split())[:500]
        raise FatalError(f"weights {directory}: cannot be loaded: {reason}") from error
    missing = sorted([*info["missing_keys"], *(str(key) for key in info["mismatched_keys"])])
    if missing:
        raise FatalError(
            f"weights {directory}: expected a whole {type(model).__name__}, found none for "
            f"{len(missing)} of its tensors, such as {missing[0]}"
        )
    return model.eval().requires_grad_(requires_grad=False)


@contextmanager
def inference() -> Iterator[None]:
    """Run without gradients; a lost GPU is fatal.

    Running out of memory passes through: `Fitting` answers it with smaller batches.

    Raises:
        FatalError: the GPU failed, and every later call would fail too.
    """
    try:
        with torch.inference_mode():
            yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        if "CUDA error" in str(error):
            raise FatalError(f"the GPU failed: {' '.join(str(error).split())[:300]}") from error
        raise
