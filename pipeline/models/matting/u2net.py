"""The U2-Net family (Qin et al. 2020, arXiv 2005.09007) through ONNX Runtime, on CPU."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors
from PIL import Image

from pipeline.errors import FatalError

# Shape suffixes: N batch (always 1), C colour channel, H height, W width.

EMBEDDED_WEIGHTS = Path(__file__).with_name("weights") / "u2netp.onnx"
EMBEDDED_SHA256 = "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8"

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
IMAGENET_STD = np.array([0.229, 0.224, 0.225], dtype=np.float32)

_UNREADABLE = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NotImplemented,
)


class U2Net:
    """A U2-Net whose checkpoint is configuration; the default is the embedded U2-Net-p (4.6 MB).

    The published graphs accept a batch of one at one size, so images run one after another and no
    alpha depends on its neighbours. Parallelism comes from actors: one thread each is the fastest
    use of a machine that runs as many actors as it has cores.
    """

    revision: str

    def __init__(
        self, weights_path: Path | None = None, *, sha256: str | None = None, num_threads: int = 1
    ) -> None:
        """Verify the weights, then load them.

        Args:
            weights_path: an ONNX file of the family; None for the embedded one, always verified.
            sha256: what the file must hash to, in hex; None trusts a file given by path.
            num_threads: threads of one inference.

        Raises:
            FatalError: the file is missing, is not the expected one, or is not a U2-Net.
        """
        if weights_path is None:
            weights_path, sha256 = EMBEDDED_WEIGHTS, sha256 or EMBEDDED_SHA256
        weights = _read_verified(weights_path, sha256)
        self.revision = f"{weights_path.stem}-{hashlib.sha256(weights).hexdigest()[:12]}"
        try:
            self._session = ort.InferenceSession(
                weights, _session_options(num_threads), providers=["CPUExecutionProvider"]
            )
        except _UNREADABLE as error:
            raise FatalError(f"{weights_path} cannot be loaded as ONNX: {error}") from error
        self._input_name, self._input_HW = _input_of(self._session, weights_path)
        # Seven side outputs; the family's graphs list the fused one first, under names that are
        # only node numbers ("1959" in U2-Net-p), hence by position.
        self._output_name: str = self._session.get_outputs()[0].name

    def predict(self, images: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """See `MattingNetwork.predict`."""
        return [self._predict_one(image_HWC) for image_HWC in images]

    def _predict_one(self, image_HWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        input_NCHW = _preprocess(image_HWC, self._input_HW)
        (output_NCHW,) = self._session.run([self._output_name], {self._input_name: input_NCHW})
        return _resize_alpha(output_NCHW[0, 0], image_HWC.shape[:2])


def _read_verified(path: Path, sha256: str | None) -> bytes:
    if not path.is_file():
        raise FatalError(f"matting weights {path}: expected a file, found none")
    weights = path.read_bytes()
    found = hashlib.sha256(weights).hexdigest()
    if sha256 is not None and found != sha256.lower():
        raise FatalError(f"matting weights {path}: expected sha256 {sha256}, found {found}")
    return weights


def _session_options(num_threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    # A spinning thread takes its core from the other actors of the machine while it waits.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _input_of(session: ort.InferenceSession, path: Path) -> tuple[str, tuple[int, int]]:
    """Name and (height, width) of the input: a fixed 1 x 3 x H x W in every published graph."""
    inputs = session.get_inputs()
    match [node.shape for node in inputs]:
        case [[1, 3, int(height), int(width)]]:
            return inputs[0].name, (height, width)
        case shapes:
            raise FatalError(f"{path}: expected one input of shape [1, 3, H, W], found {shapes}")


def _preprocess(image_HWC: NDArray[np.uint8], size_HW: tuple[int, int]) -> NDArray[np.float32]:
    """Resize, divide by the brightest value, normalise: to the letter what the weights expect.

    Pillow does the resampling because the published weights are evaluated behind its anti-aliased
    LANCZOS; another library's kernel is another input and costs accuracy.
    """
    if image_HWC.dtype != np.uint8 or image_HWC.ndim != 3 or image_HWC.shape[2] != 3:
        raise ValueError(
            f"expected uint8 of shape (H, W, 3), found {image_HWC.dtype} of {image_HWC.shape}"
        )
    height, width = size_HW
    small = Image.fromarray(image_HWC).resize((width, height), Image.Resampling.LANCZOS)
    small_HWC = np.asarray(small, dtype=np.float32)
    brightest = max(float(small_HWC.max()), 1.0)  # an all-black image stays black
    normal_HWC = (small_HWC / brightest - IMAGENET_MEAN) / IMAGENET_STD
    return np.ascontiguousarray(normal_HWC.transpose(2, 0, 1)[np.newaxis])


def _resize_alpha(alpha_HW: NDArray[np.float32], size_HW: tuple[int, int]) -> NDArray[np.float32]:
    """Bring the network's alpha to the image's size.

    The graph ends in a sigmoid, so its values already are coverage. They are not stretched to
    their own minimum and maximum, as is often done: that would turn the faint noise of a picture
    with no foreground into a full matte.
    """
    height, width = size_HW
    image = Image.fromarray(np.clip(alpha_HW, 0.0, 1.0))
    resized = np.asarray(image.resize((width, height), Image.Resampling.LANCZOS), dtype=np.float32)
    return resized.clip(0.0, 1.0)  # LANCZOS rings past both ends
