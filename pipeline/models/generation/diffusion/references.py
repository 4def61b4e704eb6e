"""Pictures whose style a background follows: encoded once each, or handed on as they are."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from PIL import Image

from pipeline.errors import ErrorCode, RowError
from pipeline.models.generation.diffusion.diffusion_config import (
    AnyDiffusionConfig,
    Flux2KleinConfig,
    IpAdapter,
)
from pipeline.models.generation.diffusion.load_pipeline import open_picture
from pipeline.models.generation.generator import Reference

_REMEMBERED = 64
_BLANK = (224, 224)


class ReferenceEncoder:
    """Turns references into a pipeline's arguments."""

    def __init__(self, pipeline: Any, config: AnyDiffusionConfig) -> None:
        """Read the configuration's own picture.

        Raises:
            FatalError: it cannot be read.
        """
        self._pipeline = pipeline
        self._config = config
        self._name = config.adapter.reference
        self._configured = getattr(config, "reference", None)
        self._encoded = lru_cache(_REMEMBERED)(self._encode)
        self._own: list[Image.Image] = []
        if isinstance(self._configured, IpAdapter):
            if self._configured.picture is not None:
                self._own = [open_picture(self._configured.picture)]
        elif self._configured is not None:
            self._own = [open_picture(self._configured)]

    def arguments(self, reference: Reference | None, *, guided: bool) -> dict[str, Any]:
        """What a call is given for a reference; None: for the configuration's own, if it has one.

        Raises:
            RowError: `bad_request`, this pipeline follows no pictures, or not so many.
        """
        if isinstance(self._config, Flux2KleinConfig):
            return self._as_it_is(reference)
        if not isinstance(self._configured, IpAdapter):
            if reference is not None:
                raise RowError(
                    ErrorCode.BAD_REQUEST,
                    f"reference: {self._config.kind} follows none as it is configured: leave it "
                    "empty, or set render.generator.reference to an IP-Adapter",
                )
            return {}
        assert self._name is not None
        scale = self._configured.scale
        if reference is None and not self._own:
            # An adapter in the network wants a picture in every call; at zero it has no effect.
            scale = 0.0
        elif reference is not None and reference.scale is not None:
            scale = reference.scale
        self._pipeline.set_ip_adapter_scale(scale)
        return {self._name: self._encoded(reference, guided=guided)}

    def _as_it_is(self, reference: Reference | None) -> dict[str, Any]:
        assert self._name is not None
        pictures = self._own if reference is None else _opened(reference)
        if len(pictures) > 1 or (reference is not None and reference.scale is not None):
            raise RowError(
                ErrorCode.BAD_REQUEST,
                f"reference: {self._config.kind} follows one picture, without a scale",
            )
        return {self._name: pictures[0]} if pictures else {}

    def _encode(self, reference: Reference | None, *, guided: bool) -> list[torch.Tensor]:
        pictures = self._own if reference is None else _opened(reference)
        with torch.inference_mode():
            embeddings: list[torch.Tensor] = self._pipeline.prepare_ip_adapter_image_embeds(
                ip_adapter_image=[pictures or [Image.new("RGB", _BLANK)]],
                ip_adapter_image_embeds=None,
                device=torch.device(self._config.device),
                num_images_per_prompt=1,
                do_classifier_free_guidance=guided,
            )
        return embeddings


def _opened(reference: Reference) -> list[Image.Image]:
    return [Image.fromarray(picture_HWC) for picture_HWC in reference.pictures]
