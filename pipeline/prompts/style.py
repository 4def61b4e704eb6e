"""Style: a scene said the way photographers say it, by a fixed sentence and no model.

medium + subject + scene + light + camera. What the scene says already is not said again, so that
styling a styled prompt changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from pydantic import BaseModel, ConfigDict, Field

from pipeline.prompts.folding import fold

_LIGHT_WORDS = """
    light lights lighting lit backlit sunlit moonlit candlelit sun sunny sunlight sunshine sunrise
    sunset dawn dusk noon midday morning evening night twilight neon bokeh shadow
    shadows shade moody bright overcast softbox strobe candle candles lamp lamps glow glowing
    moonlight daylight
"""
_CAMERA_WORDS = """
    35mm 50mm 85mm 100mm lens macro closeup bokeh aperture f1 f2 f4 depth focus overhead flatlay
    aerial perspective angle
"""
_SPEAKS_OF_LIGHT = frozenset(_LIGHT_WORDS.split())
_SPEAKS_OF_CAMERA = frozenset(_CAMERA_WORDS.split())


class StyleConfig(BaseModel):
    """The words around a scene."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    medium: str = Field("product photograph", description="What the picture is; empty: not said.")
    subject_column: str | None = Field(
        None,
        description="Column of the manifest that says what the product is, such as 'title'. It "
        "must be in `keep`. Null: the product is not named.",
    )
    max_subject_words: int = Field(8, ge=1, le=40, description="Longer titles are cut.")
    light: tuple[str, ...] = Field(
        ("soft window light", "soft diffused studio light", "gentle natural light"),
        description="One of them is added to a scene that says nothing of light, by the seed.",
    )
    camera: tuple[str, ...] = Field(
        ("50mm lens, shallow depth of field", "85mm lens, shallow depth of field"),
        description="One of them is added to a scene that says nothing of the camera, by the seed.",
    )


def style(
    scene: str,
    subject: str | None,
    config: StyleConfig,
    *,
    seed: int,
    fits: Callable[[str], bool],
) -> str:
    """A scene with medium, subject, light and camera around it.

    The scene's own words are never dropped: parts that would make it too long are left out, the
    last ones first.

    >>> style("oak table", "vase", StyleConfig(camera=()), seed=1, fits=lambda text: True)
    'product photograph of vase, oak table, gentle natural light'
    """
    said = _words(scene)
    opening = " ".join((subject or "").split()[: config.max_subject_words])
    if _words(opening) <= said:
        opening = ""
    if config.medium and not _words(config.medium) <= said:
        opening = f"{config.medium} of {opening}" if opening else config.medium
    closing = [
        _chosen(words, seed, slot)
        for slot, words, known in (
            ("light", config.light, _SPEAKS_OF_LIGHT),
            ("camera", config.camera, _SPEAKS_OF_CAMERA),
        )
        if words and not said & known
    ]
    text = scene
    for styled in _growing(opening, scene, closing):
        if fits(styled):
            text = styled
    return text


def _growing(opening: str, scene: str, closing: Sequence[str]) -> list[str]:
    """The sentence, one part longer each time."""
    parts = [opening, scene] if opening else [scene]
    return [", ".join([*parts, *closing[:count]]) for count in range(len(closing) + 1)]


def _chosen(words: Sequence[str], seed: int, slot: str) -> str:
    digest = hashlib.sha256(f"{slot}\0{seed}".encode()).digest()
    return words[int.from_bytes(digest[:8], "big") % len(words)]


def _words(text: str) -> set[str]:
    return set("".join(c if c.isalnum() else " " for c in fold(text).text).split())
