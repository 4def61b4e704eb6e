"""Which picture files a name on the command line stands for."""

from __future__ import annotations

import logging
import re

from pipeline import storage
from pipeline.wording import visible

logger = logging.getLogger(__name__)

PUBLISHED = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".avif")
"""Endings of files that shops are sent."""
DELIVERED = (*PUBLISHED, ".jp2", ".j2k", ".jpx", ".psd", ".psb", ".heic", ".heif", ".hif")
"""Endings of files that photographers send."""


def pictures(name: str, *, argument: str, suffixes: tuple[str, ...]) -> list[str]:
    """The files: one, all below a folder, or those that match a pattern; local or `s3://`.

    What a Mac or an editor keeps beside them is passed over and counted: names that begin with a
    dot, and a zip's `__MACOSX`. One underscore is a camera's: `_DSC0815.JPG` is a photograph.

    Args:
        name: as given.
        argument: what the command calls it.
        suffixes: of the files of a folder that count, in small letters.

    Raises:
        ValueError: there are none.
    """
    root = storage.absolute(name)
    if any(letter in name for letter in "*?[") and not storage.exists(name):
        listed = storage.glob_files(name)
        root = re.split(r"[*?\[]", root, maxsplit=1)[0].rpartition("/")[0]
    elif storage.is_folder(name):
        listed = [uri for uri in storage.list_files(name) if uri.lower().endswith(suffixes)]
    else:
        return [name] if storage.exists(name) else _none(argument, name, [])
    hidden = [uri for uri in listed if _is_hidden(uri[len(root) :])]
    left_out = frozenset(hidden)
    found = [uri for uri in listed if uri not in left_out]
    if not found:
        return _none(argument, name, hidden)
    if hidden:
        logger.info("%s", _passed_over(hidden))
    return found


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in path.split("/"))


def _passed_over(hidden: list[str]) -> str:
    one = len(hidden) == 1
    return visible(
        f"{len(hidden):,} hidden {'file is' if one else 'files are'} passed over, such as "
        f"{hidden[0]}: name one itself to have it looked at"
    )


def _none(argument: str, name: str, hidden: list[str]) -> list[str]:
    also = f" ({_passed_over(hidden)})" if hidden else ""
    raise ValueError(f"{argument} {name}: no pictures there{also}")
