"""AVIF: how it is stored, and its samples of 10 and 12 bits."""

from __future__ import annotations

from dataclasses import dataclass

import imagecodecs

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.containers.iso_media import Item, has_sequence, primary_item
from pipeline.imaging.containers.picture_only import picture_alone
from pipeline.imaging.libraries.header import Alpha, Decoded, Header
from pipeline.imaging.libraries.imagecodecs_calls import arranged, decoded_by
from pipeline.imaging.libraries.samples import ColorMeaning
from pipeline.imaging.reading.formats.pillow_decoder import look_by_pillow, read_by_pillow
from pipeline.imaging.reading.limits import ImageLimits

_UNKNOWN_MATRICES = (3, 10, 11, 13, 14, 15)
"""Ways from YCbCr to RGB that libavif 1.4 does not have (ITU-T H.273, table 4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AvifHeader(Header):
    """The header of an AVIF file, with what libavif leaves to its callers."""

    orientation: int = 1


def look_at_avif(data: bytes) -> Header:
    """Read the boxes. A sequence is left to Pillow, which reads its first picture.

    Raises:
        RowError: `corrupt_image`.
    """
    item = primary_item(data)
    if item is None or has_sequence(data):
        return look_by_pillow(data, "AVIF", layout="sequence")
    alpha: Alpha = "none"
    if item.has_alpha:
        alpha = "premultiplied" if item.is_premultiplied else "straight"
    cicp = item.meaning.cicp
    refusal = ""
    if cicp is not None and cicp.matrix in _UNKNOWN_MATRICES:
        refusal = (
            f"an AVIF with matrix coefficients {cicp.matrix}, which libavif cannot convert to RGB. "
            "Save it with those of BT.709 or BT.2020"
        )
    width, height = (item.width, item.height) if item.crop is None else item.crop[2:]
    return AvifHeader(
        kind="AVIF",
        width=width,
        height=height,
        crop=item.crop,
        whole=_larger(item),
        unpacked=item.unpacked,
        depth=item.depth,
        space="grey" if item.is_grey else "rgb",
        alpha=alpha,
        layout="" if item.alpha_has_size else "alpha without a size",
        meaning=item.meaning,
        said=refusal,
        orientation=item.orientation,
    )


def _larger(item: Item) -> tuple[int, int] | None:
    """The size that is decoded, where that is more than is shown; None: it is not."""
    sizes = (item.largest, (item.width, item.height))
    largest = max(sizes, key=lambda size: size[0] * size[1])
    return largest if item.crop is not None or largest != (item.width, item.height) else None


def read_avif(data: bytes, header: Header) -> Decoded:
    """Decode a single picture at the depth it has. libavif divides by a premultiplied alpha.

    Raises:
        RowError: `corrupt_image`.
    """
    assert isinstance(header, AvifHeader)
    try:
        stored_HWC = decoded_by(imagecodecs.avif_decode, data, header)
    except RowError:
        alone = picture_alone(data)
        if alone is None or alone == data:
            raise
        stored_HWC = decoded_by(imagecodecs.avif_decode, alone, header)
        if header.alpha != "none" and stored_HWC.shape[2] not in (2, 4):
            raise
    samples = arranged(
        stored_HWC,
        header,
        meaning=header.meaning or ColorMeaning(),
        depth=header.depth,
        is_divided=True,
    )
    return Decoded(samples=samples, orientation=header.orientation)


def read_avif_by_pillow(
    data: bytes, header: Header, limits: ImageLimits, *, shown_px: int | None = None
) -> Decoded:
    """Read AVIF by Pillow, also where libavif refuses parts that the picture does not need.

    Raises:
        RowError: as `read_by_pillow`.
    """
    try:
        return read_by_pillow(data, header, limits, shown_px=shown_px)
    except RowError as error:
        if error.code is not ErrorCode.CORRUPT_IMAGE or not isinstance(header, AvifHeader):
            raise
    return read_avif(data, header)
