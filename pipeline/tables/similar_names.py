"""Names of columns that come near each other."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches


def nearest(name: str, known: Sequence[str]) -> str:
    """Which names somebody may have meant, to follow a message; empty where none comes near.

    >>> nearest("Image src", ["Handle", "Image Src"])
    ", did you mean 'Image Src'?"
    """
    folded = {_folded(other): other for other in reversed(known)}
    matches = [folded[key] for key in get_close_matches(_folded(name), folded, n=2)]
    return f", did you mean {' or '.join(map(repr, matches))}?" if matches else ""


def bare(name: str) -> str:
    """A name without case, blanks, dashes and marks that nobody sees.

    >>> [bare(name) for name in ("Mask URI", "maskUri", "mask-uri", "mask_uri\u200b")]
    ['maskuri', 'maskuri', 'maskuri', 'maskuri']
    """
    return "".join(sign for sign in name.casefold() if sign.isalnum())


def _folded(name: str) -> str:
    return "_".join(name.casefold().replace("_", " ").split())
