"""Words for what is behind the product."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pipeline.models.generation.studio.vocabulary.words import each

BEHINDS = frozenset(
    ("background", "backdrop", "backgrounds", "backdrops", "curtain", "curtains", "drape")
)
SWEEPS = frozenset(
    (
        "studio",
        "sweep",
        "seamless",
        "paper",
        "infinity cove",
        "cyclorama",
        "packshot",
        "cove",
        "product photo",
        "product photography",
        "gradient",
        "minimal",
        "minimalist",
        "clean",
        "simple",
        "plain",
        "solid",
    )
)
WALLS: Mapping[str, str] = MappingProxyType(
    each("wall, walls, plaster, plaster wall, stucco wall", "plaster")
)

BACKDROPS: Mapping[str, str] = MappingProxyType(
    each("bathroom, spa, shower, bath", "bathroom")
    | each("bedroom, bed, hotel room", "bedroom")
    | each(
        "bokeh, bokeh lights, fairy lights, string lights, blurred lights, party, sparkle", "bokeh"
    )
    | each("cafe, coffee shop, restaurant, bar, bistro, pub, coffeehouse, bakery", "cafe")
    | each("cloud, clouds, cloudy, cloudy sky, heaven", "clouds")
    | each("desert, dune, dunes, sahara", "dunes")
    | each("field, meadow, countryside, farm, pasture, prairie", "field")
    | each(
        "foliage, greenery, plants, plant, tree, trees, bokeh foliage, nature, outdoor, outdoors",
        "foliage",
    )
    | each("forest, wood land, woodland, woods, rainforest, pine forest", "forest")
    | each("garden, park, backyard, orchard, flower garden, flowers", "garden")
    | each("jungle, tropical, botanical", "foliage")
    | each("kitchen, pantry", "kitchen")
    | each("living room, home, lounge, interior, apartment, room, indoor, indoors, house", "living")
    | each("mountain, mountains, alps, alpine, hills, mountain range, peaks", "mountains")
    | each(
        "city night, night city, city at night, city lights, nightlife, downtown at night, "
        "street at night, night street, nightclub, club",
        "night",
    )
    | each("office, workspace, workplace, study", "office")
    | each(
        "sea, ocean, beach, seaside, coast, shore, sea horizon, seashore, tropical beach, "
        "sandy beach, island",
        "sea",
    )
    | each("shop, store, boutique, library, market, showroom", "shop")
    | each("sky, blue sky, horizon", "sky")
    | each("street, city, urban, town, downtown, cityscape, city street, skyline", "street")
    | each("sunset, sunrise, dusk, dawn, sundown", "sunset")
    | each(
        "beach sunset, beach at sunset, sunset beach, sunset over the sea, sunset over the ocean, "
        "sunset at the beach, ocean sunset",
        "sunset_sea",
    )
    | each(
        "winter forest, snowy forest, winter landscape, snow forest, snowy trees, snowy landscape",
        "winter",
    )
)
"""Places."""

AROUND: Mapping[str, str] = MappingProxyType(
    {
        "grass": "garden",
        "leaves": "autumn",
        "moss": "forest",
        "pebbles": "foliage",
        "snow": "winter",
        "water": "sky",
    }
)
"""What is behind ground in the open, unless the prompt says."""
