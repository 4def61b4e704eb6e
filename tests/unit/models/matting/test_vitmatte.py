import numpy as np
import pytest
import torch
import transformers
from transformers.models.vitmatte.image_processing_pil_vitmatte import VitMatteImageProcessorPil

from pipeline.errors import FatalError
from pipeline.models.matting.load_network import build_solver
from pipeline.models.matting.matting_config import VitMatteConfig
from pipeline.models.matting.vitmatte import as_input
from pipeline.models.weights import Checkpoint


def load(checkpoint, **changes):
    config = VitMatteConfig(checkpoint=checkpoint, device="cpu", **changes)
    return build_solver(config, num_threads=1)


def picture(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def trimap(height, width, band):
    """Foreground above, background below, unknown in the rows of `band`."""
    values = np.zeros((height, width), np.float32)
    values[: band.start] = 1
    values[band] = 0.5
    return values


def reference(checkpoint, rgb, trimap_HW):
    """What transformers' own processor and model make of the whole picture."""
    model = transformers.VitMatteForImageMatting.from_pretrained(checkpoint.path).eval()
    levels = np.where(trimap_HW == 0.5, 128, trimap_HW * 255).astype(np.uint8)
    inputs = VitMatteImageProcessorPil()(images=rgb, trimaps=levels, return_tensors="pt")
    with torch.inference_mode():
        alphas = model(**inputs).alphas
    return inputs["pixel_values"][0].numpy(), alphas[0, 0, : rgb.shape[0], : rgb.shape[1]].numpy()


def test_a_picture_in_one_tile_is_solved_as_the_publishers_processor_would(vitmatte):
    rgb, trimap_HW = picture(45, 71), trimap(45, 71, slice(10, 30))
    pixels, alpha = reference(vitmatte, rgb, trimap_HW)
    np.testing.assert_allclose(as_input(rgb, trimap_HW), pixels, atol=1e-6)
    solved = load(vitmatte).solve(rgb, trimap_HW)
    assert solved.shape == (45, 71)
    np.testing.assert_allclose(solved[10:30], alpha[10:30], atol=1e-5)


def test_what_the_trimap_is_certain_of_stays(vitmatte):
    trimap_HW = trimap(45, 71, slice(10, 30))
    solved = load(vitmatte).solve(picture(45, 71), trimap_HW)
    assert (solved[:10] == 1).all()
    assert (solved[30:] == 0).all()
    assert 0 <= solved.min() <= solved.max() <= 1
    certain = trimap(45, 71, slice(20, 20))
    assert (load(vitmatte).solve(picture(45, 71), certain) == certain).all()


@pytest.mark.parametrize("size", [(131, 90), (65, 257), (1, 1)])
def test_tiles_of_odd_pictures_come_back_where_they_were(vitmatte, size):
    rgb, trimap_HW = picture(*size), trimap(*size, slice(0, max(1, size[0] // 2)))
    solver = load(vitmatte, tile_px=64, overlap_px=16, max_batch=3)
    solved = solver.solve(rgb, trimap_HW)
    assert solved.shape == size
    assert solved.dtype == np.float32
    # Far from every seam, the first tile alone decides.
    first = solver.solve(rgb[:64, :64], trimap_HW[:64, :64])
    np.testing.assert_allclose(solved[:40, :40], first[:40, :40], atol=1e-5)


def test_a_batch_changes_nothing(vitmatte):
    rgb, trimap_HW = picture(150, 150), trimap(150, 150, slice(0, 150))
    one, four = (
        load(vitmatte, tile_px=64, overlap_px=8, max_batch=n).solve(rgb, trimap_HW) for n in (1, 4)
    )
    np.testing.assert_allclose(one, four, atol=1e-5)


def test_another_size_is_refused(vitmatte):
    with pytest.raises(ValueError, match="does not fit"):
        load(vitmatte).solve(picture(8, 8), np.zeros((8, 9), np.float32))


def test_a_folder_of_something_else_is_fatal(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "vitmatte"}')
    with pytest.raises(FatalError, match="cannot be loaded"):
        load(Checkpoint(path=tmp_path))
