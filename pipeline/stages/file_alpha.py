"""What the alpha channel of a photograph's file is worth, by the recipe and by the file itself."""

from __future__ import annotations

from dataclasses import replace

from pipeline.imaging.cutout_colors import CutoutColors, tell
from pipeline.imaging.reading.photo import Photo
from pipeline.imaging.solid import hex_of, parse_color


def check_colors(rule: str) -> str:
    """A rule of `matte.file_alpha_colors`, colours as '#rrggbb'.

    Raises:
        ValueError: it is none.
    """
    if rule in ("auto", "straight", "premultiplied", "mixed"):
        return rule
    try:
        return hex_of(parse_color(rule))
    except ValueError:
        raise ValueError(
            f"{rule!r} is neither auto, straight, premultiplied, mixed nor a colour that cut-outs "
            "lie over, such as white or '#rrggbb'"
        ) from None


def colors_of(photo: Photo, rule: str) -> tuple[CutoutColors, str]:
    """What a cut-out's colours are, and how that is known."""
    assert photo.alpha_HW is not None
    if rule not in ("auto", "mixed"):
        matte = {"straight": None, "premultiplied": (0, 0, 0)}.get(rule, rule)
        if isinstance(matte, str):
            matte = parse_color(matte)
        return CutoutColors(matte=None if photo.was_premultiplied else matte), "as the recipe says"
    if photo.was_premultiplied and rule == "auto":
        return CutoutColors(), "as the file declares"
    told = tell(photo.rgb_HWC, photo.alpha_HW)
    if rule == "mixed":
        return replace(told.colors, is_mixed=True), "as the recipe says"
    if not told.is_sure:
        return told.colors, "for want of a soft edge that would tell"
    return told.colors, "as its soft edge tells"
