"""HEIC, the format of phones, by libheif; needs the extra `heic`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.containers.exif import exif_facts
from pipeline.imaging.containers.iso_media import primary_item
from pipeline.imaging.containers.picture_only import picture_alone
from pipeline.imaging.libraries.header import Alpha, Decoded, Header
from pipeline.imaging.libraries.imagecodecs_calls import arranged, in_short
from pipeline.imaging.libraries.pillow_files import DAMAGE
from pipeline.imaging.libraries.samples import ColorMeaning

_HEVC = (b"hvc1", b"hev1")
_INSTALL = "HEIC is read with the extra heic: pip install 'backlot[heic]'. Or convert it"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeicHeader(Header):
    """The header of a HEIC file, with what libheif applies and what is left in the file."""

    orientation: int = 1
    shown: tuple[int, int] = (0, 0)
    """Width and height of what libheif hands out."""
    left_out: tuple[str, ...] = ()


def look_at_heic(data: bytes) -> Header:
    """Read the boxes.

    Raises:
        RowError: `corrupt_image`.
    """
    item = primary_item(data)
    if item is None:
        return Header(kind="HEIF", width=0, height=0, said="a HEIC sequence. Send a single picture")
    width, height = (item.width, item.height) if item.crop is None else item.crop[2:]
    alpha: Alpha = "none"
    if item.has_alpha:
        alpha = "premultiplied" if item.is_premultiplied else "straight"
    codec = item.codec.decode("ascii", "replace")
    left_out = {
        "HDR: its gain map is left out, the base picture is read": item.has_gain_map,
        "its depth map is left out": item.has_depth_map,
        f"first of {item.num_pictures} pictures, the primary one": item.num_pictures > 1,
    }
    is_cropped = item.crop is not None  # else libheif turns it
    lies_on_its_side = item.orientation >= 5 and not is_cropped
    whole = max(item.largest, (item.width, item.height), key=lambda size: size[0] * size[1])
    return HeicHeader(
        kind="HEIF",
        width=width,
        height=height,
        whole=None if whole == (width, height) else whole,
        unpacked=item.unpacked,
        depth=item.depth,
        space="grey" if item.is_grey else "rgb",
        alpha=alpha,
        crop=item.crop,
        meaning=item.meaning,
        said="" if item.codec in _HEVC else f"a HEIF of {codec!r} pixels. Save it as JPEG or HEIC",
        orientation=item.orientation,
        shown=(item.height, item.width) if lies_on_its_side else (item.width, item.height),
        left_out=tuple(note for note, is_there in left_out.items() if is_there),
    )


def read_heic(data: bytes, header: Header) -> Decoded:
    """Decode the primary picture at the depth it has.

    libheif turns it. A crop is left to us: pi-heif tells libheif of the cropped size as the largest
    to accept, and what it decodes is the whole.

    Raises:
        RowError: `corrupt_image`; `unsupported_format` without the extra `heic`.
    """
    assert isinstance(header, HeicHeader)
    try:
        import pi_heif
    except ImportError as error:
        raise RowError(ErrorCode.UNSUPPORTED_FORMAT, _INSTALL) from error
    if header.crop is not None:
        data = picture_alone(data) or data
    try:
        file = pi_heif.open_heif(data, convert_hdr_to_8bit=False, hdr_to_16bit=False)
        picture = file[file.primary_index]
        if picture.size != header.shown:
            raise ValueError(f"{picture.size} px instead of {header.shown}")
        stored: NDArray[Any] = np.array(picture)  # a copy: the picture's memory ends with it
        block = picture.info.get("exif") or b""
        depth = int(picture.mode.partition(";")[2].rstrip("LB") or 8)
    except DAMAGE as error:
        raise RowError(ErrorCode.CORRUPT_IMAGE, f"HEIC: {in_short(error)}") from error
    width, height = header.shown
    stored_HWC = stored.reshape(height, -1, 1 if stored.ndim == 2 else stored.shape[2])[:, :width]
    facts = exif_facts(block)
    return Decoded(
        samples=arranged(
            stored_HWC,
            header,
            meaning=header.meaning or ColorMeaning(),
            depth=depth,
        ),
        orientation=header.orientation,
        is_turned=header.crop is None,
        resolution_dpi=facts.resolution_dpi,
        notes=header.left_out,
    )
