"""Tiny checkpoints of the published layout: random weights, real classes, real files."""

from __future__ import annotations

import hashlib
import json

import pytest
import torch
import transformers
from safetensors.torch import save_file

from pipeline.models.weights import MANIFEST, Checkpoint

BIREFNET_CODE = """
import torch
from transformers import PretrainedConfig, PreTrainedModel


class BiRefNetConfig(PretrainedConfig):
    model_type = "SegformerForSemanticSegmentation"

    def __init__(self, outputs="list", **kwargs):
        self.outputs = outputs
        super().__init__(**kwargs)


class BiRefNet(PreTrainedModel):
    config_class = BiRefNetConfig

    def __init__(self, config):
        super().__init__(config)
        self.mix = torch.nn.Conv2d(3, 1, 1)
        self.post_init()

    def forward(self, x):
        logits = self.mix(x)
        coarse = torch.nn.functional.avg_pool2d(logits, 4) * 0 + 50
        return {"list": [coarse, logits], "half": [logits[..., ::2, ::2]], "none": []}[
            self.config.outputs
        ]
"""
"""Shaped as the published code is: a list of logits, from coarse to fine."""


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch, tmp_path_factory):
    before = torch.get_num_threads()
    # Code that comes with weights is copied to this folder before it is imported.
    modules = str(tmp_path_factory.mktemp("modules"))
    monkeypatch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", modules)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def birefnet(tmp_path):
    """A repository with code of its own: its logits are channel weights times the input."""

    def make(channels=(1.0, 0.0, 0.0), *, bias=0.0, outputs="list", without=()):
        folder = tmp_path / "BiRefNet_tiny"
        folder.mkdir()
        (folder / "birefnet.py").write_text(BIREFNET_CODE)
        config = {
            "architectures": ["BiRefNet"],
            "auto_map": {
                "AutoConfig": "birefnet.BiRefNetConfig",
                "AutoModelForImageSegmentation": "birefnet.BiRefNet",
            },
            "outputs": outputs,
        }
        (folder / "config.json").write_text(json.dumps(config))
        tensors = {
            "mix.weight": torch.tensor(channels).reshape(1, 3, 1, 1),
            "mix.bias": torch.tensor([bias]),
        }
        kept = {name: value for name, value in tensors.items() if name not in without}
        save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
        lines = [
            f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n"
            for file in sorted(folder.iterdir())
        ]
        (folder / MANIFEST).write_text("".join(lines))
        digest = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
        return Checkpoint(path=folder, manifest_sha256=digest, allow_remote_code=True)

    return make


@pytest.fixture(scope="session")
def vitmatte(tmp_path_factory):
    """A ViTMatte of the published architecture, scaled down, with random weights."""
    folder = tmp_path_factory.mktemp("vitmatte") / "vitmatte-tiny"
    torch.manual_seed(0)
    backbone = transformers.VitDetConfig(
        num_channels=4,
        image_size=64,
        pretrain_image_size=64,
        patch_size=16,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        window_size=2,
        window_block_indices=[0],
        residual_block_indices=[1],
        out_features=["stage2"],
    )
    config = transformers.VitMatteConfig(
        backbone_config=backbone,
        hidden_size=16,
        convstream_hidden_sizes=[4, 8, 8],
        fusion_hidden_sizes=[8, 8, 4, 4],
    )
    transformers.VitMatteForImageMatting(config).save_pretrained(folder)
    return Checkpoint(path=folder)
