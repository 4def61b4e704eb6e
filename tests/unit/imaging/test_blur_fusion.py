import numpy as np
import pytest

from pipeline.errors import FatalError
from pipeline.imaging.blur_fusion import blur_fusion, fuse
from pipeline.imaging.composite import over
from pipeline.imaging.foreground import estimate_foreground
from pipeline.models.matting.blur_fusion import torch_solver
from pipeline.stages.foreground import foreground_of


def soft_edge(background):
    """A product of two colours, its edge 20 px soft: photograph, colour, alpha."""
    ramp = np.clip((np.arange(140) - 60) / 20, 0, 1).astype(np.float32)
    alpha = np.tile(ramp, (90, 1))
    colour = np.full((90, 140, 3), (0.8, 0.2, 0.1), np.float32)
    colour[45:] = (0.9, 0.7, 0.2)
    photograph = over(colour, alpha, np.full_like(colour, background))
    return np.round(photograph * 255).astype(np.uint8), colour, alpha


@pytest.mark.parametrize("background", [0.05, 0.95])
def test_it_takes_the_old_background_out_of_the_edge(background):
    photograph, colour, alpha = soft_edge(background)
    band = (alpha > 0.05) & (alpha < 0.95)
    estimate = estimate_foreground(photograph, alpha, solver=blur_fusion)
    missed = np.abs(estimate - colour)[band].mean()
    assert missed < 0.4 * np.abs(photograph / 255 - colour)[band].mean()


def test_means_of_two_plain_colours_explain_most_of_the_mixture():
    alpha = np.tile(np.linspace(0, 1, 60, dtype=np.float32), (40, 1))
    colour = np.full((40, 60, 3), (0.7, 0.3, 0.1), np.float32)
    observed = over(colour, alpha, np.full_like(colour, 0.9))
    fused = fuse(observed, alpha[..., np.newaxis], blur=lambda image, _: image.mean((0, 1)))
    # Global means of two plain colours: what is left is the pixels' own mixture in those means.
    assert np.abs(fused - colour)[alpha > 0.5].max() < np.abs(observed - colour).max() / 2


def test_torch_on_cpu_is_the_same_estimate():
    photograph, _, alpha = soft_edge(0.9)
    solver = torch_solver(fuse, device_name="cpu")
    by_torch = estimate_foreground(photograph, alpha, solver=solver)
    np.testing.assert_allclose(by_torch, foreground_of(photograph, alpha, "blur_fusion"), atol=1e-4)


@pytest.mark.parametrize("method", ["multilevel", "blur_fusion", "plain"])
def test_opaque_pixels_are_the_photographs(method):
    photograph, _, alpha = soft_edge(0.9)
    exact = photograph.astype(np.float32) / np.float32(255)
    assert (foreground_of(photograph, alpha, method) == exact)[alpha == 1].all()


def test_a_gpu_that_is_not_there_is_fatal(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(FatalError, match="device cuda"):
        torch_solver(fuse, device_name="cuda")
