"""Bria's method against a plain reference: its own embedding class and a loop written out."""

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from pipeline.models.generation.diffusion import bria
from pipeline.models.generation.diffusion.diffusion_config import Lora
from pipeline.models.weights import Checkpoint


class LatentSizeEmbedding(nn.Module):
    """The embedding as Bria wrote it: every convolution has stride 1, five channels come in."""

    def __init__(self, stock):
        super().__init__()
        self.conv_in = nn.Conv2d(5, stock.conv_in.out_channels, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Conv2d(block.in_channels, block.out_channels, 3, padding=1, stride=1)
            for block in stock.blocks
        )
        last = stock.conv_out
        self.conv_out = nn.Conv2d(last.in_channels, last.out_channels, 3, padding=1)
        self.load_state_dict(stock.state_dict())

    def forward(self, control):
        hidden = nn.functional.silu(self.conv_in(control))
        for block in self.blocks:
            hidden = nn.functional.silu(block(hidden))
        return self.conv_out(hidden)


def reference_control(vae, request, generator):
    """5 x h x w, by Bria's recipe in numpy and Pillow."""
    height, width = request.alpha_HW.shape
    mask = np.asarray(Image.fromarray((request.alpha_HW * 255).astype(np.uint8))) / 255.0
    pixels = request.image_HWC / np.float32(255)
    pixels[mask < 0.5] = 0
    tensor = torch.from_numpy((pixels - 0.5) / 0.5).permute(2, 0, 1)[None].float()
    found = vae.encode(tensor).latent_dist
    latent = found.mode() if generator is None else found.sample(generator)
    binary = torch.from_numpy((mask > 0.5).astype(np.float32))[None, None]
    small = nn.functional.interpolate(binary, size=(height // 8, width // 8), mode="nearest")
    return torch.cat([latent * vae.config.scaling_factor, small], dim=1)


@torch.no_grad()
def reference_pictures(base, controlnet_path, requests, *, steps, guidance, original, sample):
    """The whole method, written out: no hook, no enlarged control, sizes multiplied by eight."""
    pipeline = diffusers.StableDiffusionXLPipeline.from_pretrained(base, add_watermarker=False)
    vae, unet = pipeline.vae, pipeline.unet
    controlnet = diffusers.ControlNetModel.from_pretrained(controlnet_path)
    controlnet.controlnet_cond_embedding = LatentSizeEmbedding(controlnet.controlnet_cond_embedding)
    scheduler = diffusers.EulerAncestralDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        num_train_timesteps=1000,
        steps_offset=1,
    )
    generators = [torch.Generator().manual_seed(request.seed) for request in requests]
    control = torch.cat(
        [
            reference_control(vae, request, generator if sample else None)
            for request, generator in zip(requests, generators, strict=True)
        ]
    )
    height, width = 8 * control.shape[-2], 8 * control.shape[-1]
    encoded = [
        pipeline.encode_prompt(
            request.prompt, device="cpu", negative_prompt=request.negative_prompt
        )
        for request in requests
    ]
    text, no_text, pooled, no_pooled = (torch.cat(part) for part in zip(*encoded, strict=True))
    rows = len(requests)
    time_ids = torch.tensor([[*original, 0, 0, height, width]], dtype=torch.float32)
    added = {
        "text_embeds": torch.cat([no_pooled, pooled]),
        "time_ids": time_ids.repeat(2 * rows, 1),
    }
    scheduler.set_timesteps(steps)
    latents = torch.cat(
        [torch.randn((1, 4, height // 8, width // 8), generator=each) for each in generators]
    )
    latents = latents * scheduler.init_noise_sigma
    for timestep in scheduler.timesteps:
        doubled = scheduler.scale_model_input(torch.cat([latents] * 2), timestep)
        down, middle = controlnet(
            doubled,
            timestep,
            encoder_hidden_states=torch.cat([no_text, text]),
            controlnet_cond=torch.cat([control] * 2),
            added_cond_kwargs=added,
            return_dict=False,
        )
        noise = unet(
            doubled,
            timestep,
            encoder_hidden_states=torch.cat([no_text, text]),
            added_cond_kwargs=added,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
        ).sample
        without, with_text = noise.chunk(2)
        noise = without + guidance * (with_text - without)
        latents = scheduler.step(noise, timestep, latents, generator=generators).prev_sample
    decoded = vae.decode(latents / vae.config.scaling_factor).sample
    return (decoded / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("size", [(64, 64), (64, 128)])
@pytest.mark.parametrize("latents", ["mode", "sample"])
@pytest.mark.parametrize("quirk", [True, False])
def test_it_equals_the_method_written_out(load, ask, checkpoints, size, latents, quirk):
    height, width = size
    requests = [
        ask("a beach", seed=1, height=height, width=width, negative_prompt="people"),
        ask("a forest", seed=2, height=height, width=width, negative_prompt="text", radius=11),
    ]
    backend = load("bria", control_latents=latents, latent_original_size=quirk, channels_last=False)
    expected = reference_pictures(
        checkpoints("sdxl"),
        checkpoints("bria_controlnet"),
        requests,
        steps=3,
        guidance=5.0,
        original=(height // 8, width // 8) if quirk else size,
        sample=latents == "sample",
    )
    drawn = np.stack([background.rgb_HWC for background in backend.generate(requests)])
    assert np.abs(drawn - expected).max() == 0


def test_the_original_size_quirk_is_seen(load, ask):
    (one,) = load("bria").generate([ask()])
    (two,) = load("bria", latent_original_size=False).generate([ask()])
    assert np.abs(one.rgb_HWC - two.rgb_HWC).max() > 1e-3


def test_the_control_is_foreground_one_and_background_minus_one(load, ask):
    pipeline = load("bria")._pipeline
    request = ask()
    seen = []
    encode = pipeline.vae.encode
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline.vae, "encode", lambda x: seen.append(x) or encode(x))
        arguments = bria.control_arguments(
            pipeline, [request], [], latents="mode", latent_original_size=True
        )
    (pixels_1CHW,) = seen
    background = torch.from_numpy(request.alpha_HW < 0.5)
    assert (pixels_1CHW[0][:, background] == -1).all()
    control_NCHW = arguments["image"]
    assert control_NCHW.shape == (1, 5, 64, 64)
    assert (control_NCHW[0, 4, ::8, ::8].numpy() == request.alpha_HW[::8, ::8]).all()
    assert arguments["original_size"] == (8, 8)


@pytest.mark.parametrize(
    ("changes", "steps"), [({}, 30), ({"fast": True}, 12), ({"num_inference_steps": 5}, 5)]
)
def test_steps(load, ask, changes, steps):
    backend = load("bria", **({"num_inference_steps": 30} | changes))
    calls = []
    backend._pipeline.unet.register_forward_pre_hook(lambda *_: calls.append(1))
    backend.generate([ask()])
    assert len(calls) == steps


def test_the_fast_lora_brings_its_sampler_and_needs_no_guidance(load, ask, checkpoints):
    lora = Lora(
        checkpoint=Checkpoint(path=checkpoints("lora")),
        weight_name="pytorch_lora_weights.safetensors",
    )
    backend = load("bria", fast_lora=lora)
    rows = []
    backend._pipeline.unet.register_forward_pre_hook(lambda _, inputs: rows.append(len(inputs[0])))
    together = backend.generate([ask(seed=1), ask(seed=2)])
    assert isinstance(backend._pipeline.scheduler, diffusers.LCMScheduler)
    assert rows == [2, 2, 2]  # two rows, not doubled for guidance
    (alone,) = backend.generate([ask(seed=2)])
    assert np.abs(alone.rgb_HWC - together[1].rgb_HWC).max() < 5e-5
