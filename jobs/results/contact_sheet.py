"""The contact sheet of a run: one HTML file that needs no network, no server and no script.

`cards` reads what the sheet shows out of the result files, never the finished images; `render_html`
lays it out. What the manifest says is hostile until shown otherwise: everything is escaped, control
characters are made visible, and the page's own policy forbids any script but the one it ships.
"""

from __future__ import annotations

import heapq
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from hashlib import blake2b, sha256
from typing import Any, NamedTuple
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
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
    """Per stage the row got to."""
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
    """Within its row group."""


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


def _cut(text: str) -> str:
    return text if len(text) <= _MOST else f"{text[:_MOST]}…"


def _card(row: Mapping[str, Any], kept: Sequence[str]) -> Card:
    timings, error, final = row.get("timings") or {}, row["error"], row.get("final_prompt")
    return Card(
        sample_id=_cut(row["sample_id"]),
        error=None if error is None else {**error, "message": _cut(error["message"])},
        prompt=_cut(row.get("prompt") or "") or None,
        final_prompt=None if final is None else _cut(final),
        prompt_source=row.get("prompt_source"),
        prompt_notes=tuple(map(_cut, row.get("prompt_notes") or ())),
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
        decode_notes=tuple(map(_cut, row.get("decode_notes") or ())),
        kept={name: row[name] for name in kept},
    )


# --- laying out -------------------------------------------------------------------------------


def render_html(
    summary: Mapping[str, Any], cards: Sequence[Card], *, kept: Sequence[str] = ()
) -> str:
    """The sheet, to be written as UTF-8 into the run's folder, where its links start.

    Args:
        summary: the run's `report.json`.
        cards: what `cards()` returned.
        kept: the manifest's columns to name on every card, in this order.
    """
    template = _environment().get_template("report.html.j2")
    return template.render(
        run=summary,
        finished=[card for card in cards if card.error is None],
        failed=[card for card in cards if card.error is not None],
        on_sheet=Counter(card.stratum for card in cards),
        kept=kept,
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("jobs.results"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": _count,
        "duration": _duration,
        "href": _href,
        "limit": _limit,
        "moment": _moment,
        "percent": _percent,
        "policy_hash": _policy_hash,
        "ratio": _ratio,
        "told": _told,
        "webp": _webp,
        "words": words,
    }
    return environment


# Explicit directional embeddings, overrides and isolates can reorder what stands around them, and
# C0 controls can cut a line short. Marks that a Hebrew or Arabic prompt needs (200E, 200F) stay.
_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def _visible(value: object) -> object:
    """Runs over every value the template prints, before escaping."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return _INVISIBLE.sub(lambda match: f"[U+{ord(match[0]):04X}]", value)
    return value


_SMALL_WORDS = frozenset(
    ("a", "an", "and", "at", "by", "for", "from", "in", "into", "its", "near", "of", "on", "onto",
     "or", "over", "the", "to", "under", "with")
)  # fmt: skip


def words(text: str, understood: Sequence[str]) -> list[tuple[str, str]]:
    """Cut a prompt into runs and say of each word whether it had an effect.

    Returns:
        Pairs of text and 'understood', 'ignored' or '' (spaces, small words; every word when
        `understood` is empty, for then the generator could not tell). Joined they are the text.

    >>> words("on wet slate", ["slate"])
    [('on', ''), (' ', ''), ('wet', 'ignored'), (' ', ''), ('slate', 'understood')]
    """
    known = {word for phrase in understood for word in re.findall(r"[\w'-]+", phrase.casefold())}
    runs = [run for run in re.split(r"([\w'-]+)", text) if run]
    return [(run, _effect(run.casefold(), known)) for run in runs]


def _effect(run: str, known: set[str]) -> str:
    if not known or not re.match(r"[\w'-]", run):
        return ""
    if run in known:
        return "understood"
    return "" if run in _SMALL_WORDS else "ignored"


def _count(number: float) -> str:
    return f"{number:,.0f}"


def _percent(share: float) -> str:
    """Three significant digits at most, and never 100 % for less than all."""
    percent = 100 * share
    if percent == 0 or percent >= 100:
        return f"{percent:.0f} %"
    if percent < 0.1:
        return "under 0.1 %"
    return f"{min(percent, 99.9):.1f} %"


def _limit(value: float) -> str:
    """A budget: a share when it is a float, a number of rows when it is an integer."""
    return _percent(value) if isinstance(value, float) else _count(value)


def _duration(seconds: float) -> str:
    """Two units at most, the smaller one dropped when it says nothing.

    >>> _duration(0.0421), _duration(9.94), _duration(75), _duration(15_120)
    ('0.04 s', '9.9 s', '1 min 15 s', '4 h 12 min')
    """
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours:,} h {minutes} min"


def _moment(iso: str) -> str:
    """An ISO instant for people, in UTC.

    >>> _moment("2025-03-09T02:00:00+01:00")
    '9 March 2025, 01:00:00 UTC'
    """
    instant = datetime.fromisoformat(iso).astimezone(UTC)
    return f"{instant.day} {instant:%B %Y, %H:%M:%S} UTC"


def _ratio(card: Card) -> str:
    """Width over height of a card's frames, within limits: very tall or wide pictures get air."""
    if not card.width or not card.height:
        return "1"
    return f"{min(max(card.width / card.height, 0.8), 3.0):.4f}"


def _told(card: Card, kept: Sequence[str]) -> list[tuple[str, str]]:
    """The manifest's columns that say something about this row."""
    said = [(name, str(card.kept[name])) for name in kept if card.kept.get(name) is not None]
    return [(name, _cut(value)) for name, value in said]


def _href(path: str) -> str:
    """A link below the sheet's own folder: neither a scheme nor a host can hide in it."""
    return "./" + quote(path, safe="/")


def _webp(data: bytes) -> str:
    return "data:image/webp;base64," + b64encode(data).decode("ascii")


def _policy_hash(script: str) -> str:
    """Source expression that allows exactly this inline script (Content Security Policy 3)."""
    return f"sha256-{b64encode(sha256(script.encode()).digest()).decode('ascii')}"
