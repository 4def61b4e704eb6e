"""Every file of the grid reads as what its writer put in, or is refused by name."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.reading.decode import decode
from pipeline.imaging.reading.limits import ImageLimits
from tests.grid import by_libraries, by_tools
from tests.grid.by_libraries import inks, tiff
from tests.grid.scene import Case

LIMITS = ImageLimits(min_side_px=1, max_aspect=100)
CASES = [*by_libraries.cases(), *by_tools.cases()]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_file_reads_as_what_its_writer_put_in(case: Case):
    if case.refused:
        with pytest.raises(RowError) as refusal:
            decode(case.write(), LIMITS)
        assert refusal.value.code is ErrorCode.UNSUPPORTED_FORMAT
        return
    photo = decode(case.write(), LIMITS)
    _check_coverage(photo.alpha_HW, case.alpha, case.alpha_worst)
    _check_coverage(photo.selection_HW, case.selection, case.alpha_worst)
    if case.rgb is not None:
        _check_colour(photo.rgb_HWC, case)


def test_inks_read_the_same_in_every_layout():
    plainest = decode(tiff(inks(), photometric="separated"), LIMITS).rgb_HWC.astype(int)
    assert np.ptp(plainest, axis=(0, 1)).min() > 60, "a picture, and not a flat colour"
    others = [case for case in CASES if "/cmyk/" in case.name]
    assert len(others) == 8
    for case in others:
        found = decode(case.write(), LIMITS).rgb_HWC.astype(int)
        assert np.abs(found - plainest).max() <= 2, case.name


def _check_coverage(found, expected, worst):
    assert (found is None) == (expected is None)
    if expected is not None:
        assert np.abs(found * 255 - expected).max() <= worst + 0.01


def _check_colour(rgb_HWC, case):
    assert rgb_HWC.shape == case.colour.shape
    off = np.abs(rgb_HWC.astype(int) - case.colour)
    if case.premultiplied:  # half a level of what is stored is as much as 255 / alpha of colour
        known = case.alpha > 32
        off = off[known] * np.minimum(1, case.alpha[known, None] / 128)
    assert off.mean() <= case.mean
    assert off.max() <= case.worst
