from __future__ import annotations

import numpy as np
import pytest

from pipeline.imaging.writing.watermark import WatermarkConfig, mark

RGB = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)


def test_without_a_text_the_picture_is_left_alone():
    assert mark(RGB, WatermarkConfig()) is RGB


def test_the_mark_lies_in_the_corner_and_nowhere_else():
    before = RGB.copy()
    marked = mark(RGB, WatermarkConfig(text="AI generated", height=0.06))
    assert (before == RGB).all()
    changed = (marked != RGB).any(axis=2)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert rows[0] > 160
    assert columns[0] > 150
    assert rows[-1] < 199
    assert columns[-1] < 299


@pytest.mark.parametrize("ground", [0, 128, 255])
def test_it_can_be_read_on_anything(ground):
    paper = np.full((200, 300, 3), ground, np.uint8)
    marked = mark(paper, WatermarkConfig(text="AI", height=0.1, opacity=0.9))
    rows, columns = np.nonzero((marked != paper).any(axis=2))
    plate = marked[rows.min() : rows.max(), columns.min() : columns.max()]
    assert np.ptp(plate) > 120


def test_a_long_text_shrinks_to_half_of_the_width():
    narrow = np.zeros((400, 120, 3), np.uint8)
    marked = mark(narrow, WatermarkConfig(text="x" * 60, height=0.2))
    columns = np.flatnonzero(marked.any(axis=(0, 2)))
    assert 0 < columns.size <= 75


def test_it_is_the_same_every_time():
    config = WatermarkConfig(text="AI")
    assert (mark(RGB, config) == mark(RGB, config)).all()
