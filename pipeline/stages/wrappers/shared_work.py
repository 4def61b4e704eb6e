"""Work done once for neighbouring rows that share their source.

A plan holds one row per result, and the results of one photograph stand next to each other. So
fetching and matting are spared by remembering the last source, and rows stay one to one: no stage
carries a list of results inside a row, and each result fails, resumes and is counted on its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from pipeline.engine.stage import Mapper, MapperFactory, Stage
from pipeline.errors import Outcome, Postponed, Row

_Key = tuple[Any, ...]


class SharingMapper:
    """Gives the mapper inside only the first row of every source, and its outcome to the rest."""

    def __init__(self, config: Any, *, mapper: MapperFactory, by: tuple[str, ...]) -> None:
        self._mapper: Mapper = mapper(config)
        self._by = by
        self._last: tuple[_Key, Outcome] | None = None

    def map_batch(self, rows: Sequence[Row]) -> list[Outcome]:
        """One outcome per row, as the mapper inside would give it."""
        keys = [tuple(_hashable(row[name]) for name in self._by) for row in rows]
        known: dict[_Key, Outcome] = dict([self._last] if self._last else [])
        new: dict[_Key, Row] = {}
        for key, row in zip(keys, rows, strict=True):
            if key not in known:
                new.setdefault(key, row)
        if new:
            known |= dict(zip(new, self._mapper.map_batch([*new.values()]), strict=True))
        # Only the last source can go on in the next batch, or in the rest of this one.
        done = [key for key in keys if not isinstance(known[key], Postponed)]
        self._last = (done[-1], known[done[-1]]) if done else None
        return [known[key] for key in keys]


def _hashable(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple(value.items())
    return tuple(value) if isinstance(value, list) else value


def once_per_source(stage: Stage, *, by: tuple[str, ...]) -> Stage:
    """The stage, working once for neighbouring rows that agree in these columns.

    >>> from pipeline.stages.fetch import FetchConfig, fetch
    >>> from pipeline.engine.stage import Resources
    >>> from pipeline.imaging.reading.limits import ImageLimits
    >>> stage = fetch(FetchConfig(), Resources(), root=None, limits=ImageLimits())
    >>> once_per_source(stage, by=("image_uri",)).reads
    ('image_uri', 'image_input', 'mask_uri', 'reference_uris', 'addresses')
    """
    return replace(
        stage,
        mapper=partial(SharingMapper, mapper=stage.mapper, by=by),
        reads=tuple(dict.fromkeys((*stage.reads, *by))),
    )
