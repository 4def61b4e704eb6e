"""A stratified sample of a manifest, and what it tells about the whole (Cochran 1977, ch. 5)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, variance

from pipeline.manifest.rows import Manifest
from pipeline.tables.sql import query

_ROWS_PER_STRATUM = 4
"""Few, so that strata are many and alike inside; at least two, or there is no variance."""
_NORMAL_95 = 1.96


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """Rows chosen to stand for a manifest."""

    strata: Mapping[str, int]
    """The stratum that each row was drawn from, by id."""
    sizes: Mapping[int, int]
    """The number of rows of the manifest in each stratum."""

    @property
    def num_rows(self) -> int:
        """Rows of the manifest."""
        return sum(self.sizes.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class Mean:
    """An estimated mean."""

    value: float
    half_width: float
    """Half the width of the 95 % interval, in the unit of the value."""


def stratified(manifest: Manifest, size: int) -> Sample:
    """Draw rows evenly from consecutive parts of a manifest.

    Catalogues are sorted: by shop, by category, by age. Rows that stand together are alike, so
    that drawing from every part is more exact than drawing from all at once. Which rows are drawn
    follows from their ids: the same manifest gives the same sample.
    """
    strata = max(1, size // _ROWS_PER_STRATUM)
    drawn = query(
        f"""
        WITH placed AS (
            SELECT id, ntile({strata:d}) OVER (ORDER BY place) AS stratum
            FROM (SELECT id, row_number() OVER () AS place FROM ids)
        ), ranked AS (
            SELECT *, row_number() OVER (PARTITION BY stratum ORDER BY md5(id)) AS rank,
                count(*) OVER (PARTITION BY stratum) AS size
            FROM placed
        )
        SELECT id, stratum, size FROM ranked WHERE rank <= {_ROWS_PER_STRATUM:d}
        ORDER BY stratum, rank
        """,
        ids=manifest.ids(),
    )
    rows = drawn.read_all().to_pylist()
    return Sample(
        strata={row["id"]: row["stratum"] for row in rows},
        sizes={row["stratum"]: row["size"] for row in rows},
    )


def stratified_mean(values: Mapping[str, float], sample: Sample) -> Mean:
    """The mean over the manifest of something that was measured on the rows of a sample.

    Args:
        values: what was measured, by id; rows of the sample that have no value are left out.
        sample: which stratum the rows stand for.

    Raises:
        ValueError: nothing was measured.
    """
    by_stratum: dict[int, list[float]] = defaultdict(list)
    for id_, value in values.items():
        by_stratum[sample.strata[id_]].append(value)
    if not by_stratum:
        raise ValueError("the sample has no value to go by")
    total = sum(sample.sizes[stratum] for stratum in by_stratum)
    mean, squared_error = 0.0, 0.0
    for stratum, measured in by_stratum.items():
        size, weight = sample.sizes[stratum], sample.sizes[stratum] / total
        mean += weight * fmean(measured)
        unseen = 1 - len(measured) / size
        squared_error += weight**2 * _variance(measured, by_stratum) * unseen / len(measured)
    return Mean(value=mean, half_width=_NORMAL_95 * math.sqrt(squared_error))


def _variance(measured: Sequence[float], by_stratum: Mapping[int, Sequence[float]]) -> float:
    """The variance in strata; of everything where one has a single row, to be on the safe side."""
    if len(measured) > 1:
        return variance(measured)
    everything = [value for others in by_stratum.values() for value in others]
    return variance(everything) if len(everything) > 1 else 0.0
