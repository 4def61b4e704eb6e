"""Colour words to linear light: the CSS names, names of the trade, modifiers and hex codes."""

from __future__ import annotations

import colorsys
import re

# The named colours of CSS Color Module Level 4, https://www.w3.org/TR/css-color-4/#named-colors
_CSS = """
aliceblue f0f8ff antiquewhite faebd7 aqua 00ffff aquamarine 7fffd4 azure f0ffff beige f5f5dc
bisque ffe4c4 black 000000 blanchedalmond ffebcd blue 0000ff blueviolet 8a2be2 brown a52a2a
burlywood deb887 cadetblue 5f9ea0 chartreuse 7fff00 chocolate d2691e coral ff7f50
cornflowerblue 6495ed cornsilk fff8dc crimson dc143c cyan 00ffff darkblue 00008b darkcyan 008b8b
darkgoldenrod b8860b darkgray a9a9a9 darkgreen 006400 darkgrey a9a9a9 darkkhaki bdb76b
darkmagenta 8b008b darkolivegreen 556b2f darkorange ff8c00 darkorchid 9932cc darkred 8b0000
darksalmon e9967a darkseagreen 8fbc8f darkslateblue 483d8b darkslategray 2f4f4f
darkslategrey 2f4f4f darkturquoise 00ced1 darkviolet 9400d3 deeppink ff1493 deepskyblue 00bfff
dimgray 696969 dimgrey 696969 dodgerblue 1e90ff firebrick b22222 floralwhite fffaf0
forestgreen 228b22 fuchsia ff00ff gainsboro dcdcdc ghostwhite f8f8ff gold ffd700 goldenrod daa520
gray 808080 green 008000 greenyellow adff2f grey 808080 honeydew f0fff0 hotpink ff69b4
indianred cd5c5c indigo 4b0082 ivory fffff0 khaki f0e68c lavender e6e6fa lavenderblush fff0f5
lawngreen 7cfc00 lemonchiffon fffacd lightblue add8e6 lightcoral f08080 lightcyan e0ffff
lightgoldenrodyellow fafad2 lightgray d3d3d3 lightgreen 90ee90 lightgrey d3d3d3 lightpink ffb6c1
lightsalmon ffa07a lightseagreen 20b2aa lightskyblue 87cefa lightslategray 778899
lightslategrey 778899 lightsteelblue b0c4de lightyellow ffffe0 lime 00ff00 limegreen 32cd32
linen faf0e6 magenta ff00ff maroon 800000 mediumaquamarine 66cdaa mediumblue 0000cd
mediumorchid ba55d3 mediumpurple 9370db mediumseagreen 3cb371 mediumslateblue 7b68ee
mediumspringgreen 00fa9a mediumturquoise 48d1cc mediumvioletred c71585 midnightblue 191970
mintcream f5fffa mistyrose ffe4e1 moccasin ffe4b5 navajowhite ffdead navy 000080 oldlace fdf5e6
olive 808000 olivedrab 6b8e23 orange ffa500 orangered ff4500 orchid da70d6 palegoldenrod eee8aa
palegreen 98fb98 paleturquoise afeeee palevioletred db7093 papayawhip ffefd5 peachpuff ffdab9
peru cd853f pink ffc0cb plum dda0dd powderblue b0e0e6 purple 800080 rebeccapurple 663399
red ff0000 rosybrown bc8f8f royalblue 4169e1 saddlebrown 8b4513 salmon fa8072 sandybrown f4a460
seagreen 2e8b57 seashell fff5ee sienna a0522d silver c0c0c0 skyblue 87ceeb slateblue 6a5acd
slategray 708090 slategrey 708090 snow fffafa springgreen 00ff7f steelblue 4682b4 tan d2b48c
teal 008080 thistle d8bfd8 tomato ff6347 turquoise 40e0d0 violet ee82ee wheat f5deb3 white ffffff
whitesmoke f5f5f5 yellow ffff00 yellowgreen 9acd32
"""

# Names that photographers and sellers use and CSS lacks.
_TRADE = """
amber d9952b apricot f3c19d aubergine 45263f blush ecc9c1 bronze 8c6a43 burgundy 6b1f2e
butter f6e5a9 camel b98d5e champagne ead9bf charcoal 36393d cherry 9c1f33 cobalt 1f4fa3
copper b06a42 cream f5ecd7 darkbackdrop 2a2928 darkbackground 2a2928 darkstudio 2a2928
darkwall 33312f ecru dbceb3 eggshell f1eadb emerald 14694a fawn cdaa86 graphite 43464a
greige c4baab jade 3f9a78 lemon f4df6b lightbackdrop e6e2dc lightbackground e6e2dc
lightwall e6e2dc lilac c6b0d9 mauve b493ae mint b9dfcb mocha 7a5a48 mustard d1a032 nude e0c3ae
oatmeal ddd2c0 ochre c58b36 offwhite f4f1ea peach f6c4a4 pistachio bcd09b raspberry a83256
rose d98c95 rosegold d9a695 ruby 8f1833 rust a7502f sage a9b79d sapphire 1e3f86 scarlet b8241f
stonewash 8fa1b3 taupe a8998a terracotta c2714f ultramarine 2a3b94 vanilla f2e6c4 wine 5b1e2d
"""


def _read(table: str) -> dict[str, str]:
    words = table.split()
    return dict(zip(words[::2], words[1::2], strict=True))


_HEX = re.compile(r"#(?:[0-9a-f]{6}|[0-9a-f]{3})$")
NAMES: dict[str, str] = _read(_CSS) | _read(_TRADE)
"""Colour name, spelled as one word, to six hex digits."""

MODIFIERS = frozenset(
    ("pale", "pastel", "light", "bright", "vivid", "deep", "dark", "muted", "dusty", "soft", "rich")
)
"""Words that change the colour after them."""

Rgb = tuple[float, float, float]
"""Linear light, [0, 1]."""


def color(name: str, modifiers: tuple[str, ...] = ()) -> Rgb | None:
    """Linear-light colour of a name or hex code; None when it is neither.

    >>> color("white")
    (1.0, 1.0, 1.0)
    >>> color("lightblue") == color("#add8e6")
    True
    """
    if _HEX.match(name):
        digits = name[1:] if len(name) == 7 else "".join(2 * digit for digit in name[1:])
    elif name in NAMES:
        digits = NAMES[name]
    else:
        return None
    encoded = tuple(int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
    for modifier in modifiers:
        encoded = _modify(encoded, modifier)
    return linear(encoded)


def linear(encoded: tuple[float, ...]) -> Rgb:
    """Decode sRGB (IEC 61966-2-1)."""
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in encoded)
    return r, g, b


def luminance(rgb: Rgb) -> float:
    """Relative luminance of a linear colour (Rec. 709 primaries)."""
    return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]


def blend(a: Rgb, b: Rgb, share_of_b: float) -> Rgb:
    """Mix two linear colours."""
    r, g, b_ = (p + (q - p) * share_of_b for p, q in zip(a, b, strict=True))
    return r, g, b_


def _modify(encoded: tuple[float, ...], modifier: str) -> tuple[float, ...]:
    hue, lightness, saturation = colorsys.rgb_to_hls(*encoded)
    match modifier:
        case "pale" | "pastel" | "soft":
            lightness, saturation = 0.55 * lightness + 0.42, 0.75 * saturation
        case "light":
            lightness = 0.55 * lightness + 0.42
        case "bright" | "vivid":
            lightness, saturation = 0.8 * lightness + 0.13, min(1.0, 1.25 * saturation)
        case "dark":
            lightness *= 0.5
        case "deep" | "rich":
            lightness, saturation = 0.68 * lightness, min(1.0, 1.1 * saturation)
        case "muted" | "dusty":
            saturation *= 0.5
        case _:
            raise ValueError(f"unknown colour modifier {modifier!r}")
    return colorsys.hls_to_rgb(hue, lightness, saturation)
