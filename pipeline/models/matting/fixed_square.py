"""A photograph of any size into a network's fixed square, and the network's map back out.

Pillow resamples, because its kernels widen when they shrink: a 24 MP photograph brought to 1024
px by a kernel that does not is mostly aliasing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Shape suffixes: N batch, C colour channel, H height, W width.

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
IMAGENET_STD = np.array([0.229, 0.224, 0.225], dtype=np.float32)


def squash(
    image_HWC: NDArray[np.uint8], size_HW: tuple[int, int], resample: Image.Resampling
) -> NDArray[np.float32]:
    """Resize without regard to the aspect, as these networks are trained: no letterbox.

    Returns:
        Levels in [0, 255], HWC, at `size_HW`.

    Raises:
        ValueError: not 8-bit RGB.
    """
    if image_HWC.dtype != np.uint8 or image_HWC.ndim != 3 or image_HWC.shape[2] != 3:
        raise ValueError(
            f"expected uint8 of shape (H, W, 3), found {image_HWC.dtype} of {image_HWC.shape}"
        )
    height, width = size_HW
    small = Image.fromarray(image_HWC).resize((width, height), resample)
    return np.asarray(small, dtype=np.float32)


def as_input(normal_HWC: NDArray[np.float32]) -> NDArray[np.float32]:
    """A normalised picture as a batch of one, NCHW."""
    return np.ascontiguousarray(normal_HWC.transpose(2, 0, 1)[np.newaxis])


def unsquash(
    alpha_HW: NDArray[np.float32], size_HW: tuple[int, int], resample: Image.Resampling
) -> NDArray[np.float32]:
    """Bring a network's coverage to the photograph's size.

    The values already are coverage. They are not stretched to their own minimum and maximum, as is
    often done: that would turn the faint noise of a picture with no foreground into a full matte.

    Returns:
        Coverage in [0, 1], HW, at `size_HW`.
    """
    height, width = size_HW
    image = Image.fromarray(np.clip(alpha_HW, 0.0, 1.0))
    resized = np.asarray(image.resize((width, height), resample), dtype=np.float32)
    return resized.clip(0.0, 1.0)  # LANCZOS rings past both ends
