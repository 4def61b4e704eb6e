"""What a recipe says about a local language model."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from pipeline.models.weights import Checkpoint
from pipeline.prompts.asking import AskingConfig


class TransformersConfig(AskingConfig):
    """A checkpoint that transformers can load: with `looks`, image-text-to-text; without, text."""

    RUNTIME: ClassVar[frozenset[str]] = AskingConfig.RUNTIME | {"cache_dir", "device", "max_batch"}

    kind: Literal["transformers"] = Field(
        "transformers", description="A checkpoint, run by the workers themselves."
    )
    checkpoint: Checkpoint = Field(description="The model's directory, with its tokenizer.")
    gguf_file: str | None = Field(
        None, description="Name of a GGUF file within it, which then holds all; text only."
    )
    cache_dir: Path | None = Field(
        None, description="Hugging Face cache to find hub ids in; null: what HF_HOME says."
    )
    device: Literal["cuda", "cpu"] = Field("cuda", description="Where it runs.")
    dtype: Literal["bfloat16", "float16", "float32"] = Field(
        "bfloat16", description="What it computes in; float32 on a CPU."
    )
    max_batch: int = Field(8, ge=1, le=256, description="Questions answered in one go.")
    timeout_s: float = Field(
        60.0, gt=0, le=600, description="Longest time for a batch of answers, s."
    )
