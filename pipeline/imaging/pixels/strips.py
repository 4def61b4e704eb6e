"""Pixelwise arithmetic a strip of rows at a time: its intermediate results stay small.

A formula over a whole picture in floats holds each of its terms at once: 12 bytes a pixel apiece,
700 MB at 60 MP. Strip by strip the values are the same to the bit.
"""

from __future__ import annotations

from collections.abc import Iterator

_PIXELS = 1 << 18
"""The number of pixels in a strip: 3 MB of colour in floats, which a core's cache nearly holds."""


def strips(shape: tuple[int, ...]) -> Iterator[slice]:
    """The rows of a picture, in slices that together are all of it.

    Args:
        shape: of the picture, height and width first.

    >>> [(rows.start, rows.stop) for rows in strips((300, 2048, 3))]
    [(0, 128), (128, 256), (256, 300)]
    """
    height, width = shape[:2]
    step = max(1, _PIXELS // max(1, width))
    for top in range(0, height, step):
        yield slice(top, min(top + step, height))
