"""Names of the selections that were saved with a photograph as alpha channels."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.imaging.containers.photoshop_resources import Resource

_NAMES, _UNICODE_NAMES = 1006, 1045


def channel_names(resources: Sequence[Resource]) -> list[str]:
    """The names that Photoshop gives the channels after the colours; empty: it gives none."""
    for resource in resources:
        if resource.id == _UNICODE_NAMES:
            return _unicode(resource.data)
    return next((_pascal(resource.data) for resource in resources if resource.id == _NAMES), [])


def _unicode(data: bytes) -> list[str]:
    """Each a number of UTF-16 units in four bytes, and those; most end with a zero."""
    names: list[str] = []
    at = 0
    while at + 4 <= len(data):
        length = 2 * int.from_bytes(data[at : at + 4], "big")
        text = data[at + 4 : at + 4 + length].decode("utf-16-be", errors="replace")
        names.append(text.rstrip("\0"))
        at += 4 + length
    return names


def _pascal(data: bytes) -> list[str]:
    names: list[str] = []
    at = 0
    while at < len(data):
        length = data[at]
        names.append(data[at + 1 : at + 1 + length].decode("mac_roman"))
        at += 1 + length
    return names
