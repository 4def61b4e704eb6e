"""Masks that rows bring, the right way round and the wrong one."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.reading.limits import ImageLimits
from pipeline.imaging.writing.encoding import decode_alpha
from pipeline.models.matting.matting_config import ExistingConfig
from pipeline.stages.matte import MatteConfig, MatteMapper
from tests.unit.stages.test_matte import ball, file, row


def mapper(**config):
    return MatteMapper(MatteConfig(**config), limits=ImageLimits(), num_threads=1)


@pytest.fixture(scope="module")
def default():
    return mapper()


@pytest.fixture(scope="module")
def existing():
    return mapper(network=ExistingConfig())


PICTURE, INSIDE = ball()
RIGHT = (INSIDE * 255).astype(np.uint8)


def masked(mapper, mask, picture=PICTURE):
    (outcome,) = mapper.map_batch([row(file(picture), file(mask))])
    return outcome


@pytest.mark.parametrize("soft_px", [0, 2])
def test_a_mask_for_inpainting_is_inverted_with_a_note(default, soft_px):
    mask = 255 - np.asarray(Image.fromarray(RIGHT).filter(ImageFilter.GaussianBlur(soft_px)))
    found = masked(default, mask)
    assert (decode_alpha(found["alpha"]) == (255 - mask) / np.float32(255)).all()
    assert found["alpha_source"] == "mask"
    assert "mask inverted" in found["decode_notes"][-1]


def test_a_mask_the_right_way_round_asks_nobody(default, monkeypatch):
    monkeypatch.setattr(default._network, "predict", lambda _: pytest.fail("asked"))
    found = masked(default, RIGHT)
    assert (decode_alpha(found["alpha"]) == INSIDE).all()
    assert found["decode_notes"] == []


def test_a_product_that_touches_most_of_the_frame_stays_as_it_is(default):
    picture, inside = ball(height=66, width=64)
    picture, inside = picture[2:-2, 2:-2], inside[2:-2, 2:-2]
    mask = np.full(inside.shape, 255, np.uint8)
    mask[:8, :8] = mask[-8:, :8] = mask[:8, -8:] = mask[-8:, -8:] = 0
    found = masked(default, mask, picture)
    assert (decode_alpha(found["alpha"]) == mask / np.float32(255)).all()


def test_where_the_photograph_does_not_tell_the_mask_is_refused_by_name(default, existing):
    plain = np.full_like(PICTURE, 128)
    for refused in (masked(default, 255 - RIGHT, plain), masked(existing, 255 - RIGHT)):
        assert isinstance(refused, RowError)
        assert refused.code == ErrorCode.BAD_REQUEST
        assert "mask_uri" in str(refused)
        assert "matte.mask_white" in str(refused)


def test_the_recipe_may_say_what_white_means():
    network = ExistingConfig()
    background = mapper(network=network, mask_white="background")
    assert (decode_alpha(masked(background, 255 - RIGHT)["alpha"]) == INSIDE).all()
    product = mapper(network=network, mask_white="product")
    assert (decode_alpha(masked(product, 255 - RIGHT)["alpha"]) == ~INSIDE).all()


def test_masks_of_nothing_and_one_are_scaled(existing):
    found = masked(existing, INSIDE.astype(np.uint8))
    assert (decode_alpha(found["alpha"]) == INSIDE).all()
    assert "scaled" in found["decode_notes"][-1]


@pytest.mark.parametrize(
    ("level", "code"), [(0, ErrorCode.EMPTY_MATTE), (255, ErrorCode.FULL_MATTE)]
)
def test_a_mask_of_nothing_or_everything_is_named_by_its_error(existing, level, code):
    refused = masked(existing, np.full(INSIDE.shape, level, np.uint8))
    assert refused.code == code
    assert "mask_uri" in str(refused)


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"no picture", ErrorCode.UNSUPPORTED_FORMAT), (b"", ErrorCode.EMPTY_FILE)],
    ids=["text", "empty"],
)
def test_a_mask_that_cannot_be_read_is_named_by_its_error(existing, data, code):
    (refused,) = existing.map_batch([row(file(PICTURE), data)])
    assert refused.code == code
    assert refused.message.startswith("mask_uri: ")
