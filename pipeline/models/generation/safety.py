"""Whether a finished picture shows what a catalogue must not: the checker of Stable Diffusion.

CLIP's embedding of the picture is compared with 17 embeddings of unsafe concepts, which come with
the weights (CompVis/stable-diffusion-safety-checker). It was made for photographs like those in
LAION and knows neither brands nor taste.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from diffusers.pipelines.stable_diffusion import safety_checker as checkers
from numpy.typing import NDArray
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from pipeline.errors import FatalError
from pipeline.models.weights import Checkpoint, locate


class SafetyChecker:
    """Looks at one picture at a time."""

    def __init__(self, checkpoint: Checkpoint, *, device: Literal["cuda", "cpu"]) -> None:
        """Load the checker.

        Raises:
            FatalError: the device or the weights are not what was expected.
        """
        if device == "cuda" and not torch.cuda.is_available():
            raise FatalError("device cuda: expected a GPU, found none that PyTorch can use")
        directory = locate(checkpoint)
        cls: Any = checkers.StableDiffusionSafetyChecker
        processor: Any = CLIPImageProcessorPil
        try:
            model, info = cls.from_pretrained(
                directory,
                local_files_only=True,
                use_safetensors=None if checkpoint.allow_pickle else True,
                output_loading_info=True,
            )
            self._processor = processor.from_pretrained(directory, local_files_only=True)
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            reason = " ".join(str(error).split())[:500]
            raise FatalError(
                f"weights {directory}: cannot be loaded as a safety checker: {reason}"
            ) from error
        if missing := sorted(info["missing_keys"]):
            raise FatalError(
                f"weights {directory}: expected a whole safety checker, found none for "
                f"{len(missing)} of its tensors, such as {missing[0]}"
            )
        self._model = model.eval().to(device)
        self._device = device

    @torch.inference_mode()
    def is_unsafe(self, rgb_HWC: NDArray[np.uint8]) -> bool:
        """Whether a picture, sRGB, is nearer to an unsafe concept than the weights allow.

        The middle square of the picture is looked at, scaled to what CLIP reads.
        """
        seen = self._processor(Image.fromarray(rgb_HWC), return_tensors="pt")
        # The class paints over what it objects to, so it is given something else to paint over.
        _, (unsafe,) = self._model(
            clip_input=seen.pixel_values.to(self._device), images=[np.zeros((1, 1, 3))]
        )
        return bool(unsafe)
