from __future__ import annotations

import re

import pytest

from tests.children import python_child


def test_a_child_that_fails_says_why() -> None:
    broken = "import sys; sys.exit('no such folder: /nowhere')"
    with (
        pytest.raises(AssertionError, match=re.escape("exit code 1\nno such folder: /nowhere")),
        python_child("-c", broken),
    ):
        pass


def test_a_child_ends_when_the_test_does() -> None:
    waits = "import sys; print('ready', flush=True); sys.stdin.read()"
    with python_child("-c", waits) as (process, line):
        assert line == "ready"
        assert process.poll() is None
    assert process.returncode == 0
