"""The rows that a contact sheet shows, read from the result files, never the finished images."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import FileSystem

from pipeline import schema, storage
from pipeline.tables import python_rows

FINISHED = "finished"
"""The stratum of the rows with an image; the others are error codes."""

SHOWN = (
    "sample_id", "prompt", "final_prompt", "prompt_source", "prompt_notes", "prompt_understood",
    "seed", "height", "width", "image_path", "metrics", "matting_model", "generation_model",
    "timings", "thumbs", "error", "image_uri", "image_sha256", "decode_notes",
)  # fmt: skip
"""Columns of a result file that are read for a card. `image` and `alpha` are not among them."""

BATCH_ROWS = 256
"""Rows of thumbnails in memory at once: about 10 MB."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """What the sheet shows of one row."""

    sample_id: str
    error: Mapping[str, Any] | None = None
    """Stage, code, message, retryable; None when the row has an image."""
    prompt: str | None = None
    final_prompt: str | None = None
    prompt_source: str | None = None
    prompt_notes: tuple[str, ...] = ()
    prompt_understood: tuple[str, ...] = ()
    seed: int | None = None
    height: int | None = None
    width: int | None = None
    image_path: str | None = None
    """Relative to the folder the sheet lies in."""
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    matting_model: str | None = None
    generation_model: str | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    """The seconds of each stage that the row got to."""
    thumbs: Mapping[str, bytes | None] = field(default_factory=dict)
    """WebP files: source, cutout, result."""
    image_uri: str | None = None
    image_sha256: str | None = None
    decode_notes: tuple[str, ...] = ()
    kept: Mapping[str, Any] = field(default_factory=dict)
    """The manifest's own columns, by name."""

    @property
    def stratum(self) -> str:
        return str(self.error["code"]) if self.error else FINISHED


class Place(NamedTuple):
    """Where a row lies: enough to read it again without searching."""

    file: int
    row_group: int
    row: int
    """The index of the row within its row group."""


# --- reading ----------------------------------------------------------------------------------


def cards(
    files: Sequence[str], *, filesystem: FileSystem | None, max_cards: int = 1000
) -> list[Card]:
    """The rows a sheet shows: all of them, or a fair choice when there are more than `max_cards`.

    Every error code gets its share, at most half of the sheet together unless finished rows are
    few; the rest are finished rows. Within each the rows whose hashed id is smallest are taken: an
    even spread over the catalogue, and the same one whatever the order of the files.

    Args:
        files: the result files.
        filesystem: where they are; None: this machine's.
        max_cards: a row costs the sheet the size of its thumbnails, and a third more.

    Returns:
        Finished rows first, then by code; within each by `sample_id`.

    Raises:
        ValueError: `max_cards` is below 1.
    """
    if max_cards < 1:
        raise ValueError(f"max_cards is {max_cards}: a sheet shows at least one row")
    places = _select(files, filesystem=filesystem, max_cards=max_cards)
    chosen = list(_read(files, places, filesystem=filesystem))
    return sorted(chosen, key=lambda card: (card.error is not None, card.stratum, card.sample_id))


def _select(files: Sequence[str], *, filesystem: FileSystem | None, max_cards: int) -> list[Place]:
    """First pass, over ids and codes alone; keeps at most `max_cards` places per stratum."""
    counts: Counter[str] = Counter()
    smallest: dict[str, list[tuple[int, Place]]] = {}
    for place, sample_id, code in _outcomes(files, filesystem=filesystem):
        stratum = code or FINISHED
        counts[stratum] += 1
        heap = smallest.setdefault(stratum, [])
        # heapq keeps the smallest on top, and what must leave is the largest: hence the minus.
        entry = (-_spread(sample_id), place)
        if len(heap) < max_cards:
            heapq.heappush(heap, entry)
        else:
            heapq.heappushpop(heap, entry)
    quotas = allot(counts, max_cards)
    return sorted(
        place
        for stratum, heap in smallest.items()
        for _, place in heapq.nlargest(quotas[stratum], heap)
    )


def _outcomes(
    files: Sequence[str], *, filesystem: FileSystem | None
) -> Iterator[tuple[Place, str, str | None]]:
    for file, path in enumerate(files):
        with pq.ParquetFile(path, filesystem=filesystem, pre_buffer=True) as parquet:
            for row_group in range(parquet.num_row_groups):
                table = parquet.read_row_group(row_group, columns=["sample_id", "error.code"])
                ids = table["sample_id"].to_pylist()
                errors = table["error"].to_pylist()
                for row, (sample_id, error) in enumerate(zip(ids, errors, strict=True)):
                    yield Place(file, row_group, row), sample_id, error and error["code"]


def _spread(sample_id: str) -> int:
    """A number as good as random, the same for the same id on every machine."""
    return int.from_bytes(blake2b(sample_id.encode(), digest_size=8).digest(), "big")


def allot(counts: Mapping[str, int], max_cards: int) -> dict[str, int]:
    """Cards for each stratum.

    >>> allot({"finished": 900, "not_found": 90, "corrupt_image": 10}, 100)
    {'finished': 50, 'corrupt_image': 10, 'not_found': 40}
    >>> allot({"finished": 7, "not_found": 3}, 100)
    {'finished': 7, 'not_found': 3}
    """
    finished = counts.get(FINISHED, 0)
    failed = {code: count for code, count in counts.items() if code != FINISHED}
    room = max(max_cards // 2, max_cards - finished, min(len(failed), max_cards))
    quotas: dict[str, int] = {}
    # From the rarest code up: what a rare code leaves over goes to the common ones.
    for taken, code in enumerate(sorted(failed, key=lambda code: (failed[code], code))):
        fair = -(-room // (len(failed) - taken))
        quotas[code] = min(failed[code], fair)
        room -= quotas[code]
    rest = min(finished, max_cards - sum(quotas.values()))
    return {FINISHED: rest, **quotas}


def _read(
    files: Sequence[str], places: Sequence[Place], *, filesystem: FileSystem | None
) -> Iterator[Card]:
    """Second pass, over the row groups that hold a chosen row."""
    wanted: dict[int, dict[int, list[int]]] = {}
    for place in places:
        wanted.setdefault(place.file, {}).setdefault(place.row_group, []).append(place.row)
    for file, groups in wanted.items():
        with pq.ParquetFile(files[file], filesystem=filesystem, pre_buffer=True) as parquet:
            kept = kept_columns(parquet.schema_arrow)
            columns = [name for name in SHOWN if name in parquet.schema_arrow.names] + kept
            for row_group, rows in groups.items():
                start = 0
                for batch in parquet.iter_batches(BATCH_ROWS, [row_group], columns):
                    inside = [row - start for row in rows if start <= row < start + len(batch)]
                    start += len(batch)
                    # Python has not every value that is kept, such as the year 12000.
                    shown, _ = python_rows(batch.take(pa.array(inside, pa.int64())))
                    for row in shown:
                        yield _card(row, kept)


def kept_columns(result: pa.Schema) -> list[str]:
    """Columns that come from the manifest and can be shown in a line: no bytes, nothing nested."""
    return [
        column.name
        for column in result
        if column.name not in schema.RESERVED
        and not pa.types.is_nested(column.type)
        and not pa.types.is_binary(column.type)
        and not pa.types.is_large_binary(column.type)
    ]


_MOST = 2000
"""Characters of any text on a card. Rows of earlier versions may have any number of them."""


def cut(text: str) -> str:
    """A text, as long as a card shows it."""
    return text if len(text) <= _MOST else f"{text[:_MOST]}…"


def _card(row: Mapping[str, Any], kept: Sequence[str]) -> Card:
    timings, error, final = row.get("timings") or {}, row["error"], row.get("final_prompt")
    return Card(
        sample_id=cut(row["sample_id"]),
        error=None if error is None else {**error, "message": cut(error["message"])},
        prompt=cut(row.get("prompt") or "") or None,
        final_prompt=None if final is None else cut(final),
        prompt_source=row.get("prompt_source"),
        prompt_notes=tuple(map(cut, row.get("prompt_notes") or ())),
        prompt_understood=tuple(row.get("prompt_understood") or ()),
        seed=row.get("seed"),
        height=row.get("height"),
        width=row.get("width"),
        image_path=row.get("image_path"),
        metrics=row.get("metrics") or {},
        matting_model=row.get("matting_model"),
        generation_model=row.get("generation_model"),
        seconds={
            name.removesuffix("_s"): seconds
            for name, seconds in timings.items()
            if seconds is not None
        },
        thumbs=row.get("thumbs") or {},
        image_uri=None if row.get("image_uri") is None else storage.shown(row["image_uri"]),
        image_sha256=row.get("image_sha256"),
        decode_notes=tuple(map(cut, row.get("decode_notes") or ())),
        kept={name: row[name] for name in kept},
    )
