from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.alpha import RefineConfig
from pipeline.imaging.codec import decode_alpha
from pipeline.imaging.reading.limits import ImageLimits
from pipeline.models.matting.config import ExistingConfig
from pipeline.stage import Resources
from pipeline.stages.matte import MatteConfig, MatteMapper, VitMatteRefineConfig, matte


def file(array, format_="PNG"):
    out = BytesIO()
    Image.fromarray(array).save(out, format_)
    return out.getvalue()


def ball(height=90, width=121):
    """A bright ball on dark ground, sRGB uint8, and its hard coverage."""
    y, x = np.mgrid[:height, :width]
    inside = np.hypot(y - height / 2, x - width / 2) < 30
    picture = np.where(inside[..., np.newaxis], (250, 190, 60), (60, 65, 75)).astype(np.uint8)
    return picture, inside


def row(image_bytes, mask_bytes=None):
    return {"image_bytes": image_bytes, "mask_bytes": mask_bytes}


def mapper(**config):
    return MatteMapper(MatteConfig(**config), limits=ImageLimits(), num_threads=1)


@pytest.fixture(scope="module")
def default():
    return mapper()


def test_a_photograph_is_cut_out_and_judged(default):
    picture, inside = ball()
    (columns,) = default.map_batch([row(file(picture))])
    assert set(columns) == set(matte(MatteConfig(), Resources(), limits=ImageLimits()).adds.names)
    alpha = decode_alpha(columns["alpha"])
    assert ((alpha > 0.5) == inside).mean() > 0.97
    assert columns["alpha_source"] == "network"
    assert columns["matting_model"].startswith("u2netp-")
    assert 0.5 < columns["cutout"]["confidence"] <= 1
    assert columns["cutout"]["agreement"] is None
    assert columns["cutout"]["doubtful"] is False


def test_a_mask_comes_before_the_files_own_alpha_and_that_before_the_network(default):
    picture, inside = ball()
    mask = np.where(inside, 0, 255).astype(np.uint8)  # the opposite of what a network would say
    half = np.full((*inside.shape, 1), 128, np.uint8)
    with_alpha = file(np.concatenate([picture, half], axis=-1))
    by_mask, by_file = default.map_batch([row(with_alpha, file(mask)), row(with_alpha)])
    assert (by_mask["alpha_source"], by_file["alpha_source"]) == ("mask", "file")
    assert (decode_alpha(by_mask["alpha"]) == mask / np.float32(255)).all()
    assert (decode_alpha(by_file["alpha"]) == np.float32(128 / 255)).all()
    for columns in (by_mask, by_file):
        assert columns["cutout"] is None
        assert columns["matting_model"] is None


def test_rows_keep_their_order_around_masks_and_errors(default):
    picture, inside = ball()
    mask = file(np.where(inside, 255, 0).astype(np.uint8))
    rows = [row(b"torn"), row(file(picture)), row(file(picture), mask), row(file(picture))]
    torn, first, masked, last = default.map_batch(rows)
    assert torn.code == ErrorCode.UNSUPPORTED_FORMAT
    assert first == last
    assert masked["alpha_source"] == "mask"


def test_without_a_network_a_row_must_bring_its_alpha():
    picture, inside = ball()
    bare, masked = mapper(network=ExistingConfig()).map_batch(
        [row(file(picture)), row(file(picture), file((inside * 255).astype(np.uint8)))]
    )
    assert isinstance(bare, RowError)
    assert bare.code == ErrorCode.BAD_REQUEST
    assert (decode_alpha(masked["alpha"]) == inside).all()


def noise():
    return np.random.default_rng(1).integers(0, 256, (96, 96, 3), dtype=np.uint8)


LENIENT = {"coverage": {"min_coverage": 0}}


def test_a_doubtful_cut_out_is_flagged_or_refused_as_the_recipe_says():
    sure, doubtful = file(ball()[0]), file(noise())
    bounds = {"min_confidence": 0.5, "flip": True}
    flagging = mapper(confidence=bounds, **LENIENT)
    one, other = flagging.map_batch([row(sure), row(doubtful)])
    assert (one["cutout"]["doubtful"], other["cutout"]["doubtful"]) == (False, True)
    assert one["cutout"]["agreement"] > 0.9
    refusing = mapper(confidence={**bounds, "doubtful": "error"}, **LENIENT)
    kept, refused = refusing.map_batch([row(sure), row(doubtful)])
    assert kept == one
    assert refused.code == ErrorCode.DOUBTFUL_MATTE


def test_nothing_found_is_said_even_where_doubtful_cut_outs_are_refused():
    strict = mapper(confidence={"min_confidence": 0.99, "doubtful": "error"})
    (refused,) = strict.map_batch([row(file(np.zeros((64, 64, 3), np.uint8)))])
    assert refused.code == ErrorCode.EMPTY_MATTE


@pytest.mark.parametrize(
    ("text", "cls"),
    [({}, RefineConfig), ({"guided_eps": 1e-4}, RefineConfig), ({"method": "none"}, RefineConfig)],
)
def test_refinement_without_a_network_needs_no_method(text, cls):
    assert type(MatteConfig(refine=text).refine) is cls


def test_refinement_by_a_network_names_its_weights_in_the_revision(tmp_path):
    config = MatteConfig(
        refine={"method": "vitmatte", "model": {"checkpoint": {"path": str(tmp_path / "vm")}}}
    )
    assert isinstance(config.refine, VitMatteRefineConfig)
    assert config.revision.endswith("+vitmatte/vm/float32")
    assert config.revision.startswith(MatteConfig().revision)
