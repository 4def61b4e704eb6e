"""Where bytes become pixels. Every picture enters through here."""

from __future__ import annotations

import numpy as np
from PIL import ExifTags, Image, ImageFile, TiffImagePlugin

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.reading.colour import to_srgb
from pipeline.imaging.reading.identify import identify
from pipeline.imaging.reading.limits import ImageLimits, check_size
from pipeline.imaging.reading.modes import separate, stores_more_than_8_bits
from pipeline.imaging.reading.photo import Photo, coverage_of
from pipeline.imaging.reading.pillow import DAMAGE, opened

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
        check_size(*image.size, limits)
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
        alpha_HW=None if alpha is None else coverage_of(alpha),
        format=file_format,
        notes=tuple(notes),
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
    except DAMAGE:  # the pixels are whole: worth more than their label
        tags = {}
    if image.info.get("exif") and not tags:  # for JPEG, Pillow has swallowed the exception itself
        return 1, ("EXIF unreadable, taken as upright",)
    orientation = tags.get(ExifTags.Base.Orientation, 1)
    return orientation, _orientation_notes(orientation)


def _orientation_notes(orientation: object) -> tuple[str, ...]:
    return (f"EXIF orientation {orientation} applied",) if orientation in _UPRIGHT else ()
