"""What every background generator takes and gives, whatever draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

# Shape suffixes: H height, W width, C colour channel.


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """Pictures whose style a background follows."""

    digest: str
    """Names the pictures: two references with one digest are the same."""
    pictures: tuple[NDArray[np.uint8], ...] = field(compare=False)
    """sRGB, HWC, any size."""
    scale: float | None = None
    """Weight of the pictures, 0 for none; None: what the configuration says."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What a single row asks of a sampler in other words than its recipe; None: as the recipe."""

    fast: bool | None = None
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    strength: float | None = None

    def asked(self) -> dict[str, bool | int | float]:
        """The parameters that are not None, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationRequest:
    """One background to draw around one product."""

    image_HWC: NDArray[np.uint8]
    """The photograph at generation size, sRGB."""
    alpha_HW: NDArray[np.float32]
    """Where the product is: coverage in [0, 1], same size."""
    prompt: str
    seed: int
    """Decides every random choice of this background; nothing else does."""
    negative_prompt: str = ""
    settings: Settings = Settings()
    reference: Reference | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Light:
    """The key light of a generated scene, for the shadows and colours that follow it."""

    azimuth_deg: float
    """Where the light comes from: 0 behind the camera, -90 left of it, 90 right, 180 ahead."""
    elevation_deg: float
    """Height above the horizon: 0 grazing, 90 overhead."""
    softness: float
    """0 a point source with hard shadows, 1 an overcast sky."""
    white_rgb: tuple[float, float, float]
    """Linear-light colour of a neutral surface under it, brightest channel 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Background:
    """A drawn background at the size of its request."""

    rgb_HWC: NDArray[np.float32]
    """sRGB-encoded, [0, 1], not yet dithered: quantise once, at the very end."""
    understood: tuple[str, ...] = ()
    """The words of the prompt that had an effect, where the generator can tell."""
    light: Light | None = None
    """None when the generator does not know it."""
    ground_y: float | None = None
    """Row of the horizon (far edge of the ground) as a fraction of the height; None: unknown."""
    metrics: dict[str, float] = field(default_factory=dict)


class GeneratorConfig(Protocol):
    """What is known of a generator before it is built, beside the settings of its own kind.

    Only fields of the model are settings of a recipe; what is the same for all of a kind is a
    class variable.
    """

    @property
    def kind(self) -> str:
        """Names the kind in a recipe."""
        ...

    @property
    def revision(self) -> str:
        """Names code, weights and settings: all that decides pixels beside the request."""
        ...

    @property
    def max_batch(self) -> int:
        """The most requests that are drawn together."""
        ...

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        """Where it draws."""
        ...

    @property
    def multiple_px(self) -> int | None:
        """Sides that it can draw are multiples of this, px; None: it draws any size."""
        ...

    @property
    def follows_references(self) -> bool:
        """Whether a row may bring pictures whose style its background follows."""
        ...

    @property
    def is_trained(self) -> bool:
        """Whether a trained network draws, which finished files then state of themselves."""
        ...


class Generator(Protocol):
    """Draws backgrounds. Built once per actor; weights load in its constructor."""

    revision: str
    """Names code and weights: the same request under the same revision gives the same pixels."""
    max_batch: int
    """The most requests that it draws together; more are drawn one batch after the other."""
    device: Literal["cpu", "cuda"]
    """Where it draws: while a GPU is busy, the CPU is free for other work."""
    draws_product: bool
    """Whether its backgrounds show its own rendering of the product, or nothing in its place."""

    def generate(self, requests: Sequence[GenerationRequest]) -> Sequence[Background]:
        """Draw one background per request, in order; requests of one call may differ in size.

        Raises:
            MemoryError: the batch does not fit; the caller retries it smaller.
            RowError: `bad_request`, some request asks for what this generator cannot do.
        """
        ...
