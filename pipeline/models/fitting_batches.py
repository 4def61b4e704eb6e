"""Batches that fit: halve what runs out of memory, and remember what did not."""

from __future__ import annotations

import gc
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


class Fitting:
    """The largest batch that fits, for each key (a picture size): found once, kept.

    A limit only ever falls. A batch that failed by chance, on a device shared with others, would
    succeed again later, but every attempt that fails costs a whole denoising run.
    """

    def __init__(self, max_batch: int) -> None:
        self._max_batch = max_batch
        self._limits: dict[Hashable, int] = {}

    def limit(self, key: Hashable) -> int:
        """The batch to try next."""
        return self._limits.get(key, self._max_batch)

    def map(
        self,
        items: Sequence[Item],
        work: Callable[[Sequence[Item]], list[Result]],
        *,
        key: Hashable,
    ) -> list[Result]:
        """Apply `work` to all items in order, in batches that fit.

        Raises:
            MemoryError: one item alone does not fit.
        """
        results: list[Result] = []
        while len(results) < len(items):
            batch = items[len(results) : len(results) + self.limit(key)]
            done = self._attempt(batch, work)
            if done is not None:
                results += done
            elif len(batch) == 1:
                raise MemoryError(f"a single picture of size {key} does not fit in memory")
            else:
                self._limits[key] = len(batch) // 2
                _release()
        return results

    @staticmethod
    def _attempt(
        batch: Sequence[Item], work: Callable[[Sequence[Item]], list[Result]]
    ) -> list[Result] | None:
        # A function of its own: a live exception holds the frames, and with them the tensors, that
        # have to go before a retry.
        try:
            return work(batch)
        except (torch.OutOfMemoryError, MemoryError):
            return None
        except RuntimeError as error:
            if "can't allocate memory" in str(error):  # what PyTorch's CPU allocator raises
                return None
            raise


def _release() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
