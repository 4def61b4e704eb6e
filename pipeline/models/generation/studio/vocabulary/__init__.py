"""The words that the studio knows, and what each of them puts on the set."""

from __future__ import annotations

from pipeline.models.generation.studio.vocabulary.lighting import LIGHT_COLORS, LIGHTS
from pipeline.models.generation.studio.vocabulary.materials import STANDS, STUFFS, Stuff
from pipeline.models.generation.studio.vocabulary.moods import MOODS, Mood
from pipeline.models.generation.studio.vocabulary.places import (
    AROUND,
    BACKDROPS,
    BEHINDS,
    SWEEPS,
    WALLS,
)

__all__ = [
    "AROUND",
    "BACKDROPS",
    "BEHINDS",
    "BREAKS",
    "LIGHTS",
    "LIGHT_COLORS",
    "MOODS",
    "NEUTRAL",
    "STANDS",
    "STUFFS",
    "SWEEPS",
    "WALLS",
    "Mood",
    "Stuff",
]

BREAKS = frozenset(
    (
        "with",
        "and",
        "on",
        "against",
        "in front of",
        "behind",
        "over",
        "under",
        "by",
        "near",
        "at",
        "before",
        "beside",
        "next to",
        "atop",
        "upon",
    )
)
"""Words and commas between which a colour looks for its noun."""

NEUTRAL = frozenset(
    ("a", "an", "the", "of", "in", "very", "light", "lighting", "lit", "colored", "coloured")
)
"""Words that neither mean anything here nor stand between a colour and its noun."""
