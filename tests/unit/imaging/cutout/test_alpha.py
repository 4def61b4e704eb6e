import numpy as np
import pytest
from pydantic import ValidationError
from scipy.ndimage import gaussian_filter

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.cutout.alpha import CoverageConfig, RefineConfig, check_matte, refine
from pipeline.imaging.cutout.trimap import auto_trimap


def disk_photograph(side=96, radius=28):
    """A textured orange disk on blue paper: its true alpha and the photograph, sRGB uint8."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    alpha = np.clip(radius + 0.5 - np.hypot(y, x), 0, 1).astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 0.02, (side, side, 1))
    colour = alpha[..., np.newaxis] * np.array([0.85, 0.45, 0.15])
    colour = colour + (1 - alpha[..., np.newaxis]) * np.array([0.3, 0.45, 0.8]) + noise
    return alpha, np.round(np.clip(colour, 0, 1) * 255).astype(np.uint8)


def trimap_row(alpha_row, width_px):
    alpha = np.tile(np.asarray(alpha_row, dtype=np.float32), (7, 1))
    trimap = auto_trimap(alpha, foreground_above=0.9, background_below=0.1, width_px=width_px)
    assert (trimap == trimap[0]).all()
    return trimap[0].tolist()


def test_trimap_marks_a_margin_on_both_sides_of_a_hard_outline():
    assert trimap_row([0, 0, 0, 0, 1, 1, 1, 1], 1) == [0, 0, 0, 0.5, 0.5, 1, 1, 1]
    assert trimap_row([0, 0, 0, 0, 1, 1, 1, 1], 3) == [0] + [0.5] * 6 + [1]
    assert trimap_row([0, 0, 0, 0, 1, 1, 1, 1], 0) == [0, 0, 0, 0, 1, 1, 1, 1]


def test_trimap_keeps_every_unsure_pixel_unknown_however_far_it_is():
    assert trimap_row([0, 0.3, 0, 0, 1, 1, 1, 0.8], 0) == [0, 0.5, 0, 0, 1, 1, 1, 0.5]


def test_trimap_is_certain_up_to_the_frame():
    assert trimap_row([1, 1, 1, 1], 3) == [1, 1, 1, 1]
    assert trimap_row([0, 0, 0, 0], 3) == [0, 0, 0, 0]


@pytest.mark.parametrize("method", ["guided", "closed_form"])
def test_refining_brings_a_blurred_alpha_closer_to_the_truth(method):
    true, photograph = disk_photograph()
    coarse = gaussian_filter(true, 3)
    config = RefineConfig(method=method, unknown_width=0.06, guided_radius=0.06)
    refined = refine(coarse, photograph, config)
    assert refined.dtype == np.float32
    assert 0 <= refined.min() <= refined.max() <= 1
    assert np.abs(refined - true).mean() < 0.5 * np.abs(coarse - true).mean()


@pytest.mark.parametrize("method", ["guided", "closed_form"])
def test_refining_is_certain_away_from_the_outline(method):
    true, photograph = disk_photograph()
    refined = refine(gaussian_filter(true, 1.5), photograph, RefineConfig(method=method))
    assert (refined[40:56, 40:56] == 1).all()
    assert (refined[:8] == 0).all()


def test_method_none_returns_the_alpha_as_it_is():
    true, photograph = disk_photograph()
    assert (refine(true, photograph, RefineConfig(method="none")) == true).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (37, 3)])
def test_refining_takes_any_size(shape):
    rng = np.random.default_rng(4)
    photograph = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    refined = refine(rng.random(shape, dtype=np.float32), photograph, RefineConfig())
    assert refined.shape == shape
    assert np.isfinite(refined).all()


def test_refining_does_not_change_its_arguments():
    true, photograph = disk_photograph()
    coarse = gaussian_filter(true, 2)
    before = coarse.copy(), photograph.copy()
    refine(coarse, photograph, RefineConfig())
    assert (coarse == before[0]).all()
    assert (photograph == before[1]).all()


def test_refining_refuses_another_size():
    with pytest.raises(ValueError, match="does not fit"):
        refine(np.zeros((4, 4), np.float32), np.zeros((4, 5, 3), np.uint8), RefineConfig())


@pytest.mark.parametrize(("level", "code"), [(0.3, "empty_matte"), (1.0, "full_matte")])
def test_closed_form_refuses_to_start_from_nothing_certain(level, code):
    alpha = np.full((20, 20), level, dtype=np.float32)
    photograph = np.zeros((20, 20, 3), np.uint8)
    with pytest.raises(RowError) as caught:
        refine(alpha, photograph, RefineConfig(method="closed_form"))
    assert caught.value.code == ErrorCode(code)


def test_thresholds_that_meet_are_refused():
    with pytest.raises(ValidationError, match="background_below"):
        RefineConfig(background_below=0.5, foreground_above=0.5)


@pytest.mark.parametrize(
    ("covered", "code"),
    [(0, "empty_matte"), (9, "empty_matte"), (9951, "full_matte"), (10000, "full_matte")],
)
def test_an_alpha_of_nearly_nothing_or_nearly_everything_is_refused(covered, code):
    alpha = (np.arange(10000) < covered).astype(np.float32).reshape(100, 100)
    with pytest.raises(RowError) as caught:
        check_matte(alpha, **CoverageConfig().model_dump())
    assert caught.value.code == ErrorCode(code)


@pytest.mark.parametrize("covered", [11, 5000, 9949])
def test_a_believable_alpha_passes(covered):
    alpha = (np.arange(10000) < covered).astype(np.float32).reshape(100, 100)
    check_matte(alpha, **CoverageConfig().model_dump())
