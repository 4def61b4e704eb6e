"""What a recipe says about a matting network: one frozen model for each architecture.

The checkpoint is configuration; the class is chosen by `kind`. Nothing heavy is imported here, so
that a recipe can be read where no network will ever run.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from pipeline.models.weights import Checkpoint

EMBEDDED_WEIGHTS = Path(__file__).with_name("weights") / "u2netp.onnx"
EMBEDDED_SHA256 = "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8"


class NetworkConfig(BaseModel):
    """What all kinds share. Not used by itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    max_batch: int = Field(
        1, ge=1, le=64, description="Most photographs in one pass of the network."
    )

    @property
    def revision(self) -> str:
        """Names architecture and weights before they are loaded."""
        return self.kind


class OnnxConfig(NetworkConfig):
    """What kinds that are an ONNX graph share. Not used by itself."""

    weights: Path | None = Field(description="The ONNX file.")
    weights_sha256: str | None = Field(
        None,
        pattern=r"^[0-9a-fA-F]{64}$",
        description="SHA-256 the file must have, hex; null: not checked.",
    )
    device: Literal["cpu", "cuda"] = Field(
        "cpu", description="Where it runs; 'cuda' needs the package onnxruntime-gpu."
    )
    runtime: Literal["onnxruntime", "openvino"] = Field(
        "onnxruntime",
        description="What runs it; 'openvino' is for device 'cpu' and needs the extra openvino.",
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="What it computes in. 'bfloat16' is faster and needs runtime 'openvino' and a "
        "CPU that has it (Intel since Sapphire Rapids, AMD since Zen 4); another stops the run.",
    )
    # The published graphs accept a batch of one.
    max_batch: int = Field(1, ge=1, le=1, description="Photographs in one pass: always one.")

    @model_validator(mode="after")
    def _runtime_is_able(self) -> OnnxConfig:
        if self.runtime == "openvino" and self.device != "cpu":
            raise ValueError(f"runtime 'openvino' needs device 'cpu', found {self.device!r}")
        if self.precision == "bfloat16" and self.runtime != "openvino":
            raise ValueError(
                f"precision 'bfloat16' needs runtime 'openvino', found {self.runtime!r}"
            )
        return self

    @property
    def file(self) -> Path:
        """The ONNX file: without `weights`, where a kind allows that, the embedded one."""
        return self.weights or EMBEDDED_WEIGHTS

    @property
    def sha256(self) -> str | None:
        """What the file must hash to; the embedded one is always checked."""
        return self.weights_sha256 or (EMBEDDED_SHA256 if self.weights is None else None)

    @property
    def revision(self) -> str:
        """Unpinned weights are known by their path alone: pin them to have a change noticed.

        The embedded ones are known by their hash. Another precision is another alpha.
        """
        named = f"{self.kind}/{self.weights_sha256 or self.weights}"
        weights = EMBEDDED_SHA256 if self.weights is None else named
        return weights if self.precision == "float32" else f"{weights}/{self.precision}"


class U2NetConfig(OnnxConfig):
    """U2-Net and U2-Net-p (arXiv 2005.09007); the default is the embedded U2-Net-p."""

    kind: Literal["u2net"] = Field("u2net", description="Chooses the architecture.")
    weights: Path | None = Field(
        None, description="An ONNX file; null: U2-Net-p, which ships with Backlot."
    )


class IsNetConfig(OnnxConfig):
    """IS-Net (arXiv 2203.03041): isnet-general-use, RMBG-1.4."""

    kind: Literal["isnet"] = Field("isnet", description="Chooses the architecture.")
    weights: Path = Field(description="An ONNX file of the family.")


class BirefnetOnnxConfig(OnnxConfig):
    """BiRefNet (arXiv 2401.03407) exported to ONNX: birefnet-general, RMBG-2.0's bria-rmbg."""

    kind: Literal["birefnet-onnx"] = Field("birefnet-onnx", description="Chooses the architecture.")
    weights: Path = Field(description="An ONNX file of the family.")
    output: Literal["logits", "coverage"] = Field(
        description="What the graph's last output holds: 'logits' in the birefnet exports, "
        "'coverage' where the export ends in a sigmoid, as bria-rmbg does. Values that "
        "contradict it stop the run."
    )


class BirefnetConfig(NetworkConfig):
    """BiRefNet and RMBG-2.0 as published for transformers, with code of their own."""

    kind: Literal["birefnet"] = Field("birefnet", description="Chooses the architecture.")
    checkpoint: Checkpoint = Field(
        description="The directory or hub id; `allow_remote_code` must be set, see there."
    )
    cache_dir: Path | None = Field(
        None, description="Hugging Face cache to find a hub id in; null: what HF_HOME says."
    )
    device: Literal["cuda", "cpu"] = Field("cuda", description="Where it runs.")
    dtype: Literal["float16", "bfloat16", "float32"] = Field(
        "float16", description="Number format of weights and activations."
    )
    side_px: int = Field(
        1024,
        ge=32,
        le=4096,
        multiple_of=32,
        description="Photographs are squashed to this square, px: 1024, or 2048 for the HR "
        "variants, or 512 for BiRefNet_512x512. A variant fed another size is much worse.",
    )
    max_batch: int = Field(
        4,
        ge=1,
        le=64,
        description="Most photographs in one pass; halved where memory does not suffice.",
    )

    @model_validator(mode="after")
    def _code_is_accepted(self) -> BirefnetConfig:
        if not self.checkpoint.allow_remote_code:
            raise ValueError(
                "birefnet runs Python code that comes with its weights: set "
                "checkpoint.allow_remote_code, or use an ONNX export with kind birefnet-onnx"
            )
        return self

    @property
    def revision(self) -> str:
        """Weights and the size they see."""
        return f"{self.kind}/{self.checkpoint.name}/{self.side_px}/{self.dtype}"


class ExistingConfig(NetworkConfig):
    """No network: every row brings its mask, or a photograph with an alpha channel."""

    kind: Literal["existing"] = Field("existing", description="Chooses the architecture.")


def _embedded_unless_named(values: Any) -> Any:
    return {"kind": "u2net", **values} if isinstance(values, Mapping) else values


AnyNetworkConfig = Annotated[
    U2NetConfig | IsNetConfig | BirefnetOnnxConfig | BirefnetConfig | ExistingConfig,
    Field(discriminator="kind"),
    BeforeValidator(_embedded_unless_named),
]
"""Any of them, told apart by `kind`."""


class VitMatteConfig(BaseModel):
    """ViTMatte (arXiv 2305.15272), which solves an alpha where a trimap calls it unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    checkpoint: Checkpoint = Field(description="Such as hustvl/vitmatte-small-composition-1k.")
    cache_dir: Path | None = Field(
        None, description="Hugging Face cache to find a hub id in; null: what HF_HOME says."
    )
    device: Literal["cuda", "cpu"] = Field("cuda", description="Where it runs.")
    dtype: Literal["float16", "bfloat16", "float32"] = Field(
        "float32", description="Number format of weights and activations."
    )
    tile_px: int = Field(
        1024,
        ge=64,
        le=1024,
        multiple_of=32,
        description="Largest side of a tile, px. Per tile, the small model in float32 takes 0.4 GB "
        "at 512 px and 1.5 GB at 1024.",
    )
    overlap_px: int = Field(
        64, ge=0, le=256, description="How far neighbouring tiles overlap and are blended, px."
    )
    max_batch: int = Field(
        2, ge=1, le=64, description="Most tiles in one pass; halved where memory does not suffice."
    )

    @model_validator(mode="after")
    def _tiles_advance(self) -> VitMatteConfig:
        if 2 * self.overlap_px >= self.tile_px:
            raise ValueError("overlap_px must be less than half of tile_px")
        return self

    @property
    def revision(self) -> str:
        """Weights, before they are loaded."""
        return f"vitmatte/{self.checkpoint.name}/{self.dtype}"
