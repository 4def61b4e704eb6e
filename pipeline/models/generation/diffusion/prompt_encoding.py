"""Prompts to embeddings: each distinct pair encoded once, as catalogues repeat their prompts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from pipeline.models.generation.diffusion.pipeline_table import Adapter

Prompts = tuple[str, str]
"""Prompt and negative prompt."""
Embeddings = dict[str, Any]
"""Arguments of the pipeline, one row each."""


class PromptEncoder:
    """Turns prompts into a pipeline's embedding arguments, with a least-recently-used memory.

    Every pair is encoded alone, whatever came with it, so that its embedding is the same in every
    batch.
    """

    def __init__(
        self,
        pipeline: Any,
        adapter: Adapter,
        *,
        capacity: int,
        device: torch.device,
        offload: bool,
    ) -> None:
        self._pipeline = pipeline
        self._adapter = adapter
        self._capacity = capacity
        self._device = device
        self._known: OrderedDict[tuple[Prompts, bool], Embeddings] = OrderedDict()
        self._parked = _detach_encoders(pipeline) if offload else {}

    def arguments(self, prompts: Sequence[Prompts], *, guided: bool) -> Embeddings:
        """The embedding arguments of one call, a row for each pair, in order.

        Args:
            prompts: one pair for each row.
            guided: whether the negative prompts are encoded too.
        """
        keys = [(pair, guided) for pair in prompts]
        missing = [key for key in dict.fromkeys(keys) if key not in self._known]
        # Held here as well: a batch with more distinct pairs than the memory holds stays whole.
        batch = {key: self._known[key] for key in keys if key in self._known}
        if missing:
            with self._encoders(), torch.inference_mode():
                batch |= {(pair, guided): self._encode(*pair, guided=guided) for pair, _ in missing}
        for key in dict.fromkeys(keys):
            self._known[key] = batch[key]
            self._known.move_to_end(key)
        while len(self._known) > self._capacity:
            self._known.popitem(last=False)
        return _collate([batch[key] for key in keys])

    @contextmanager
    def _encoders(self) -> Iterator[None]:
        """Bring parked text encoders to the device for a moment."""
        for name, encoder in self._parked.items():
            setattr(self._pipeline, name, encoder.to(self._device))
        try:
            yield
        finally:
            for name, encoder in self._parked.items():
                setattr(self._pipeline, name, None)
                encoder.to("cpu")

    def _encode(self, prompt: str, negative_prompt: str, *, guided: bool) -> Embeddings:
        negative = negative_prompt or self._adapter.empty_negative_prompt
        encode = self._pipeline.encode_prompt
        names: tuple[str, ...]
        match self._adapter.encoding:
            case "sdxl":
                names = ("prompt", "negative_prompt", "pooled_prompt", "negative_pooled_prompt")
                values = encode(
                    prompt,
                    device=self._device,
                    do_classifier_free_guidance=guided,
                    negative_prompt=negative,
                )
            case "sd":
                names = ("prompt", "negative_prompt")
                values = encode(
                    prompt,
                    device=self._device,
                    num_images_per_prompt=1,
                    do_classifier_free_guidance=guided,
                    negative_prompt=negative,
                )
            case "flux":
                names = ("prompt", "pooled_prompt")
                values = encode(prompt, device=self._device)[:2]
            case "flux2":
                # Its unconditional prompt is always empty; the class takes no other.
                names = ("prompt", "negative_prompt")
                values = tuple(
                    encode(text, device=self._device)[0] for text in (prompt, "")[: 1 + guided]
                )
            case "z-image":
                names = ("prompt", "negative_prompt")
                values = encode(
                    [prompt],  # a list of our own, for the class writes into the one it is given
                    device=self._device,
                    do_classifier_free_guidance=guided,
                    negative_prompt=[negative],
                )
            case None:
                raise ValueError(f"{self._adapter.pipeline} does not take embeddings")
        return {
            f"{name}_embeds": value
            for name, value in zip(names, values, strict=False)
            if value is not None and len(value)
        }


def _detach_encoders(pipeline: Any) -> dict[str, torch.nn.Module]:
    """Take text encoders out of the pipeline, which then never moves or runs them itself."""
    names = [name for name in ("text_encoder", "text_encoder_2") if getattr(pipeline, name, None)]
    encoders = {name: getattr(pipeline, name).to("cpu") for name in names}
    for name in names:
        setattr(pipeline, name, None)
    return encoders


def _collate(rows: Sequence[Mapping[str, Any]]) -> Embeddings:
    """Tensors are stacked; ragged embeddings (a list with one tensor per row) are chained."""
    return {
        name: torch.cat([row[name] for row in rows])
        if isinstance(first, torch.Tensor)
        else [tensor for row in rows for tensor in row[name]]
        for name, first in rows[0].items()
    }
