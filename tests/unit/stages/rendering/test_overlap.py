"""Three steps of which the middle one has the device."""

from __future__ import annotations

import threading

import pytest

from pipeline.stages.rendering.overlap import overlapped


def run(batches, num_threads, **steps):
    defaults = {
        "before": lambda item: item + 1,
        "draw": lambda batch: [10 * item for item in batch],
        "after": lambda item: item - 1,
    }
    return list(overlapped(batches, num_threads=num_threads, **(defaults | steps)))


@pytest.mark.parametrize("num_threads", [0, 1, 3])
@pytest.mark.parametrize("batches", [[], [[1]], [[1, 2], [3]], [[1], [2, 3], [4, 5], [6]]])
def test_results_come_in_order_whatever_overlaps(batches, num_threads):
    assert run(batches, num_threads) == [[10 * (item + 1) - 1 for item in b] for b in batches]


def test_the_device_works_while_its_neighbours_are_read_and_written():
    """Drawing the second batch waits for the third to be read and the first to be written."""
    third_read, first_written = threading.Event(), threading.Event()

    def before(item):
        if item == 3:
            third_read.set()
        return item

    def draw(batch):
        if batch == [2]:
            assert third_read.wait(10)
            assert first_written.wait(10)
        return batch

    def after(item):
        if item == 1:
            first_written.set()
        return item

    done = run([[1], [2], [3]], 2, before=before, draw=draw, after=after)
    assert done == [[1], [2], [3]]


def test_drawing_stays_in_the_calling_thread():
    seen = set()

    def draw(batch):
        seen.add(threading.get_ident())
        return batch

    run([[1], [2]], 2, draw=draw)
    assert seen == {threading.get_ident()}


@pytest.mark.parametrize("num_threads", [0, 2])
@pytest.mark.parametrize("step", ["before", "draw", "after"])
def test_what_a_step_raises_is_raised(step, num_threads):
    def fails(_):
        raise KeyError("no such thing")

    with pytest.raises(KeyError):
        run([[1], [2]], num_threads, **{step: fails})
