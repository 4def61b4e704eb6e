"""Words for seasons and styles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from pipeline.models.generation.studio.colors import Rgb
from pipeline.models.generation.studio.vocabulary.lighting import WARM
from pipeline.models.generation.studio.vocabulary.materials import (
    BLACK_MARBLE,
    CONCRETE,
    DARK_WOOD,
    PINE,
    STUFFS,
    WALNUT,
    WHITE_MARBLE,
    WHITE_WOOD,
    Stuff,
)
from pipeline.models.generation.studio.vocabulary.words import each, rgb


@dataclass(frozen=True, kw_only=True, slots=True)
class Mood:
    """What a season or a style suggests where the prompt says nothing more precise."""

    stuff: Stuff | None = None
    backdrop: str = ""
    backdrop_tone: Rgb | None = None
    accents: tuple[Rgb, ...] = ()
    lights: bool = False
    light: Mapping[str, Any] = field(default_factory=dict)


_GOLD: Rgb = (1.0, 0.66, 0.26)
_PINK: Rgb = (1.0, 0.2, 0.5)
_CYAN: Rgb = (0.1, 0.75, 1.0)

MOODS: Mapping[str, Mood] = MappingProxyType(
    each(
        "christmas, xmas, festive, holiday",
        Mood(
            stuff=DARK_WOOD,
            backdrop="bokeh",
            backdrop_tone=(0.022, 0.03, 0.018),
            accents=(_GOLD, _GOLD, (1.0, 0.75, 0.45), (0.9, 0.06, 0.04), (0.1, 0.5, 0.12)),
            lights=True,
            light={"white_rgb": (1.0, 0.87, 0.7), "exposure": 0.9},
        ),
    )
    | each(
        "winter, wintry, frosty",
        Mood(stuff=STUFFS["snow"], backdrop="winter", light={"white_rgb": (0.93, 0.97, 1.0)}),
    )
    | each(
        "autumn, fall, autumnal, thanksgiving",
        Mood(stuff=STUFFS["rustic wood"], backdrop="autumn", light={"white_rgb": (1.0, 0.9, 0.76)}),
    )
    | each(
        "spring, springtime, easter",
        Mood(
            stuff=PINE,
            backdrop="foliage",
            backdrop_tone=(0.3, 0.42, 0.13),
            accents=((0.95, 0.55, 0.65), (1.0, 0.9, 0.92)),
            light={"exposure": 1.08, "fill": 0.6},
        ),
    )
    | each(
        "summer, summery",
        Mood(
            stuff=WHITE_WOOD,
            backdrop="sea",
            light={"white_rgb": (1.0, 0.97, 0.91), "exposure": 1.08},
        ),
    )
    | each(
        "cozy, cosy, hygge, homely",
        Mood(
            stuff=WALNUT,
            backdrop="living",
            light={"white_rgb": (1.0, 0.86, 0.68), "exposure": 0.92},
        ),
    )
    | each(
        "luxury, luxurious, premium, opulent, glamorous",
        Mood(
            stuff=BLACK_MARBLE,
            backdrop="bokeh",
            backdrop_tone=(0.03, 0.022, 0.014),
            accents=(_GOLD, (1.0, 0.8, 0.5)),
            light={"fill": 0.25, "white_rgb": (1.0, 0.93, 0.84)},
        ),
    )
    | each(
        "elegant, sophisticated, refined",
        Mood(
            stuff=WHITE_MARBLE,
            backdrop="wall",
            backdrop_tone=rgb("c9bfb2"),
            light={"softness": 0.9},
        ),
    )
    | each(
        "rustic, vintage, farmhouse",
        Mood(
            stuff=STUFFS["rustic wood"],
            backdrop="wall",
            backdrop_tone=rgb("8d7c69"),
            light={"white_rgb": WARM},
        ),
    )
    | each("industrial, loft", Mood(stuff=CONCRETE, backdrop="wall", backdrop_tone=rgb("8b8580")))
    | each(
        "romantic, valentine, valentines, wedding",
        Mood(
            stuff=Stuff("silk", rgb("ecc9c4")),
            backdrop="bokeh",
            backdrop_tone=rgb("8f5560"),
            accents=((1.0, 0.6, 0.55), (1.0, 0.8, 0.7)),
            light={"softness": 1.0, "fill": 0.6},
        ),
    )
    | each(
        "halloween, spooky",
        Mood(
            stuff=DARK_WOOD,
            backdrop="bokeh",
            backdrop_tone=(0.02, 0.012, 0.02),
            accents=((1.0, 0.32, 0.03), (1.0, 0.5, 0.1)),
            light={"exposure": 0.6, "fill": 0.15},
        ),
    )
    | each(
        "futuristic, tech, technology, sci fi, gaming",
        Mood(
            stuff=Stuff("acrylic", rgb("15171c")),
            backdrop="wall",
            backdrop_tone=rgb("1c2530"),
            accents=(_CYAN,),
            light={"white_rgb": (0.72, 0.88, 1.0), "fill": 0.15, "azimuth_deg": 75.0},
        ),
    )
    | each(
        "scandinavian, nordic, japandi, zen",
        Mood(stuff=PINE, backdrop="wall", backdrop_tone=rgb("e9e4dc"), light={"softness": 0.9}),
    )
    | each(
        "neon, cyberpunk, neon light, neon lights",
        Mood(
            stuff=Stuff("acrylic", rgb("121217")), backdrop="night", accents=(_PINK, _CYAN, _PINK)
        ),
    )
    | each(
        "fireplace, firelight, candlelight, candlelit, candles, candle, candle light",
        Mood(stuff=WALNUT, backdrop="bokeh", backdrop_tone=(0.04, 0.02, 0.01), accents=(_GOLD,)),
    )
)
"""Seasons and styles."""
