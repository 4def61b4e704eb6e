"""Work that waits, for a storage as a rule, done for many things at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Found = TypeVar("Found")


def in_threads(
    work: Callable[[Item], Found], items: Iterable[Item], *, at_once: int = 16
) -> Iterator[Found]:
    """`work` done for each item, in order, by a few threads that never run far ahead.

    What is under way when nobody asks any more is not waited for.
    """
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="reading")
    try:
        under_way: deque[Future[Found]] = deque()
        for item in items:
            under_way.append(pool.submit(work, item))
            if len(under_way) >= 2 * at_once:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        # Whoever closes an abandoned generator is whoever collects garbage: it may be one of these
        # threads, which would wait for itself for ever.
        pool.shutdown(wait=False, cancel_futures=True)
