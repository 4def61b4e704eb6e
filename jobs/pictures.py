"""Which picture files a name on the command line stands for."""

from __future__ import annotations

from pipeline import storage

PUBLISHED = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".avif")
"""Endings of files that shops are sent."""
DELIVERED = (*PUBLISHED, ".jp2", ".j2k", ".jpx", ".psd", ".psb", ".heic", ".heif", ".hif")
"""Endings of files that photographers send."""


def pictures(name: str, *, argument: str, suffixes: tuple[str, ...]) -> list[str]:
    """The files: one, all below a folder, or those that match a pattern; local or `s3://`.

    Args:
        name: as given.
        argument: what the command calls it.
        suffixes: of the files of a folder that count, in small letters.

    Raises:
        ValueError: there are none.
    """
    if any(letter in name for letter in "*?[") and not storage.exists(name):
        found = storage.glob_files(name)
    elif storage.is_folder(name):
        found = [uri for uri in storage.list_files(name) if uri.lower().endswith(suffixes)]
    else:
        found = [name] if storage.exists(name) else []
    if not found:
        raise ValueError(f"{argument} {name}: no pictures there")
    return found
