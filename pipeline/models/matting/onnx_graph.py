"""A verified ONNX graph that takes one picture and gives one map, in the runtime asked for."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import FatalError
from pipeline.models.matting.graph_session import Session
from pipeline.models.matting.matting_config import OnnxConfig

# Shape suffixes: N batch (always 1), C colour channel, H height, W width.


class Graph:
    """Loaded and checked once."""

    revision: str
    """File name, the start of its SHA-256, and the precision if it is not float32."""
    input_HW: tuple[int, int]
    """The size the picture must have."""

    def __init__(self, config: OnnxConfig, *, num_threads: int, output: int) -> None:
        """Verify the file, then load it.

        Args:
            config: the file, an ONNX graph with one input of a fixed size, and what runs it.
            num_threads: threads of one inference on CPU.
            output: which of the graph's outputs is wanted, by position: exporters name them after
                node numbers. Negative counts from the end.

        Raises:
            FatalError: the file, the device or the runtime is not what was expected.
        """
        data = _read_verified(config.file, config.sha256)
        self.revision = f"{config.file.stem}-{hashlib.sha256(data).hexdigest()[:12]}"
        if config.precision != "float32":
            self.revision += f"-{config.precision}"
        self._weights = config.file
        self._session = _session(data, config, num_threads=num_threads, output=output)
        match [port.shape for port in self._session.inputs]:
            # A batch of open size is a batch of one to us.
            case [[1 | None, 3, int(height), int(width)]]:
                self.input_HW = (height, width)
            case shapes:
                raise FatalError(
                    f"{config.file}: expected one input of shape [1, 3, H, W], found {shapes}"
                )
        self._dtype = self._session.inputs[0].dtype
        if self._dtype not in ("float32", "float16"):
            raise FatalError(f"{config.file}: expected an input of floats, found {self._dtype}")

    def run(self, input_NCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        """One picture through the graph.

        Returns:
            The map, HW, as the graph gives it.

        Raises:
            MemoryError: it does not fit.
            FatalError: the device is lost, or the output is no single map.
        """
        output_NCHW = self._session.run(input_NCHW.astype(self._dtype, copy=False))
        if output_NCHW.shape[:2] != (1, 1) or output_NCHW.ndim != 4:
            raise FatalError(
                f"{self._weights}: expected an output of shape [1, 1, H, W], "
                f"found {list(output_NCHW.shape)}"
            )
        return np.asarray(output_NCHW[0, 0], dtype=np.float32)


def _session(data: bytes, config: OnnxConfig, *, num_threads: int, output: int) -> Session:
    """Imports only the runtime that is asked for."""
    if config.runtime == "openvino":
        from pipeline.models.matting.openvino_session import OpenVinoSession

        return OpenVinoSession(data, config, num_threads=num_threads, output=output)
    # Asked as it is imported, and only then: it reports to Microsoft unless it is told not to.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    from pipeline.models.matting.onnxruntime_session import OnnxRuntimeSession

    return OnnxRuntimeSession(data, config, num_threads=num_threads, output=output)


def _read_verified(path: Path, sha256: str | None) -> bytes:
    if not path.is_file():
        raise FatalError(f"matting weights {path}: expected a file, found none")
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if sha256 is not None and digest != sha256.lower():
        raise FatalError(f"matting weights {path}: expected sha256 {sha256}, found {digest}")
    return data
