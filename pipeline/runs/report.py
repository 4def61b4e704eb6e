"""What a run came to: counts, rates and the verdict of its budget, from the committed results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pipeline.errors import ErrorCode
from pipeline.recipe import Budget, Recipe
from pipeline.runs.clock import now
from pipeline.runs.identity import run_id_of
from pipeline.runs.result_files import Tally

Outcome = Literal["made", "finished", "unchanged", "idle"]
"""What this start found to do.

`made`: the run itself. `finished`: nothing, the run that was named was finished before, and nobody
looked at what it was made from. `unchanged`: nothing, the newest run of the request is finished and
what it was made from is as it was. `idle`: nothing, by a night that came after a finished one of
its day; the report names that one, and no run was made.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """A run's outcome. `as_dict` is the content of `report.json`."""

    run_id: str
    run_uri: str
    recipe: str
    config_hash: str
    manifest: str
    started_at: datetime
    finished_at: datetime
    num_planned: int
    num_done_before: int
    """Rows that an earlier start of this run had finished."""
    total: Tally
    """The tally of the whole run, earlier starts included."""
    budget: Budget
    num_unchanged: int = 0
    """Rows that were not planned because an earlier run has settled them."""
    not_looked_at: Mapping[str, int] = field(default_factory=dict)
    """Photographs of which nobody can say whether they have changed, by why."""
    lacking: Mapping[str, int] = field(default_factory=dict)
    """How many of the unchanged rows were made before a column was kept, by column."""
    outcome: Outcome = "made"
    discrepancies: Mapping[str, list[str]]
    """Lost, duplicated or unexpected ids; empty when all rows came out exactly once."""

    @property
    def wall_s(self) -> float:
        """Seconds this start took."""
        return (self.finished_at - self.started_at).total_seconds()

    @property
    def images_per_s(self) -> float:
        """Rows that this start finished per second of it."""
        return (self.total.rows - self.num_done_before) / max(self.wall_s, 1e-9)

    @property
    def exceeded(self) -> str | None:
        """Why there are more failures than the budget allows; None when there are not."""
        return exceeded(self.total, self.budget, self.num_planned)

    @property
    def complete(self) -> bool:
        """Whether every planned row came out, exactly once."""
        return not self.discrepancies

    @property
    def exit_code(self) -> int:
        """0 all accounted for and within budget, 3 too many failures, 1 rows lost or doubled.

        0 of an idle night, whatever the run before it came to.
        """
        if self.exceeded:
            return 3
        return 0 if self.complete else 1

    def as_dict(self) -> dict[str, Any]:
        """The report as `report.json` and the contact sheet have it."""
        return {
            "run_id": self.run_id,
            "output": self.run_uri,
            "recipe": self.recipe,
            "config_hash": self.config_hash,
            "manifest": self.manifest,
            "started_at": self.started_at.isoformat(timespec="seconds"),
            "finished_at": self.finished_at.isoformat(timespec="seconds"),
            "wall_s": round(self.wall_s, 3),
            "images_per_s": round(self.images_per_s, 4),
            "rows": {
                "planned": self.num_planned,
                "ok": self.total.rows - self.total.failed,
                "failed": self.total.failed,
                "already_done": self.num_done_before,
            },
            "unchanged": self.num_unchanged,
            "not_looked_at": dict(sorted(self.not_looked_at.items())),
            "lacking": dict(sorted(self.lacking.items())),
            "failures": dict(sorted(self.total.codes.items())),
            "failures_by_stage": dict(sorted(self.total.stages.items())),
            "prompt_fallbacks": dict(sorted(self.total.fallbacks.items())),
            "storage_retries": self.total.retries,
            "stage_seconds": {name: round(s, 3) for name, s in self.total.seconds.items()},
            "budget": {
                "max_failures": self.budget.allowed_failures(self.num_planned),
                "max_fallbacks": self.budget.allowed_fallbacks(self.num_planned),
                "max_unexpected": self.budget.max_unexpected,
                "exceeded": self.exceeded,
            },
            "discrepancies": dict(self.discrepancies),
        }


def idle(
    *,
    run_uri: str,
    recipe: Recipe,
    manifest: str,
    started_at: datetime,
    num_unchanged: int,
    not_looked_at: Mapping[str, int],
    lacking: Mapping[str, int],
) -> Report:
    """The report of a night that found nothing to do.

    Args:
        run_uri: of the run that its day has already.
        recipe: how it was to be done.
        manifest: which was looked at.
        started_at: when.
        num_unchanged: how many rows that has.
        not_looked_at: what is not known of their photographs.
        lacking: how many of them lack a column that is kept, by column.
    """
    return Report(
        run_id=run_id_of(run_uri),
        run_uri=run_uri,
        recipe=recipe.name,
        config_hash=recipe.config_hash,
        manifest=manifest,
        started_at=started_at,
        finished_at=now(),
        num_planned=0,
        num_done_before=0,
        num_unchanged=num_unchanged,
        not_looked_at=not_looked_at,
        lacking=lacking,
        total=Tally(),
        budget=recipe.budget,
        outcome="idle",
        discrepancies={},
    )


def exceeded(counted: Tally, budget: Budget, num_planned: int) -> str | None:
    """One sentence on how a tally exceeds the budget; None when it does not."""
    unexpected = counted.codes.get(ErrorCode.UNEXPECTED, 0)
    if unexpected > budget.max_unexpected:
        return (
            f"{unexpected} rows failed unexpectedly, budget.max_unexpected allows "
            f"{budget.max_unexpected}"
        )
    allowed = budget.allowed_failures(num_planned)
    if counted.failed > allowed:
        return (
            f"{counted.failed} of {num_planned} rows failed, budget.max_failures allows {allowed}"
        )
    fallbacks, allowed = sum(counted.fallbacks.values()), budget.allowed_fallbacks(num_planned)
    if fallbacks > allowed:
        return (
            f"{fallbacks} of {num_planned} prompts fell back from the language model's, "
            f"budget.max_fallbacks allows {allowed}"
        )
    return None
