import hashlib

import numpy as np
import pytest

from pipeline.errors import FatalError
from pipeline.models.matting.matting_config import EMBEDDED_WEIGHTS, U2NetConfig
from pipeline.models.matting.network import MattingNetwork
from pipeline.models.matting.u2net import u2net


@pytest.fixture(scope="module")
def network() -> MattingNetwork:
    return u2net(U2NetConfig(), num_threads=1)


def ball(height, width, *, centre, radius):
    """A bright shaded ball on a plain dark ground, sRGB uint8, and where it is."""
    y, x = np.mgrid[:height, :width]
    away = np.hypot(y - centre[0], x - centre[1]) / radius
    shading = np.clip(1.1 - 0.5 * away, 0, 1)[..., np.newaxis]
    inside = away < 1
    picture = np.where(inside[..., np.newaxis], shading * (250, 190, 60), (70, 75, 85))
    return picture.astype(np.uint8), away


@pytest.mark.parametrize("centre", [(120, 110), (150, 250)])
def test_the_ball_is_foreground_where_it_is_and_the_ground_is_not(network, centre):
    picture, away = ball(241, 363, centre=centre, radius=60)
    (alpha,) = network.predict([picture])
    assert alpha[away < 0.8].mean() > 0.9
    assert alpha[away > 1.4].mean() < 0.05


def test_alphas_have_the_size_of_their_images_and_are_fractions(network):
    rng = np.random.default_rng(0)
    sizes = [(1, 1), (33, 517), (320, 320), (201, 3)]
    images = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
    alphas = network.predict(images)
    assert [alpha.shape for alpha in alphas] == sizes
    for alpha in alphas:
        assert alpha.dtype == np.float32
        assert (alpha >= 0).all()
        assert (alpha <= 1).all()


def test_an_alpha_depends_on_its_own_image_only(network):
    images = [ball(90, 120, centre=(45, x), radius=r)[0] for x, r in ((40, 20), (70, 35))]
    alone = [network.predict([image])[0] for image in images]
    together = network.predict(images)
    swapped = network.predict(images[::-1])[::-1]
    for one, two, three in zip(alone, together, swapped, strict=True):
        assert (one == two).all()
        assert (one == three).all()


def test_a_black_image_holds_no_foreground(network):
    (alpha,) = network.predict([np.zeros((64, 80, 3), np.uint8)])
    assert np.isfinite(alpha).all()
    assert alpha.mean() < 0.1


def test_no_images_give_no_alphas(network):
    assert network.predict([]) == []


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3))]
)
def test_anything_but_8_bit_rgb_is_refused(network, image):
    with pytest.raises(ValueError, match="uint8"):
        network.predict([image])


def test_the_revision_names_architecture_and_weights(network):
    sha256 = hashlib.sha256(EMBEDDED_WEIGHTS.read_bytes()).hexdigest()
    assert network.revision == f"u2netp-{sha256[:12]}"


def test_other_weights_than_the_expected_are_fatal(tmp_path):
    other = tmp_path / "other.onnx"
    other.write_bytes(b"other")
    found = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(FatalError) as caught:
        u2net(U2NetConfig(weights=other, weights_sha256="0" * 64), num_threads=1)
    assert all(part in str(caught.value) for part in (str(other), "0" * 64, found))


def test_missing_weights_are_fatal(tmp_path):
    with pytest.raises(FatalError, match=r"absent\.onnx"):
        u2net(U2NetConfig(weights=tmp_path / "absent.onnx"), num_threads=1)
