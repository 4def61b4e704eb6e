"""Work that waits, done for many things at once."""

from __future__ import annotations

from collections.abc import Generator
from threading import Event

import pytest

from pipeline.storage.parallel import in_threads


def test_threads_keep_the_order_and_pass_errors_on() -> None:
    assert list(in_threads(lambda n: n * n, range(100))) == [n * n for n in range(100)]
    with pytest.raises(ZeroDivisionError):
        list(in_threads(lambda n: 1 // n, [1, 0, 1]))


def test_one_that_is_abandoned_may_be_closed_by_any_thread() -> None:
    # As where an error leaves it in a cycle, and garbage is collected in a thread of its own.
    asked, closed = Event(), Event()
    abandoned: list[Generator[int, None, None]] = []

    def work(item: int) -> int:
        if item == 1:
            assert asked.wait(30)
            abandoned.pop().close()
            closed.set()
        return item

    found = in_threads(work, range(8), at_once=2)
    assert isinstance(found, Generator)
    abandoned.append(found)
    assert next(found) == 0
    del found
    asked.set()
    assert closed.wait(30)
