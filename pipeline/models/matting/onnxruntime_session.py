"""An ONNX graph in ONNX Runtime, on CPU or GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from pipeline.errors import FatalError
from pipeline.models.matting.graph_session import Port
from pipeline.models.matting.matting_config import OnnxConfig

# Shape suffixes: N batch (always 1), C colour channel, H height, W width.

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_DTYPES = {"tensor(float)": "float32", "tensor(float16)": "float16"}

_UNREADABLE = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NotImplemented,
)
_FAILED = (ort_errors.Fail, ort_errors.RuntimeException)


class OnnxRuntimeSession:
    """See `Session`."""

    inputs: list[Port]

    def __init__(self, data: bytes, config: OnnxConfig, *, num_threads: int, output: int) -> None:
        """Load the bytes of a graph; the arguments are those of `Graph`.

        Raises:
            FatalError: they are no graph, or the device is not there.
        """
        self._session = _load(data, config.file, config.device, num_threads)
        nodes = self._session.get_inputs()
        self.inputs = [
            Port(_sizes(node.shape), _DTYPES.get(node.type, node.type)) for node in nodes
        ]
        self._input_name: str = nodes[0].name
        self._output_name: str = self._session.get_outputs()[output].name

    def run(self, input_NCHW: NDArray[Any]) -> NDArray[Any]:
        """See `Session.run`."""
        output_NCHW: NDArray[Any]
        try:
            (output_NCHW,) = self._session.run([self._output_name], {self._input_name: input_NCHW})
        except _FAILED as error:
            raise _translated(error) from error
        return output_NCHW


def _sizes(shape: list[int | str | None]) -> list[int | None]:
    """ONNX Runtime names the sizes that a graph leaves open."""
    return [size if isinstance(size, int) else None for size in shape]


def _load(data: bytes, path: Path, device: str, num_threads: int) -> ort.InferenceSession:
    provider = _PROVIDERS[device]
    # Asked first: for a provider it was built without, ONNX Runtime warns and takes the CPU.
    if provider not in ort.get_available_providers():
        raise FatalError(
            f"device {device}: this ONNX Runtime has {ort.get_available_providers()}, not "
            f"{provider}; for CUDA install onnxruntime-gpu in place of onnxruntime"
        )
    try:
        session = ort.InferenceSession(data, _options(num_threads), providers=[provider])
    except _UNREADABLE as error:
        raise FatalError(f"{path} cannot be loaded as ONNX: {error}") from error
    # Asked again: a provider whose libraries do not load is dropped with a warning.
    if session.get_providers()[0] != provider:
        raise FatalError(
            f"device {device}: {provider} could not start and ONNX Runtime fell back to "
            f"{session.get_providers()[0]}; its log says which library is missing"
        )
    session.disable_fallback()  # nor may it fall back later, when an inference fails
    return session


def _options(num_threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    # A spinning thread takes its core from the other actors of the machine while it waits.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _translated(error: Any) -> Exception:
    """Turn a runtime's error into one of this picture (memory), of all (device), or a bug."""
    message = str(error)
    if "allocate memory" in message or "out of memory" in message:
        return MemoryError("the picture does not fit in the memory of its device")
    if "CUDA" in message or "CUDNN" in message:
        return FatalError(f"the GPU failed: {' '.join(message.split())[:300]}")
    return RuntimeError(message)
