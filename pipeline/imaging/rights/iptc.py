"""IPTC-IIM 4.2: records of numbered datasets, as newsrooms and Photoshop keep them."""

from __future__ import annotations

from collections import defaultdict

from pipeline.imaging.rights.credits import Credits, decoded, each_once, in_default

_MARKER = 0x1C
_MOST_DATASETS = 10_000
_BYLINE, _CREDIT, _COPYRIGHT, _CAPTION = 80, 110, 116, 120
"""Datasets of record 2, the application record."""
_ADDED_BYTES_OF_LENGTH = 0x8000


def credits_of_iptc(block: bytes) -> Credits:
    """What the datasets say of rights; what is damaged ends the reading.

    Dataset 1:90 may name an encoding. Mostly it is missing or says UTF-8; text that is UTF-8 is
    taken for it, and all else for Windows-1252, whatever it says.
    """
    found = _application_record(block)

    def texts(dataset: int) -> tuple[str, ...]:
        return each_once(decoded(value) for value in found.get(dataset, ()))

    return Credits(
        creators=texts(_BYLINE),
        rights=in_default(" ".join(texts(_COPYRIGHT)[:1])),
        description=in_default(" ".join(texts(_CAPTION)[:1])),
        credit=" ".join(texts(_CREDIT)[:1]),
    )


def _application_record(block: bytes) -> dict[int, list[bytes]]:
    found: defaultdict[int, list[bytes]] = defaultdict(list)
    at = 0
    for _ in range(_MOST_DATASETS):
        head = block[at : at + 5]
        if len(head) < 5 or head[0] != _MARKER:
            break
        size = int.from_bytes(head[3:5], "big")
        at += 5
        if size & _ADDED_BYTES_OF_LENGTH:  # an extended dataset: the length of the length
            added = size & ~_ADDED_BYTES_OF_LENGTH
            if added > 4:
                break
            size = int.from_bytes(block[at : at + added], "big")
            at += added
        if at + size > len(block):
            break
        if head[1] == 2:
            found[head[2]].append(block[at : at + size])
        at += size
    return found
