from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import RowError
from pipeline.imaging.quality.finished_file import inspect
from pipeline.imaging.writing.provenance_xmp import Provenance, xmp_packet
from pipeline.manifest.channels import Channel, channel_names, load_channel
from pipeline.manifest.channels.verdict import findings
from pipeline.manifest.shots import Brief, read_brief

STRICT = Channel(
    title="A shop",
    source="these tests",
    formats=("JPEG", "GIF"),
    max_bytes=60_000,
    min_long_side_px=300,
    min_short_side_px=200,
    max_side_px=1000,
    max_megapixels=0.4,
    white=True,
    min_fill=0.5,
    max_fill=0.9,
)


def file(width=400, height=300, *, ground=255, format_name="JPEG", product=(200, 200), **options):
    rgb = np.full((height, width, 3), ground, np.uint8)
    tall, wide = min(product[0], height), min(product[1], width)
    top, left = (height - tall) // 2, (width - wide) // 2
    rgb[top : top + tall, left : left + wide] = (30, 90, 60)
    sink = BytesIO()
    Image.fromarray(rgb).save(sink, format_name, **options)
    return inspect(sink.getvalue())


def broken(file, channel=STRICT, **known):
    return [finding.rule for finding in findings(file, channel, **known)]


def test_a_file_that_meets_every_rule_has_no_findings():
    assert broken(file()) == []


@pytest.mark.parametrize(
    ("asked", "rule"),
    [
        ({"format_name": "PNG"}, "format"),
        ({"quality": 100, "comment": b"x" * 60_000}, "bytes"),
        ({"width": 280, "height": 280}, "size"),
        ({"width": 500, "height": 190, "product": (150, 200)}, "size"),
        ({"width": 1010, "height": 300}, "size"),
        ({"width": 900, "height": 500, "product": (300, 300)}, "size"),
        ({"ground": 253}, "background"),
        ({"ground": 120}, "background"),
        ({"product": (120, 120)}, "fill"),
        ({"product": (295, 200)}, "fill"),
    ],
)
def test_each_rule_is_found_broken(asked, rule):
    assert broken(file(**asked)) == [rule]


def test_a_fill_that_the_matte_knows_comes_before_what_pixels_tell():
    assert broken(file(), fill=0.95) == ["fill"]
    assert broken(file(product=(120, 120)), fill=0.6) == []


def test_a_file_that_does_not_say_how_it_was_made_is_found_where_that_is_asked():
    asking = STRICT.model_copy(update={"states_source": True})
    assert broken(file(), asking) == ["metadata"]
    packet = xmp_packet(Provenance(source_type="compositeSynthetic"))
    assert broken(file(xmp=packet), asking) == []


def test_moving_pictures_turned_ones_and_other_colour_spaces_are_found():
    frames = [Image.new("RGB", (400, 300), color) for color in ("white", "red")]
    sink = BytesIO()
    frames[0].save(sink, "GIF", save_all=True, append_images=frames[1:])
    assert "format" in broken(inspect(sink.getvalue()))
    exif = Image.Exif()
    exif[0x0112] = 3
    assert broken(file(exif=exif)) == ["orientation"]
    cmyk = BytesIO()
    Image.new("CMYK", (400, 300)).save(cmyk, "JPEG")
    assert "color_space" in broken(inspect(cmyk.getvalue()))


@pytest.mark.parametrize("name", channel_names())
def test_every_channel_asks_for_what_it_accepts(name):
    channel = load_channel(name)
    brief = read_brief({"channel": name}, Brief(), columns=["channel"])
    assert brief.canvas_width is not None
    assert (brief.output_format or "jpeg").upper() in channel.formats
    said = (1 - 2 * brief.margin) * brief.canvas_width
    blank = file(
        brief.canvas_width,
        brief.canvas_height,
        format_name=(brief.output_format or "jpeg").upper(),
        product=(round(said), 300),
        xmp=xmp_packet(Provenance(source_type="algorithmicallyEnhanced")),
    )
    assert broken(blank, channel) == []


def test_an_unknown_channel_is_answered_with_those_there_are():
    with pytest.raises(ValueError, match="is no channel: use amazon_main, "):
        load_channel("amazone")


def test_a_rows_channel_lies_below_its_own_wishes_and_above_the_recipes():
    recipe = Brief(margin=0.2, placement="original", aspect_ratio="4:5")
    row = {"channel": "amazon_main", "output_format": "png"}
    brief = read_brief(row, recipe, columns=list(row))
    assert (brief.placement, brief.margin, brief.output_format) == ("fit", 0.05, "png")
    assert (brief.canvas_width, brief.aspect_ratio) == (2000, None)


def test_a_recipes_channel_lies_below_all_else():
    recipe = Brief(channel="amazon_main", margin=0.02)
    brief = read_brief({"aspect_ratio": "1:1"}, recipe, columns=["aspect_ratio"])
    assert (brief.placement, brief.margin, brief.background_color) == ("fit", 0.02, "#ffffff")
    assert (brief.canvas_width, brief.aspect_ratio) == (None, "1:1")
    assert read_brief({}, recipe, columns=()).canvas_width == 2000


def test_another_channel_in_the_row_takes_nothing_from_the_recipes():
    recipe = Brief(channel="amazon_main")
    brief = read_brief({"channel": "shopify"}, recipe, columns=["channel"])
    assert brief.background_color is None
    assert brief.canvas_width == 2048


def test_a_bad_channel_is_named_by_its_column():
    with pytest.raises(RowError) as caught:
        read_brief({"channel": "moon"}, Brief(), columns=["channel"])
    assert caught.value.message.startswith("channel: 'moon' is no channel")
