"""What a finished file says for itself, once decoded: what a shop will see of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image
from scipy.ndimage import label, maximum_filter1d

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.containers.identify import identify
from pipeline.imaging.libraries.pillow_files import is_animated, opened
from pipeline.imaging.reading.color.icc import is_srgb
from pipeline.imaging.reading.decode import check_work
from pipeline.imaging.reading.decoder_choice import look
from pipeline.imaging.reading.limits import ImageLimits, check_size
from pipeline.imaging.writing.provenance_xmp import read_source_uri

# Shape suffixes: H height, W width, C colour channel.

Mask = NDArray[np.bool_]

_WHITISH = 240
"""Darker than this a pixel is no white background that coding has changed a little."""

_CODING_REACH_PX = 16
"""The distance in px beyond an outline that coding errors reach: the blocks of a JPEG with halved
colour."""

_OPAQUE = (255, 255)
"""Least and most of an alpha that hides nothing."""

_PAPER_SHARE = 0.5
"""The share of the frame's edge, [0, 1], that is whitish where a picture is one on white."""


@dataclass(frozen=True, kw_only=True)
class Inspected:
    """A file, opened and decoded once."""

    num_bytes: int
    file_format: str
    """Pillow's name of it, such as JPEG."""
    has_several_frames: bool
    is_srgb: bool
    """Whether the numbers are sRGB: by the file's profile, or by convention where it has none."""
    is_upright: bool
    """No note in it asks for the pixels to be turned."""
    is_opaque: bool
    source_uri: str | None
    """The IPTC digital source type it states; None: none."""
    rgb_HWC: NDArray[np.uint8]

    @property
    def height(self) -> int:
        """Px."""
        return int(self.rgb_HWC.shape[0])

    @property
    def width(self) -> int:
        """Px."""
        return int(self.rgb_HWC.shape[1])

    @cached_property
    def ground(self) -> Mask:
        """Whitish pixels that are connected to the frame through whitish pixels; HW."""
        labels_HW, _ = label((self.rgb_HWC >= _WHITISH).all(axis=2))
        edge = np.unique(np.concatenate(_edge(labels_HW)))
        return np.isin(labels_HW, edge[edge > 0])

    @property
    def is_on_white(self) -> bool:
        """Whether the background is white as far as a look at the frame's edge can tell."""
        return bool(np.concatenate(_edge(self.ground)).mean() > _PAPER_SHARE)

    @cached_property
    def white_share(self) -> float:
        """The share of the background, where there is one, that is exactly RGB 255, [0, 1].

        Without what lies so close to the product that coding its outline may have changed it. A
        shadow or a gradient that reaches further counts.
        """
        around_HW = ~_dilated(~self.ground)
        if not around_HW.any():  # a product that comes close to all of the frame
            around_HW = self.ground
        white_HW = (self.rgb_HWC == 255).all(axis=2)
        return float(white_HW[around_HW].mean())

    @cached_property
    def fill(self) -> float | None:
        """Share of the frame that the product spans, on the side where it spans more.

        None where the background is not white: then the pixels alone do not tell them apart. A
        shadow that is darker than whitish belongs to the product.
        """
        if not self.is_on_white:
            return None
        rows = np.flatnonzero((~self.ground).any(axis=1))
        columns = np.flatnonzero((~self.ground).any(axis=0))
        if rows.size == 0:
            return 0.0
        return float(
            max(
                (rows[-1] + 1 - rows[0]) / self.height,
                (columns[-1] + 1 - columns[0]) / self.width,
            )
        )


_LIMITS = ImageLimits(max_megapixels=178, min_side_px=1, max_aspect=65535)
"""The limits of a picture that is inspected: as many pixels as a recipe can allow; a channel names
its own limits."""
_HELD = ("JPEG", "MPO", "PNG", "TIFF", "AVIF", "JPEG2000")
"""Formats whose headers can ask for more work than their size tells."""
_FOR_NO_SHOP = ("HEIF", "PSD")
"""Formats of photographs that are worked on, and that no shop takes a finished picture in."""


def inspect(data: bytes) -> Inspected:
    """Open and decode a file as a shop would.

    Raises:
        RowError: `unsupported_format`, `corrupt_image`, or `too_many_pixels`: more than any channel
            takes, or than we could have made.
    """
    kind = identify(data)
    if kind in _FOR_NO_SHOP:
        raise RowError(ErrorCode.UNSUPPORTED_FORMAT, f"{kind} is for editors and phones only")
    if kind in _HELD:
        check_work(data, look(data, kind), _LIMITS)
    with opened(data, kind) as image:
        check_size(*image.size, _LIMITS)
        image.load()
        has_alpha = image.has_transparency_data
        return Inspected(
            num_bytes=len(data),
            file_format=str(image.format),
            has_several_frames=is_animated(image),
            is_srgb=_is_srgb(image),
            is_upright=image.getexif().get(ExifTags.Base.Orientation, 1) == 1,
            is_opaque=not has_alpha
            or image.convert("RGBA").getchannel("A").getextrema() == _OPAQUE,
            source_uri=read_source_uri(_xmp(image)),
            rgb_HWC=np.asarray(image.convert("RGB")),
        )


def _xmp(image: Image.Image) -> bytes:
    """The XMP packet, where the formats' specifications keep it; empty: none."""
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    return packet.encode() if isinstance(packet, str) else bytes(packet)


def _is_srgb(image: Image.Image) -> bool:
    if image.mode not in ("RGB", "RGBA", "P", "L", "LA"):
        return False
    profile = image.info.get("icc_profile")
    return profile is None or is_srgb(profile)


def _edge(array_HW: NDArray[Any]) -> list[NDArray[Any]]:
    return [array_HW[0], array_HW[-1], array_HW[:, 0], array_HW[:, -1]]


def _dilated(mask_HW: Mask) -> Mask:
    """The mask grown by a square of the coding reach."""
    size = 2 * _CODING_REACH_PX + 1
    grown_HW = mask_HW.astype(np.uint8)
    for axis in (0, 1):
        grown_HW = maximum_filter1d(grown_HW, size, axis=axis, mode="constant")
    return np.asarray(grown_HW, dtype=bool)
