"""A session: one start of a run, from what is still pending to the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from pipeline.engine.on_ray.execution import block_rows, check_capacity, execute
from pipeline.engine.stage import Stage
from pipeline.errors import FatalError
from pipeline.processes.activity import doing
from pipeline.recipe import Budget, Recipe
from pipeline.runs.clock import now
from pipeline.runs.documents import files_that_count, read_document
from pipeline.runs.reconcile import counted_once, deduplicate
from pipeline.runs.report import Outcome, Report, exceeded
from pipeline.runs.result_files import Committed, ResultWriter, Tally, read_receipt
from pipeline.runs.run_folder import Ledger, read_unit
from pipeline.storage import Lease

_ROUNDS = 3
"""Times the results are held against the plan before rows that keep vanishing are a failure."""

_SILENCE_S = 60.0
"""The time, in seconds, between blocks of pictures that is nothing unusual: large ones, and slow
generators, take a while."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """What a driver works with while it holds the lease on a run."""

    ledger: Ledger
    recipe: Recipe
    budget: Budget
    """The recipe's, or a stricter one."""
    stages: Sequence[Stage]
    columns: Sequence[str]
    """The columns of a planned row."""
    lease: Lease
    on_progress: Callable[[Tally, int], None]
    """Called with the tally so far and the number of planned rows."""

    def work(self, committed: Sequence[Committed]) -> None:
        """Do what is pending; Ray must be connected.

        The committed results are the truth: rows that got lost on the way are pending once more.

        Raises:
            ValueError: the stages do not fit into the cluster.
            FatalError: no row can be finished, or another driver has the run.
        """
        check_capacity(self.stages)
        for _ in range(_ROUNDS):
            try:
                goes_on = self._work_once(committed)
            except FatalError:
                self.lease.check()  # where it broke off because the run is not ours, that is why
                raise
            if not goes_on:
                return
            committed = self.counted()

    def _work_once(self, committed: Sequence[Committed]) -> bool:
        """Take what is pending through the stages; returns whether to look again."""
        ledger, budget = self.ledger, self.budget
        total = sum((file.tally for file in committed), Tally())
        rows_per_block = block_rows(ledger.num_planned - total.rows)
        pending = ledger.pending(committed, rows_per_block)
        if not pending:
            return False
        receipts = execute(
            ledger.addressed(pending),
            partial(read_unit, ledger.uri),
            self.stages,
            ResultWriter(ledger.uri, ledger.run_id, self.recipe),
            columns=self.columns,
            most_rows=rows_per_block,
            max_strikes=budget.max_strikes,
            max_row_seconds=budget.max_row_seconds,
        )
        with (
            closing(receipts),  # at once, so that nothing of Ray is at work when it is left
            doing("starting workers, which load their networks") as now,
        ):
            for receipt in receipts:
                now.becomes("waiting for the next pictures", patience_s=_SILENCE_S)
                total += read_receipt(receipt)
                self.on_progress(total, ledger.num_planned)
                self.lease.check()
                if exceeded(total, budget, ledger.num_planned):
                    return False  # what is done stays done: the same command goes on from here
        return True

    def finish(
        self, *, manifest: str, started_at: datetime, num_done_before: int, outcome: Outcome
    ) -> Report:
        """Count the committed results against the plan; if they agree, the run is done.

        What a run that was finished before has said of itself stays.
        """
        self.lease.check()
        ledger = self.ledger
        committed = ledger.committed()
        counted = counted_once(ledger.uri, committed)
        discrepancies = ledger.discrepancies(counted)
        if not discrepancies:
            self.lease.check()  # before each change: who was paused leaves alone what others did
            deduplicate(ledger.uri, committed)
            counted = self._decided(committed)
        report = Report(
            run_id=ledger.run_id,
            run_uri=ledger.uri,
            recipe=self.recipe.name,
            config_hash=self.recipe.config_hash,
            manifest=manifest,
            started_at=started_at,
            finished_at=now(),
            num_planned=ledger.num_planned,
            num_unchanged=ledger.num_unchanged,
            not_looked_at=ledger.not_looked_at,
            lacking=ledger.lacking,
            num_done_before=num_done_before,
            total=sum((file.tally for file in counted), Tally()),
            budget=self.budget,
            outcome=outcome,
            discrepancies=discrepancies,
        )
        if outcome != "made" and report.complete and read_document(ledger.uri, "report.json"):
            return report
        self.lease.check()
        ledger.write_json("report.json", report.as_dict())
        if report.complete:
            self.lease.check()
            ledger.succeed(counted)
        return report

    def counted(self) -> list[Committed]:
        """The results so far, each row once."""
        return counted_once(self.ledger.uri, self.ledger.committed())

    def _decided(self, committed: Sequence[Committed]) -> list[Committed]:
        """The files that count in the end, of those read before or, if need be, read again."""
        names = set(files_that_count(self.ledger.uri) or ())
        if not names.issubset(file.file for file in committed):
            committed = self.ledger.committed()
        found = [file for file in committed if file.file in names]
        if len(found) < len(names):
            raise FatalError(
                f"{self.ledger.uri}: result files that were there a moment ago are gone: find out "
                "who deletes them, and repeat the command"
            )
        return found
