"""A verified ONNX graph, on the device that was asked for and no other."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from pipeline.errors import FatalError

# Shape suffixes: N batch (always 1), C colour channel, H height, W width.

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}

_UNREADABLE = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NotImplemented,
)
_FAILED = (ort_errors.Fail, ort_errors.RuntimeException)


class OnnxGraph:
    """A graph that takes one normalised picture and gives one map; loaded and checked once."""

    revision: str
    """File name and the start of its SHA-256."""
    input_HW: tuple[int, int]
    """The size the picture must have."""

    def __init__(
        self,
        weights: Path,
        *,
        sha256: str | None,
        device: str,
        num_threads: int,
        output: int,
    ) -> None:
        """Verify the file, then load it.

        Args:
            weights: an ONNX file with one input of a fixed size.
            sha256: what the file must hash to, in hex; None trusts it.
            device: "cpu" or "cuda".
            num_threads: threads of one inference on CPU.
            output: which of the graph's outputs is wanted, by position: exporters name them after
                node numbers. Negative counts from the end.

        Raises:
            FatalError: the file or the device is not what was expected.
        """
        data = _read_verified(weights, sha256)
        self.revision = f"{weights.stem}-{hashlib.sha256(data).hexdigest()[:12]}"
        self._weights = weights
        self._session = _session(data, weights, device, num_threads)
        inputs = self._session.get_inputs()
        match [node.shape for node in inputs]:
            # A batch of symbolic size is a batch of one to us.
            case [[1 | str() | None, 3, int(height), int(width)]]:
                self.input_HW = (height, width)
            case shapes:
                raise FatalError(
                    f"{weights}: expected one input of shape [1, 3, H, W], found {shapes}"
                )
        if inputs[0].type not in _DTYPES:
            raise FatalError(f"{weights}: expected an input of floats, found {inputs[0].type}")
        self._input_name: str = inputs[0].name
        self._input_dtype = _DTYPES[inputs[0].type]
        self._output_name: str = self._session.get_outputs()[output].name

    def run(self, input_NCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        """One picture through the graph.

        Returns:
            The map, HW, as the graph gives it.

        Raises:
            MemoryError: it does not fit.
            FatalError: the device is lost, or the output is no single map.
        """
        feed = {self._input_name: input_NCHW.astype(self._input_dtype, copy=False)}
        try:
            (output_NCHW,) = self._session.run([self._output_name], feed)
        except _FAILED as error:
            raise _translated(error) from error
        if output_NCHW.shape[:2] != (1, 1) or output_NCHW.ndim != 4:
            raise FatalError(
                f"{self._weights}: expected an output of shape [1, 1, H, W], "
                f"found {list(output_NCHW.shape)}"
            )
        return np.asarray(output_NCHW[0, 0], dtype=np.float32)


def _read_verified(path: Path, sha256: str | None) -> bytes:
    if not path.is_file():
        raise FatalError(f"matting weights {path}: expected a file, found none")
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if sha256 is not None and found != sha256.lower():
        raise FatalError(f"matting weights {path}: expected sha256 {sha256}, found {found}")
    return data


def _session(data: bytes, path: Path, device: str, num_threads: int) -> ort.InferenceSession:
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
    """Out of memory is this picture's, a lost device is everybody's, the rest is a bug."""
    said = str(error)
    if "allocate memory" in said or "out of memory" in said:
        return MemoryError("the picture does not fit in the memory of its device")
    if "CUDA" in said or "CUDNN" in said:
        return FatalError(f"the GPU failed: {' '.join(said.split())[:300]}")
    return RuntimeError(said)
