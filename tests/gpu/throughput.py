"""Images per second of SDXL inpainting at full size: a plain loop, this backend, and it compiled.

    python -m tests.gpu.throughput              # full size, bfloat16, on a GPU
    python -m tests.gpu.throughput --tiny       # the same steps on a CPU in seconds, no figures

The weights are random: what they draw is noise, what they cost is not. Everything is measured in
one process, in turn, and the median of the repeats is printed, beside the bound that the device's
matrix throughput sets on the denoiser alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import diffusers
import numpy as np
import torch
import transformers
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from pipeline.models.generation.diffusion.backend import Diffusion
from pipeline.models.generation.diffusion.diffusion_config import SdxlInpaintConfig
from pipeline.models.generation.generator import GenerationRequest
from pipeline.models.weights import Checkpoint
from tests.unit.models.diffusion import tiny

STEPS = 12
SDXL_UNET = {
    "sample_size": 128,
    "in_channels": 9,
    "out_channels": 4,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
    "use_linear_projection": True,
}
VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "scaling_factor": 0.13025,
    "force_upcast": False,
}


def full_size(folder: Path) -> Path:
    """A checkpoint of SDXL inpainting's sizes, random, in bfloat16."""
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        unet = diffusers.UNet2DConditionModel(**SDXL_UNET)
        vae = diffusers.AutoencoderKL(**VAE)
    torch.set_default_dtype(torch.float32)
    sizes = {"vocab_size": 514, "bos_token_id": 512, "eos_token_id": 513, "pad_token_id": 513}
    narrow = transformers.CLIPTextConfig(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
        projection_dim=768, **sizes,
    )  # fmt: skip
    wide = transformers.CLIPTextConfig(
        hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=20,
        projection_dim=1280, **sizes,
    )  # fmt: skip
    diffusers.StableDiffusionXLInpaintPipeline(
        unet=unet,
        vae=vae,
        scheduler=tiny.euler(),
        text_encoder=transformers.CLIPTextModel(narrow).to(torch.bfloat16),
        text_encoder_2=transformers.CLIPTextModelWithProjection(wide).to(torch.bfloat16),
        tokenizer=tiny.clip_tokenizer(folder.parent / "one"),
        tokenizer_2=tiny.clip_tokenizer(folder.parent / "two"),
        add_watermarker=False,
    ).save_pretrained(folder)
    return folder


def requests(number: int, side: int) -> list[GenerationRequest]:
    rng = np.random.default_rng(0)
    alpha = np.zeros((side, side), dtype=np.float32)
    alpha[side // 4 : -side // 4, side // 4 : -side // 4] = 1
    image = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
    return [
        GenerationRequest(image_HWC=image, alpha_HW=alpha, prompt=f"a beach {n % 4}", seed=n)
        for n in range(number)
    ]


def plain_loop(folder: Path, wanted: list[GenerationRequest], device: str, dtype: torch.dtype):
    """What one writes from the model card: a picture at a time."""
    pipeline = diffusers.StableDiffusionXLInpaintPipeline.from_pretrained(
        folder, dtype=dtype, add_watermarker=False
    ).to(device)
    pipeline.set_progress_bar_config(disable=True)

    def draw() -> None:
        for request in wanted:
            pipeline(
                prompt=request.prompt,
                image=Image.fromarray(request.image_HWC),
                mask_image=Image.fromarray(((1 - request.alpha_HW) * 255).astype(np.uint8)),
                generator=torch.Generator("cpu").manual_seed(request.seed),
                num_inference_steps=STEPS,
                strength=0.9999,
                height=request.alpha_HW.shape[0],
                width=request.alpha_HW.shape[1],
            )

    return draw


def measure(draw, repeats: int) -> tuple[float, float | None]:
    """Median seconds, and mean GPU utilisation in percent where there is one."""
    draw()  # warm-up, and compilation
    seconds, used = [], []
    for _ in range(repeats):
        sampler = start_sampler()
        started = time.perf_counter()
        draw()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
        used += stop_sampler(sampler)
    return statistics.median(seconds), statistics.mean(used) if used else None


def start_sampler() -> subprocess.Popen | None:
    if not torch.cuda.is_available():
        return None
    query = ["--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "200"]
    return subprocess.Popen(["nvidia-smi", *query], stdout=subprocess.PIPE, text=True)


def stop_sampler(sampler: subprocess.Popen | None) -> list[float]:
    if sampler is None:
        return []
    sampler.terminate()
    return [float(line) for line in sampler.communicate()[0].split()]


def flops_per_image(backend: Diffusion, wanted: GenerationRequest) -> float:
    """Of the denoiser over all steps, both branches of the guidance."""
    unet = backend._pipeline.unet
    counter = FlopCounterMode(display=False)
    counted = []

    def count(_module, *_):
        counted.append(counter.get_total_flops())

    hook = unet.register_forward_hook(count)
    with counter:
        backend.generate([wanted])
    hook.remove()
    return counted[-1] - counted[0] + (counted[1] - counted[0])


def peak_flops(device: str, dtype: torch.dtype) -> float:
    """What one large matrix product reaches here, operations per second."""
    side = 8192 if device == "cuda" else 512
    one = torch.randn(side, side, device=device, dtype=dtype)
    best = float("inf")
    for _ in range(10):
        started = time.perf_counter()
        one @ one
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - started)
    return 2 * side**3 / best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-compile", action="store_true")
    asked = parser.parse_args()
    device, side = ("cpu", 64) if asked.tiny else ("cuda", 1024)
    dtype = torch.float32 if asked.tiny else torch.bfloat16
    wanted = requests(asked.images, side)
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "checkpoint"
        (tiny.sdxl_inpainting if asked.tiny else full_size)(folder)
        common = {
            "checkpoint": Checkpoint(path=folder),
            "device": device,
            "dtype": str(dtype).removeprefix("torch."),
            "num_inference_steps": STEPS,
            "max_batch": 4,
        }
        table = {}
        loops = {"plain diffusers loop": plain_loop(folder, wanted, device, dtype)}
        ours = Diffusion(SdxlInpaintConfig(**common))
        loops["backlot"] = lambda: ours.generate(wanted)
        if not asked.no_compile:
            compiled = Diffusion(SdxlInpaintConfig(**common, compile=True))
            loops["backlot, compiled"] = lambda: compiled.generate(wanted)
        for name, draw in loops.items():
            seconds, used = measure(draw, asked.repeats)
            table[name] = {"images_per_s": len(wanted) / seconds, "gpu_percent": used}
        bound = peak_flops(device, dtype) / flops_per_image(ours, wanted[0])
    print(json.dumps({"loops": table, "bound_images_per_s": bound}, indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
