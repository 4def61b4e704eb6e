"""Raw photographs, told by name: pictures that nobody has developed yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_CFA, _LINEAR_RAW = 32803, 34892  # photometric interpretations of TIFF/EP and DNG 1.6
_RAW_COMPRESSIONS = {32767: "ARW", 32770: "SRW", 34713: "NEF", 65000: "DCR", 65535: "PEF"}
"""Compressions that only cameras write: Sony, Samsung, Nikon, Kodak, Pentax."""
_CFA_PATTERN, _DNG_PRIVATE_DATA = 33422, 50740
_MAKES = {
    "nikon": "NEF",
    "sony": "ARW",
    "canon": "CR2",
    "olympus": "ORF",
    "om digital": "ORF",
    "panasonic": "RW2",
    "pentax": "PEF",
    "ricoh": "PEF",
    "samsung": "SRW",
    "hasselblad": "3FR",
    "fujifilm": "RAF",
    "phase one": "IIQ",
    "leaf": "MOS",
    "mamiya": "MEF",
    "kodak": "DCR",
    "eastman kodak": "DCR",
    "seiko epson": "ERF",
    "epson": "ERF",
    "leica": "RWL",
}

_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (8, b"CR\x02", "CR2"),
    (0, b"IIRO", "ORF"),
    (0, b"IIRS", "ORF"),
    (0, b"MMOR", "ORF"),
    (0, b"IIU\0", "RW2"),
    (0, b"FUJIFILMCCD-RAW", "RAF"),
    (0, b"FOVb", "X3F"),
    (0, b"\0MRM", "MRW"),
    (6, b"HEAPCCDR", "CRW"),
    (4, b"ftypcrx ", "CR3"),
    (8, b"IIII", "IIQ"),
    (8, b"MMMM", "IIQ"),
)
"""The offset, the bytes there and the raw format that they tell."""
_TIFF_STARTS = (b"II*\0", b"MM\0*")


def advice_for(name: str) -> str:
    """The advice for a raw file.

    >>> advice_for("DNG")
    'DNG is a raw photograph: export it as JPEG or TIFF'
    """
    return f"{name} is a raw photograph: export it as JPEG or TIFF"


def raw_by_signature(data: bytes) -> str:
    """The name of a raw format that shows itself in the first bytes; empty: none does."""
    for at, magic, name in _SIGNATURES:
        if name == "IIQ" and not data.startswith(_TIFF_STARTS):
            continue
        if data[at : at + len(magic)] == magic:
            return name
    return ""


def camera_raw_advice(pages: Sequence[dict[str, Any]]) -> str:
    """The advice for a TIFF that is a camera's raw file; empty: it is none."""
    if any(page["is_dng"] for page in pages):
        return advice_for("DNG")
    make = next((page["make"] for page in pages if page["make"]), "").strip().lower()
    by_make = next((name for brand, name in _MAKES.items() if make.startswith(brand)), "")
    for page in pages:
        if page["compression"] in _RAW_COMPRESSIONS:
            return advice_for(by_make or _RAW_COMPRESSIONS[page["compression"]])
        is_mosaic = page["photometric"] in (_CFA, _LINEAR_RAW) or _CFA_PATTERN in page["tags"]
        if is_mosaic or _DNG_PRIVATE_DATA in page["tags"]:
            return advice_for(by_make or "this TIFF")
    return ""
