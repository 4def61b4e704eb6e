"""What is not as expected is said at load, in seconds, with the path."""

import json
import shutil
import time

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from safetensors.torch import load_file, save_file

from pipeline.errors import FatalError
from pipeline.models.generation.diffusion.backend import every_argument
from pipeline.models.generation.diffusion.diffusion_config import (
    AnyDiffusionConfig,
    Lora,
    QwenEditConfig,
)
from pipeline.models.generation.diffusion.load_pipeline import check_arguments, pipeline_class
from pipeline.models.generation.diffusion.pipeline_table import ADAPTERS
from pipeline.models.weights import Checkpoint

ANY = TypeAdapter(AnyDiffusionConfig)


def values(kind):
    somewhere = {"path": "/nowhere"}
    parts = {"controlnet": somewhere} if kind in ("bria", "sdxl-controlnet-inpaint") else {}
    return {"kind": kind, "checkpoint": somewhere, **parts}


@pytest.mark.parametrize("kind", ADAPTERS)
def test_every_argument_of_the_table_is_one_of_the_real_class(kind):
    config = ANY.validate_python(values(kind))
    check_arguments(pipeline_class(config), every_argument(config))


def test_an_argument_the_class_does_not_take_is_fatal():
    class Renamed:
        def __call__(self, prompt, image):
            pass

    with pytest.raises(FatalError, match=r"Renamed of diffusers .* takes no mask, steps"):
        check_arguments(Renamed, {"prompt", "steps", "mask"})


def test_a_class_diffusers_does_not_have_is_fatal(configure, monkeypatch):
    config = configure("flux-fill")
    monkeypatch.setattr(
        "pipeline.models.generation.diffusion.load_pipeline.diffusers",
        type("Old", (), {"__version__": "0.1"}),
    )
    with pytest.raises(FatalError, match=r"diffusers 0\.1 has no FluxFillPipeline"):
        pipeline_class(config)


def test_a_missing_checkpoint_is_fatal_in_seconds(load, tmp_path):
    started = time.monotonic()
    with pytest.raises(FatalError, match=r"absent: expected a directory"):
        load("sdxl-inpaint", checkpoint=Checkpoint(path=tmp_path / "absent"))
    with pytest.raises(FatalError, match=r"absent: expected a directory"):
        load("bria", controlnet=Checkpoint(path=tmp_path / "absent"))
    assert time.monotonic() - started < 5


def test_a_directory_that_is_no_pipeline_is_fatal(load, checkpoints):
    other = Checkpoint(path=checkpoints("bria_controlnet"))
    with pytest.raises(FatalError, match=r"found no model_index\.json"):
        load("sdxl-inpaint", checkpoint=other)


@pytest.mark.parametrize(("kind", "other"), [("sdxl-inpaint", "z_image"), ("z-image", "sdxl")])
def test_another_pipelines_checkpoint_is_fatal(load, checkpoints, kind, other):
    with pytest.raises(FatalError, match=rf"{other}: cannot be loaded as"):
        load(kind, checkpoint=Checkpoint(path=checkpoints(other)))


def test_an_ordinary_controlnet_is_no_bria_controlnet(load, checkpoints):
    ordinary = Checkpoint(path=checkpoints("sdxl_controlnet"))
    with pytest.raises(FatalError, match=r"sdxl_controlnet: cannot be loaded.*conv_in"):
        load("bria", controlnet=ordinary)


def test_a_config_that_forgets_the_five_channels_is_put_right(load, ask, checkpoints, tmp_path):
    forgetful = tmp_path / "controlnet"
    shutil.copytree(checkpoints("bria_controlnet"), forgetful)
    config = json.loads((forgetful / "config.json").read_text())
    del config["conditioning_channels"]
    (forgetful / "config.json").write_text(json.dumps(config))
    (expected,) = load("bria").generate([ask()])
    (found,) = load("bria", controlnet=Checkpoint(path=forgetful)).generate([ask()])
    assert (found.rgb_HWC == expected.rgb_HWC).all()


def without_a_tensor(folder, name):
    (file,) = folder.glob("*.safetensors")
    weights = load_file(file)
    del weights[name]
    save_file(weights, file, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("kind", "field", "part", "name"),
    [
        ("bria", "controlnet", "bria_controlnet", "conv_in.weight"),
        ("sdxl-inpaint", "checkpoint", "sdxl/unet", "conv_in.weight"),
        ("z-image", "checkpoint", "z_image/transformer", "cap_embedder.1.weight"),
        ("z-image", "checkpoint", "z_image/text_encoder", "model.norm.weight"),
    ],
)
def test_weights_that_lack_a_tensor_are_fatal(load, checkpoints, tmp_path, kind, field, part, name):
    builder, *inside = part.split("/")
    copy = tmp_path / builder
    shutil.copytree(checkpoints(builder), copy)
    without_a_tensor(copy.joinpath(*inside), name)
    with pytest.raises(FatalError, match=rf"{builder}.*{name}"):
        load(kind, **{field: Checkpoint(path=copy)})


def test_torn_weights_are_fatal(load, checkpoints, tmp_path):
    torn = tmp_path / "torn"
    shutil.copytree(checkpoints("sdxl"), torn)
    (weights,) = (torn / "unet").glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(FatalError, match="torn/unet: cannot be loaded as UNet2DConditionModel"):
        load("sdxl-inpaint", checkpoint=Checkpoint(path=torn))


def test_pickled_weights_are_never_read_unasked(load, checkpoints, tmp_path):
    pickled = tmp_path / "pickled"
    shutil.copytree(checkpoints("sdxl"), pickled)
    (weights,) = (pickled / "unet").glob("*.safetensors")
    weights.with_suffix(".bin").write_bytes(b"\x80")
    load("sdxl-inpaint", checkpoint=Checkpoint(path=pickled))  # safetensors beside it
    weights.unlink()
    with pytest.raises(FatalError, match=r"\.bin: expected safetensors, found a pickle"):
        load("sdxl-inpaint", checkpoint=Checkpoint(path=pickled))


def test_a_lora_that_is_missing_or_of_another_network_is_fatal(load, checkpoints):
    directory = Checkpoint(path=checkpoints("lora"))
    with pytest.raises(FatalError, match=r"absent\.safetensors: expected a file"):
        load("bria", loras=(Lora(checkpoint=directory, weight_name="absent.safetensors"),))
    unet = Checkpoint(path=checkpoints("sdxl") / "unet")
    weights = "diffusion_pytorch_model.safetensors"
    with pytest.raises(FatalError, match=r"cannot be loaded as LoRA"):
        load("bria", loras=(Lora(checkpoint=unet, weight_name=weights),))


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_missing_gpu_is_fatal(load):
    with pytest.raises(FatalError, match="expected a GPU"):
        load("sdxl-inpaint", device="cuda")


def test_impossible_settings_are_refused_before_anything_loads():
    checkpoint = Checkpoint(path="/nowhere")
    with pytest.raises(ValidationError, match="cannot leave the device"):
        QwenEditConfig(checkpoint=checkpoint, offload_text_encoder=True)
    with pytest.raises(ValidationError, match="max_batch"):
        QwenEditConfig(checkpoint=checkpoint, max_batch=2)
    with pytest.raises(ValidationError, match="scheduler only"):
        ANY.validate_python(values("flux-fill") | {"scheduler": "lcm"})
    with pytest.raises(ValidationError, match="does not match any of the expected tags"):
        ANY.validate_python(values("sdxl-inpaint") | {"kind": "sd15"})
