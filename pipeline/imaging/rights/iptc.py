"""IPTC-IIM 4.2: records of numbered datasets, as newsrooms and Photoshop keep them."""

from __future__ import annotations

from collections import defaultdict
from functools import reduce

from pipeline.imaging.rights.credits import Credits, decoded, each_once, in_default

_MARKER = 0x1C
_MOST_DATASETS = 10_000
_BYLINE, _CREDIT, _COPYRIGHT, _CAPTION = 80, 110, 116, 120
"""Datasets of record 2, the application record."""
_CODED_CHARACTER_SET, _UTF_8 = 90, b"\x1b%G"
"""Dataset of record 1, the envelope, and what it says there (IIM 4.2, 1:90; ISO 2022)."""
_LONGEST = {_BYLINE: 32, _CREDIT: 32, _COPYRIGHT: 128, _CAPTION: 2000}
"""Octets that a dataset may have; programs cut there, within a character if need be."""
_ADDED_BYTES_OF_LENGTH = 0x8000


def credits_of_iptc(*blocks: bytes) -> Credits:
    """The credits in blocks of datasets: those of the first, completed from the next ones."""
    return reduce(Credits.or_else, map(_of_block, blocks), Credits())


def _of_block(block: bytes) -> Credits:
    """The credits in the datasets of one block; damage ends the reading.

    Dataset 1:90 may name an encoding. Mostly it is missing or says UTF-8; text that is UTF-8 is
    taken for it, be it cut within its last character, and all else for Windows-1252, whatever it
    says.
    """
    datasets = _datasets(block)
    is_utf_8 = datasets.get((1, _CODED_CHARACTER_SET)) == [_UTF_8]

    def texts(dataset: int) -> tuple[str, ...]:
        return each_once(
            decoded(value, may_be_cut=is_utf_8 and len(value) >= _LONGEST[dataset])
            for value in datasets.get((2, dataset), ())
        )

    return Credits(
        creators=texts(_BYLINE),
        rights=in_default(" ".join(texts(_COPYRIGHT)[:1])),
        description=in_default(" ".join(texts(_CAPTION)[:1])),
        credit=" ".join(texts(_CREDIT)[:1]),
    )


def _datasets(block: bytes) -> dict[tuple[int, int], list[bytes]]:
    """Values by record and dataset, of which some may be repeated."""
    datasets: defaultdict[tuple[int, int], list[bytes]] = defaultdict(list)
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
        datasets[head[1], head[2]].append(block[at : at + size])
        at += size
    return datasets
