"""Colour profiles: what a file's numbers mean, and the same colours as sRGB."""

from __future__ import annotations

from functools import cache, lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

_PROFILE_MODES = {"GRAY": "L", "RGB ": "RGB", "CMYK": "CMYK", "Lab ": "LAB"}
"""The Pillow mode whose pixels a profile of each ICC colour space describes."""

_UNREADABLE = (OSError, ValueError, TypeError, ImageCms.PyCMSError)
"""What Little CMS and Pillow's door to it raise on a profile that is none."""

_DATE_TIME = slice(24, 36)
"""Where the header keeps the profile's time of creation (ICC.1:2022, table 17)."""


@cache
def srgb_profile() -> bytes:
    """The sRGB profile our files carry: about 600 bytes, the same in every process."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # Little CMS stamps the clock into it, and then equal pictures would not be equal files.
    profile[_DATE_TIME] = b"".join(part.to_bytes(2, "big") for part in (2000, 1, 1, 0, 0, 0))
    return bytes(profile)


def to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, tuple[str, ...]]:
    """Express a picture in sRGB: relative colorimetric, with black point compensation.

    A profile that cannot be read, or that is for another kind of pixels, is set aside and said so.
    Pixels whose profile is sRGB under whatever name come back unchanged.

    Args:
        image: mode L, RGB, CMYK or LAB.
        profile: the ICC profile embedded in the file, if any.

    Returns:
        The picture in mode RGB, and what was done to it, for people.
    """
    if profile is None:
        return _by_convention(image)
    try:
        name, space = _describe(profile)
        mode = _PROFILE_MODES.get(space)
        if image.mode == "L" and mode == "RGB":
            image = image.convert("RGB")  # common: a grey picture tagged with its workflow's sRGB
        if image.mode != mode:
            rgb, notes = _by_convention(image)
            return rgb, (f"ICC profile {name!r} is not for {image.mode} pixels, ignored", *notes)
        transform = _transform(profile, mode)
    except _UNREADABLE:
        rgb, notes = _by_convention(image)
        return rgb, ("ICC profile unreadable, taken as sRGB", *notes)
    if transform is None:
        return image.convert("RGB"), ()
    return transform.apply(image), (f"ICC profile {name!r} converted to sRGB",)


def is_srgb(profile: bytes) -> bool:
    """Whether the pixels under this profile are sRGB already, whatever it is called."""
    try:
        _, space = _describe(profile)
        return space in ("RGB ", "GRAY") and _transform(profile, _PROFILE_MODES[space]) is None
    except _UNREADABLE:
        return False


def _by_convention(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """Without a profile: grey and RGB are sRGB, Lab is D50, CMYK inks multiply."""
    notes = ("CMYK without a usable profile: colours are approximate",)
    return image.convert("RGB"), notes if image.mode == "CMYK" else ()


@lru_cache(maxsize=32)
def _describe(profile: bytes) -> tuple[str, str]:
    opened = ImageCms.ImageCmsProfile(BytesIO(profile))
    return ImageCms.getProfileDescription(opened).strip(), opened.profile.xcolor_space


@lru_cache(maxsize=32)  # a catalog uses a handful; building one takes longer than applying it
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The way from `profile` to sRGB; None where it changes no colour by more than one level.

    sRGB comes under many names and in many roundings. Measuring it instead of trusting a name
    keeps the product's pixels exactly as photographed.
    """
    flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
    if mode == "L":
        # The shortcut Little CMS takes is two levels off in dark grey. Without it grey is exact and
        # as fast; RGB would take ten times as long for what is already within a level.
        flags |= ImageCms.Flags.NOOPTIMIZE
    transform = ImageCms.ImageCmsTransform(
        ImageCms.ImageCmsProfile(BytesIO(profile)),
        ImageCms.ImageCmsProfile(BytesIO(srgb_profile())),
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=flags,
    )
    if mode not in ("L", "RGB"):
        return transform
    probe = _probe(mode)
    wanted = np.asarray(probe.convert("RGB"), np.int16)
    got = np.asarray(transform.apply(probe), np.int16)
    return transform if np.abs(got - wanted).max() > 1 else None


def _probe(mode: str) -> Image.Image:
    """Every grey level, or 18 steps of each primary in all combinations, as a picture."""
    if mode == "L":
        return Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    rgb_HWC = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1)
    return Image.fromarray(rgb_HWC.reshape(len(steps), -1, 3))
