"""Words for light."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pipeline.models.generation.studio.colors import Rgb
from pipeline.models.generation.studio.vocabulary.words import each

_GOLDEN: Rgb = (1.0, 0.84, 0.64)
WARM: Rgb = (1.0, 0.89, 0.76)
_COOL: Rgb = (0.84, 0.93, 1.0)

LIGHTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    each(
        "from the left, left light, left side, light from left, lit from the left, from left",
        {"azimuth_deg": -68.0},
    )
    | each(
        "from the right, right light, right side, light from right, lit from the right, from right",
        {"azimuth_deg": 68.0},
    )
    | each(
        "backlit, backlight, back light, from behind, rim light, contre jour, backlighting",
        {"azimuth_deg": 165.0, "elevation_deg": 40.0},
    )
    | each("top light, overhead light, from above, toplight, overhead", {"elevation_deg": 82.0})
    | each(
        "side light, sidelight, side lit, sidelit, side lighting",
        {"azimuth_deg": -82.0, "elevation_deg": 30.0},
    )
    | each("front light, frontal light, flat light", {"azimuth_deg": 0.0, "fill": 0.7})
    | each(
        "soft, soft light, soft lighting, diffused, diffused light, softbox, overcast, airy",
        {"softness": 1.0, "fill": 0.6},
    )
    | each(
        "hard light, harsh light, hard, direct sun, direct sunlight, hard shadows",
        {"softness": 0.05, "fill": 0.3},
    )
    | each(
        "sun, sunny, sunlight, sunlit, sunshine, daylight, natural light",
        {"softness": 0.25, "white_rgb": (1.0, 0.95, 0.87), "exposure": 1.06},
    )
    | each(
        "morning, morning light, early morning, sunrise light",
        {
            "azimuth_deg": -72.0,
            "elevation_deg": 26.0,
            "white_rgb": (1.0, 0.92, 0.81),
            "softness": 0.5,
        },
    )
    | each(
        "golden hour, golden light, evening, evening light, late afternoon, golden, afternoon",
        {
            "azimuth_deg": 66.0,
            "elevation_deg": 20.0,
            "white_rgb": _GOLDEN,
            "softness": 0.4,
            "fill": 0.32,
        },
    )
    | each(
        "noon, midday",
        {"azimuth_deg": -20.0, "elevation_deg": 75.0, "softness": 0.15, "exposure": 1.1},
    )
    | each(
        "night, nighttime, midnight, moonlight, moonlit, nocturnal",
        {"exposure": 0.3, "white_rgb": (0.66, 0.8, 1.0), "fill": 0.2},
    )
    | each(
        "candlelight, candle, candles, candlelit, candle light, fireplace, firelight",
        {
            "exposure": 0.6,
            "white_rgb": (1.0, 0.66, 0.36),
            "fill": 0.14,
            "softness": 0.5,
            "elevation_deg": 30.0,
        },
    )
    | each(
        "neon, neon light, neon lights, cyberpunk",
        {"exposure": 0.85, "white_rgb": (0.9, 0.72, 1.0), "fill": 0.2},
    )
    | each(
        "moody, dramatic, low key, mysterious, dim, chiaroscuro, moody light, dramatic light",
        {"exposure": 0.55, "fill": 0.06, "azimuth_deg": -75.0, "softness": 0.55},
    )
    | each("dark", {"exposure": 0.5, "fill": 0.15})
    | each("bright, high key, luminous, well lit, bright light", {"exposure": 1.18, "fill": 0.62})
    | each("warm, warm light, warm tones, warm lighting", {"white_rgb": WARM})
    | each("cool, cold, cool light, cool tones, icy", {"white_rgb": _COOL})
    | each(
        "window light, window, sunlit window, window shadow, window shadows, by the window",
        {
            "gobo": "window",
            "azimuth_deg": -58.0,
            "elevation_deg": 34.0,
            "softness": 0.25,
            "fill": 0.42,
            "exposure": 1.2,
            "white_rgb": (1.0, 0.95, 0.87),
        },
    )
    | each(
        "blinds, venetian blinds, blind shadows",
        {
            "gobo": "blinds",
            "azimuth_deg": -52.0,
            "elevation_deg": 36.0,
            "softness": 0.2,
            "fill": 0.3,
            "exposure": 1.25,
            "white_rgb": (1.0, 0.94, 0.85),
        },
    )
    | each(
        "leaf shadow, leaf shadows, palm shadow, palm shadows, plant shadow, plant shadows, "
        "dappled light, dappled, palm, palm leaves, shadows of leaves, botanical shadow, "
        "dappled sunlight, tree shadow, palm leaf shadow, palm leaf shadows",
        {
            "gobo": "leaves",
            "azimuth_deg": -36.0,
            "elevation_deg": 34.0,
            "softness": 0.15,
            "fill": 0.3,
            "exposure": 1.2,
            "white_rgb": (1.0, 0.955, 0.88),
        },
    )
)
"""Words for light: the fields of `Key` that each one sets."""

LIGHT_COLORS: Mapping[str, Rgb] = MappingProxyType(
    {
        "gold": (1.0, 0.66, 0.26),
        "yellow": (1.0, 0.72, 0.3),
        "white": (1.0, 0.86, 0.68),
        "silver": (0.9, 0.95, 1.0),
    }
)
"""Colours that lamps have when people name them: nobody hangs lemon-yellow fairy lights."""
