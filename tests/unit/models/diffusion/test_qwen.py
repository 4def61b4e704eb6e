"""Qwen-Image-Edit, drawn by the real pipeline class and networks.

Its processor comes from disk only where torchvision is installed (for videos it never sees here),
so this one kind is put together in memory, around the real image processor and tokenizer.
"""

import diffusers
import numpy as np
import pytest
import torch
import transformers
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_inpaint
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from pipeline.models.generation.diffusion import backend
from pipeline.models.generation.diffusion.diffusion_config import QwenEditConfig
from pipeline.models.weights import Checkpoint
from tests.unit.models.diffusion import tiny


class Processor:
    """Text and pictures to token ids and patches, as Qwen2VLProcessor does for pictures."""

    def __init__(self, tokenizer):
        self._tokenizer = tokenizer
        self._images = Qwen2VLImageProcessorPil(min_pixels=28 * 28, max_pixels=56 * 56)
        self.seen = []

    def __call__(self, *, text, images, padding, return_tensors):
        self.seen.append((text, images))
        pixels = self._images(images=images, return_tensors=return_tensors)
        tokens = int(pixels["image_grid_thw"][0].prod()) // self._images.merge_size**2
        (one,) = text
        one = one.replace("<|image_pad|>", "<|image_pad|>" * tokens)
        words = self._tokenizer([one], padding=padding, return_tensors=return_tensors)
        return transformers.BatchFeature({**words, **pixels})


def qwen_pipeline():
    torch.manual_seed(9)
    tokenizer = tiny.qwen_tokenizer()
    marks = ["<|image_pad|>", "<|vision_start|>", "<|vision_end|>", "<|video_pad|>"]
    tokenizer.add_special_tokens({"additional_special_tokens": marks})
    image_pad, vision_start, vision_end, video_pad = tokenizer.convert_tokens_to_ids(marks)
    text_encoder = transformers.Qwen2_5_VLForConditionalGeneration(
        transformers.Qwen2_5_VLConfig(
            text_config={
                "vocab_size": 300,
                "hidden_size": 16,
                "intermediate_size": 16,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "num_key_value_heads": 2,
                "rope_parameters": {
                    "rope_type": "default",
                    "rope_theta": 1e6,
                    "mrope_section": [1, 1, 2],
                },
            },
            vision_config={
                "depth": 1,
                "hidden_size": 16,
                "intermediate_size": 16,
                "num_heads": 2,
                "out_hidden_size": 16,
                "fullatt_block_indexes": [0],
            },
            image_token_id=image_pad,
            video_token_id=video_pad,
            vision_start_token_id=vision_start,
            vision_end_token_id=vision_end,
        )
    ).eval()
    pipeline = diffusers.QwenImageEditInpaintPipeline(
        scheduler=tiny.flow(),
        vae=diffusers.AutoencoderKLQwenImage(
            base_dim=4,
            z_dim=4,
            dim_mult=[1, 1, 1, 1],
            num_res_blocks=1,
            latents_mean=[0.0] * 4,
            latents_std=[1.0] * 4,
        ).eval(),
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        processor=None,
        transformer=diffusers.QwenImageTransformer2DModel(
            patch_size=2,
            in_channels=16,
            out_channels=4,
            num_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=16,
            axes_dims_rope=(4, 4, 8),
        ).eval(),
    )
    pipeline.processor = Processor(tokenizer)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture
def qwen(monkeypatch, tmp_path):
    (tmp_path / "model_index.json").write_text("{}")
    pipeline = qwen_pipeline()
    monkeypatch.setattr(backend, "load_pipeline", lambda *_args, **_kwargs: (pipeline, tmp_path))
    # It always draws at one megapixel; a 64th of that is enough to see how.
    stock = pipeline_qwenimage_edit_inpaint.calculate_dimensions
    monkeypatch.setattr(
        pipeline_qwenimage_edit_inpaint,
        "calculate_dimensions",
        lambda area, ratio: stock(area // 64, ratio),
    )
    return backend.Diffusion(
        QwenEditConfig(
            checkpoint=Checkpoint(path=tmp_path),
            device="cpu",
            dtype="float32",
            num_inference_steps=3,
        )
    )


def test_it_draws_at_its_own_size_and_hands_back_the_one_asked_for(qwen, ask):
    requests = [ask("a beach", seed=1), ask("a beach", seed=2), ask("fir", seed=1, width=96)]
    drawn = qwen.generate(requests)
    assert [one.rgb_HWC.shape for one in drawn] == [(64, 64, 3), (64, 64, 3), (64, 96, 3)]
    assert np.abs(drawn[0].rgb_HWC - drawn[1].rgb_HWC).mean() > 0.01
    again = qwen.generate(requests[::-1])[::-1]
    for one, two in zip(drawn, again, strict=True):
        assert (one.rgb_HWC == two.rgb_HWC).all()


def test_prompt_and_negative_prompt_are_read_beside_the_photograph(qwen, ask):
    qwen.generate([ask("a beach", negative_prompt="people")])
    (with_prompt, first), (with_negative, second) = qwen._pipeline.processor.seen
    assert "a beach" in with_prompt[0]
    assert "people" in with_negative[0]
    assert first is second


def test_it_repaints_the_background(qwen, ask, monkeypatch):
    cls = type(qwen._pipeline)
    stock, seen = cls.prepare_mask_latents, []
    monkeypatch.setattr(
        cls,
        "prepare_mask_latents",
        lambda self, mask, *rest: seen.append(mask) or stock(self, mask, *rest),
    )
    qwen.generate([ask(height=128, width=128, radius=40)])
    (mask,) = seen
    assert (mask[0, 0].numpy() == 1 - ask(height=128, width=128, radius=40).alpha_HW).all()
