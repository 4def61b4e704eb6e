"""Loading: a configuration becomes a network, and only runtimes that are needed are imported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.errors import FatalError
from pipeline.models.matting.licences import announce
from pipeline.models.matting.matting_config import (
    AnyNetworkConfig,
    BirefnetConfig,
    BirefnetOnnxConfig,
    ExistingConfig,
    IsNetConfig,
    U2NetConfig,
    VitMatteConfig,
)
from pipeline.models.matting.network import MattingNetwork, TrimapSolver


def build_network(config: AnyNetworkConfig, *, num_threads: int) -> MattingNetwork | None:
    """The network that finds the foreground; None where rows bring their own alpha.

    Raises:
        FatalError: weights, device or library are not what the configuration expects.
    """
    match config:
        case ExistingConfig():
            return None
        case U2NetConfig():
            from pipeline.models.matting.u2net import u2net

            announce(config.file.stem)
            return u2net(config, num_threads=num_threads)
        case IsNetConfig():
            from pipeline.models.matting.isnet import isnet

            announce(config.file.stem)
            return isnet(config, num_threads=num_threads)
        case BirefnetOnnxConfig():
            from pipeline.models.matting.birefnet import birefnet_onnx

            announce(config.file.stem)
            return birefnet_onnx(config, num_threads=num_threads)
        case BirefnetConfig():
            with _diffusion_extra():
                from pipeline.models.matting.birefnet_torch import Birefnet

            announce(config.checkpoint.name)
            return Birefnet(config, num_threads=num_threads)


def build_solver(config: VitMatteConfig, *, num_threads: int) -> TrimapSolver:
    """The network that solves a trimap.

    Raises:
        FatalError: weights, device or library are not what the configuration expects.
    """
    with _diffusion_extra():
        from pipeline.models.matting.vitmatte import VitMatte

    announce(config.checkpoint.name)
    return VitMatte(config, num_threads=num_threads)


@contextmanager
def _diffusion_extra() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise FatalError(
            f"this network runs in PyTorch, and {error.name} is missing: install the extra "
            "'diffusion' (pip install 'backlot[diffusion]')"
        ) from error
