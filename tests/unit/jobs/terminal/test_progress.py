from __future__ import annotations

import itertools
import logging
import re
import time
from types import SimpleNamespace

import pytest

from jobs.terminal import progress as progress_module
from jobs.terminal.progress import Progress, explained, rate_of
from pipeline.processes.activity import current, doing
from pipeline.runs.result_files import Tally


class Clock:
    """Stands still until it is moved."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.INFO, logger="jobs")
    return lambda: [record.getMessage() for record in caplog.records]


def test_the_first_line_has_no_rate_and_the_next_ones_have_that_of_the_rows_between(clock, said):
    told = Progress(clock=clock)
    told(Tally(rows=4), 100)
    clock.now += 10
    told(Tally(rows=24), 100)
    assert said() == [
        "4 of 100 rows, 0 failed",
        "24 of 100 rows, 0 failed, 2.00 images/s, 0:38 left",
    ]


def test_blocks_that_come_at_once_tell_of_no_rate(clock, said):
    told = Progress(clock=clock, every_s=0)
    told(Tally(rows=4), 100)
    told(Tally(rows=8), 100)
    assert said() == ["4 of 100 rows, 0 failed", "8 of 100 rows, 0 failed"]


def test_rows_of_an_earlier_start_do_not_count_for_the_rate(clock):
    told = Progress(clock=clock)
    told(Tally(rows=1004), 2000)
    assert told.images_per_s() is None
    assert told.seconds_left() is None
    clock.now += 4
    told(Tally(rows=1008), 2000)
    assert told.images_per_s() == pytest.approx(1)


def test_the_rate_follows_the_last_minute(clock):
    told = Progress(clock=clock)
    for seconds, rows in ((0, 0), (10, 1000), (20, 2000), (100, 2010), (160, 2070), (220, 2130)):
        clock.now = 1000.0 + seconds
        told(Tally(rows=rows), 10_000)
    assert told.images_per_s() == pytest.approx(1, rel=0.2)


def test_the_last_line_is_always_said_and_has_no_time_left(clock, said):
    told = Progress(clock=clock)
    told(Tally(rows=1), 3)
    clock.now += 1
    told(Tally(rows=2), 3)
    clock.now += 1
    told(Tally(rows=3, codes={"not_found": 1}), 3)
    assert said() == ["1 of 3 rows, 0 failed", "3 of 3 rows, 1 failed, 1.00 images/s"]


@pytest.mark.parametrize("rate", [0.1, 0.09, 0.004, 0.0006, 3.14159])
def test_no_rate_is_shown_as_nought(rate):
    number = float(rate_of(rate).split()[0])
    assert number > 0


def test_what_takes_long_says_what_it_is_and_what_does_not_says_nothing(monkeypatch, said):
    monkeypatch.setattr(progress_module, "_LOOKS_S", 0.01)
    with explained():
        with doing("a quick thing"):
            time.sleep(0.05)
        with doing("a slow thing", patience_s=0.1), doing("its second half", patience_s=0.2):
            deadline = time.monotonic() + 10
            while not said() and time.monotonic() < deadline:
                time.sleep(0.01)
    assert [re.sub(r"\d:\d\d", "-", line) for line in said()] == ["its second half: - so far"]


TOLD = ("0:01", "0:04", "0:16", "1:04")


def test_a_slow_thing_is_told_again_ever_more_rarely(monkeypatch, said):
    monkeypatch.setattr(progress_module, "_LOOKS_S", 0.001)
    looks = itertools.count(time.monotonic())  # at each look a second later
    monkeypatch.setattr(progress_module, "time", SimpleNamespace(monotonic=lambda: next(looks)))
    with doing("a slow thing", patience_s=0.5) as slow:
        slow.since = next(looks)
        with explained():
            deadline = time.monotonic() + 60
            while len(said()) < 4 and time.monotonic() < deadline:
                time.sleep(0.001)
    assert said()[:4] == [f"a slow thing: {told} so far" for told in TOLD]


def test_an_activity_may_become_another(said):
    with doing("the first thing") as now:
        now.becomes("the next thing", patience_s=60)
        assert current().what == "the next thing"
    assert current() is None
