"""Conventions: two things a prompt may ask for that are not a scene."""

from __future__ import annotations

import re

STAR = "*"
"""In front of a prompt: do not paste the product back, the model's rendering is the result."""

_FILLERS = frozenset({"background", "a", "solid", "color", "of", "the", "and", "is", "#"})
_HEX = re.compile(r"[0-9a-f]{6}")
_NAMES = """
aliceblue antiquewhite aqua aquamarine azure beige bisque black blanchedalmond blue blueviolet
brown burlywood cadetblue chartreuse chocolate coral cornflowerblue cornsilk crimson cyan
darkblue darkcyan darkgoldenrod darkgray darkgreen darkgrey darkkhaki darkmagenta darkolivegreen
    darkorange darkorchid darkred darksalmon darkseagreen darkslateblue darkslategray darkslategrey
    darkturquoise darkviolet deeppink deepskyblue dimgray dimgrey dodgerblue firebrick floralwhite
    forestgreen fuchsia gainsboro ghostwhite gold goldenrod gray green greenyellow grey honeydew
    hotpink indianred indigo ivory khaki lavender lavenderblush lawngreen lemonchiffon lightblue
    lightcoral lightcyan lightgoldenrodyellow lightgray lightgreen lightgrey lightpink lightsalmon
    lightseagreen lightskyblue lightslategray lightslategrey lightsteelblue lightyellow lime
    limegreen linen magenta maroon mediumaquamarine mediumblue mediumorchid mediumpurple
    mediumseagreen mediumslateblue mediumspringgreen mediumturquoise mediumvioletred midnightblue
    mintcream mistyrose moccasin navajowhite navy oldlace olive olivedrab orange orangered orchid
    palegoldenrod palegreen paleturquoise palevioletred papayawhip peachpuff peru pink plum
    powderblue purple rebeccapurple red rosybrown royalblue saddlebrown salmon sandybrown seagreen
    seashell sienna silver skyblue slateblue slategray slategrey snow springgreen steelblue tan teal
    thistle tomato turquoise violet wheat white whitesmoke yellow yellowgreen
"""
_CSS_NAMES = frozenset(_NAMES.split())  # CSS Color Module Level 4, section 6.1


def solid_color(prompt: str) -> str | None:
    """The colour a prompt asks for if a plain one is all it asks for: a CSS name or #rrggbb.

    >>> [solid_color(p) for p in ("A solid light blue background", "#FF8800", "blue velvet")]
    ['lightblue', '#ff8800', None]
    """
    words = prompt.lower().replace(",", " ").replace("#", " # ").split()
    joined = "".join(word for word in words if word not in _FILLERS)
    if joined in _CSS_NAMES:
        return joined
    return f"#{joined}" if _HEX.fullmatch(joined) else None
