"""The scene a prompt asks for: plain data between the words and the pixels."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.models.generation.studio.colors import Rgb


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """The light of the set."""

    azimuth_deg: float = -42.0
    """0 behind the camera, -90 left, 90 right, 180 behind the product."""
    elevation_deg: float = 52.0
    softness: float = 0.75
    """0 a bare lamp, 1 a wall of diffusers."""
    white_rgb: Rgb = (1.0, 1.0, 1.0)
    """Linear colour of a grey card under it, brightest channel 1."""
    exposure: float = 1.0
    fill: float = 0.3
    """Share of the light that comes from everywhere: 1 leaves no modelling at all."""
    gobo: str = ""
    """What throws its shadow on the set: window, blinds, leaves; empty for nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """One set: what the product stands on, what is behind it, and how it is lit."""

    surface: str
    """A name of `surfaces.SURFACES`, or `sweep`: paper that curves up and is its own backdrop."""
    surface_tone: Rgb
    """Mean albedo, linear."""
    backdrop: str
    """A name of `backdrops.BACKDROPS`, `wall`, or `sweep`."""
    backdrop_tone: Rgb
    wall: str = "plain"
    """The surface that a backdrop `wall` is made of."""
    accents: tuple[Rgb, ...] = ()
    """Colours of small lights and other touches, linear."""
    lights: bool = False
    """Small defocused lights in front of the backdrop."""
    key: Key = Key()
    understood: tuple[str, ...] = ()
    """The words of the prompt that had an effect, in their order."""
