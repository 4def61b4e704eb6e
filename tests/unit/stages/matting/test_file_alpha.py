"""Alpha channels that are no cut-outs, and cut-outs that look as if they were none."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.reading.limits import ImageLimits
from pipeline.imaging.writing.encoding import decode_alpha
from pipeline.models.matting.matting_config import ExistingConfig
from pipeline.stages.matte import MatteConfig, MatteMapper
from tests import cutouts

PHOTO = Image.new("RGB", (404, 538), (190, 200, 185))
ImageDraw.Draw(PHOTO).rounded_rectangle((120, 120, 288, 448), 24, fill=(60, 65, 125))
PRODUCT = np.s_[128:441, 128:281]


def mapper(**config):
    return MatteMapper(MatteConfig(**config), limits=ImageLimits(), num_threads=1)


@pytest.fixture(scope="module")
def default():
    return mapper()


def matted(mapper, picture):
    file = cutouts.png(picture[..., :3], picture[..., 3])
    row = {"image_bytes": file, "mask_bytes": None, "clipping_path": None}
    (outcome,) = mapper.map_batch([row])
    return outcome


def opaque():
    return np.asarray(PHOTO.convert("RGBA")).copy()


def with_alpha(draw):
    mask = Image.new("L", PHOTO.size, 0)
    draw(ImageDraw.Draw(mask))
    picture = PHOTO.convert("RGBA")
    picture.putalpha(mask)
    return np.asarray(picture)


def hidden(*parts):
    picture = opaque()
    for part in parts:
        picture[part] = 0
    return picture


def faint():
    picture = opaque()
    picture[..., 3] = 250
    return picture


CORNERS = (0, 0, PHOTO.width - 1, PHOTO.height - 1)
NO_CUTOUTS = {
    "padded to a square": (np.pad(opaque(), ((30, 30), (97, 97), (0, 0))), (30, 97)),
    "rounded": (with_alpha(lambda d: d.rounded_rectangle(CORNERS, 90, fill=255)), (0, 0)),
    "slightly rounded": (with_alpha(lambda d: d.rounded_rectangle(CORNERS, 12, fill=255)), (0, 0)),
    "ellipse": (with_alpha(lambda d: d.ellipse(CORNERS, fill=255)), (0, 0)),
    "strip": (hidden(np.s_[:, -3:]), (0, 0)),
    "border": (hidden(np.s_[:1], np.s_[-1:], np.s_[:, :1], np.s_[:, -1:]), (0, 0)),
    "stray pixel": (hidden(np.s_[3, 5]), (0, 0)),
    "faint": (faint(), (0, 0)),
}


@pytest.mark.parametrize("name", NO_CUTOUTS)
def test_alpha_that_is_no_cut_out_is_a_limit_and_the_network_cuts_out(default, name):
    picture, (top, left) = NO_CUTOUTS[name]
    found = matted(default, picture)
    assert (found["alpha_source"], found["alpha_colors"]) == ("network", None)
    assert any("is no cut-out" in note for note in found["decode_notes"])
    alpha = decode_alpha(found["alpha"])
    assert alpha.shape == picture.shape[:2]
    whole = np.zeros(picture.shape[:2], bool)
    whole[top : top + PHOTO.height, left : left + PHOTO.width][PRODUCT] = True
    assert alpha[whole].mean() > 0.95
    assert 0.8 * whole.sum() < (alpha > 0.5).sum() < 1.4 * whole.sum()
    assert (alpha[picture[..., 3] == 0] == 0).all()


def book():
    """A product that is a rectangle, cut out by hand."""
    cover = Image.new("RGB", (260, 360), (150, 40, 45))
    draw = ImageDraw.Draw(cover)
    draw.rectangle((20, 20, 239, 339), outline=(230, 200, 120), width=4)
    draw.ellipse((80, 120, 180, 220), fill=(240, 230, 200))
    return np.pad(np.asarray(cover.convert("RGBA")), ((50, 50), (60, 60), (0, 0)))


def ball():
    color, _ = cutouts.product(height=300, width=300)
    mask = Image.new("L", (300, 300), 0)
    ImageDraw.Draw(mask).ellipse((40, 40, 260, 260), fill=255)
    return np.dstack([cutouts.levels(color), np.asarray(mask)])


def bottle(*part):
    color, alpha8 = cutouts.product(height=400, width=300)
    return np.dstack([cutouts.levels(color), alpha8])[part or np.s_[:]]


@pytest.mark.parametrize("picture", [book(), ball()], ids=["book", "ball"])
def test_a_cut_out_whose_outline_a_frame_might_have_is_taken_if_the_network_sees_it(
    default, picture
):
    found = matted(default, picture)
    assert found["alpha_source"] == "file"
    assert (decode_alpha(found["alpha"]) == picture[..., 3] / np.float32(255)).all()


@pytest.mark.parametrize(
    "picture",
    [bottle(), bottle(slice(15, 372), slice(60, 240)), bottle(slice(0, 200))],
    ids=["whole", "tight", "bust"],
)
def test_other_cut_outs_cost_no_pass_of_the_network(default, monkeypatch, picture):
    monkeypatch.setattr(default._network, "predict", lambda _: pytest.fail("asked"))
    assert matted(default, picture)["alpha_source"] == "file"


def test_the_recipe_decides_where_it_says_so():
    picture, _ = NO_CUTOUTS["padded to a square"]
    assert matted(mapper(use_file_alpha="always"), picture)["alpha_source"] == "file"
    found = matted(mapper(use_file_alpha="never"), picture)
    assert (found["alpha_source"], found["decode_notes"]) == ("network", [])


def test_yes_and_no_are_understood_as_always_and_never():
    assert MatteConfig(use_file_alpha=True).use_file_alpha == "always"
    assert MatteConfig(use_file_alpha=False).use_file_alpha == "never"
    with pytest.raises(ValueError, match="'auto', 'always' or 'never'"):
        MatteConfig(use_file_alpha="sometimes")


def test_without_a_network_the_shape_alone_decides_and_says_so():
    existing = mapper(network=ExistingConfig())
    refused = matted(existing, NO_CUTOUTS["strip"][0])
    assert isinstance(refused, RowError)
    assert refused.code == ErrorCode.BAD_REQUEST
    assert "it hides next to nothing" in str(refused)
    taken = matted(existing, NO_CUTOUTS["padded to a square"][0])
    assert taken["alpha_source"] == "file"
    assert any("no network to ask" in note for note in taken["decode_notes"])
