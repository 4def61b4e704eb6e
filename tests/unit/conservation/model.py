"""What must hold, whatever happens: a perfect model of a dataset, told of every change.

It knows nothing of how the ledger works, only what readers of a dataset may rely on: `run.json`,
`_SUCCESS`, the files that these name, and that no row which was once there is ever gone.
"""

from __future__ import annotations

import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq


class Row(NamedTuple):
    """A result, as far as conservation is concerned."""

    sample_id: str
    fingerprint: str
    rank: int
    """2: a picture; 1: a failure that is final; 0: a failure that is worth another try."""


PICTURE, FINAL, PASSING = 2, 1, 0
Samples = tuple[tuple[str, str], ...]
"""Sample ids and fingerprints."""


@lru_cache(maxsize=4096)
def rows_of(data: bytes) -> tuple[Row, ...] | None:
    """The rows of a result file; None if it is torn."""
    try:
        table = _read(data, "sample_id", "fingerprint", "error")
    except pa.ArrowInvalid:
        return None
    return tuple(
        Row(
            row["sample_id"],
            row["fingerprint"],
            PICTURE if row["error"] is None else FINAL - bool(row["error"]["retryable"]),
        )
        for row in table.to_pylist()
    )


@lru_cache(maxsize=4096)
def planned_in(data: bytes) -> Samples:
    """What a plan file plans."""
    table = _read(data, "sample_id", "fingerprint")
    return tuple(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))


def _read(data: bytes, *columns: str) -> pa.Table:
    file = pq.ParquetFile(io.BytesIO(data), pre_buffer=False)
    return file.read(columns=list(columns), use_threads=False)


@dataclass(slots=True)
class Run:
    """What is known of a run since it has a `run.json`."""

    run_id: str
    plan: Samples
    asked: Samples
    """The manifest, as it was when the run was planned."""
    document: dict[str, Any]
    listed: tuple[str, ...] | None = None
    """Files that count, of a run that has decided that."""
    older: frozenset[str] = frozenset()
    """Ids of the runs that were there when the driver of this one began."""

    @property
    def is_reprocessing(self) -> bool:
        return bool(self.document["parent"])

    @property
    def is_nightly(self) -> bool:
        return bool(self.document["request"]["only_changed"])


@dataclass(slots=True)
class Model:
    """Everything that was ever written below a dataset's folder, and what must be there now."""

    output: str
    objects: dict[str, bytes] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    """By URI, in the order in which they were started."""
    run_ids: set[str] = field(default_factory=set)
    best: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    """The best that ever became of a sample, by run."""
    vouched: dict[tuple[str, str], int] = field(default_factory=dict)
    """The best that readers were ever shown, by sample and fingerprint."""

    def changed(
        self, uri: str, data: bytes | None, *, asked: Samples, older: frozenset[str]
    ) -> None:
        """Take note of a change, and see whether all still holds.

        Args:
            uri: of the object.
            data: what it is now; None: it was removed.
            asked: the manifest of whoever made the change.
            older: the runs that were there when they began.
        """
        if data is None:
            self.objects.pop(uri, None)
        else:
            self.objects[uri] = data
        run_uri, _, name = uri.removeprefix(f"{self.output}/").partition("/")
        run_uri = f"{self.output}/{run_uri}"
        if name == "run.json":
            assert data is not None
            self._planned(run_uri, json.loads(data), asked, older)
        elif name.startswith("_plan/"):
            self._check_plan(run_uri)
        elif name.startswith("results/"):
            for row in (data and rows_of(data)) or ():
                best = self.best[run_uri]
                best[row.sample_id] = max(row.rank, best.get(row.sample_id, 0))
            self._check_kept(run_uri)
        elif name in ("results.json", "_SUCCESS"):
            assert data is not None
            self._decided(run_uri, tuple(json.loads(data)["results"]))
        else:
            return
        self._check_readers()

    def rows(self, run_uri: str, names: Sequence[str] | None = None) -> list[Row]:
        """Rows of a run, of these files or of all; those of a file that is gone are not there."""
        if names is None:
            return [row for _, rows in self._files(run_uri) for row in rows]
        found = (self.objects.get(f"{run_uri}/results/{name}", b"") for name in names)
        return [row for data in found for row in rows_of(data) or ()]

    def left_over(self, run_uri: str) -> list[str]:
        """Files of a finished run that do not count and are no better than what counts.

        One in which a row came out better stays, though it came too late: a night may have left
        that row out for it.
        """
        listed = self.runs[run_uri].listed or ()
        ranks = {row.sample_id: row.rank for row in self.rows(run_uri, listed)}
        return [
            name
            for name, rows in self._files(run_uri)
            if name not in listed and all(row.rank <= ranks[row.sample_id] for row in rows)
        ]

    def shown(self) -> Iterator[tuple[Run, Row]]:
        """What readers may rely on, run by run: what finished runs list or have adopted."""
        adopted: dict[str, set[str]] = defaultdict(set)
        for run in self.runs.values():
            if run.listed is not None:
                for run_id, names in run.document["adopted"].items():
                    adopted[run_id].update(names)
        for uri, run in self.runs.items():
            names = adopted[run.run_id].union(run.listed or ())
            yield from ((run, row) for row in self.rows(uri, sorted(names)))

    def newest(self) -> dict[str, set[str]]:
        """The runs that may show a sample, for those with a picture: none has a newer one.

        Of two runs neither is the newer if both began before the other had a plan.
        """
        shown: dict[str, dict[str, Run]] = defaultdict(dict)
        for run, row in self.shown():
            if row.rank == PICTURE:
                shown[row.sample_id][run.run_id] = run
        return {
            sample_id: runs.keys() - set().union(*(run.older for run in runs.values()))
            for sample_id, runs in shown.items()
        }

    def answered(self) -> set[tuple[str, str]]:
        """Samples and fingerprints for which any run has a picture or a final failure."""
        found = set()
        for uri, run in self.runs.items():
            for row in self.rows(uri, run.listed):
                if row.rank > PASSING:
                    found.add((row.sample_id, row.fingerprint))
        return found

    def _files(self, run_uri: str) -> Iterator[tuple[str, tuple[Row, ...]]]:
        prefix = f"{run_uri}/results/"
        for uri, data in self.objects.items():
            if uri.startswith(prefix) and uri.endswith(".parquet"):
                yield uri.removeprefix(prefix), rows_of(data) or ()

    def _plan(self, run_uri: str, document: dict[str, Any]) -> Samples:
        files = [self.objects[f"{run_uri}/{name}"] for name in document["plan"]["files"]]
        return tuple(sample for data in files for sample in planned_in(data))

    def _planned(
        self, run_uri: str, document: dict[str, Any], asked: Samples, older: frozenset[str]
    ) -> None:
        plan, before = self._plan(run_uri, document), self.runs.get(run_uri)
        assert len(plan) == document["plan"]["rows"]
        assert len(set(plan)) == len(plan), "a row is planned twice"
        if before is not None:
            assert before.plan == plan, "the plan of a run was replaced by another"
            assert before.document["adopted"] == document["adopted"], "other files are vouched for"
            return
        self.run_ids.add(document["run_id"])
        self.runs[run_uri] = run = Run(document["run_id"], plan, asked, document, older=older)
        if not run.is_nightly:
            assert set(plan) == set(asked), "not all that was asked for is planned"
            return
        left_out = set(asked) - set(plan)
        assert not left_out - self.answered(), "a row without an answer was left out of a night"

    def _check_plan(self, run_uri: str) -> None:
        run = self.runs.get(run_uri)
        if run is not None:
            assert self._plan(run_uri, run.document) == run.plan, "the plan of a run was changed"

    def _check_kept(self, run_uri: str) -> None:
        """No row that was written is ever gone, nor is a picture ever replaced by a failure."""
        there: dict[str, int] = {}
        for row in self.rows(run_uri):
            there[row.sample_id] = max(row.rank, there.get(row.sample_id, 0))
        for sample_id, rank in self.best[run_uri].items():
            assert sample_id in there, f"{sample_id} was written, and is gone"
            assert there[sample_id] >= rank, f"of {sample_id} the better answer is gone"
        run = self.runs.get(run_uri)
        if run is not None and run.listed is not None:
            self._check_listed(run_uri, run)

    def _decided(self, run_uri: str, listed: tuple[str, ...]) -> None:
        run = self.runs[run_uri]
        before, run.listed = run.listed, listed
        assert before is None or before == listed, "other files count than before"
        self._check_listed(run_uri, run)
        if run.is_nightly:
            shown = {(row.sample_id, row.fingerprint) for _, row in self.shown()}
            unseen = set(run.asked) - shown
            assert not unseen, "rows that a night has not planned and no reader is shown"

    def _check_listed(self, run_uri: str, run: Run) -> None:
        assert run.listed is not None
        gone = [name for name in run.listed if f"{run_uri}/results/{name}" not in self.objects]
        assert not gone, "a file that counts is gone"
        rows = Counter((row.sample_id, row.fingerprint) for row in self.rows(run_uri, run.listed))
        assert rows == Counter(run.plan), "not every row exactly once in the files that count"

    def _check_readers(self) -> None:
        """What readers were once shown, they are always shown."""
        now: dict[tuple[str, str], int] = {}
        for _, row in self.shown():
            key = (row.sample_id, row.fingerprint)
            now[key] = max(row.rank, now.get(key, 0))
        for key, rank in self.vouched.items():
            assert now.get(key, -1) >= rank, f"{key[0]} was shown to readers, and is not any more"
        self.vouched = now
