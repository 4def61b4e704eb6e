"""What cameras and programs put where an author or a description belongs: it says neither.

And what a published file must not say: where on somebody's disk the photograph lay.
"""

from __future__ import annotations

import re
from dataclasses import replace

from pipeline.imaging.rights.credits import Credits, Words

_NOBODY = frozenset({"null", "(null)", "unknown", "none", "n/a", "na", "undefined", "default"})

_CAMERA_WORDS = frozenset(
    (
        *("digital", "still", "action", "video", "camera", "camcorder", "cam", "dsc", "csc"),
        *("dcf", "exif", "jpeg", "jpg", "picture", "image", "photo", "file"),
        *("default", "untitled", "null", "by", "the", "and", "of"),
    )
)
"""Words that a camera's own description consists of, beside its name: OLYMPUS DIGITAL CAMERA."""
_CAMERA = re.compile(r"([A-Z]+ ){1,2}DIGITAL (STILL )?CAMERA")
"""A camera's filler text in which the name of the camera is lost."""
_WORD = re.compile(r"[^\W_]+")

_PROGRAM = re.compile(
    r"(created with (the )?gimp|file written by adobe photoshop|processed with |creator: gd-jpeg|"
    r"created by 'xv |software: |imagej=|shape=\(|\{\"shape\": ?\[|<\?xml |<metadata>|\[analyze\])",
    re.IGNORECASE,
)
"""The beginnings of texts that programs write into a description: their name, or their own data."""

_PATH = re.compile(r"(file:|[a-z]:[\\/]|\\\\|~?/[\w.-]+/|[\w.-]+\\)[^\n]*", re.IGNORECASE)
"""A place on a disk or a card, such as DCIM\\100MEDIA\\DJI_0001.JPG."""
_PATH_WITHIN = re.compile(
    r"(?<!\w)(/(home|Users|Volumes|mnt|media|srv)/[\w.-]|[A-Za-z]:\\\w|\\\\[\w.-]+\\|DCIM[\\/]\d)"
)
"""One among other words, as in the history of a scan."""


def without_fillers(stated: Credits, *, camera: str) -> Credits:
    """The credits without fillers: texts that nobody meant to say.

    Args:
        stated: in one place of a file.
        camera: maker and model.
    """
    return replace(
        stated,
        creators=tuple(name for name in stated.creators if not _is_nobody(name)),
        rights=tuple(word for word in stated.rights if not _is_nobody(word[1])),
        description=_described(stated.description, camera),
        credit="" if _is_nobody(stated.credit) else stated.credit,
    )


def _is_nobody(name: str) -> bool:
    """Whether it is a word for no name, or no word.

    >>> _is_nobody("Unknown"), _is_nobody("A. Nonymous"), _is_nobody("---")
    (True, False, True)
    """
    return name.strip().lower() in _NOBODY or not _WORD.search(name)


def _described(description: Words, camera: str) -> Words:
    return tuple(
        (language, text)
        for language, text in description
        if not (
            _is_nobody(text)
            or _is_of_a_camera(text, camera)
            or _PROGRAM.match(text)
            or _PATH.fullmatch(text)
            or _PATH_WITHIN.search(text)
        )
    )


def _is_of_a_camera(text: str, camera: str) -> bool:
    """Whether it says which camera it was, or less.

    >>> _is_of_a_camera("<KENOX S730  / Samsung S730>", "Samsung Techwin KENOX S730")
    True
    >>> _is_of_a_camera("Bag for a digital camera", "Samsung Techwin KENOX S730")
    False
    """
    words = {word.lower() for word in _WORD.findall(text)}
    known = _CAMERA_WORDS | {word.lower() for word in _WORD.findall(camera)}
    return _CAMERA.fullmatch(text) is not None or words <= known
