"""Words for what things are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pipeline.models.generation.studio.colors import Rgb
from pipeline.models.generation.studio.vocabulary.words import each, rgb


@dataclass(frozen=True, slots=True)
class Stuff:
    """A material: the surface painted for it and its own colour."""

    surface: str
    tone: Rgb


OAK = Stuff("wood", rgb("b98e62"))
WALNUT = Stuff("wood", rgb("6b4730"))
PINE = Stuff("wood", rgb("d9b587"))
DARK_WOOD = Stuff("wood", rgb("4b3325"))
WHITE_WOOD = Stuff("wood", rgb("e6e0d6"))
WHITE_MARBLE = Stuff("marble", rgb("ebeae7"))
BLACK_MARBLE = Stuff("marble", rgb("1d1d1f"))
CONCRETE = Stuff("concrete", rgb("a09d98"))

STUFFS: Mapping[str, Stuff] = MappingProxyType(
    each("wood, wooden, oak, timber, oak wood, plank, planks, butcher block", OAK)
    | each("walnut, walnut wood, teak, chestnut wood", WALNUT)
    | each("mahogany, rosewood, cherry wood", Stuff("wood", rgb("7a3f28")))
    | each("pine, pine wood, birch, beech, maple, ash wood, light wood, pale wood", PINE)
    | each("bamboo", Stuff("wood", rgb("d6b878")))
    | each("light oak, white oak, blond wood", Stuff("wood", rgb("d2b48c")))
    | each("dark wood, dark wooden, wenge, ebony, dark oak", DARK_WOOD)
    | each("white wood, white wooden, whitewashed wood, painted wood", WHITE_WOOD)
    | each(
        "driftwood, weathered wood, reclaimed wood, rustic wood, old wood, rustic wooden",
        Stuff("wood", rgb("91806c")),
    )
    | each("marble, white marble, carrara, carrara marble, calacatta", WHITE_MARBLE)
    | each("black marble, nero marquina", BLACK_MARBLE)
    | each("green marble, emerald marble", Stuff("marble", rgb("1f4436")))
    | each("pink marble, rose marble", Stuff("marble", rgb("e3bfb5")))
    | each("granite", Stuff("stone", rgb("6f6c6a")))
    | each("quartz", Stuff("marble", rgb("f1efec")))
    | each("concrete, cement, microcement, stucco", CONCRETE)
    | each("asphalt, pavement, tarmac, sidewalk", Stuff("stone", rgb("5a5957")))
    | each("slate", Stuff("slate", rgb("4d5359")))
    | each("stone, rock, rocky, rocks, limestone, boulder", Stuff("stone", rgb("8f897f")))
    | each("sandstone, travertine", Stuff("stone", rgb("cdb48f")))
    | each("terrazzo", Stuff("terrazzo", rgb("e6e1d9")))
    | each("tile, tiles, tiled, ceramic tile, ceramic tiles", Stuff("tiles", rgb("dfe0dc")))
    | each("brick, bricks", Stuff("brick", rgb("9c5b45")))
    | each(
        "linen, fabric, cloth, cotton, canvas, textile, tablecloth, burlap, wool",
        Stuff("linen", rgb("ddd2bf")),
    )
    | each("denim", Stuff("linen", rgb("44597c")))
    | each("velvet, suede", Stuff("velvet", rgb("5b2338")))
    | each("silk, satin", Stuff("silk", rgb("e3d2bf")))
    | each("leather", Stuff("leather", rgb("6d4329")))
    | each("sand, sandy", Stuff("sand", rgb("d3b58c")))
    | each("snow, snowy, ice", Stuff("snow", rgb("ecf0f6")))
    | each("grass, grassy, lawn, turf", Stuff("grass", rgb("5a7636")))
    | each("moss, mossy", Stuff("moss", rgb("4a5823")))
    | each("pebble, pebbles, gravel, shingle", Stuff("pebbles", rgb("8d8a85")))
    | each("leaves, autumn leaves, fallen leaves", Stuff("leaves", rgb("9c5a24")))
    | each("water, pool, lake, pond, river, puddle", Stuff("water", rgb("1f3f4c")))
    | each(
        "glass, mirror, acrylic, plexiglass, glossy, reflective, lacquer",
        Stuff("acrylic", rgb("d5d7d9")),
    )
)
"""Materials, of what the product stands on or, before `wall` or `background`, of what is behind."""

STANDS: Mapping[str, Stuff | None] = MappingProxyType(
    each("table, tabletop, table top, desk, board, shelf, bench, workbench", OAK)
    | each("counter, countertop, worktop", WHITE_MARBLE)
    | each("floor, ground, surface, podium, pedestal, plinth, base, slab, platform", None)
)
"""What a product stands on, and of what it is made unless the prompt says."""
