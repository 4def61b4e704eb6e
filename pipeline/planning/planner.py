"""Plan: a manifest in, one row per result out, with everything about it decided.

Identity, seed, prompt and fingerprint are fixed here, once, so that no later stage and no restart
can decide them differently. A row that cannot be planned is planned all the same, with its error.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import pyarrow as pa

from pipeline import schema, storage
from pipeline.manifest.columns import brief_columns
from pipeline.manifest.picture_columns import PICTURE_COLUMNS
from pipeline.manifest.rows import Manifest
from pipeline.manifest.shots import COLUMNS, ColumnKind
from pipeline.planning.allowed_places import check_places
from pipeline.planning.kept_columns import HeldColumn, KeptColumns
from pipeline.planning.manifest_checks import check_columns_fit, check_ids
from pipeline.planning.planned_rows import RowPlanner
from pipeline.planning.row_addresses import addresses_of_row, with_addresses_withheld
from pipeline.planning.row_fingerprint import fingerprint
from pipeline.planning.untrusted import limited
from pipeline.planning.used_columns import deciding_columns
from pipeline.recipe import Recipe
from pipeline.stages.fetch import FetchConfig
from pipeline.tables import python_rows

logger = logging.getLogger(__name__)

ROWS_PER_FILE = 4096
"""The rows of a plan file: the unit the pipeline reads. A multiple of every block size it cuts them
into."""
BYTES_PER_FILE = 32 * 2**20
"""The bytes at which a plan file ends, whatever its rows: a manifest may hold photographs of
megabytes, and what is planned is in memory three times."""

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
    held: Mapping[str, HeldColumn] = field(default_factory=dict)
    """Kept columns as earlier runs of the dataset have them."""
    seen_before: Callable[[Sequence[str]], Mapping[str, str]] = lambda _: {}
    """The versions that earlier runs have seen last, of images by URI."""
    untrusted: bool = False
    """Whether rows are held to the strictest limits."""
    whole: Mapping[str, str] = field(default_factory=dict)
    """The whole addresses by what the manifest has of them, where it was made of other manifests'
    rows."""

    @property
    def _kept(self) -> KeptColumns:
        return KeptColumns(recipe=self.recipe, manifest=self.manifest, held=self.held)

    @property
    def plan_schema(self) -> pa.Schema:
        """The columns of a plan file."""
        return pa.schema([*_DECIDED, *self._kept.fields, schema.ERROR])

    @property
    def columns(self) -> list[str]:
        """The columns of a planned row on its way to the stages."""
        return [*self.plan_schema.names, schema.ADDRESSES.name]

    def check(self) -> None:
        """Refuse what no row could survive, before anything is written.

        Raises:
            ValueError: one line naming the column or field and the fix.
        """
        check_columns_fit(self.recipe, self.manifest, self._kept, read=self._columns())
        check_ids(self.recipe, self.manifest)
        if self._bounds is not None:
            check_places(self.manifest, self._bounds)

    @property
    def brief_columns(self) -> list[str]:
        """The manifest columns in which rows say what they ask for."""
        return brief_columns(self.manifest, self.recipe.ignore_columns)

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
        for uri in self._addresses_of_rows():
            whole = self.whole.get(uri, uri)
            for spelling in (whole, storage.unescaped(whole)):
                if (kept := storage.withheld(spelling)) != spelling:
                    yield kept, spelling

    def withheld(self) -> Iterator[str]:
        """The addresses of selected rows of which something is withheld. Raises as `addresses`."""
        return filter(storage.is_withheld, self._addresses_of_rows())

    def _addresses_of_rows(self) -> Iterator[str]:
        names = [name for name in PICTURE_COLUMNS if name in self.manifest.schema.names]
        for batch, _ in self.manifest.batches(names):
            for row in python_rows(batch)[0]:
                yield from addresses_of_row(row, self.manifest.root)

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
        row_planner = self._row_planner()
        for batch, faults in self.manifest.batches(self._columns()):
            values, unwritable = python_rows(batch.select(self._deciding()))
            kept, unfit, cut = self._kept.of(batch)
            faults = {**unfit, **unwritable, **faults}  # noqa: PLW2901
            cut_short += cut
            kept_bytes = kept.nbytes / max(1, kept.num_rows)
            places = list[int]()
            for place, row in enumerate(values):
                results = row_planner.results(row, faults.get(place))
                rows += results
                places += [place] * len(results)
                num_bytes += sum(kept_bytes + len(made["image_input"] or b"") for made in results)
                values[place] = {}  # its photograph, if it has one, is in `results`
                if len(rows) >= ROWS_PER_FILE or num_bytes >= BYTES_PER_FILE:
                    carried.append(_rows_at(kept, places))
                    full = ROWS_PER_FILE if num_bytes < BYTES_PER_FILE else len(rows)
                    joined = pa.concat_tables(carried)
                    yield self._table(looker, rows[:full], joined.slice(0, full))
                    rows, carried, places, num_bytes = rows[full:], [joined.slice(full)], [], 0.0
            carried.append(_rows_at(kept, places))
        if rows:
            yield self._table(looker, rows, pa.concat_tables(carried))
        for name, times in (+cut_short).items():
            logger.warning(
                "keep: %d values of column %r are cut to whole microseconds; nanoseconds, which "
                "Spark and Delta do not read, are kept with output.timestamps=as_they_are",
                times,
                name,
            )

    def _row_planner(self) -> RowPlanner:
        columns = self.brief_columns
        kinds: dict[str, ColumnKind] = {
            **{name: COLUMNS[name] for name in columns},
            "seed": "integer",
        }
        untyped = self.manifest.table.untyped
        return RowPlanner(
            recipe=self.recipe,
            root=self.manifest.root,
            brief_columns=columns,
            kinds_of_text={name: kind for name, kind in kinds.items() if name in untyped},
            bounds=self._bounds,
            untrusted=self.untrusted,
            whole=self.whole,
        )

    def _deciding(self) -> list[str]:
        """The columns whose values decide something, here or where the prompt is made."""
        return [
            name for name in deciding_columns(self.recipe) if name in self.manifest.schema.names
        ]

    def _columns(self) -> list[str]:
        """The columns that are read: those that decide something, and those that are kept."""
        return list(dict.fromkeys([*self._deciding(), *self.recipe.keep]))

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
            [
                {**with_addresses_withheld(row), "fingerprint": fingerprint(row, pixel_hash)}
                for row in dated
            ],
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
        versions = looker.versions(
            [uri for uri in uris if uri is not None], below=self.manifest.root
        )
        if not versions.unseen:
            return versions, versions.spelled
        named = {uri: versions.spelled.get(uri, uri) for uri in versions.unseen}
        kept = {uri: storage.withheld(name) for uri, name in named.items()}
        # Rows of earlier versions have the whole name.
        seen = self.seen_before(list(dict.fromkeys([*kept.values(), *named.values()])))
        known = {
            uri: seen[name]
            for uri in versions.unseen
            for name in (named[uri], kept[uri])
            if name in seen
        }
        return {**known, **versions}, versions.spelled


def _rows_at(kept: pa.Table, places: Sequence[int]) -> pa.Table:
    """Rows of the kept columns, straight from the manifest's file to the plan's.

    Python has no value for all of it.
    """
    return kept.take(pa.array(places, pa.int64()))


def _by_name(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    return dict(zip(table.column_names, table.columns, strict=True))
