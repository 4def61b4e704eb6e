"""Where bytes become pixels and pixels bytes. Every picture enters and leaves through here."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import (
    ExifTags,
    Image,
    ImageFile,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
)
from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.icc import srgb_profile, to_srgb
from pipeline.imaging.modes import separate, stores_more_than_8_bits
from pipeline.imaging.signature import identify

# Shape suffixes: H height, W width, C colour channel.

_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RuntimeError,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders raise on files that are not what they seem. A missing byte surfaces as
whatever the code next to it did with nothing."""

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns a picture upright, by its EXIF orientation (EXIF 2.32, tag 274)."""


_DRAFT_GAP = 2.0
"""What a draft is larger by than it is shown: the filter that shrinks it does the fine work."""


class ImageLimits(BaseModel):
    """Which pictures are worth decoding. Checked against the header, before any pixel is."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    max_bytes: int = Field(
        default=64 * 2**20, ge=1, le=2**31 - 1, description="Largest file, in bytes."
    )
    max_megapixels: float = Field(
        default=60,
        gt=0,
        le=178,  # Pillow itself refuses more, and its limit is shared by the whole process
        description="Most pixels a header may announce, in millions.",
    )
    min_side_px: int = Field(
        default=32, ge=1, le=65535, description="Shortest side accepted, in pixels."
    )
    max_aspect: float = Field(
        default=12.0, ge=1, description="Largest ratio of the long side to the short one."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """A decoded photograph: upright, 8 bits, sRGB. Its arrays are read-only."""

    rgb_HWC: NDArray[np.uint8]
    """sRGB-encoded; straight, not multiplied by `alpha_HW`."""
    alpha_HW: NDArray[np.float32] | None
    """Coverage in [0, 1] that the file itself carried; None when it is opaque throughout."""
    format: str
    """Pillow's name of the file format, such as JPEG."""
    notes: tuple[str, ...]
    """What was changed on the way that a user would want to know."""


class OutputFormat(StrEnum):
    """What finished pictures are written as."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"

    @property
    def extension(self) -> str:
        """Of a file name, with its dot."""
        return ".jpg" if self is OutputFormat.JPEG else f".{self.value}"

    @property
    def media_type(self) -> str:
        """For the Content-Type of an object."""
        return f"image/{self.value}"

    @property
    def max_side_px(self) -> int:
        """Longest side the format's header has room for."""
        return {"jpeg": 65500, "png": 2**31 - 1, "webp": 16383}[self.value]


def decode(data: bytes, limits: ImageLimits, *, shown_px: int | None = None) -> Photo:
    """Read a photograph, whatever it was stored as.

    The first frame of a moving picture. Metadata is used (orientation, profile) and not kept.

    Args:
        data: the file.
        limits: held against its header.
        shown_px: longest side at which it will be shown. JPEG can leave out what is finer than a
            half, a quarter or an eighth of its pixels (the DCT's higher coefficients): a picture
            that stays at least twice as large as this comes out so, in a third of the time and
            less. None, and other formats: whole.

    Raises:
        RowError: `empty_file`, `too_many_bytes`, `unsupported_format`, `too_many_pixels`,
            `too_small`, `extreme_aspect` (all without decoding a pixel), `corrupt_image`.
    """
    if not data:
        raise RowError(ErrorCode.EMPTY_FILE, "the file has no bytes")
    if len(data) > limits.max_bytes:
        raise RowError(
            ErrorCode.TOO_MANY_BYTES, f"{len(data)} bytes, at most {limits.max_bytes} are accepted"
        )
    notes: list[str] = []
    with opened(data, identify(data)) as image:
        _check_size(*image.size, limits)
        file_format = str(image.format)
        if stores_more_than_8_bits(image):
            notes.append("more than 8 bits a channel, reduced to 8")
        num_frames = getattr(image, "n_frames", 1)
        if shown_px is not None:
            gap = min(1.0, _DRAFT_GAP * shown_px / max(image.size))
            image.draft(image.mode, (round(image.width * gap), round(image.height * gap)))
        orientation, orientation_notes = _load(image)
        profile = image.info.get("icc_profile")
        separated = separate(image)
    notes.extend(orientation_notes)
    if num_frames > 1:
        notes.append(f"first of {num_frames} frames")
    if separated.colour.mode in ("CMYK", "LAB"):
        notes.append(f"converted from {separated.colour.mode}")
    rgb, colour_notes = to_srgb(separated.colour, profile)
    notes.extend(colour_notes)
    alpha = separated.alpha
    if alpha is not None and alpha.getextrema() == (255, 255):
        alpha = None
    if orientation in _UPRIGHT:
        rgb = rgb.transpose(_UPRIGHT[orientation])
        alpha = None if alpha is None else alpha.transpose(_UPRIGHT[orientation])
    return Photo(
        rgb_HWC=np.asarray(rgb),
        alpha_HW=None if alpha is None else _coverage(alpha),
        format=file_format,
        notes=tuple(notes),
    )


def encode(
    rgb_HWC: NDArray[np.uint8],
    *,
    format: OutputFormat,  # noqa: A002 - the word everyone uses
    quality: int,
    alpha_HW: NDArray[np.float32] | None = None,
    icc: bool = True,
    exif: bytes = b"",
    xmp: bytes = b"",
) -> bytes:
    """Write a finished picture in sRGB. The same pixels always give the same bytes.

    JPEG keeps colour at full resolution (4:4:4): halved, it would bleed across the product's edge;
    that costs a quarter in size. It has standard Huffman tables: fitted ones save 4 %, take twice
    as long, and Pillow fails on noisy pictures with them. WebP has no 4:4:4.

    Args:
        rgb_HWC: sRGB-encoded.
        format: of the file.
        quality: 1 to 100 as the JPEG and WebP encoders mean it; PNG is lossless whatever it says.
        alpha_HW: coverage in [0, 1], for a cut-out; not for JPEG.
        icc: embed the sRGB profile.
        exif: a block of EXIF to put in; empty: none.
        xmp: an XMP packet to put in; empty: none.

    Raises:
        ValueError: wrong shapes, dtypes or ranges, or an alpha for JPEG.
        RowError: `too_many_pixels` when the format cannot hold a side that long.
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
    return _coverage(levels)


def alpha_size(data: bytes) -> tuple[int, int]:
    """Height and width, px, of what `encode_alpha` wrote, from its header alone.

    Raises:
        RowError: `corrupt_image`, the bytes are damaged.
    """
    with opened(data, "PNG") as image:
        return image.height, image.width


@contextmanager
def opened(data: bytes, file_format: str) -> Iterator[ImageFile.ImageFile]:
    """Open the file as this format and no other; damage found meanwhile is a `RowError`."""
    try:
        with Image.open(BytesIO(data), formats=(file_format,)) as image:
            yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        # Pillow's own limit, before ours is asked. A warning only where the process made it raise.
        raise RowError(ErrorCode.TOO_MANY_PIXELS, str(error)) from error
    except UnidentifiedImageError as error:  # its message is the address of our buffer
        raise RowError(
            ErrorCode.CORRUPT_IMAGE, f"{file_format} with a header that is damaged, or too exotic"
        ) from error
    except _DAMAGE as error:
        raise RowError(ErrorCode.CORRUPT_IMAGE, f"{file_format}: {error!r}") from error


def _check_size(width: int, height: int, limits: ImageLimits) -> None:
    if width * height > limits.max_megapixels * 1e6:
        raise RowError(
            ErrorCode.TOO_MANY_PIXELS,
            f"{width} x {height} px, at most {limits.max_megapixels:g} megapixels are accepted",
        )
    if min(width, height) < limits.min_side_px:
        raise RowError(
            ErrorCode.TOO_SMALL,
            f"{width} x {height} px, a side must have at least {limits.min_side_px}",
        )
    if max(width, height) > limits.max_aspect * min(width, height):
        raise RowError(
            ErrorCode.EXTREME_ASPECT,
            f"{width} x {height} px, sides may differ at most {limits.max_aspect:g} times",
        )


def _load(image: ImageFile.ImageFile) -> tuple[int, tuple[str, ...]]:
    """Decode the pixels; tell how they still have to be turned, and what to say about it."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):  # Pillow turns these while it loads them
        turned = image.tag_v2.get(ExifTags.Base.Orientation)
        image.load()
        return 1, _orientation_notes(turned)
    image.load()
    try:
        tags = dict(image.getexif())
    except _DAMAGE:  # the pixels are whole: worth more than their label
        tags = {}
    if image.info.get("exif") and not tags:  # for JPEG, Pillow has swallowed the exception itself
        return 1, ("EXIF unreadable, taken as upright",)
    orientation = tags.get(ExifTags.Base.Orientation, 1)
    return orientation, _orientation_notes(orientation)


def _orientation_notes(orientation: object) -> tuple[str, ...]:
    return (f"EXIF orientation {orientation} applied",) if orientation in _UPRIGHT else ()


def _coverage(levels: Image.Image) -> NDArray[np.float32]:
    alpha_HW = np.asarray(levels).astype(np.float32)
    alpha_HW /= 255
    alpha_HW.flags.writeable = False
    return alpha_HW


def _levels(alpha_HW: NDArray[np.float32]) -> NDArray[np.uint8]:
    if alpha_HW.ndim != 2 or alpha_HW.size == 0:
        raise ValueError(f"an alpha is HW, got {_say(alpha_HW)}")
    if not (alpha_HW.min() >= 0 and alpha_HW.max() <= 1):  # also false for NaN
        raise ValueError(f"an alpha is in [0, 1], got {alpha_HW.min()} to {alpha_HW.max()}")
    return (alpha_HW * 255 + 0.5).astype(np.uint8)


def _say(array: NDArray[np.uint8] | NDArray[np.float32]) -> str:
    return f"{array.dtype} {array.shape}"
