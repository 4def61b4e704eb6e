"""Loading: a configuration becomes a pipeline that is ready to draw, or a fatal error."""

from __future__ import annotations

import inspect
import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers as typed_diffusers
import torch
import transformers as typed_transformers
from PIL import Image, UnidentifiedImageError
from safetensors import SafetensorError

from pipeline.errors import FatalError
from pipeline.models.generation.diffusion import bria
from pipeline.models.generation.diffusion.diffusion_config import (
    AnyDiffusionConfig,
    BriaConfig,
    DiffusionConfig,
    IpAdapter,
    Lora,
    SdxlControlNetInpaintConfig,
)
from pipeline.models.generation.diffusion.photo_background import PhotoBackgroundPipeline
from pipeline.models.weights import PICKLED, Checkpoint, locate

# Their classes are typed in part only.
diffusers: Any = typed_diffusers
transformers: Any = typed_transformers


def load_pipeline(config: AnyDiffusionConfig, *, arguments: Collection[str]) -> tuple[Any, Path]:
    """Build a pipeline with its parts, adapters and sampler, on its device.

    Args:
        config: which, and how.
        arguments: every argument it will be called with.

    Returns:
        The pipeline, and the directory it was read from: finding it may take hashing all of it.

    Raises:
        FatalError: the device, the weights or the class are not what was expected. Everything that
            can be found out without reading weights is found out first, in seconds.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise FatalError("device cuda: expected a GPU, found none that PyTorch can use")
    cls = pipeline_class(config)
    check_arguments(cls, arguments)
    directory = _pipeline_directory(config)
    parts = _parts(config)
    with _fatal(directory, cls.__name__):
        wanted = set(inspect.signature(cls.__init__).parameters)
        wanted -= {*parts, *config.adapter.load_options}
        networks = _networks(directory, config, wanted)
        pipeline = cls.from_pretrained(
            directory,
            dtype=_dtype(config),
            **_safety(config.checkpoint),
            trust_remote_code=config.checkpoint.allow_remote_code,
            **networks,
            **parts,
            **config.adapter.load_options,
        )
    pipeline.set_progress_bar_config(disable=True)
    _set_scheduler(pipeline, config)
    _fuse_loras(pipeline, _loras(config), config)
    if isinstance(config, BriaConfig):
        bria.adapt_controlnet(pipeline.controlnet, scale=pipeline.vae_scale_factor)
    if isinstance(pipeline, PhotoBackgroundPipeline):
        pipeline.adapt()
    reference = getattr(config, "reference", None)
    if isinstance(reference, IpAdapter):
        _load_ip_adapter(pipeline, reference, config)
    return _placed(pipeline, config), directory


def pipeline_class(config: DiffusionConfig) -> Any:
    """The pipeline's class. Raises FatalError where the installed diffusers has none."""
    if config.kind == "photo-background":
        return PhotoBackgroundPipeline
    name = config.adapter.pipeline
    try:
        return getattr(diffusers, name)
    except AttributeError:
        raise FatalError(f"diffusers {diffusers.__version__} has no {name}") from None


def check_arguments(cls: Any, arguments: Collection[str]) -> None:
    """Refuse a class that does not take what it will be given.

    diffusers renames arguments between releases, and a wrong one would only show at the first row.

    Raises:
        FatalError: names the class and the arguments.
    """
    accepted = inspect.signature(cls.__call__).parameters
    unknown = sorted(set(arguments) - set(accepted))
    if unknown:
        raise FatalError(
            f"{cls.__name__} of diffusers {diffusers.__version__} takes no {', '.join(unknown)}"
        )


def open_picture(path: Path) -> Image.Image:
    """A reference picture, RGB. Raises FatalError."""
    try:
        with Image.open(path) as picture:
            return picture.convert("RGB")
    except (OSError, UnidentifiedImageError) as error:
        raise FatalError(f"reference picture {path}: expected an image: {error}") from error


def _pipeline_directory(config: DiffusionConfig) -> Path:
    directory = locate(config.checkpoint, cache_dir=config.cache_dir)
    if not (directory / "model_index.json").is_file():
        raise FatalError(
            f"weights {directory}: expected the directory of a pipeline, found no model_index.json"
        )
    return directory


def _networks(directory: Path, config: DiffusionConfig, wanted: set[str]) -> dict[str, Any]:
    """The networks in a pipeline's directory, each checked for completeness.

    The pipeline could load them itself, but both libraries fill missing weights with random ones
    and only log it. Networks of other libraries, which come with code of their own, are left to it.
    """
    index = json.loads((directory / "model_index.json").read_text(encoding="utf-8"))
    networks = {}
    for name in sorted(wanted & index.keys()):
        match index[name]:
            case ["diffusers", str(class_name)]:
                cls = getattr(diffusers, class_name, None)
            case ["transformers", str(class_name)]:
                cls = getattr(transformers, class_name, None)
            case _:
                cls = None
        if isinstance(cls, type) and issubclass(cls, torch.nn.Module):
            networks[name] = _network(cls, directory / name, config.checkpoint, config)
    return networks


def _parts(config: AnyDiffusionConfig) -> dict[str, Any]:
    """Components that do not come from the pipeline's own directory."""
    parts = {}
    if isinstance(config, SdxlControlNetInpaintConfig):
        parts["controlnet"] = _part(diffusers.ControlNetModel, config.controlnet, config)
    if isinstance(config, BriaConfig):
        # A wrong or missing count in the published config.json would build a 3-channel network.
        parts["controlnet"] = _part(
            diffusers.ControlNetModel,
            config.controlnet,
            config,
            conditioning_channels=bria.CONTROL_CHANNELS,
        )
        if config.vae is not None:
            parts["vae"] = _part(diffusers.AutoencoderKL, config.vae, config)
    return parts


def _part(cls: Any, checkpoint: Checkpoint, config: DiffusionConfig, **overrides: Any) -> Any:
    directory = locate(checkpoint, cache_dir=config.cache_dir)
    return _network(cls, directory, checkpoint, config, **overrides)


def _network(
    cls: Any, directory: Path, checkpoint: Checkpoint, config: DiffusionConfig, **overrides: Any
) -> Any:
    with _fatal(directory, cls.__name__):
        module, info = cls.from_pretrained(
            directory,
            dtype=_dtype(config),
            output_loading_info=True,
            **_safety(checkpoint),
            **overrides,
        )
    if missing := sorted(info["missing_keys"]):
        raise FatalError(
            f"weights {directory}: expected a whole {cls.__name__}, found none for "
            f"{len(missing)} of its tensors, such as {missing[0]}"
        )
    return module


def _safety(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "local_files_only": True,
        "use_safetensors": None if checkpoint.allow_pickle else True,
    }


def _set_scheduler(pipeline: Any, config: DiffusionConfig) -> None:
    if isinstance(config, BriaConfig) and config.fast_lora is not None:
        pipeline.scheduler = diffusers.LCMScheduler.from_config(pipeline.scheduler.config)
        return
    match config.scheduler:
        case "checkpoint":
            pass
        case "lcm":
            pipeline.scheduler = diffusers.LCMScheduler.from_config(pipeline.scheduler.config)
        case "euler_ancestral" if config.kind == "bria":
            pipeline.scheduler = diffusers.EulerAncestralDiscreteScheduler(**bria.SCHEDULER)
        case "euler_ancestral":
            pipeline.scheduler = diffusers.EulerAncestralDiscreteScheduler.from_config(
                pipeline.scheduler.config
            )


def _loras(config: AnyDiffusionConfig) -> tuple[Lora, ...]:
    if isinstance(config, BriaConfig) and config.fast_lora is not None:
        return (*config.loras, config.fast_lora)
    return config.loras


def _fuse_loras(pipeline: Any, loras: tuple[Lora, ...], config: DiffusionConfig) -> None:
    """Add low-rank adapters to the weights: no cost while drawing, and the compiler sees none."""
    for index, lora in enumerate(loras):
        directory = _with_file(lora.checkpoint, lora.weight_name, config)
        with _fatal(directory / lora.weight_name, f"LoRA for {type(pipeline).__name__}"):
            pipeline.load_lora_weights(
                str(directory),
                weight_name=lora.weight_name,
                adapter_name=f"lora_{index}",
                local_files_only=True,
            )
            if not any(pipeline.get_list_adapters().values()):
                raise ValueError("it fits no layer of this pipeline")
            pipeline.fuse_lora(lora_scale=lora.scale)
            pipeline.unload_lora_weights()


def _load_ip_adapter(pipeline: Any, reference: IpAdapter, config: DiffusionConfig) -> None:
    name = str(Path(reference.subfolder) / reference.weight_name)
    directory = _with_file(reference.checkpoint, name, config)
    with _fatal(directory / name, f"IP-Adapter for {type(pipeline).__name__}"):
        pipeline.load_ip_adapter(
            str(directory),
            subfolder=reference.subfolder,
            weight_name=reference.weight_name,
            image_encoder_folder=reference.image_encoder_folder,
            local_files_only=True,
        )
        pipeline.set_ip_adapter_scale(reference.scale)


def _with_file(checkpoint: Checkpoint, name: str, config: DiffusionConfig) -> Path:
    directory = locate(checkpoint, cache_dir=config.cache_dir)
    if not (directory / name).is_file():
        raise FatalError(f"weights {directory / name}: expected a file, found none")
    if Path(name).suffix in PICKLED and not checkpoint.allow_pickle:
        raise FatalError(f"weights {directory / name}: a pickle, and allow_pickle is not set")
    return directory


def _placed(pipeline: Any, config: DiffusionConfig) -> Any:
    pipeline.to(config.device)
    convolutional = [
        module
        for name in ("unet", "controlnet", "vae")
        if (module := getattr(pipeline, name, None)) is not None
    ]
    if config.channels_last and hasattr(pipeline, "unet"):
        for module in convolutional:
            module.to(memory_format=torch.channels_last)
    if config.vae_slicing:
        pipeline.vae.enable_slicing()
    if config.compile:
        for name in ("unet", "transformer", "controlnet"):
            if getattr(pipeline, name, None) is not None:
                getattr(pipeline, name).compile(dynamic=False)
    return pipeline


def _dtype(config: DiffusionConfig) -> torch.dtype:
    dtype: torch.dtype = getattr(torch, config.dtype)
    return dtype


@contextmanager
def _fatal(path: Path, what: str) -> Iterator[None]:
    """Whatever a loader raises over files means one thing: these are not the weights expected."""
    try:
        yield
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        RuntimeError,
        ImportError,
        SafetensorError,
    ) as error:
        reason = " ".join(str(error).split())[:500]
        raise FatalError(f"weights {path}: cannot be loaded as {what}: {reason}") from error
