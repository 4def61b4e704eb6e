"""Where pixels become bytes: finished pictures, and mattes on their way between stages."""

from __future__ import annotations

import zlib
from enum import StrEnum
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, features

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.libraries.pillow_files import opened
from pipeline.imaging.reading.color.icc import srgb_profile
from pipeline.imaging.reading.photo import coverage_of

# Shape suffixes: H height, W width, C colour channel.


class OutputFormat(StrEnum):
    """What finished pictures are written as."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    AVIF = "avif"

    @property
    def extension(self) -> str:
        """The extension of a file name, with its dot."""
        return ".jpg" if self is OutputFormat.JPEG else f".{self.value}"

    @property
    def media_type(self) -> str:
        """The media type, for the Content-Type of an object."""
        return f"image/{self.value}"

    @property
    def has_resolution(self) -> bool:
        """Whether it has a field of its own for pixels an inch: JFIF's density, PNG's pHYs."""
        return self in (OutputFormat.JPEG, OutputFormat.PNG)

    @property
    def max_side_px(self) -> int:
        """Longest side the format's header has room for; of AVIF, that its decoders open."""
        return {"jpeg": 65500, "png": 2**31 - 1, "webp": 16383, "avif": 32768}[self.value]


_MOST_DPI = 65535
"""JFIF's density has 16 bits."""

_OPTIONAL = frozenset({OutputFormat.WEBP, OutputFormat.AVIF})
"""Formats that Pillow can be built without."""

_AVIF_OPTIONS: dict[str, Any] = {
    "codec": "aom",  # whichever others Pillow has: other coders give other bytes
    "speed": 9,
    "subsampling": "4:4:4",
    "max_threads": 1,  # an actor's CPUs are counted
    "advanced": {"alpha:lossless": "1"},
}


def encode(
    rgb_HWC: NDArray[np.uint8],
    *,
    format: OutputFormat,  # noqa: A002 - the word everyone uses
    quality: int,
    alpha_HW: NDArray[np.float32] | None = None,
    icc: bool = True,
    exif: bytes = b"",
    xmp: bytes = b"",
    dpi: tuple[float, float] | None = None,
) -> bytes:
    """Write a finished picture in sRGB. The same pixels always give the same bytes.

    JPEG keeps colour at full resolution (4:4:4): halved, it would bleed across the product's edge;
    that costs a quarter in size. It has standard Huffman tables: fitted ones save 4 %, take twice
    as long, and Pillow fails on noisy pictures with them. AVIF is 4:4:4, too, its alpha exact at
    any quality; WebP has no 4:4:4.

    Args:
        rgb_HWC: sRGB-encoded.
        format: of the file.
        quality: 1 to 100 as the JPEG, WebP and AVIF encoders mean it; PNG is lossless whatever it
            says.
        alpha_HW: coverage in [0, 1], for a cut-out; not for JPEG.
        icc: embed the sRGB profile.
        exif: a block of EXIF to put in; empty: none.
        xmp: an XMP packet to put in; empty: none.
        dpi: pixels an inch, across and down, for JPEG's and PNG's own field for it; the others have
            none, and it is `exif`'s to say. None: not said.

    Raises:
        ValueError: wrong shapes, dtypes or ranges, or an alpha for JPEG.
        RowError: `too_many_pixels` when the format cannot hold a side that long;
            `unsupported_format` when this installation of Pillow does not write it.
    """
    if rgb_HWC.dtype != np.uint8 or rgb_HWC.ndim != 3 or rgb_HWC.shape[2] != 3:
        raise ValueError(f"expected uint8 HWC with 3 channels, got {_say(rgb_HWC)}")
    if not 1 <= quality <= 100:
        raise ValueError(f"quality must be 1 to 100, got {quality}")
    if max(rgb_HWC.shape) > format.max_side_px:
        raise RowError(
            ErrorCode.TOO_MANY_PIXELS,
            f"{format} has no room for a side over {format.max_side_px} px, got {_say(rgb_HWC)}",
        )
    if format in _OPTIONAL and not features.check(format.value):
        raise RowError(
            ErrorCode.UNSUPPORTED_FORMAT, f"this installation of Pillow cannot write {format}"
        )
    image = Image.fromarray(rgb_HWC)
    if alpha_HW is not None:
        if format is OutputFormat.JPEG:
            raise ValueError("JPEG has no alpha")
        if alpha_HW.shape != rgb_HWC.shape[:2]:
            raise ValueError(f"alpha is {_say(alpha_HW)}, the picture {_say(rgb_HWC)}")
        image.putalpha(Image.fromarray(_levels(alpha_HW)))
    # None, and not nothing: Pillow would look for a profile in the image itself.
    labels: dict[str, Any] = {"icc_profile": srgb_profile() if icc else None}
    labels |= {"exif": exif} if exif else {}
    if dpi is not None and format.has_resolution:
        labels["dpi"] = tuple(min(max(across, 1), _MOST_DPI) for across in dpi)
    if xmp:
        is_png = format is OutputFormat.PNG
        labels |= {"pnginfo": _as_png_text(xmp)} if is_png else {"xmp": xmp}
    return _written(image, format, quality, labels)


def _written(
    image: Image.Image, file_format: OutputFormat, quality: int, labels: dict[str, Any]
) -> bytes:
    out = BytesIO()
    match file_format:
        case OutputFormat.JPEG:
            image.save(out, "JPEG", quality=quality, subsampling="4:4:4", **labels)
        case OutputFormat.PNG:  # level 6 takes three times as long for 4 % less
            image.save(out, "PNG", compress_level=4, **labels)
        case OutputFormat.WEBP:  # method 4 takes twice as long for 1 % less
            image.save(out, "WEBP", quality=quality, method=2, **labels)
        case OutputFormat.AVIF:  # speed 8 takes three times as long for 3 % less
            image.save(out, "AVIF", quality=quality, **_AVIF_OPTIONS, **labels)
    return out.getvalue()


def _as_png_text(xmp: bytes) -> PngImagePlugin.PngInfo:
    """An XMP packet where the XMP specification, part 3, puts it in a PNG: uncompressed iTXt."""
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", xmp.decode())
    return text


def encode_alpha(alpha_HW: NDArray[np.float32]) -> bytes:
    """Write a coverage as 8-bit grey PNG, quickly; `k / 255` comes back exactly.

    A matte is long runs of 0 and 255 with a thin edge between: run lengths alone (Z_RLE) make it
    smaller than level 6 does, in the time of level 1.

    Raises:
        ValueError: not HW, or a value outside [0, 1].
    """
    out = BytesIO()
    image = Image.fromarray(_levels(alpha_HW))
    image.save(out, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
    return out.getvalue()


def decode_alpha(data: bytes) -> NDArray[np.float32]:
    """Read back what `encode_alpha` wrote: HW, [0, 1].

    Raises:
        RowError: `corrupt_image`, the bytes are damaged.
        ValueError: a picture that `encode_alpha` does not write.
    """
    with opened(data, "PNG") as image:
        image.load()
        levels = image.copy()
    if levels.mode != "L":
        raise ValueError(f"an alpha is 8-bit grey, got mode {levels.mode}")
    return coverage_of(levels)


def alpha_size(data: bytes) -> tuple[int, int]:
    """Height and width, px, of what `encode_alpha` wrote, from its header alone.

    Raises:
        RowError: `corrupt_image`, the bytes are damaged.
    """
    with opened(data, "PNG") as image:
        return image.height, image.width


def _levels(alpha_HW: NDArray[np.float32]) -> NDArray[np.uint8]:
    if alpha_HW.ndim != 2 or alpha_HW.size == 0:
        raise ValueError(f"an alpha is HW, got {_say(alpha_HW)}")
    if not (alpha_HW.min() >= 0 and alpha_HW.max() <= 1):  # also false for NaN
        raise ValueError(f"an alpha is in [0, 1], got {alpha_HW.min()} to {alpha_HW.max()}")
    return (alpha_HW * 255 + 0.5).astype(np.uint8)


def _say(array: NDArray[np.uint8] | NDArray[np.float32]) -> str:
    return f"{array.dtype} {array.shape}"
