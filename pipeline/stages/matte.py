"""Matte: the photograph's bytes in, the product's coverage and the sizes to work at out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator

from pipeline import schema
from pipeline.engine.actor_memory import Need
from pipeline.engine.isolation import each
from pipeline.engine.stage import Resources, Stage
from pipeline.errors import Columns, ErrorCode, FatalError, Outcome, Row, RowError
from pipeline.imaging.clipping_path.cut_along import ClippingPathConfig
from pipeline.imaging.closed_form import functions
from pipeline.imaging.cutout.alpha import CoverageConfig, RefineConfig, check_matte, refine
from pipeline.imaging.cutout.confidence import ConfidenceConfig, Cutout, judge
from pipeline.imaging.cutout.islands import drop_islands
from pipeline.imaging.cutout.trimap import TrimapConfig, trimap_of
from pipeline.imaging.reading.decode import decode
from pipeline.imaging.reading.limits import ImageLimits
from pipeline.imaging.reading.photo import Photo
from pipeline.imaging.writing.encoding import encode_alpha
from pipeline.models.matting.load_network import build_network, build_solver
from pipeline.models.matting.matting_config import (
    AnyNetworkConfig,
    ExistingConfig,
    U2NetConfig,
    VitMatteConfig,
)
from pipeline.stages.local_weights import bring_weights, weigh
from pipeline.stages.matting.file_alpha import Ask, UseFileAlpha, check_colors
from pipeline.stages.matting.given_alpha import AlphaSources, Brought

Float = NDArray[np.float32]

_FEWEST_ROWS = 2
"""The fewest rows in a batch: the fewer, the sooner the stages after this one have work."""

# Of memory, MB; see pipeline/engine/actor_memory.py.
_NETWORK_MB = 310
"""ONNX Runtime with U2-Net-p, whose working memory it keeps."""
_FLIPPED_MB = 240
"""The memory, in MB, that seeing each photograph mirrored as well adds to `_NETWORK_MB`."""
_REFINING_MB = {"none": 32, "guided": 48, "closed_form": 750, "vitmatte": 48}
"""The memory of each refinement, in MB for each megapixel. Closed form: where nothing but the
outline is unknown."""
_TILE_MB = 1800
"""The memory of ViTMatte, in MB for each megapixel of tiles that it sees at once on a CPU."""


class VitMatteRefineConfig(TrimapConfig):
    """Refinement by a second network, which sees the photograph at full size."""

    method: Literal["vitmatte"] = Field("vitmatte", description="ViTMatte, on tiles.")
    model: VitMatteConfig = Field(description="The network that solves the unknown band.")


def _refiner(value: Any) -> str:
    """Told apart by `method`, which may be left out: then it is the pixels' own."""
    method = value.get("method") if isinstance(value, dict) else getattr(value, "method", None)
    return "vitmatte" if method == "vitmatte" else "pixels"


AnyRefineConfig = Annotated[
    Annotated[RefineConfig, Tag("pixels")] | Annotated[VitMatteRefineConfig, Tag("vitmatte")],
    Discriminator(_refiner),
]


class MatteConfig(BaseModel):
    """Which network cuts the product out, and how its edge is refined."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    network: AnyNetworkConfig = Field(
        U2NetConfig(), description="The matting network, by its architecture."
    )
    use_file_alpha: UseFileAlpha = Field(
        "auto",
        description="Whether the alpha channel of an input that has one is taken instead of "
        "matting it. 'auto': if it looks like a cut-out; if it is only the shape of the "
        "photograph (padding, rounded corners, a border), the network cuts out what is within. "
        "'always' (or true), 'never' (or false).",
    )
    clipping_path: ClippingPathConfig = Field(
        ClippingPathConfig(), description="What is made of a clipping path in the photograph."
    )
    use_saved_selection: bool = Field(
        default=True,
        description="Take a selection that was saved with the photograph (an alpha channel of "
        "Photoshop's, in TIFF or PSD) instead of matting it, if there is nothing better.",
    )
    mask_white: Literal["auto", "product", "background"] = Field(
        "auto",
        description="What white means in the masks that rows bring. 'auto': the product, unless "
        "white stands along the frame's border and the network sees the product in the black: then "
        "the mask is for inpainting, and inverted. 'product', 'background': as it says.",
    )
    file_alpha_colors: str = Field(
        "auto",
        description="What the colours of such an input are where it is half transparent. 'auto': "
        "its own edge tells. 'straight': the product's own, as editors deliver them. "
        "'premultiplied': multiplied by alpha, the same as laid over black. A colour: laid over "
        "that, such as white. 'mixed': with an old background, as after a matting network.",
    )
    refine: AnyRefineConfig = Field(
        RefineConfig(), description="How the network's coarse edge is fitted to the photograph."
    )
    min_island_area: float = Field(
        3e-5,
        ge=0,
        lt=1,
        description="Pieces of a network's cut-out that are smaller are dropped, a fraction of "
        "the picture: 3e-5 is 6 x 5 px in 1 MP. The largest piece and all holes stay. 0: none is.",
    )
    coverage: CoverageConfig = Field(
        CoverageConfig(), description="What is refused as no cut-out at all."
    )
    confidence: ConfidenceConfig = Field(
        ConfidenceConfig(), description="What becomes of a cut-out that is in doubt."
    )

    @field_validator("use_file_alpha", mode="before")
    @classmethod
    def _yes_or_no(cls, value: Any) -> Any:
        if isinstance(value, bool):
            return "always" if value else "never"
        return value

    @field_validator("file_alpha_colors")
    @classmethod
    def _names_colors(cls, value: str) -> str:
        return check_colors(value)

    @property
    def revision(self) -> str:
        """Names the weights that cut out, before they are loaded."""
        if isinstance(self.refine, VitMatteRefineConfig):
            return f"{self.network.revision}+{self.refine.model.revision}"
        return self.network.revision


@dataclass(frozen=True, kw_only=True, slots=True)
class _Task:
    """A row with its pixels decoded, and the alpha it may have brought along."""

    photo: Photo
    brought: Brought

    @property
    def seen(self) -> NDArray[np.uint8]:
        """What a network is shown: the photograph, or the part where there is one."""
        part = self.brought.within
        return self.photo.rgb_HWC if part is None else part.rgb_HWC

    def placed(self, alpha_HW: Float) -> Float:
        """Coverage of what a network was shown, as coverage of the photograph."""
        part = self.brought.within
        if part is None:
            return alpha_HW
        whole_HW = np.zeros_like(part.limit_HW)
        whole_HW[part.box] = np.minimum(alpha_HW, part.limit_HW[part.box])
        return whole_HW


class MatteMapper:
    """Cuts products out."""

    def __init__(self, config: MatteConfig, *, limits: ImageLimits, num_threads: int) -> None:
        config = bring_weights(config)
        _load(config)
        self._config = config
        self._limits = limits
        self._network = build_network(config.network, num_threads=num_threads)
        ask = None if self._network is None else self._asked
        self._alphas = alpha_sources(config, limits=limits, ask=ask)
        self._solver = (
            build_solver(config.refine.model, num_threads=num_threads)
            if isinstance(config.refine, VitMatteRefineConfig)
            else None
        )
        parts = [part.revision for part in (self._network, self._solver) if part is not None]
        self._revision = "+".join(parts)

    def map_batch(self, rows: Sequence[Row]) -> list[Outcome]:
        """Cut out as many photographs at a time as the network takes: a decoded one is large."""
        size = self._config.network.max_batch
        outcomes: list[Outcome] = []
        for first in range(0, len(rows), size):
            outcomes += self._map_few(rows[first : first + size])
        return outcomes

    def _map_few(self, rows: Sequence[Row]) -> list[Outcome]:
        """Decode all, cut out in one call, finish each."""
        decoded = each(rows, lambda row: {"task": self._decode(row)})
        tasks = [outcome["task"] for outcome in decoded if not isinstance(outcome, RowError)]
        found = self._cut_out([task.seen for task in tasks if task.brought.given is None])
        ready: list[Columns | RowError] = []
        for outcome in decoded:
            if isinstance(outcome, RowError):
                ready.append(outcome)
            else:
                task: _Task = outcome["task"]
                needs_network = task.brought.given is None
                ready.append({"task": task, "found": next(found) if needs_network else None})
        return each([{"ready": item} for item in ready], self._finish, of=rows)

    def _decode(self, row: Row) -> _Task:
        photo = decode(row["image_bytes"], self._limits)
        return _Task(photo=photo, brought=self._alphas(row, photo))

    def _asked(self, rgb_HWC: NDArray[np.uint8]) -> Float:
        assert self._network is not None  # `__init__` has looked
        (coarse_HW,) = self._network.predict([rgb_HWC])
        return coarse_HW

    def _cut_out(self, images: Sequence[NDArray[np.uint8]]) -> Iterator[tuple[Float, Cutout]]:
        """The network's coarse alpha of each picture, and what it is worth."""
        if not images:
            return
        assert self._network is not None  # `_decode` lets no row through that would need one
        coarse = self._network.predict(images)
        if not self._config.confidence.flip:
            yield from ((alpha_HW, judge(alpha_HW)) for alpha_HW in coarse)
            return
        mirrored = self._network.predict([np.ascontiguousarray(i[:, ::-1]) for i in images])
        for alpha_HW, mirrored_HW in zip(coarse, mirrored, strict=True):
            yield alpha_HW, judge(alpha_HW, mirrored_HW[:, ::-1])

    def _finish(self, row: Row) -> Columns:
        ready = row["ready"]
        if isinstance(ready, RowError):
            raise ready
        task: _Task = ready["task"]
        given, coverage = task.brought.given, self._config.coverage
        if given is not None:
            alpha_HW, judged = given.alpha_HW, None
        else:
            coarse_HW, judged = ready["found"]
            alpha_HW = task.placed(self._refined(coarse_HW, task.seen))
        # Before the confidence is asked: "nothing was found" says more than "in doubt".
        check_matte(
            alpha_HW,
            min_coverage=coverage.min_coverage,
            max_coverage=coverage.max_coverage,
            source="mask_uri: in the mask, " if given and given.source == "mask" else "",
        )
        return {
            "alpha": encode_alpha(alpha_HW),
            "alpha_source": "network" if given is None else given.source,
            "alpha_colors": None if given is None or given.colors is None else str(given.colors),
            "cutout": None if judged is None else self._accepted(judged),
            "matting_model": None if judged is None else self._revision,
            "decode_notes": [*task.photo.notes, *task.brought.notes],
        }

    def _accepted(self, cutout: Cutout) -> Columns:
        config = self._config.confidence
        doubtful = cutout.confidence < config.min_confidence
        if doubtful and config.doubtful == "error":
            raise RowError(
                ErrorCode.DOUBTFUL_MATTE,
                f"confidence {cutout.confidence:.2f} is below {config.min_confidence:.2f} "
                f"({cutout.entropy:.2f} bits of entropy, {cutout.coverage:.1%} covered)",
            )
        return {**asdict(cutout), "doubtful": doubtful}

    def _refined(self, coarse_HW: Float, rgb_HWC: NDArray[np.uint8]) -> Float:
        config = self._config
        if isinstance(config.refine, VitMatteRefineConfig):
            assert self._solver is not None
            refined_HW = self._solver.solve(rgb_HWC, trimap_of(coarse_HW, config.refine))
        else:
            refined_HW = refine(coarse_HW, rgb_HWC, config.refine)
        return drop_islands(refined_HW, min_area=config.min_island_area)


def alpha_sources(
    config: MatteConfig, *, limits: ImageLimits, ask: Ask | None = None
) -> AlphaSources:
    """What decides between the alphas that a row brings, and the network.

    Args:
        config: the stage's.
        limits: of files.
        ask: the network, where it is loaded; None: what it would be asked is left open.
    """
    return AlphaSources(
        limits=limits,
        use_file_alpha=config.use_file_alpha,
        clipping_path=config.clipping_path,
        use_saved_selection=config.use_saved_selection,
        file_alpha_colors=config.file_alpha_colors,
        mask_white=config.mask_white,
        has_network=not isinstance(config.network, ExistingConfig),
        ask=ask,
    )


def check_installed(config: MatteConfig) -> None:
    """Raises ValueError: a setting needs packages that are not installed."""
    if config.refine.method == "closed_form":
        functions.check_installed("matte.refine.method 'closed_form'", instead="guided")


def _load(config: MatteConfig) -> None:
    """Bring what refines edges into this process. Raises FatalError: it is not on this machine."""
    try:
        check_installed(config)
    except ValueError as error:
        raise FatalError(str(error)) from None
    if config.refine.method == "closed_form":
        functions.load_closed_form()


def _need(config: MatteConfig, limits: ImageLimits) -> Need:
    refine, network, weights = config.refine, config.network, weigh(config)
    is_embedded = isinstance(network, U2NetConfig) and network.weights is None
    is_known = is_embedded or isinstance(network, ExistingConfig)
    loaded_mb = _NETWORK_MB + (_FLIPPED_MB if config.confidence.flip else 0) + weights.megabytes
    if isinstance(refine, VitMatteRefineConfig) and refine.model.device == "cpu":
        loaded_mb += _TILE_MB * refine.model.max_batch * refine.model.tile_px**2 / 1024**2
    return Need(
        loaded_mb=loaded_mb,
        megapixels=limits.max_megapixels,
        has_photographs=True,
        mb_per_megapixel=_REFINING_MB[refine.method],
        waiting=network.max_batch - 1,
        uncounted=weights.unseen if is_known else (*weights.unseen, network.kind),
    )


def matte(config: MatteConfig, resources: Resources, *, limits: ImageLimits) -> Stage:
    """The stage that cuts products out.

    Raises:
        ValueError: a setting needs packages that are not installed.
    """
    check_installed(config)
    return Stage(
        name="matte",
        mapper=partial(MatteMapper, limits=limits, num_threads=resources.num_threads),
        config=config,
        reads=("image_bytes", "mask_bytes", "clipping_path"),
        adds=pa.schema(
            [
                schema.ALPHA,
                schema.ALPHA_SOURCE,
                schema.ALPHA_COLORS,
                schema.CUTOUT,
                schema.MATTING_MODEL,
                schema.DECODE_NOTES,
            ]
        ),
        drops=("mask_bytes",),
        batch_size=max(_FEWEST_ROWS, config.network.max_batch),
        resources=resources,
        need=_need(config, limits),
    )
