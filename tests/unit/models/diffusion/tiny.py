"""Real checkpoints, scaled down: every class and file is what the published ones have, the weights
are random and small. Written with the libraries' own save_pretrained, read by the backend's loader.
"""

from __future__ import annotations

import json
from pathlib import Path

import diffusers
import torch
import transformers
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

TEXT_DIM = 32
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def _bytes() -> list[str]:
    return sorted(pre_tokenizers.ByteLevel.alphabet())


def clip_tokenizer(folder: Path) -> transformers.CLIPTokenizer:
    """Letters are tokens."""
    letters = _bytes()
    words = [*letters, *[f"{letter}</w>" for letter in letters]]
    vocab = {word: index for index, word in enumerate(words)}
    vocab |= {"<|startoftext|>": len(vocab), "<|endoftext|>": len(vocab) + 1}
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps(vocab))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = transformers.CLIPTokenizer.from_pretrained(folder)
    tokenizer.model_max_length = 77
    return tokenizer


def bpe_tokenizer(cls: type, **special: str) -> transformers.PreTrainedTokenizerBase:
    """A byte-level tokenizer, letters are tokens, as Qwen's are built."""
    vocab = {letter: index for index, letter in enumerate(_bytes())}
    bare = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    tokenizer = cls(tokenizer_object=bare, **special)
    tokenizer.chat_template = CHAT
    return tokenizer


def clip_text(*, projection: bool, hidden: int = TEXT_DIM) -> transformers.PreTrainedModel:
    config = transformers.CLIPTextConfig(
        vocab_size=514,
        hidden_size=hidden,
        intermediate_size=37,
        projection_dim=hidden,
        num_attention_heads=4,
        num_hidden_layers=2,
        bos_token_id=512,
        eos_token_id=513,
        pad_token_id=513,
    )
    cls = transformers.CLIPTextModelWithProjection if projection else transformers.CLIPTextModel
    return cls(config).eval()


def autoencoder(**changes: object) -> diffusers.AutoencoderKL:
    """Four levels, so that a latent is an eighth of the picture, as in SD, SDXL and Flux."""
    settings = {
        "block_out_channels": [8, 8, 8, 8],
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
        "latent_channels": 4,
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "sample_size": 64,
        "force_upcast": False,
    }
    return diffusers.AutoencoderKL(**(settings | changes)).eval()


def unet_settings(*, xl: bool) -> dict[str, object]:
    shared = {
        "block_out_channels": (16, 32),
        "layers_per_block": 1,
        "attention_head_dim": (2, 4),
        "norm_num_groups": 8,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "use_linear_projection": True,
        "cross_attention_dim": 2 * TEXT_DIM if xl else TEXT_DIM,
    }
    if not xl:
        return shared
    return shared | {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "transformer_layers_per_block": (1, 1),
        "projection_class_embeddings_input_dim": TEXT_DIM + 6 * 8,
    }


def unet(*, xl: bool, in_channels: int = 4) -> diffusers.UNet2DConditionModel:
    return diffusers.UNet2DConditionModel(
        sample_size=8,
        in_channels=in_channels,
        out_channels=4,
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        **unet_settings(xl=xl),
    ).eval()


def controlnet(*, xl: bool, **changes: object) -> diffusers.ControlNetModel:
    """With its zero convolutions filled: a fresh ControlNet has no effect and hides mistakes."""
    network = diffusers.ControlNetModel(
        conditioning_embedding_out_channels=(4, 8, 8, 8), **(unet_settings(xl=xl) | changes)
    ).eval()
    zeroed = [
        *network.controlnet_down_blocks,
        network.controlnet_mid_block,
        network.controlnet_cond_embedding.conv_out,
    ]
    for module in zeroed:
        torch.nn.init.normal_(module.weight, std=0.3)
    return network


def euler() -> diffusers.EulerDiscreteScheduler:
    return diffusers.EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
    )


def flow() -> diffusers.FlowMatchEulerDiscreteScheduler:
    return diffusers.FlowMatchEulerDiscreteScheduler()


def sdxl(folder: Path, *, in_channels: int = 4) -> Path:
    torch.manual_seed(0)
    tokenizer = clip_tokenizer(folder.with_name(folder.name + "-words"))
    diffusers.StableDiffusionXLPipeline(
        vae=autoencoder(),
        text_encoder=clip_text(projection=False),
        text_encoder_2=clip_text(projection=True),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=unet(xl=True, in_channels=in_channels),
        scheduler=euler(),
        add_watermarker=False,
    ).save_pretrained(folder)
    return folder


def sdxl_inpainting(folder: Path) -> Path:
    """With the nine-channel U-Net that published inpainting checkpoints have."""
    return sdxl(folder, in_channels=9)


def ip_adapter(folder: Path, base: Path) -> Path:
    """An image encoder, and an adapter for the tiny SDXL: two keys for each cross-attention."""
    torch.manual_seed(1)
    embedding = 16
    transformers.CLIPVisionModelWithProjection(
        transformers.CLIPVisionConfig(
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            image_size=32,
            patch_size=16,
            projection_dim=embedding,
        )
    ).save_pretrained(folder / "image_encoder")
    network = diffusers.UNet2DConditionModel.from_pretrained(base / "unet")
    width, tokens = 2 * TEXT_DIM, 4
    weights = {
        "image_proj.proj.weight": torch.randn(tokens * width, embedding) * 0.3,
        "image_proj.proj.bias": torch.zeros(tokens * width),
        "image_proj.norm.weight": torch.ones(width),
        "image_proj.norm.bias": torch.zeros(width),
    }
    cross = [name for name in network.attn_processors if "attn2" in name]
    for index, name in enumerate(cross):
        hidden = network.get_submodule(name.removesuffix(".processor")).to_q.out_features
        for part in ("to_k_ip", "to_v_ip"):
            weights[f"ip_adapter.{2 * index + 1}.{part}.weight"] = torch.randn(hidden, width) * 0.3
    save_file(weights, folder / "adapter.safetensors")
    return folder


def lora(folder: Path, base: Path) -> Path:
    """A LoRA on every attention query of the tiny U-Net."""
    torch.manual_seed(2)
    network = diffusers.UNet2DConditionModel.from_pretrained(base / "unet")
    network.add_adapter(LoraConfig(r=2, target_modules=["to_q"], init_lora_weights=False))
    diffusers.StableDiffusionXLPipeline.save_lora_weights(
        folder, unet_lora_layers=get_peft_model_state_dict(network)
    )
    return folder


def bria_controlnet(folder: Path) -> Path:
    torch.manual_seed(3)
    controlnet(xl=True, conditioning_channels=5).save_pretrained(folder)
    return folder


def sdxl_controlnet(folder: Path) -> Path:
    torch.manual_seed(4)
    controlnet(xl=True).save_pretrained(folder)
    return folder


def photo_background(folder: Path) -> Path:
    torch.manual_seed(5)
    diffusers.StableDiffusionControlNetInpaintPipeline(
        vae=autoencoder(),
        text_encoder=clip_text(projection=False),
        tokenizer=clip_tokenizer(folder.with_name(folder.name + "-words")),
        unet=unet(xl=False, in_channels=9),
        controlnet=controlnet(xl=False, in_channels=9),
        scheduler=euler(),
        safety_checker=None,
        feature_extractor=CLIPImageProcessorPil(),
        requires_safety_checker=False,
    ).save_pretrained(folder)
    return folder


def flux_fill(folder: Path) -> Path:
    torch.manual_seed(6)
    t5 = transformers.T5EncoderModel(
        transformers.T5Config(
            vocab_size=300, d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=4
        )
    )
    diffusers.FluxFillPipeline(
        scheduler=flow(),
        vae=autoencoder(shift_factor=0.1, scaling_factor=0.36),
        text_encoder=clip_text(projection=False),
        tokenizer=clip_tokenizer(folder.with_name(folder.name + "-words")),
        text_encoder_2=t5.eval(),
        tokenizer_2=t5_tokenizer(),
        transformer=diffusers.FluxTransformer2DModel(
            patch_size=1,
            # latent (16), masked latent (16) and mask (8 x 8 pixels per latent, packed 2 x 2)
            in_channels=16 + 16 + 256,
            out_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=TEXT_DIM,
            guidance_embeds=True,
            axes_dims_rope=(4, 4, 8),
        ).eval(),
    ).save_pretrained(folder)
    return folder


def t5_tokenizer() -> transformers.T5Tokenizer:
    pieces = ["<pad>", "</s>", "<unk>", "\u2581", *[chr(code) for code in range(33, 127)]]
    vocab = [(piece, -float(index)) for index, piece in enumerate(pieces)]
    return transformers.T5Tokenizer(vocab=vocab, extra_ids=0)


def qwen3(*, layers: int) -> transformers.PreTrainedModel:
    return transformers.Qwen3ForCausalLM(
        transformers.Qwen3Config(
            vocab_size=300,
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=layers,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=8,
            max_position_embeddings=1024,
        )
    ).eval()


def qwen_tokenizer() -> transformers.PreTrainedTokenizerBase:
    return bpe_tokenizer(
        transformers.Qwen2Tokenizer, pad_token="<|endoftext|>", eos_token="<|im_end|>"
    )


def flux2_klein(folder: Path) -> Path:
    torch.manual_seed(7)
    diffusers.Flux2KleinInpaintPipeline(
        scheduler=flow(),
        vae=diffusers.AutoencoderKLFlux2(
            block_out_channels=(8, 8, 8, 8),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4,
            layers_per_block=1,
            norm_num_groups=4,
            sample_size=64,
        ).eval(),
        text_encoder=qwen3(layers=28),  # the pipeline reads hidden states 9, 18 and 27
        tokenizer=qwen_tokenizer(),
        transformer=diffusers.Flux2Transformer2DModel(
            patch_size=1,
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=3 * 16,
            timestep_guidance_channels=16,
            axes_dims_rope=(4, 4, 4, 4),
        ).eval(),
        is_distilled=True,
    ).save_pretrained(folder)
    return folder


def z_image(folder: Path) -> Path:
    torch.manual_seed(8)
    diffusers.ZImageInpaintPipeline(
        scheduler=flow(),
        vae=autoencoder(shift_factor=0.1, scaling_factor=0.36, latent_channels=16),
        text_encoder=qwen3(layers=3),
        tokenizer=qwen_tokenizer(),
        transformer=diffusers.ZImageTransformer2DModel(
            in_channels=16,
            dim=32,
            n_layers=1,
            n_refiner_layers=1,
            n_heads=2,
            n_kv_heads=2,
            cap_feat_dim=16,
            axes_dims=[4, 4, 8],
            axes_lens=[1024, 64, 64],
        ).eval(),
    ).save_pretrained(folder)
    return folder


def safety_checker(folder: Path) -> Path:
    """Stable Diffusion's checker: two small CLIP towers and the embeddings of 17 concepts."""
    config = transformers.CLIPConfig(
        text_config={"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1},
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_attention_heads": 2,
            "num_hidden_layers": 1,
            "image_size": 32,
            "patch_size": 8,
        },
        projection_dim=8,
    )
    checker = StableDiffusionSafetyChecker(config)
    checker.save_pretrained(folder)
    CLIPImageProcessorPil(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    ).save_pretrained(folder)
    return folder
