"""How much memory an actor may take at the most: one formula, and the figures it is made of.

    process + libraries and models + files of the rows under way
            + the larger of: the largest picture, decoded and worked on; a result file being written

Stages of one actor run one after another, so of their working sets only the largest counts. The
figures are peaks measured by `python -m benchmarks memory`, of a product that fills its photograph
with soft edges, plus 15 %. Decoded pixels are counted at the largest photograph that the recipe
accepts, since one of those may come at any time; files at a mean size, since a block holds many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PROCESS_MB = 400
"""An actor before it has a stage: Python, Ray, Arrow, the storage client. 350 measured."""

ROWS_PER_BLOCK = 64
"""The most that are read, and written as one result file, together. One-row blocks cost the driver
memory and time for each row; large ones keep actors waiting."""

_MEAN_MEGAPIXELS = 4.0
"""The mean size, in megapixels, of the photographs of a block, where larger ones are accepted: 2000
x 2000 px."""
_PHOTO_MB = 0.6
_PICTURE_MB = 0.8
"""The size of a file in MB for each megapixel: JPEG of quality 92, the second without subsampled
colour. The demo's have 0.3 to 0.6."""
_COPIES = 2.6
"""The factor by which finished pictures take more while their result file is made: as rows, as
columns, coded. 2.3 measured."""

WAITING_MB = 14.0
"""The memory, in MB for each megapixel, of a picture that is decoded and has its coverage, and is
not worked on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """What a stage takes of its actor's memory, beside the process itself."""

    loaded_mb: float = 0.0
    """Libraries and models, for as long as the actor lives."""
    megapixels: float = 0.0
    """The size of the largest picture that its rows may have, in megapixels; 0: the stage has
    nothing to do with pictures."""
    has_photographs: bool = False
    """Whether its rows bring their photographs' files along."""
    files_mb: float = 0.0
    """The size of its rows' files, in MB, at the most; while they become columns they are there
    twice. 0: as many as a block has, at a mean size."""
    has_pictures: bool = False
    """Whether they leave with finished ones."""
    mb_per_megapixel: float = 0.0
    """The memory at the peak of the work on one picture, in MB for each megapixel; 0: the stage
    works on files, not on pixels."""
    worked_on: int = 1
    """Pictures that are worked on at the same time."""
    waiting: int = 0
    """Pictures that are decoded beside those, before or after their turn."""
    waiting_mb_per_megapixel: float = WAITING_MB
    """The memory of each picture that waits, in MB for each megapixel."""
    uncounted: tuple[str, ...] = ()
    """Models whose size nobody could say."""

    @property
    def working_mb(self) -> float:
        """The memory at the stage's peak, in MB, with the largest pictures only."""
        worked_on_mb = self.worked_on * self.mb_per_megapixel
        waiting_mb = self.waiting * self.waiting_mb_per_megapixel
        return self.megapixels * (worked_on_mb + waiting_mb) + self.files_mb


@dataclass(frozen=True, kw_only=True, slots=True)
class Bound:
    """The most memory that an actor takes, and how it comes about. All in MB."""

    loaded_mb: float
    """The process and what its stages have loaded."""
    files_mb: float
    working_mb: float
    because: str
    """What is at work at the peak, in a few words."""
    uncounted: tuple[str, ...]
    """Models whose size nobody could say: what they take comes on top."""

    @property
    def total_mb(self) -> int:
        """The memory of all parts together, in MB."""
        return round(self.loaded_mb + self.files_mb + self.working_mb)


def bound(needs: Sequence[Need]) -> Bound:
    """The most memory that an actor takes which runs these stages one after another."""
    largest = max((need.megapixels for need in needs), default=0.0)
    mean = min(largest, _MEAN_MEGAPIXELS)
    photos_mb = ROWS_PER_BLOCK * mean * _PHOTO_MB * any(need.has_photographs for need in needs)
    photos_mb = max([photos_mb, *(need.files_mb for need in needs)])
    pictures_mb = ROWS_PER_BLOCK * mean * _PICTURE_MB * any(need.has_pictures for need in needs)
    writing_mb = _COPIES * pictures_mb
    heaviest = max(needs, key=lambda need: need.working_mb, default=Need())
    return Bound(
        loaded_mb=PROCESS_MB + sum(need.loaded_mb for need in needs),
        files_mb=photos_mb + pictures_mb,
        working_mb=max(writing_mb, heaviest.working_mb),
        because=_at_work(heaviest) if heaviest.working_mb > writing_mb else _files(mean),
        uncounted=tuple(name for need in needs for name in need.uncounted),
    )


def _files(mean: float) -> str:
    return f"files of {ROWS_PER_BLOCK} rows of {mean:g} Mpx" if mean else ""


def _at_work(need: Need) -> str:
    if not need.mb_per_megapixel:
        return f"{need.files_mb:.0f} MB of files, twice while they become columns"
    beside = f" and {need.waiting} decoded" if need.waiting else ""
    return f"{need.megapixels:g} Mpx x {need.worked_on} at once{beside}"


def gigabytes(mb: float) -> str:
    """An amount as people read it.

    >>> gigabytes(1940), gigabytes(85)
    ('1.9 GB', '85 MB')
    """
    return f"{mb / 1024:.1f} GB" if mb >= 1000 else f"{mb:.0f} MB"
