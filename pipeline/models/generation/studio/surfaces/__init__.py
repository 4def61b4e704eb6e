"""What a product can stand on, painted in perspective."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pipeline.models.generation.studio.surfaces import cloth, pavers, stone, terrain, wall, wood
from pipeline.models.generation.studio.surfaces.material import Painter

SURFACES: Mapping[str, Painter] = MappingProxyType(
    {
        "acrylic": pavers.acrylic,
        "brick": pavers.brick,
        "concrete": stone.concrete,
        "grass": terrain.grass,
        "leather": cloth.leather,
        "leaves": terrain.leaves,
        "linen": cloth.linen,
        "marble": stone.marble,
        "moss": terrain.moss,
        "pebbles": terrain.pebbles,
        "plain": pavers.plain,
        "plaster": wall.plaster,
        "sand": terrain.sand,
        "silk": cloth.silk,
        "slate": stone.slate,
        "snow": terrain.snow,
        "stone": stone.stone,
        "terrazzo": stone.terrazzo,
        "tiles": pavers.tiles,
        "velvet": cloth.velvet,
        "water": terrain.water,
        "wood": wood.wood,
    }
)
"""Name of a surface to the function that paints it."""

OPEN_AIR = frozenset(("grass", "leaves", "moss", "pebbles", "sand", "snow", "water"))
"""Surfaces that reach the horizon; the others are tables and end before the backdrop."""
