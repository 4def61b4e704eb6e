"""Keep one device busy: work before and after it runs in threads while it draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Ready = TypeVar("Ready")
Drawn = TypeVar("Drawn")
Done = TypeVar("Done")

BATCHES_HELD = 3
"""The number of batches held at once: one comes, one is drawn, one leaves."""


def overlapped(
    batches: Sequence[Sequence[Item]],
    *,
    before: Callable[[Item], Ready],
    draw: Callable[[Sequence[Ready]], Sequence[Drawn]],
    after: Callable[[Drawn], Done],
    num_threads: int,
) -> Iterator[list[Done]]:
    """Take batches through three steps of which the middle one has the device.

    `before` of the next batch and `after` of the last run in threads while `draw` works on this
    one, which is always called from the calling thread, one batch at a time. No more than
    `BATCHES_HELD` batches are held at once.

    Args:
        batches: in the order they are drawn.
        before: for each item, such as decoding it.
        draw: for a whole batch; gives one for each.
        after: for each that was drawn, such as encoding it.
        num_threads: for `before` and `after`; 0: everything in turn, in this thread, which suits
            devices that are this very thread's CPU.

    Yields:
        The results of each batch, in order.

    Raises:
        Exception: whatever a step raises; steps already begun are waited for first.
    """
    if num_threads == 0:
        for batch in batches:
            yield [after(item) for item in draw([before(item) for item in batch])]
        return
    with ThreadPoolExecutor(num_threads) as pool:
        coming = [pool.submit(before, item) for item in batches[0]] if batches else []
        leaving: list[Future[Done]] = []
        for number in range(len(batches)):
            ready = [future.result() for future in coming]
            following = batches[number + 1] if number + 1 < len(batches) else []
            coming = [pool.submit(before, item) for item in following]
            drawn = draw(ready)
            if number > 0:
                yield [future.result() for future in leaving]
            leaving = [pool.submit(after, item) for item in drawn]
        if batches:
            yield [future.result() for future in leaving]
