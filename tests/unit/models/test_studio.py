"""The studio's pictures, seen from outside."""

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.models.generation.generator import GenerationRequest
from pipeline.models.generation.studio import Studio, StudioConfig
from pipeline.models.generation.studio.backdrops import BACKDROPS
from pipeline.models.generation.studio.colors import NAMES
from pipeline.models.generation.studio.surfaces import SURFACES


@pytest.fixture(scope="module")
def studio():
    return Studio(StudioConfig())


def product(height, width):
    """An ellipse standing in the lower middle of the frame."""
    y, x = np.mgrid[0:height, 0:width]
    inside = ((x / width - 0.5) / 0.2) ** 2 + ((y / height - 0.6) / 0.26) ** 2 < 1
    return inside.astype(np.float32)


def request(prompt, *, height=96, width=80, seed=7, alpha=None):
    alpha = product(height, width) if alpha is None else alpha
    image = np.zeros((*alpha.shape, 3), dtype=np.uint8)
    return GenerationRequest(image_HWC=image, alpha_HW=alpha, prompt=prompt, seed=seed)


def draw(studio, prompt, **kwargs):
    return studio.generate([request(prompt, **kwargs)])[0]


def assert_sound(background, shape):
    rgb = background.rgb_HWC
    assert rgb.shape == (*shape, 3)
    assert rgb.dtype == np.float32
    assert np.isfinite(rgb).all()
    assert rgb.min() >= 0
    assert rgb.max() <= 1
    assert 0 <= background.ground_y <= 1


@pytest.mark.parametrize(
    "prompt", ["teal", "oak table, forest", "marble, leaf shadows", "night city"]
)
def test_same_request_same_pixels_in_any_batch_and_any_studio(studio, prompt):
    alone = draw(studio, prompt).rgb_HWC
    batch = [request("red velvet", seed=1), request(prompt), request("beach", height=40)]
    among_others = studio.generate(batch)[1].rgb_HWC
    elsewhere = draw(Studio(StudioConfig()), prompt).rgb_HWC
    np.testing.assert_array_equal(alone, among_others)
    np.testing.assert_array_equal(alone, elsewhere)


@pytest.mark.parametrize("prompt", ["white background", "oak table, beige wall", "bokeh", "garden"])
def test_another_seed_is_another_picture_of_the_same_scene(studio, prompt):
    one = draw(studio, prompt, seed=1).rgb_HWC
    two = draw(studio, prompt, seed=2).rgb_HWC
    assert np.abs(one - two).max() > 0.01
    assert np.abs(one.mean(axis=(0, 1)) - two.mean(axis=(0, 1))).max() < 0.12


@pytest.mark.parametrize(
    "name",
    ["white", "black", "teal", "crimson", "navy", "pink", "gold", "olive", "lavender", "dark green",
     "light blue", "slate gray", "#2a4d8f", "#fc0"],
)  # fmt: skip
def test_a_sweep_has_the_colour_asked_for(studio, name):
    if name.startswith("#"):
        digits = name[1:] if len(name) == 7 else "".join(2 * d for d in name[1:])
    else:
        digits = NAMES[name.replace(" ", "")]
    wanted = np.array([int(digits[i : i + 2], 16) for i in (0, 2, 4)]) / 255
    got = draw(studio, f"{name} background").rgb_HWC.mean(axis=(0, 1))
    # 0.09 leaves room for the fall-off of the light and the shoulder of the tone curve.
    np.testing.assert_allclose(got, wanted, atol=0.09)


def test_a_sweep_is_lit_not_flat_and_has_no_bands(studio):
    grey = draw(studio, "grey background", height=256, width=192).rgb_HWC[..., 0]
    assert grey.max() - grey.min() > 0.05
    # An 8-bit gradient would hold under 80 levels here, and steps of 1/255 between neighbours.
    assert np.unique(grey).size > 10_000
    assert np.abs(np.diff(grey, axis=0)).max() < 1 / 255


def test_every_surface_is_painted(studio):
    for name in ("terrazzo", "silk", "leather", "pebbles", "water", "tiles", "brick", "leaves"):
        assert name in SURFACES
        assert_sound(draw(studio, f"{name} floor, grey wall"), (96, 80))


def test_every_place_a_word_leads_to_is_painted(studio):
    from pipeline.models.generation.studio import vocabulary

    first_word = {place: word for word, place in reversed(vocabulary.BACKDROPS.items())}
    assert set(first_word) <= set(BACKDROPS)
    for word in first_word.values():
        background = draw(studio, word, height=40, width=40)
        assert_sound(background, (40, 40))
        assert background.rgb_HWC.std() > 0.01


@pytest.mark.parametrize("prompt", ["", "oak table", "mountains, lake", "window light, sage wall"])
@pytest.mark.parametrize("shape", [(32, 32), (33, 47), (20, 240), (240, 20)])
def test_any_shape(studio, prompt, shape):
    assert_sound(draw(studio, prompt, height=shape[0], width=shape[1]), shape)


@pytest.mark.parametrize("prompt", ["grass", "wood table, cafe", "white"])
@pytest.mark.parametrize("where", ["nowhere", "everywhere", "top", "one pixel", "bottom edge"])
def test_wherever_the_product_is(studio, prompt, where):
    alpha = np.zeros((64, 64), dtype=np.float32)
    match where:
        case "everywhere":
            alpha[:] = 1
        case "top":
            alpha[:6, 20:40] = 1
        case "one pixel":
            alpha[40, 10] = 1
        case "bottom edge":
            alpha[20:, 10:50] = 1
    assert_sound(draw(studio, prompt, alpha=alpha), (64, 64))


def test_the_ground_ends_behind_the_product(studio):
    background = draw(studio, "walnut table, grey wall")
    assert 0.3 < background.ground_y < 0.86 - 0.1  # the ellipse stands at 0.86


@pytest.mark.parametrize("prompt", ["oak table, kitchen", "marble, sage wall", "bokeh", "blue"])
def test_twice_the_size_is_the_same_scene(studio, prompt):
    small = draw(studio, prompt, height=160, width=128).rgb_HWC
    large = draw(studio, prompt, height=320, width=256).rgb_HWC
    reduced = large.reshape(160, 2, 128, 2, 3).mean(axis=(1, 3))
    assert np.abs(small - reduced).mean() < 0.012


@pytest.mark.parametrize("surface", ["oak", "marble", "concrete", "sand", "grass", "linen"])
def test_a_texture_does_not_repeat(studio, surface):
    alpha = np.zeros((320, 320), dtype=np.float32)
    alpha[100:260, 120:200] = 1
    picture = draw(studio, f"{surface} table, grey wall", alpha=alpha).rgb_HWC.mean(axis=2)
    strip = picture[255:270] - picture[255:270].mean(axis=1, keepdims=True)
    spectrum = np.abs(np.fft.rfft(strip, n=640, axis=1)) ** 2
    likeness = np.fft.irfft(spectrum.mean(axis=0))[:200]
    # Repeats would peak near 1; away from its own neighbourhood a natural texture stays low.
    assert (likeness[50:] / likeness[0]).max() < 0.55


def test_light_words_move_the_lamp(studio):
    left = draw(studio, "grey background, light from the left")
    right = draw(studio, "grey background, light from the right")
    assert left.light.azimuth_deg < 0 < right.light.azimuth_deg
    half = left.rgb_HWC.shape[1] // 2
    assert left.rgb_HWC[:, :half].mean() > left.rgb_HWC[:, half:].mean()
    assert right.rgb_HWC[:, :half].mean() < right.rgb_HWC[:, half:].mean()


def test_mood_words_change_the_light(studio):
    day = draw(studio, "grey background").rgb_HWC.mean(axis=(0, 1))
    moody = draw(studio, "grey background, moody").rgb_HWC.mean(axis=(0, 1))
    golden = draw(studio, "grey background, golden hour").rgb_HWC.mean(axis=(0, 1))
    assert moody.mean() < 0.85 * day.mean()
    assert golden[0] - golden[2] > day[0] - day[2] + 0.05


def test_a_wide_open_lens_blurs_what_is_behind():
    def detail(aperture):
        studio = Studio(StudioConfig(aperture=aperture))
        picture = draw(studio, "oak table, brick wall", height=192, width=192).rgb_HWC
        return np.abs(np.diff(picture[:60], axis=0)).mean()

    assert detail(0.0) > 1.3 * detail(3.0)


def test_unusable_requests_are_refused(studio):
    with pytest.raises(ValueError, match="alpha"):
        draw(studio, "white", alpha=np.zeros((0, 4), dtype=np.float32))
    with pytest.raises(ValueError, match="negative"):
        draw(studio, "white", seed=-1)
    with pytest.raises(ValidationError):
        StudioConfig(aperture=-1)
