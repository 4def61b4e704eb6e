"""Plan: a manifest in, one row per result out, with everything about it decided.

Identity, seed, prompt and fingerprint are fixed here, once, so that no later stage and no restart
can decide them differently. A row that cannot be planned is planned all the same, with its error.
"""

from __future__ import annotations

import hashlib
import json
import logging
import string
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from itertools import chain
from math import isinf
from typing import Any

import pyarrow as pa

from pipeline import schema, storage
from pipeline.errors import ErrorCode, RowError, TransientError, error_value
from pipeline.imaging.compositing.recolor import SCREEN_PROMPT
from pipeline.imaging.compositing.solid_colors import Rgb8, parse_color, solid_color
from pipeline.manifest.columns import (
    brief_columns,
    check_doubtful,
    check_names,
    check_untyped,
    has_words,
)
from pipeline.manifest.rows import Manifest
from pipeline.manifest.shots import (
    COLUMNS,
    Brief,
    ColumnKind,
    Shot,
    Wishes,
    read_brief,
    shots,
    suffix,
)
from pipeline.planning.allowed_places import check_places
from pipeline.planning.kept_columns import Held, Kept
from pipeline.planning.untrusted import STRICTEST, limited
from pipeline.planning.withheld_addresses import of_uris
from pipeline.recipe import Recipe
from pipeline.stages.fetch import FetchConfig
from pipeline.stages.wrappers.stricter_limits import MARK
from pipeline.tables import MOST_OF_COLUMN, as_kind, python_rows
from pipeline.text.printable import counted

logger = logging.getLogger(__name__)

ROWS_PER_FILE = 4096
"""Of a plan file: the unit the pipeline reads. A multiple of every block size it cuts them into."""
BYTES_PER_FILE = 32 * 2**20
"""At which a plan file ends, whatever its rows: a manifest may hold photographs of megabytes, and
what is planned is in memory three times."""

_MAX_SEED = 2**31 - 1
_COLORING = frozenset({"background_color", "channel"})
"""Columns by which a row can ask for a background without a prompt."""
_UNSAID = Wishes().model_dump(mode="json")
_DECIDED = (
    schema.SAMPLE_ID,
    schema.ID,
    schema.FINGERPRINT,
    schema.IMAGE_URI,
    schema.IMAGE_VERSION,
    schema.IMAGE_INPUT,
    schema.MASK_URI,
    schema.CLIPPING_PATH,
    schema.PROMPT,
    schema.PROMPT_ORIGIN,
    schema.SEED,
    schema.REFERENCE_URIS,
    schema.SHOT,
)
"""The columns of a plan file but for those that are kept and the error."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Planner:
    """What is needed to plan a row: the recipe, and what the manifest offers."""

    recipe: Recipe
    manifest: Manifest
    held: Mapping[str, Held] = field(default_factory=dict)
    """Kept columns as earlier runs of the dataset have them."""
    seen_before: Callable[[Sequence[str]], Mapping[str, str]] = lambda _: {}
    """The versions that earlier runs have seen last, of images by URI."""
    untrusted: bool = False
    """Whether rows are held to the strictest limits."""
    whole: Mapping[str, str] = field(default_factory=dict)
    """Of a manifest that was made of other manifests' rows: addresses by what it has of them."""

    @property
    def _kept(self) -> Kept:
        return Kept(recipe=self.recipe, manifest=self.manifest, held=self.held)

    @property
    def plan_schema(self) -> pa.Schema:
        """The columns of a plan file."""
        return pa.schema([*_DECIDED, *self._kept.fields, schema.ERROR])

    @property
    def columns(self) -> list[str]:
        """Of a planned row on its way to the stages."""
        return [*self.plan_schema.names, schema.ADDRESSES.name]

    def check(self) -> None:
        """Refuse what no row could survive, before anything is written.

        Raises:
            ValueError: one line naming the column or field and the fix.
        """
        names = [*self.manifest.schema.names, *self.manifest.table.conflicts]
        config = self.recipe.prompt
        config.check_key()
        used = [*template_columns(config.template), *config.columns]
        check_names(self.manifest, ignored=self.recipe.ignore_columns, used=used)
        columns = self.brief_columns
        self._kept.check()
        for name in template_columns(config.template):
            if name not in names:
                raise ValueError(
                    f"prompt.template: the manifest has no column {name!r}; it has {names}"
                )
            type_ = self.manifest.field(name).type
            if not has_words(type_):
                raise ValueError(
                    f"prompt.template: the manifest's column {name!r} is {type_}, of which no "
                    "words can be made: take another one, or write it as text"
                )
        check_untyped(self.manifest, [*columns, "seed"])
        check_doubtful(self.manifest, self._columns())
        colored = not _COLORING.isdisjoint(columns) or self._brief.background_color is not None
        prompted = "prompt" in names or config.template or config.default is not None
        if not (prompted or colored):
            raise ValueError(
                "manifest has no column 'prompt' and the recipe no prompt.default or "
                "prompt.template: add one of the three"
            )
        self._check_rows()
        if self._bounds is not None:
            check_places(self.manifest, self._bounds)

    def _check_rows(self) -> None:
        """Refuse rows that cannot be told apart, or none at all. Raises as `check`."""
        if self.manifest.is_empty():
            raise ValueError(
                f"manifest {self.manifest.uri} selects no row: check --where and --limit, or the "
                "manifest"
            )
        problems = self.manifest.unsound_ids()
        if problems:
            (worst, times), more = problems[0], len(problems) - 1
            what = f"is null in {times} rows" if worst is None else f"has {worst!r} {times} times"
            also = f" ({'at least ' if more == 4 else ''}{more} more such)" if more else ""
            raise ValueError(
                f"manifest column 'id' {what}{also}: ids must be present and unique; select one "
                "row of each with --where, or say which column is unique, such as --map id='sku'"
            )
        if self._may_expand and (clash := self.manifest.clashing_ids()) is not None:
            raise ValueError(
                f"manifest column 'id' has {clash[0]!r} and {clash[1]!r}: several results of the "
                "first could be called like the second; rename one"
            )

    @property
    def brief_columns(self) -> list[str]:
        """The manifest columns in which rows say what they ask for."""
        return brief_columns(self.manifest, self.recipe.ignore_columns)

    @property
    def _brief(self) -> Brief:
        """What a row gets that asks for nothing."""
        return read_brief({}, self.recipe.brief, columns=())

    @property
    def _may_expand(self) -> bool:
        """Whether a row may come to several results."""
        return len(shots(self._brief, None)) > 1 or not {
            "num_results",
            "placement",
        }.isdisjoint(self.brief_columns)

    @property
    def _fetch(self) -> FetchConfig:
        return (limited(self.recipe) if self.untrusted else self.recipe).fetch

    @property
    def _bounds(self) -> storage.Bounds | None:
        """The objects that rows may name; None: whoever fetches them says that they may none."""
        fetch = self._fetch
        return fetch.bounds(self.manifest.root) if "s3" in fetch.allowed_schemes else None

    def addresses(self) -> Iterator[tuple[str, str]]:
        """The whole addresses that selected rows name, by what is kept of each.

        Also under the spelling that a table made of HTML means.

        Raises:
            ValueError: as `Manifest.batches`.
        """
        for uri in self._named():
            meant = self.whole.get(uri, uri)
            for one in (meant, storage.unescaped(meant)):
                if (kept := storage.withheld(one)) != one:
                    yield kept, one

    def withheld(self) -> Iterator[str]:
        """The addresses of selected rows of which something is withheld. Raises as `addresses`."""
        return filter(storage.is_withheld, self._named())

    def _named(self) -> Iterator[str]:
        names = ["image_uri", "image", "mask_uri", "reference_uri"]
        there = [name for name in names if name in self.manifest.schema.names]
        for batch, _ in self.manifest.batches(there):
            for row in python_rows(batch)[0]:
                yield from _named_in(row, self.manifest.root)

    def looker(self) -> storage.Looker:
        """Looks at photographs as the recipe says, and counts what it could not look at."""
        return self._fetch.looker()

    def tables(self, looker: storage.Looker | None = None) -> Iterator[pa.Table]:
        """The plan, in files' worth of rows or of bytes, and the whole addresses beside it.

        Those are never written down: `withheld_addresses` takes them out. `looker` counts what
        could not be looked at.
        """
        looker = self.looker() if looker is None else looker
        rows: list[Mapping[str, Any]] = []
        carried: list[pa.Table] = []
        num_bytes = 0.0
        cut_short: Counter[str] = Counter()
        asked = self.brief_columns
        spelled = self._spelled(asked)
        bounds = self._bounds
        for batch, faults in self.manifest.batches(self._columns()):
            values, unwritable = python_rows(batch.select(self._looked_at()))
            kept, unfit, cut = self._kept.of(batch)
            faults = {**unfit, **unwritable, **faults}  # noqa: PLW2901
            cut_short += cut
            kept_bytes = kept.nbytes / max(1, kept.num_rows)
            places = list[int]()
            for place, row in enumerate(values):
                made = self._plan_rows(_as_meant(row, spelled), asked, faults.get(place), bounds)
                rows += made
                places += [place] * len(made)
                num_bytes += sum(kept_bytes + len(one["image_input"] or b"") for one in made)
                values[place] = {}  # its photograph, if it has one, is in `made`
                if len(rows) >= ROWS_PER_FILE or num_bytes >= BYTES_PER_FILE:
                    carried.append(_taken(kept, places))
                    full = ROWS_PER_FILE if num_bytes < BYTES_PER_FILE else len(rows)
                    joined = pa.concat_tables(carried)
                    yield self._table(looker, rows[:full], joined.slice(0, full))
                    rows, carried, places, num_bytes = rows[full:], [joined.slice(full)], [], 0.0
            carried.append(_taken(kept, places))
        if rows:
            yield self._table(looker, rows, pa.concat_tables(carried))
        for name, times in (+cut_short).items():
            logger.warning(
                "keep: %d values of column %r are cut to whole microseconds; nanoseconds, which "
                "Spark and Delta do not read, are kept with output.timestamps=as_they_are",
                times,
                name,
            )

    def _looked_at(self) -> list[str]:
        """The columns whose values decide something, here or where the prompt is made."""
        return [name for name in _deciding(self.recipe) if name in self.manifest.schema.names]

    def _columns(self) -> list[str]:
        return list(dict.fromkeys([*self._looked_at(), *self.recipe.keep]))

    def _spelled(self, asked: Sequence[str]) -> dict[str, ColumnKind]:
        """The columns of text that spell values of another kind."""
        untyped = self.manifest.table.untyped
        kinds: dict[str, ColumnKind] = {
            **{name: COLUMNS[name] for name in asked},
            "seed": "integer",
        }
        return {name: kind for name, kind in kinds.items() if name in untyped}

    def _plan_rows(
        self,
        row: Mapping[str, Any],
        asked: Sequence[str],
        fault: str | None,
        bounds: storage.Bounds | None,
    ) -> list[dict[str, Any]]:
        """The results of one manifest row, next to each other; one with its error if it has one."""
        # Filled in as it is decided: a row that fails tells what was known of it by then.
        whole: dict[str, Any] = {
            "sample_id": row["id"],
            "id": row["id"],
            "image_uri": None,
            "image_input": _image_bytes(row.get("image")),
            "mask_uri": None,
            "clipping_path": None,
            "reference_uris": [],
            "prompt": None,
            "prompt_origin": None,
            "seed": 0,
            "shot": None,
            "error": None,
        }
        if fault is not None:
            found = RowError(ErrorCode.BAD_REQUEST, fault)
            return [{**whole, "error": error_value("plan", found)}]
        try:
            brief = read_brief(row, self.recipe.brief, columns=asked)
            prompt, origin = resolve_prompt(row, self.recipe, color=brief.background_color)
            whole |= {"prompt": prompt, "prompt_origin": origin}
            whole["seed"] = resolve_seed(row.get("seed"), row["id"])
            root = self.manifest.root
            whole["image_uri"] = self._whole("image_uri", resolve_uri(row, root))
            whole["clipping_path"] = brief.clipping_path
            whole["mask_uri"] = self._whole("mask_uri", resolve_mask_uri(row, root))
            references = [_resolved("reference_uri", uri, root) for uri in brief.reference_uri]
            whole["reference_uris"] = [self._whole("reference_uri", uri) for uri in references]
            _check_bounds(whole, bounds)
            listed = _listed(brief, resolve_color(brief, prompt))
            if self.untrusted:
                _check_count(len(listed))
        except RowError as found:
            return [{**whole, "error": error_value("plan", found)}]
        return [
            {
                **whole,
                **_words(one.shot, prompt, origin),
                "sample_id": row["id"] + one.suffix,
                "seed": (whole["seed"] + one.shot.result - 1) % _MAX_SEED,
                "shot": one.value,
            }
            for one in listed
        ]

    def _whole(self, column: str, uri: str | None) -> str | None:
        """The address that was meant, where something of it is withheld in this manifest.

        Raises:
            TransientError: `not_found`, nobody knows it any more.
        """
        if uri is None or not storage.is_withheld(uri):
            return uri
        if uri not in self.whole:
            raise TransientError(ErrorCode.NOT_FOUND, f"{column} {storage.WITHHELD}")
        return self.whole[uri]

    def _table(
        self, looker: storage.Looker, rows: Sequence[Mapping[str, Any]], kept: pa.Table
    ) -> pa.Table:
        """Planned rows with their versions, looked up together, their fingerprints, and `kept`."""
        versions, spelled = self._versions(looker, rows)
        dated = [
            {
                **row,
                "image_version": versions.get(row["image_uri"]),
                # For the fingerprint only.
                "mask_version": versions.get(row["mask_uri"]),
                "reference_versions": [versions.get(uri) for uri in row["reference_uris"]],
                # Whoever reads the plan, or the dataset, finds each under the name it has.
                "image_uri": spelled.get(row["image_uri"], row["image_uri"]),
                "mask_uri": spelled.get(row["mask_uri"], row["mask_uri"]),
                "reference_uris": [spelled.get(uri, uri) for uri in row["reference_uris"]],
            }
            for row in rows
        ]
        pixel_hash = self.recipe.pixel_hash
        decided = pa.Table.from_pylist(
            [{**_kept_of(row), "fingerprint": fingerprint(row, pixel_hash)} for row in dated],
            schema=pa.schema([*_DECIDED, schema.ADDRESSES, schema.ERROR]),
        )
        arrays = {**_by_name(decided), **_by_name(kept)}
        columns = self.plan_schema.append(schema.ADDRESSES)
        return pa.table([arrays[name] for name in columns.names], schema=columns)

    def _versions(
        self, looker: storage.Looker, rows: Sequence[Mapping[str, Any]]
    ) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Versions by URI, and the names of what is there in another spelling.

        What was not looked at has the version that an earlier run has seen, so that it stays.
        """
        photos = [row["image_uri"] for row in rows if row["image_input"] is None]
        masks = (row["mask_uri"] for row in rows)
        references = chain.from_iterable(row["reference_uris"] for row in rows)
        uris = dict.fromkeys([*photos, *masks, *references])
        found = looker.versions([uri for uri in uris if uri is not None], below=self.manifest.root)
        if not found.unseen:
            return found, found.spelled
        named = {uri: found.spelled.get(uri, uri) for uri in found.unseen}
        kept = {uri: storage.withheld(name) for uri, name in named.items()}
        # Rows of earlier versions have the whole name.
        seen = self.seen_before(list(dict.fromkeys([*kept.values(), *named.values()])))
        known = {
            uri: seen[name]
            for uri in found.unseen
            for name in (named[uri], kept[uri])
            if name in seen
        }
        return {**known, **found}, found.spelled


def _kept_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """A planned row as it is written, and the whole addresses beside it."""
    photo, mask, references = row["image_uri"], row["mask_uri"], row["reference_uris"]
    addresses = of_uris([photo, mask, *references])
    if not addresses:
        return {**row, "addresses": None}
    return {
        **row,
        "image_uri": None if photo is None else storage.withheld(photo),
        "mask_uri": None if mask is None else storage.withheld(mask),
        "reference_uris": [storage.withheld(uri) for uri in references],
        "shot": _shot_with(row, storage.withheld),
        "addresses": list(addresses.items()),
    }


def _shot_with(row: Mapping[str, Any], change: Callable[[str], str]) -> Mapping[str, Any] | None:
    """The shot, whose references are as they were written, with those changed that need it."""
    shot: Mapping[str, Any] | None = row["shot"]
    if shot is None or not shot["reference_uri"]:
        return shot
    pairs = zip(shot["reference_uri"], row["reference_uris"], strict=True)
    said = [cell if change(uri) == uri else change(uri) for cell, uri in pairs]
    return {**shot, "reference_uri": said}


def _taken(kept: pa.Table, places: Sequence[int]) -> pa.Table:
    """Straight from the manifest's file to the plan's: Python has no value for all of it."""
    return kept.take(pa.array(places, pa.int64()))


def _as_meant(row: Mapping[str, Any], spelled: Mapping[str, ColumnKind]) -> Mapping[str, Any]:
    if not spelled:
        return row
    return {**row, **{name: as_kind(row[name], kind) for name, kind in spelled.items()}}


def _by_name(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    return dict(zip(table.column_names, table.columns, strict=True))


def used_columns(recipe: Recipe) -> list[str]:
    """The manifest columns that a recipe looks at or keeps, where they are there."""
    return list(dict.fromkeys([*_deciding(recipe), *recipe.keep]))


def _deciding(recipe: Recipe) -> list[str]:
    config = recipe.prompt
    named = ["id", "image_uri", "image", "mask_uri", "prompt", "seed"]
    named += [*template_columns(config.template), *config.columns]
    asked = [name for name in COLUMNS if name not in recipe.ignore_columns]
    return list(dict.fromkeys([*named, *asked]))


def template_columns(template: str | None) -> list[str]:
    """The manifest columns a prompt template names.

    >>> template_columns("{color} kitchen, {season}")
    ['color', 'season']

    Raises:
        ValueError: the template uses more of the format language than plain column names: a
            manifest must not reach into Python objects.
    """
    if template is None:
        return []
    try:
        parsed = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"prompt.template {template!r}: {error}") from None
    names = []
    for _, name, specification, conversion in parsed:
        if name is None:
            continue
        if not name.isidentifier() or specification or conversion:
            raise ValueError(
                f"prompt.template {template!r}: {{{name}}} must be a plain column name in braces"
            )
        names.append(name)
    return names


def resolve_prompt(
    row: Mapping[str, Any], recipe: Recipe, *, color: str | None = None
) -> tuple[str, str]:
    """The prompt of a row and where it comes from: its own, the template's, the default.

    A row that has none of the three but names a background colour is prompted by that.

    Raises:
        RowError: `prompt_missing` if there is none; `bad_request` if the template needs a value
            that is null here, or makes more of the row's than a prompt may have.
    """
    prompt, origin = _prompt(row, recipe, color)
    most = MOST_OF_COLUMN["prompt"]
    if len(prompt) > most:
        raise RowError(
            ErrorCode.BAD_REQUEST,
            f"prompt has {counted(len(prompt))} characters, at most {most:,} are taken: shorten "
            "it, or what prompt.template puts into it",
        )
    return prompt, origin


def _prompt(row: Mapping[str, Any], recipe: Recipe, color: str | None) -> tuple[str, str]:
    """As `resolve_prompt`, of any length."""
    own = row.get("prompt")
    if own is not None and own.strip():
        return own, "manifest"
    template = recipe.prompt.template
    if template is not None:
        values = {name: row[name] for name in template_columns(template)}
        # NaN, which is no number equal to itself, is what some libraries write for null.
        empty = [name for name, value in values.items() if value is None or value != value]
        if not empty:
            return template.format_map({k: str(v) for k, v in values.items()}), "template"
        if recipe.prompt.default is None and color is None:
            raise RowError(
                ErrorCode.BAD_REQUEST,
                f"prompt.template needs column {empty[0]!r}, null in this row",
            )
    if recipe.prompt.default is not None:
        return recipe.prompt.default, "default"
    if color is not None:
        return f"a solid {color} background", "background_color"
    raise RowError(
        ErrorCode.PROMPT_MISSING, "prompt is empty and the recipe has no prompt.default: add one"
    )


def resolve_seed(requested: float | Decimal | str | None, sample_id: str) -> int:
    """The row's seed, or one that follows from its identity; in [0, 2^31 - 1).

    Raises:
        RowError: `bad_request`, the seed is text, has a fraction or is below -1 (-1 asks for a
            derived one).
    """
    if isinstance(requested, str):
        raise RowError(ErrorCode.BAD_REQUEST, f"seed {requested[:40]!r} is no whole number")
    # NaN, which is no number equal to itself, is what some libraries write for null.
    if requested is None or requested != requested or requested == -1:
        digest = hashlib.sha256(f"seed\0{sample_id}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % _MAX_SEED
    if isinf(requested) or requested != int(requested):
        raise RowError(ErrorCode.BAD_REQUEST, f"seed {requested} is no whole number")
    if requested < 0:
        raise RowError(ErrorCode.BAD_REQUEST, f"seed {requested} is negative: use 0 or more, or -1")
    return int(requested) % _MAX_SEED


def resolve_color(brief: Brief, prompt: str) -> Rgb8 | None:
    """The plain colour a row asks for, by column or by prompt; None: it asks for a scene."""
    if brief.background_color is not None:
        return parse_color(brief.background_color)
    return solid_color(prompt) if brief.solid_colors else None


@dataclass(frozen=True, slots=True)
class _Listed:
    """A shot as a plan row has it. Shared by many rows: not to be changed."""

    shot: Shot
    suffix: str
    value: Mapping[str, Any]


@lru_cache(maxsize=4096)
def _listed(brief: Brief, color: Rgb8 | None) -> tuple[_Listed, ...]:
    """What a brief comes to; most rows of a manifest ask for the same."""
    listed = shots(brief, color)
    return tuple(
        _Listed(shot, suffix(shot, listed), shot.model_dump(mode="json")) for shot in listed
    )


def _words(shot: Shot, prompt: str, origin: str) -> dict[str, str]:
    """The prompt of one shot: a set that is to be recoloured is drawn in green first."""
    if shot.paint == "recolored":
        return {"prompt": SCREEN_PROMPT, "prompt_origin": "solid_color"}
    return {"prompt": prompt, "prompt_origin": origin}


def resolve_uri(row: Mapping[str, Any], root: str) -> str | None:
    """The absolute URI of a row's photograph; None when its bytes came with the manifest.

    A Hugging Face `Image` may be bytes, or the path of a file beside the manifest.

    Raises:
        RowError: `bad_request`, the row has neither, or nothing can be at what it says.
    """
    if _is_said(row.get("image_uri")):
        return _resolved("image_uri", row["image_uri"], root)
    if _image_bytes(row.get("image")) is not None:
        return None
    path = _image_path(row.get("image"))
    if path is not None and _is_said(path):
        return _resolved("image.path", path, root)
    raise RowError(ErrorCode.BAD_REQUEST, "image_uri is empty, and so is image: fill one in")


def _named_in(row: Mapping[str, Any], root: str) -> Iterator[str]:
    """The addresses in a row that can be one, whatever else is wrong with it."""
    references = row.get("reference_uri") or []
    cells = [row.get("image_uri"), _image_path(row.get("image")), row.get("mask_uri")]
    cells += [references] if isinstance(references, str) else references
    for cell in cells:
        if isinstance(cell, str) and _is_said(cell):
            with suppress(RowError):
                yield _resolved("image_uri", cell, root)


def resolve_mask_uri(row: Mapping[str, Any], root: str) -> str | None:
    """The absolute URI of a row's mask; None when it has none. Raises as `resolve_uri`."""
    uri = row.get("mask_uri")
    return _resolved("mask_uri", uri, root) if uri is not None and _is_said(uri) else None


def _check_count(num_pictures: int) -> None:
    """Refuse a row of a stranger that asks for more than one picture's work many times over.

    Raises:
        RowError: `bad_request`.
    """
    if num_pictures > STRICTEST.max_results:
        raise RowError(
            ErrorCode.BAD_REQUEST,
            f"num_results and placement ask for {num_pictures} pictures, at most "
            f"{STRICTEST.max_results} of a row are made{MARK}",
        )


def _check_bounds(planned: Mapping[str, Any], bounds: storage.Bounds | None) -> None:
    """Refuse objects that the manifest may not name.

    Said here and not only where they are read: the plan looks no version of them up, and a row
    whose bucket is allowed later has another fingerprint by then, so that a night makes it.

    Raises:
        RowError: `uri_not_allowed`, with the entry of the recipe that would allow it.
    """
    if bounds is None:
        return
    named = [("image_uri", planned["image_uri"]), ("mask_uri", planned["mask_uri"])]
    named += [("reference_uri", uri) for uri in planned["reference_uris"]]
    for column, uri in named:
        refusal = bounds.refusal(uri) if uri and storage.scheme_of(uri) == "s3" else None
        if refusal is not None:
            raise RowError(ErrorCode.URI_NOT_ALLOWED, f"{column} {refusal}")


def _is_said(uri: str | None) -> bool:
    return uri is not None and bool(uri.strip(storage.BLANK))


def _resolved(column: str, cell: str, root: str) -> str:
    """The absolute URI that a cell means.

    Raises:
        RowError: `bad_request`, nothing can be at such an address.
    """
    try:
        uri = storage.resolve(cell, against=root)
    except ValueError as error:
        raise RowError(ErrorCode.BAD_REQUEST, f"{column} {error}") from None
    fault = storage.address_fault(uri)
    if fault is not None:
        raise RowError(ErrorCode.BAD_REQUEST, f"{column} {fault}")
    return uri


def fingerprint(planned: Mapping[str, Any], pixel_hash: str) -> str:
    """A hash of whose result it is and of all that decides its pixels.

    The photograph itself counts by its version on the storage, or by its bytes where the manifest
    holds them; its mask by its version. A link counts without its signature, which is another one
    each time that it is signed. The same fingerprint again is the same picture; a nightly
    run makes the new ones.
    """
    image = planned["image_input"]
    photo, mask = planned["image_uri"], planned["mask_uri"]
    shot = _shot_with(planned, storage.unsigned)
    identity: Sequence[Any] = (
        planned["sample_id"],
        None if photo is None else storage.unsigned(photo),
        planned["image_version"],
        None if image is None else hashlib.sha256(image).hexdigest(),
        planned["prompt"],
        planned["seed"],
        None if shot is None else _said(shot),
        pixel_hash,
        *([storage.unsigned(mask), planned["mask_version"]] if mask else []),
        *([["clipping_path", planned["clipping_path"]]] if planned["clipping_path"] else []),
        *zip(
            map(storage.unsigned, planned["reference_uris"]),
            planned["reference_versions"],
            strict=True,
        ),
    )
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]


def _said(shot: Mapping[str, Any]) -> dict[str, Any]:
    """What a shot has that is not the default: a field added later leaves old fingerprints be."""
    return {name: value for name, value in shot.items() if value != _UNSAID.get(name)}


def _image_bytes(value: bytes | Mapping[str, Any] | None) -> bytes | None:
    return value.get("bytes") if isinstance(value, Mapping) else value


def _image_path(value: bytes | Mapping[str, Any] | None) -> str | None:
    """Where a photograph is that a Hugging Face `Image` names and does not hold."""
    path = value.get("path") if isinstance(value, Mapping) else None
    return path if isinstance(path, str) else None
