from io import BytesIO

import numpy as np
import pytest
import tifffile
from PIL import Image

from pipeline.engine.stage import Resources
from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.clipping_path.cut_along import ClippingPathConfig
from pipeline.imaging.cutout.alpha import RefineConfig
from pipeline.imaging.reading.limits import ImageLimits
from pipeline.imaging.reading.photo import Photo
from pipeline.imaging.writing.encoding import decode_alpha
from pipeline.models.matting.matting_config import ExistingConfig
from pipeline.stages.matte import MatteConfig, MatteMapper, VitMatteRefineConfig, matte
from pipeline.stages.matting.given_alpha import AlphaSources
from tests.photoshop import clipping, ellipse, jpeg, marked, path, psd, rectangle, resource


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


def row(image_bytes, mask_bytes=None, clipping_path=None):
    return {
        "image_bytes": image_bytes,
        "mask_bytes": mask_bytes,
        "clipping_path": clipping_path,
    }


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
    mask = np.zeros(inside.shape, np.uint8)  # nothing that a network would say
    mask[5:25, 5:40] = 255
    corner = np.zeros(inside.shape, np.uint8)
    corner[20:80, 20:40] = corner[60:80, 20:100] = 128
    corner[30:70, 25:35] = 255
    with_alpha = file(np.dstack([picture, corner]))
    by_mask, by_file = default.map_batch([row(with_alpha, file(mask)), row(with_alpha)])
    assert (by_mask["alpha_source"], by_file["alpha_source"]) == ("mask", "file")
    assert (decode_alpha(by_mask["alpha"]) == mask / np.float32(255)).all()
    assert (decode_alpha(by_file["alpha"]) == corner / np.float32(255)).all()
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


HAND_MADE = marked(ellipse(0.5, 0.5, 0.2, 0.3), name=b"Cup")


def delivered(blocks=HAND_MADE):
    """A photograph as a studio delivers it."""
    return jpeg(blocks, picture=Image.fromarray(ball()[0]))


def test_a_clipping_path_cuts_out_in_place_of_the_network(default):
    (columns,) = default.map_batch([row(delivered())])
    assert columns["alpha_source"] == "clipping_path"
    assert "clipping path 'Cup' used" in columns["decode_notes"]
    assert (columns["cutout"], columns["matting_model"]) == (None, None)
    alpha = decode_alpha(columns["alpha"])
    assert alpha.sum() == pytest.approx(np.pi * (0.2 * 121) * (0.3 * 90), rel=2e-3)
    assert (alpha[45, 60], alpha[5, 5]) == (1, 0)


def test_a_mask_comes_before_the_path_and_the_path_before_the_network_where_it_counts(default):
    _, inside = ball()
    mask = file(np.where(inside, 255, 0).astype(np.uint8))
    masked, off = default.map_batch([row(delivered(), mask), row(delivered(resource(1, b"")))])
    assert (masked["alpha_source"], off["alpha_source"]) == ("mask", "network")
    (ignored,) = mapper(clipping_path={"use": False}).map_batch([row(delivered())])
    assert ignored["alpha_source"] == "network"
    assert "clipping path 'Cup' not used: matte.clipping_path.use" in ignored["decode_notes"]


def test_a_path_that_is_no_cut_out_leaves_it_to_the_network_with_a_note(default):
    (columns,) = default.map_batch([row(delivered(marked(rectangle(0, 0, 1, 1))))])
    assert columns["alpha_source"] == "network"
    assert any("not used: it goes around" in note for note in columns["decode_notes"])


def test_a_row_can_name_one_of_several_paths(default):
    several = resource(2000, path(rectangle(0.1, 0.1, 0.2, 0.9)), b"Left") + resource(
        2001, path(rectangle(0.5, 0.1, 0.9, 0.9)), b"Right"
    )
    rows = [
        row(delivered(several + clipping(b"Left")), clipping_path="Right"),
        row(delivered(several)),
        row(delivered(several), clipping_path="Middle"),
    ]
    named, unmarked, unknown = default.map_batch(rows)
    assert decode_alpha(named["alpha"])[45, 80] == 1
    assert unmarked["alpha_source"] == "network"
    assert any("'Left', 'Right' not used" in note for note in unmarked["decode_notes"])
    assert unknown.code == ErrorCode.BAD_REQUEST
    assert "clipping_path: " in unknown.message
    assert "'Left', 'Right'" in unknown.message


@pytest.mark.parametrize("file_format", ["JPEG", "TIFF"])
def test_a_path_turns_with_its_photograph(default, file_format):
    picture, blocks = ball()[0], marked(rectangle(0.1, 0.2, 0.4, 0.9))
    if file_format == "JPEG":
        exif = Image.Exif()
        exif[274] = 6
        lying = jpeg(blocks, picture=Image.fromarray(picture), exif=exif)
    else:
        tags = [(274, "H", 1, 6, True), (34377, "B", len(blocks), blocks, True)]
        lying = written(picture, extratags=tags)
    (columns,) = default.map_batch([row(lying)])
    assert columns["alpha_source"] == "clipping_path"
    alpha = decode_alpha(columns["alpha"])
    assert alpha.shape == (121, 90)
    down, across = np.nonzero(alpha > 0.5)
    # Orientation 6: the stored left side is the top of the upright picture, its top the right.
    assert (down.min() / 121, down.max() / 121) == pytest.approx((0.1, 0.4), abs=0.02)
    assert (across.min() / 90, across.max() / 90) == pytest.approx((0.1, 0.8), abs=0.02)


def written(picture, **options):
    out = BytesIO()
    tifffile.imwrite(out, picture, photometric="rgb", **options)
    return out.getvalue()


def with_selections(*names, count=1):
    """A TIFF with selections: the ball, and nothing else that it is not."""
    picture, inside = ball()
    levels = np.where(inside, 255, 0).astype(np.uint8)[..., np.newaxis]
    channels = [picture, levels, *[255 - levels] * (count - 1)]
    blocks = resource(1006, b"".join(bytes([len(name)]) + name for name in names))
    return written(
        np.concatenate(channels, axis=-1),
        extrasamples=["unspecified"] * count,
        extratags=[(34377, "B", len(blocks), blocks, True)] if names else [],
    )


@pytest.mark.parametrize(
    ("names", "count", "note"),
    [
        ((), 1, "saved selection used"),
        ((b"Cup",), 1, "saved selection used: 'Cup'"),
        ((), 2, "saved selection used: the first of 2"),
        ((b"Cup", b"Not"), 2, "saved selection used: the first of 'Cup', 'Not'"),
    ],
)
def test_a_selection_saved_in_a_tiff_cuts_out(default, names, count, note):
    (columns,) = default.map_batch([row(with_selections(*names, count=count))])
    assert columns["alpha_source"] == "saved_selection"
    assert note in columns["decode_notes"]
    assert (decode_alpha(columns["alpha"]) == ball()[1]).all()


@pytest.mark.parametrize("big", [False, True])
def test_paths_and_selections_of_a_photoshop_document(default, big):
    picture, inside = ball()
    planes = np.concatenate([np.moveaxis(picture, -1, 0), [np.where(inside, 255, 0)]])
    names = resource(1006, b"\x03Cup")
    selected = psd(names, planes=planes.astype(np.uint8), big=big)
    along = psd(names + HAND_MADE, planes=planes.astype(np.uint8), big=big)
    by_selection, by_path = default.map_batch([row(selected), row(along)])
    assert by_selection["alpha_source"] == "saved_selection"
    assert "saved selection used: 'Cup'" in by_selection["decode_notes"]
    assert (decode_alpha(by_selection["alpha"]) == inside).all()
    assert by_path["alpha_source"] == "clipping_path"
    assert decode_alpha(by_path["alpha"])[45, 60] == 1


def sources(**options):
    told = {
        "limits": ImageLimits(),
        "use_file_alpha": "auto",
        "clipping_path": ClippingPathConfig(),
        "use_saved_selection": True,
        "file_alpha_colors": "auto",
        "mask_white": "auto",
        "has_network": True,
        **options,
    }
    return AlphaSources(**told)


def brought(data=None, *, alpha_HW=None, selection_HW=None, **options):
    data = jpeg() if data is None else data
    photo = Photo(
        rgb_HWC=np.zeros((80, 120, 3), np.uint8),
        alpha_HW=alpha_HW,
        selection_HW=selection_HW,
        format="JPEG",
        notes=(),
    )
    return sources(**options)(row(data), photo)


def half(low=0.0, high=1.0):
    levels_HW = np.full((80, 120), low, np.float32)
    levels_HW[:, 60:] = high
    return levels_HW


def test_a_saved_selection_is_taken_after_everything_else():
    found = brought(selection_HW=half())
    assert (found.given.source, found.notes) == ("saved_selection", ("saved selection used",))
    assert found.given.alpha_HW is not None
    assert brought(selection_HW=half(), alpha_HW=half()).given.source == "file"
    assert brought(jpeg(HAND_MADE), selection_HW=half()).given.source == "clipping_path"


@pytest.mark.parametrize(
    ("selection_HW", "options", "why"),
    [
        (half(0, 0), {}, "selects nothing"),
        (half(0, 0.3), {}, "selects nothing"),
        (half(1, 1), {}, "selects next to everything"),
        (half(0.9, 1.0), {}, "selects next to everything"),
        (half(), {"use_saved_selection": False}, "matte.use_saved_selection"),
    ],
)
def test_a_selection_of_nothing_or_everything_is_not_used(selection_HW, options, why):
    found = brought(selection_HW=selection_HW, **options)
    assert found.given is None
    assert "saved selection not used" in found.notes[0]
    assert why in found.notes[0]


def ring(*, inside=0.0):
    """Selected but for the middle."""
    levels_HW = np.full((80, 120), 1 - inside, np.float32)
    levels_HW[20:60, 30:90] = inside
    return levels_HW


@pytest.mark.parametrize(
    ("seen", "source_HW", "note"),
    [
        (lambda rgb: ring(inside=1.0), ring(inside=1.0), "inverted"),
        (lambda rgb: ring(), ring(), None),
        (lambda rgb: np.zeros((80, 120), np.float32), ring(), None),
        (None, ring(), "the network will tell"),
    ],
    ids=["of the background", "of a frame", "nothing is seen", "not at hand"],
)
def test_a_selection_of_the_background_is_told_by_the_network(seen, source_HW, note):
    found = brought(selection_HW=ring(), ask=seen)
    assert (found.given.alpha_HW == source_HW).all()
    assert len(found.notes) == 1 + (note is not None)
    assert note is None or note in found.notes[1]


FRAME = marked(rectangle(0, 0, 1, 1), rectangle(0.25, 0.25, 0.75, 0.75))
"""What a path takes in that is drawn around the frame, with the product left out."""


def test_a_path_around_the_background_is_not_used_where_the_network_sees_the_product():
    found = brought(jpeg(FRAME), ask=lambda rgb: ring(inside=1.0))
    assert found.given is None
    assert found.notes == (
        "clipping path 'Path 1' not used: it goes around the background, where the network sees "
        "no product",
    )
    for sees in (ring(), np.zeros((80, 120), np.float32)):  # a frame is a product, too
        assert brought(jpeg(FRAME), ask=lambda rgb, sees=sees: sees).given is not None
    found = brought(jpeg(FRAME), has_network=False, alpha_HW=half())
    assert found.given.source == "file"
    assert "all of the frame's border" in found.notes[0]


def test_a_path_around_the_background_that_a_row_names_is_refused():
    named = {**row(jpeg(FRAME)), "clipping_path": "Path 1"}
    photo = Photo(rgb_HWC=np.zeros((80, 120, 3), np.uint8), alpha_HW=None, format="JPEG", notes=())
    with pytest.raises(RowError, match="clipping_path: 'Path 1' cannot be used: it goes around"):
        sources(ask=lambda rgb: ring(inside=1.0))(named, photo)


def test_what_is_transparent_stays_so_within_a_path():
    found = brought(jpeg(HAND_MADE), alpha_HW=half())
    assert (found.given.alpha_HW[40, 50], found.given.alpha_HW[40, 70]) == (0, 1)
    assert "the alpha channel limits the clipping path" in found.notes
