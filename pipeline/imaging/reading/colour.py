"""From what a file's samples mean to the one thing everything after reading knows: 8-bit sRGB."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.imaging.reading.icc import UnusableProfileError, as_image, to_srgb8_by_profile
from pipeline.imaging.reading.lab import lab_to_srgb8
from pipeline.imaging.reading.rgb_space import to_srgb8_by
from pipeline.imaging.reading.samples import ColorMeaning, Samples, Space

# Shape suffixes: H height, W width, C colour channel.

_NAMES: dict[Space, str] = {"cmyk": "CMYK", "lab": "LAB"}
"""What is converted whatever else is known, as notes call it."""


def to_srgb8(samples: Samples) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Express samples in sRGB, at the depth they have, and round them once.

    By ICC profile: relative colorimetric, with black point compensation. A profile that cannot be
    read, or that is for other samples, is set aside and said so. Samples that are sRGB already,
    under whatever name, keep their values.

    Returns:
        HWC, sRGB, perhaps the samples' own array. And what was done, for people: depth, kind of
        samples and profile, so that a decoder has nothing to add about colour.
    """
    notes: list[str] = []
    if samples.values_HWC.dtype != np.uint8:
        notes.append("more than 8 bits a channel, reduced to 8")
    if samples.space in _NAMES:
        notes.append(f"converted from {_NAMES[samples.space]}")
    profile = samples.meaning.icc
    if profile is not None and samples.values_HWC.dtype != np.float32:
        try:
            rgb_HWC, name = to_srgb8_by_profile(samples.values_HWC, samples.space, profile)
        except UnusableProfileError as error:
            notes.append(str(error))
        else:
            if rgb_HWC is None:
                return as_srgb8(samples.values_HWC), tuple(notes)
            return rgb_HWC, (*notes, f"ICC profile {name!r} converted to sRGB")
    rgb_HWC, more = _by_convention(samples)
    return rgb_HWC, (*notes, *more)


def to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, tuple[str, ...]]:
    """The same for a picture of Pillow's, mode L, RGB, CMYK or LAB."""
    spaces: dict[str, Space] = {"L": "grey", "RGB": "rgb", "CMYK": "cmyk", "LAB": "lab"}
    values_HWC = np.asarray(image).reshape(image.height, image.width, -1)
    if image.mode == "LAB":  # where Pillow meets bytes, a* and b* are signed
        values_HWC = values_HWC ^ np.array([0, 128, 128], np.uint8)
    meaning = ColorMeaning(icc=profile)
    samples = Samples(values_HWC=values_HWC, space=spaces[image.mode], meaning=meaning)
    rgb_HWC, notes = to_srgb8(samples)
    return Image.fromarray(rgb_HWC), notes


def as_srgb8(values_HWC: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey or RGB that is sRGB as it stands, as 8-bit RGB: HWC."""
    if values_HWC.dtype == np.uint16:
        values_HWC = _rounded()[values_HWC]
    if values_HWC.shape[-1] == 1:
        values_HWC = np.repeat(values_HWC, 3, axis=-1)
    return values_HWC.astype(np.uint8, copy=False)


@cache
def _rounded() -> NDArray[np.uint8]:
    """The nearest of 256 levels for each of 65536, white to white: not the high byte."""
    return ((np.arange(65536) * 255 + 32767) // 65535).astype(np.uint8)


def _by_convention(samples: Samples) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Without a profile: grey and RGB are sRGB, floats linear, Lab is D50, CMYK inks multiply."""
    values_HWC: NDArray[Any] = samples.values_HWC
    if values_HWC.dtype == np.float32:
        return _linear(values_HWC)
    if samples.space == "lab":
        return lab_to_srgb8(values_HWC), ()
    if samples.space == "cmyk":
        inks_HWC = as_srgb8(values_HWC)
        note = "CMYK without a usable profile: colours are approximate"
        return np.asarray(as_image(inks_HWC, "cmyk").convert("RGB")), (note,)
    return as_srgb8(values_HWC), ()


def _linear(values_HWC: NDArray[np.float32]) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    over = float((values_HWC > 1).any(axis=-1).mean())
    rgb_HWC = to_srgb8_by(lambda values_NC: np.nan_to_num(values_NC.T), values_HWC)
    return rgb_HWC, (f"brighter than white in {over:.2%} of pixels, clipped",) if over else ()
