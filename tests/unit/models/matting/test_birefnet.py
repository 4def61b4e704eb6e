"""BiRefNet through the code beside its weights, from a repository on this machine."""

import math

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.errors import FatalError
from pipeline.models.matting.load_network import build_network
from pipeline.models.matting.matting_config import BirefnetConfig
from pipeline.models.weights import Checkpoint

QUICK = {"device": "cpu", "dtype": "float32", "side_px": 64}


def load(checkpoint, **changes):
    return build_network(BirefnetConfig(checkpoint=checkpoint, **(QUICK | changes)), num_threads=1)


def plain(height, width, colour=(200, 100, 50)):
    return np.zeros((height, width, 3), np.uint8) + np.array(colour, np.uint8)


@pytest.mark.parametrize(
    ("channels", "value"),
    [
        ((1.0, 0.0, 0.0), (200 / 255 - 0.485) / 0.229),
        ((0.0, 1.0, 0.0), (100 / 255 - 0.456) / 0.224),
        ((0.0, 0.0, 1.0), (50 / 255 - 0.406) / 0.225),
    ],
)
def test_the_last_output_of_imagenet_colours_is_coverage_after_a_sigmoid(birefnet, channels, value):
    (alpha,) = load(birefnet(channels, bias=-0.5)).predict([plain(33, 51)])
    np.testing.assert_allclose(alpha, 1 / (1 + math.exp(0.5 - value)), atol=1e-6)


def test_photographs_of_any_size_share_batches_and_keep_order_size_and_polarity(birefnet):
    network = load(birefnet((5.0, 5.0, 5.0)), max_batch=3)
    sizes = [(33, 51), (64, 64), (7, 211), (1, 1), (90, 20)]
    pictures = [plain(*size, (10, 10, 10)) for size in sizes]
    for picture in pictures:
        picture[: -(-picture.shape[0] // 2)] = 245
    alphas = network.predict(pictures)
    assert [alpha.shape for alpha in alphas] == sizes
    for alpha, picture in zip(alphas, pictures, strict=True):
        assert alpha[0].min() > 0.99
        if picture.shape[0] > 1:
            assert alpha[-1].max() < 0.01
        (alone,) = network.predict([picture])
        np.testing.assert_allclose(alone, alpha, atol=1e-6)


def test_its_code_is_only_run_if_the_recipe_says_so(tmp_path):
    with pytest.raises(ValidationError, match="allow_remote_code"):
        BirefnetConfig(checkpoint=Checkpoint(path=tmp_path))
    with pytest.raises(ValidationError, match="manifest_sha256"):
        BirefnetConfig(checkpoint={"path": tmp_path, "allow_remote_code": True})


def test_code_that_is_not_the_pinned_code_is_never_run(birefnet, tmp_path):
    checkpoint = birefnet()
    ran = tmp_path / "ran"
    with (checkpoint.path / "birefnet.py").open("a") as code:
        code.write(f"\nopen({str(ran)!r}, 'w')\n")
    with pytest.raises(FatalError, match=r"birefnet\.py: expected sha256"):
        load(checkpoint)
    assert not ran.exists()


def test_weights_that_are_not_whole_are_fatal(birefnet):
    with pytest.raises(FatalError, match=r"whole BiRefNet.*mix\.weight"):
        load(birefnet(without=("mix.weight",)))


@pytest.mark.parametrize(("outputs", "said"), [("half", "64 x 64"), ("none", "logits")])
def test_output_that_is_no_map_of_the_input_is_fatal(birefnet, outputs, said):
    network = load(birefnet(outputs=outputs))
    with pytest.raises(FatalError, match=said):
        network.predict([plain(20, 20)])


def test_asking_for_a_gpu_and_having_none_is_fatal(birefnet, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(FatalError, match="device cuda"):
        load(birefnet(), device="cuda")
