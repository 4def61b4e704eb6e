"""An ONNX graph in OpenVINO, on CPU: the runtime that computes in bfloat16 where a CPU can."""

from __future__ import annotations

import sys
from collections.abc import Collection
from types import ModuleType
from typing import Any, cast

from numpy.typing import NDArray

from pipeline.errors import FatalError
from pipeline.models.matting.graph_session import Port
from pipeline.models.matting.matting_config import OnnxConfig

# Shape suffixes: N batch (always 1), C colour channel, H height, W width.

_DEVICE = "CPU"
_HINTS = {"float32": "f32", "bfloat16": "bf16"}


class OpenVinoSession:
    """See `Session`."""

    inputs: list[Port]

    def __init__(self, data: bytes, config: OnnxConfig, *, num_threads: int, output: int) -> None:
        """Load the bytes of a graph; the arguments are those of `Graph`.

        Raises:
            FatalError: they are no graph, the CPU lacks the precision, or OpenVINO is missing.
        """
        require(config.precision, capabilities())
        settings = {
            # Always said: left to itself it takes whatever the CPU is fastest in.
            "INFERENCE_PRECISION_HINT": _HINTS[config.precision],
            "INFERENCE_NUM_THREADS": num_threads,
            "NUM_STREAMS": 1,
            # Every actor of a machine would pin its threads to the same first cores.
            "ENABLE_CPU_PINNING": False,
        }
        ov = _without_telemetry()
        core = ov.Core()
        try:
            model = core.read_model(data)
            self.inputs = [_port(node) for node in model.inputs]
            _close_batches(model)
            # Alone, so that what leads only to other outputs is not computed.
            wanted = ov.Model([model.get_results()[output]], model.get_parameters())
            self._compiled = core.compile_model(wanted, _DEVICE, settings)
        except RuntimeError as error:  # the only kind it raises
            raise FatalError(f"{config.file} cannot be loaded as ONNX: {error}") from error

    def run(self, input_NCHW: NDArray[Any]) -> NDArray[Any]:
        """See `Session.run`."""
        # A request of its own costs nothing, and one that is shared refuses a second thread.
        request = self._compiled.create_infer_request()
        output: NDArray[Any] = request.infer([input_NCHW], share_inputs=True)[0]
        return output


def capabilities() -> list[str]:
    """What this CPU itself computes in, in OpenVINO's words: FP32, BF16 and others.

    Raises:
        FatalError: OpenVINO is missing.
    """
    return list(_without_telemetry().Core().get_property(_DEVICE, "OPTIMIZATION_CAPABILITIES"))


def require(precision: str, capable_of: Collection[str]) -> None:
    """Refuse to emulate, as OpenVINO would on CPUs with AVX-512 and no bfloat16.

    Raises:
        FatalError: the CPU does not compute in it.
    """
    if precision == "bfloat16" and "BF16" not in capable_of:
        raise FatalError(
            f"precision bfloat16: this CPU computes in {', '.join(sorted(capable_of))}, not BF16 "
            "(Intel has it since Sapphire Rapids, AMD since Zen 4); set matte.network.precision to "
            "float32, or keep the stage to nodes that have it with resources.matte.node_group"
        )


def _without_telemetry() -> Any:
    """The package, kept from reporting its import to Google Analytics.

    It does so unasked, from a child process, and leaves an identifier in the home directory, unless
    the package openvino_telemetry is missing: which is what None in `sys.modules` says.
    """
    cast("dict[str, ModuleType | None]", sys.modules)["openvino_telemetry"] = None
    try:
        import openvino
    except ModuleNotFoundError as error:
        raise FatalError(
            "runtime openvino: the package is not installed: pip install 'backlot[openvino]', or "
            "set matte.network.runtime to onnxruntime"
        ) from error
    return openvino


def _port(node: Any) -> Port:
    sizes = [size.get_length() if size.is_static else None for size in node.get_partial_shape()]
    return Port(sizes, str(node.get_element_type().to_dtype()))


def _close_batches(model: Any) -> None:
    """A batch of open size becomes one, so that every size is known when it is compiled."""
    shapes = {node: node.get_partial_shape() for node in model.inputs}
    for shape in shapes.values():
        if len(shape) and shape[0].is_dynamic:
            shape[0] = 1
    model.reshape(shapes)
