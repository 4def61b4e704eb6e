"""Pictures that Pillow reads rightly: 8 bits a channel, in the formats of the web and in TIFF."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from PIL import ExifTags, Image, ImageFile, TiffImagePlugin

from pipeline.imaging.containers.exif import ExifFacts, dots_per_inch, exif_facts
from pipeline.imaging.libraries.header import Decoded, Header
from pipeline.imaging.libraries.pillow_files import DAMAGE, SEVERAL_FRAMES, is_animated, opened
from pipeline.imaging.libraries.pillow_modes import samples_of
from pipeline.imaging.libraries.samples import ColorMeaning
from pipeline.imaging.reading.formats.tiff import TiffHeader
from pipeline.imaging.reading.limits import ImageLimits, check_size

_DRAFT_GAP = 2.0
"""The factor by which a draft exceeds the size at which it is shown: the filter that shrinks it
does the fine work."""
_RESOLUTION_INFO = 1005
"""Adobe Photoshop File Formats Specification (2019), "Image Resource IDs"."""
_UNREADABLE = "EXIF unreadable, taken as upright"
_GAIN_MAPS = (b"hdrgm:Version", b"HDRGainMap", b"hdrgainmap", b"urn:iso:std:iso:ts:21496:-1")
"""The names by which one of a JPEG's further pictures is a gain map, which brightens HDR screens:
Ultra HDR's and Apple's in XMP, and that of ISO 21496-1."""


def read_by_pillow(
    data: bytes, header: Header, limits: ImageLimits, *, shown_px: int | None = None
) -> Decoded:
    """Decode the first picture of a file, or the page that was chosen of a TIFF.

    Raises:
        RowError: `corrupt_image`; what `check_size` raises, should Pillow see another size.
    """
    kind = "JPEG" if header.kind == "MPO" else header.kind
    with opened(data, kind, is_whole=header.kind == "TIFF") as image:
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            return _read_tiff(image, header, limits)
        check_size(*image.size, limits)
        if shown_px is not None:
            gap = min(1.0, _DRAFT_GAP * shown_px / max(image.size))
            image.draft(image.mode, (round(image.width * gap), round(image.height * gap)))
        image.load()
        facts = exif_facts(_exif_block(image.info))
        notes = [_UNREADABLE] * facts.is_unreadable
        if "mp" in image.info and any(name in data for name in _GAIN_MAPS):
            notes.append("HDR: its gain map is left out, the base picture is read")
        meaning = header.meaning or ColorMeaning(icc=image.info.get("icc_profile") or None)
        samples = samples_of(image, replace(meaning, is_adobe_rgb=facts.is_adobe_rgb))
        if header.alpha == "premultiplied" and samples.alpha_HW is not None:  # and libavif divided
            samples = replace(samples, was_premultiplied=True)
        resolution_dpi = _resolution(image, facts)
        return Decoded(
            samples=samples,
            orientation=facts.orientation,
            resolution_dpi=resolution_dpi,
            notes=(*_frames_note(image), *notes),
        )


def _frames_note(image: ImageFile.ImageFile) -> tuple[str, ...]:
    """Whether there is more than the first frame. Never counted: see `is_animated`."""
    try:
        has_others = is_animated(image)
    except DAMAGE:
        return ("the first of several frames, of which others are damaged",)
    return (SEVERAL_FRAMES,) if has_others else ()


def _read_tiff(
    image: TiffImagePlugin.TiffImageFile, header: Header, limits: ImageLimits
) -> Decoded:
    """Pillow turns these while it loads them, where it understands their orientation."""
    assert isinstance(header, TiffHeader)
    if header.page:
        image.seek(header.page)
    check_size(*image.size, limits)
    image.info.pop("xmp", None)  # an orientation in XMP alone is none, and Pillow would obey it
    is_turned = image.tag_v2.get(ExifTags.Base.Orientation) in range(2, 9)
    image.load()
    facts = header.facts
    meaning = ColorMeaning(icc=facts.icc, is_adobe_rgb=facts.is_adobe_rgb)
    return Decoded(
        samples=samples_of(image, meaning),
        orientation=facts.orientation,
        is_turned=is_turned,
        resolution_dpi=facts.resolution_dpi,
        notes=header.notes,
    )


def _exif_block(info: dict[Any, Any]) -> bytes:
    """The EXIF block: not Pillow's `getexif`, which makes up an orientation from XMP."""
    block = info.get("exif")
    return block if isinstance(block, bytes) else b""


def _resolution(image: ImageFile.ImageFile, facts: ExifFacts) -> tuple[float, float] | None:
    """The resolution of the format itself, else of EXIF. Pillow may make one up for JPEG (72)."""
    if image.format in ("JPEG", "MPO"):
        unit = image.info.get("jfif_unit", 0) + 1  # JFIF 1.02: 0 none, 1 an inch, 2 a centimetre
        across, down = image.info.get("jfif_density", (0, 0))
        return (
            dots_per_inch(across, down, unit=unit)
            or facts.resolution_dpi
            or _by_photoshop(image.info.get("photoshop"))
        )
    dpi = image.info.get("dpi")
    if isinstance(dpi, tuple) and len(dpi) == 2:
        return dots_per_inch(dpi[0], dpi[1], unit=2)
    return facts.resolution_dpi


def _by_photoshop(resources: object) -> tuple[float, float] | None:
    """The resolution in the image resource ResolutionInfo, whatever unit it is shown in."""
    resource = resources.get(_RESOLUTION_INFO) if isinstance(resources, dict) else None
    if not isinstance(resource, dict):
        return None
    return dots_per_inch(resource.get("XResolution"), resource.get("YResolution"), unit=2)


def look_by_pillow(
    data: bytes, kind: str, *, layout: str = "", meaning: ColorMeaning | None = None
) -> Header:
    """The header of a file as Pillow sees it, for formats that it reads whatever is in them."""
    with opened(data, kind) as image:
        width, height = image.size
        has_alpha = "A" in image.mode or "a" in image.mode
        has_key = "transparency" in image.info
        return Header(
            kind=str(image.format),
            width=width,
            height=height,
            space=_space(image),
            alpha="straight" if has_alpha else "key" if has_key else "none",
            layout=layout,
            meaning=meaning,
        )


def _space(image: Image.Image) -> str:
    grey = ("1", "L", "LA", "I", "I;16", "I;16B", "F")
    return "grey" if image.mode in grey else {"P": "palette", "CMYK": "cmyk"}.get(image.mode, "rgb")
