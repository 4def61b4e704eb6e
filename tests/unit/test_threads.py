"""Work that waits, done for many things at once."""

from __future__ import annotations

import pytest

from pipeline.threads import in_threads


def test_threads_keep_the_order_and_pass_errors_on() -> None:
    assert list(in_threads(lambda n: n * n, range(100))) == [n * n for n in range(100)]
    with pytest.raises(ZeroDivisionError):
        list(in_threads(lambda n: 1 // n, [1, 0, 1]))
