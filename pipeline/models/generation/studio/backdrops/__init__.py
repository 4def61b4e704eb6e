"""What can be seen behind the product, out of focus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from pipeline.models.generation.studio.backdrops import city, interior, nature
from pipeline.models.generation.studio.backdrops.painted_canvas import BackdropPainter
from pipeline.models.generation.studio.colors import Rgb


@dataclass(frozen=True, slots=True)
class Backdrop:
    """A place, and what a photographer would set the product on there if nobody says."""

    paint: BackdropPainter
    tone: Rgb
    """Linear colour of its sky, wall or leaves unless the prompt names one."""
    surface: str
    surface_tone: Rgb
    blur: float = 0.022
    """Radius of the circle of confusion, in frame heights."""


_OAK: Rgb = (0.42, 0.24, 0.12)
_WALNUT: Rgb = (0.12, 0.058, 0.03)
_SKY: Rgb = (0.16, 0.38, 0.75)
_LEAF: Rgb = (0.11, 0.2, 0.035)

BACKDROPS: Mapping[str, Backdrop] = MappingProxyType(
    {
        "autumn": Backdrop(nature.foliage, (0.42, 0.15, 0.02), "leaves", (0.3, 0.1, 0.02), 0.024),
        "bathroom": Backdrop(
            partial(interior.room, what=interior.BATHROOM),
            (0.72, 0.75, 0.75),
            "marble",
            (0.74, 0.74, 0.73),
        ),
        "bedroom": Backdrop(
            partial(interior.room, what=interior.BEDROOM), (0.66, 0.6, 0.53), "wood", _OAK
        ),
        "bokeh": Backdrop(city.bokeh, (0.035, 0.022, 0.014), "wood", _WALNUT, 0.026),
        "cafe": Backdrop(
            partial(interior.room, what=interior.CAFE), (0.2, 0.12, 0.075), "wood", _WALNUT
        ),
        "clouds": Backdrop(nature.clouds, (0.25, 0.46, 0.78), "plain", (0.8, 0.82, 0.85), 0.012),
        "dunes": Backdrop(nature.dunes, (0.3, 0.5, 0.78), "sand", (0.58, 0.36, 0.18), 0.008),
        "field": Backdrop(nature.field, _SKY, "grass", (0.1, 0.165, 0.035), 0.016),
        "foliage": Backdrop(nature.foliage, _LEAF, "wood", _OAK, 0.024),
        "forest": Backdrop(nature.forest, (0.1, 0.16, 0.045), "moss", (0.055, 0.085, 0.016), 0.012),
        "garden": Backdrop(nature.garden, (0.13, 0.23, 0.04), "grass", (0.1, 0.165, 0.035), 0.022),
        "kitchen": Backdrop(
            partial(interior.room, what=interior.KITCHEN),
            (0.76, 0.73, 0.68),
            "marble",
            (0.76, 0.75, 0.73),
        ),
        "living": Backdrop(
            partial(interior.room, what=interior.LIVING), (0.62, 0.56, 0.48), "wood", _OAK
        ),
        "mountains": Backdrop(
            nature.mountains, (0.22, 0.42, 0.72), "stone", (0.24, 0.23, 0.21), 0.006
        ),
        "night": Backdrop(
            city.night, (0.022, 0.024, 0.05), "acrylic", (0.012, 0.012, 0.015), 0.024
        ),
        "office": Backdrop(
            partial(interior.room, what=interior.OFFICE), (0.7, 0.7, 0.69), "wood", _OAK
        ),
        "sea": Backdrop(nature.sea, (0.2, 0.45, 0.76), "sand", (0.62, 0.48, 0.31), 0.01),
        "shop": Backdrop(
            partial(interior.room, what=interior.SHOP), (0.55, 0.46, 0.37), "wood", _OAK
        ),
        "sky": Backdrop(nature.sky, _SKY, "plain", (0.8, 0.82, 0.85), 0.014),
        "street": Backdrop(city.street, (0.8, 0.87, 0.95), "concrete", (0.33, 0.32, 0.3), 0.02),
        "sunset": Backdrop(nature.sunset, (0.3, 0.2, 0.3), "water", (0.02, 0.03, 0.04), 0.008),
        "sunset_sea": Backdrop(
            nature.sunset_sea, (0.3, 0.2, 0.3), "sand", (0.5, 0.36, 0.24), 0.008
        ),
        "winter": Backdrop(nature.winter, (0.72, 0.78, 0.86), "snow", (0.84, 0.87, 0.92), 0.012),
    }
)
"""Name of a backdrop to how it is painted."""
