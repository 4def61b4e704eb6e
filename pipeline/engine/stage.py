"""What a stage is: inert data. Nothing runs here; `execution.py` does the running."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.engine.actor_memory import Need
from pipeline.errors import Outcome, Row


class Resources(BaseModel):
    """What one actor of a stage takes, and how many there may be."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    num_cpus: float = Field(1.0, gt=0, description="CPUs an actor holds; also bounds its threads.")
    num_gpus: float = Field(
        0.0, ge=0, description="GPUs an actor holds; a fraction lets actors share a device."
    )
    memory_mb: int | None = Field(
        None,
        ge=0,
        description="Memory an actor reserves on its node, MB; in a pool, the most that any of its "
        "stages says. null: as much as it may need for the largest photograph that is accepted, "
        "which --dry-run shows. 0: none.",
    )
    gpu_memory_mb: int = Field(
        0,
        ge=0,
        description="GPU memory an actor needs, MB; `backlot preflight` compares it with the "
        "devices. 0: it does not.",
    )
    node_group: str | None = Field(
        None,
        description="Only on nodes of this group: a worker group of KubeRay, a node type of Ray's "
        "cluster launcher. null: on any node.",
    )
    pool: str | None = Field(
        None,
        description="Neighbouring stages that name the same pool run one after another inside the "
        "same actors, of which each takes the most that any of the stages asks for. null: actors "
        "of its own.",
    )
    min_actors: int = Field(1, ge=1, description="Actors started at once.")
    max_actors: int | None = Field(
        None, ge=1, description="Most actors the pool grows to; null: as the cluster allows."
    )

    @model_validator(mode="after")
    def _sound(self) -> Resources:
        if self.num_gpus > 1 and self.num_gpus != int(self.num_gpus):
            raise ValueError(f"num_gpus {self.num_gpus} must be a whole number above 1")
        if self.max_actors is not None and self.max_actors < self.min_actors:
            raise ValueError(
                f"max_actors {self.max_actors} is below min_actors {self.min_actors}: raise it"
            )
        return self

    def alone(self) -> Resources:
        """These resources, in actors that no other stage shares."""
        return self.model_copy(update={"pool": None})

    @property
    def num_threads(self) -> int:
        """Threads a library may use inside one actor: its CPUs, at least one."""
        return max(1, int(self.num_cpus))


class Mapper(Protocol):
    """The work of a stage. Built once per actor; models load in its constructor."""

    def map_batch(self, rows: Sequence[Row]) -> Sequence[Outcome]:
        """Return, for each row in order, only the columns it adds, or its `RowError`.

        May raise instead: the caller then halves the batch until the culprit stands alone. Of a
        stage with `part_bytes` the last rows may be `Postponed`, and never the first.
        """
        ...


MapperFactory = Callable[[Any], Mapper]


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """One 1:1 step of the pipeline: what it reads, what it adds, and where it runs."""

    name: str
    """Shows in Ray's dashboard, in the error column and as a key of `timings`."""
    mapper: MapperFactory
    """Called once per actor with `config`."""
    config: Any
    """A frozen model, declared beside the mapper."""
    reads: tuple[str, ...]
    """Columns the mapper is given."""
    adds: pa.Schema
    """Columns it returns, typed."""
    drops: tuple[str, ...] = ()
    """Columns no later stage needs."""
    batch_size: int = 1
    """Most rows in one `map_batch` call."""
    part_bytes: int | None = None
    """Most bytes that rows may bring along together, one that has more excepted: the others go
    through the next stages before these do. Of the first stage of a pool. None: any number."""
    resources: Resources = field(default_factory=Resources)
    need: Need = field(default_factory=Need)
    """The memory that the stage needs at the most."""
    patience_s: float = 0.0
    """Most seconds that a row may wait for servers, which the stage itself sees to. They come on
    top of `budget.max_row_seconds`: who waits has the better reason to give."""
    slow_mark: str = ""
    """The mark at the end of the message of a row that is too slow."""


def check_wiring(stages: Sequence[Stage], columns: Sequence[str]) -> list[str]:
    """Follow the columns through the stages, before any actor starts.

    Args:
        stages: in the order the rows meet them.
        columns: what the rows carry at the start.

    Returns:
        The columns at the end.

    Raises:
        ValueError: a stage reads or drops what is not there, adds what is, or shares a name.
    """
    present = list(columns)
    names = [stage.name for stage in stages]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two stages are called {name!r}: rename one")
    for stage in stages:
        for kind, wanted in (("reads", stage.reads), ("drops", stage.drops)):
            missing = [name for name in wanted if name not in present]
            if missing:
                raise ValueError(
                    f"stage {stage.name!r} {kind} {missing}, which no stage before it adds; "
                    f"there are {present}"
                )
        doubled = [name for name in stage.adds.names if name in present]
        if doubled:
            raise ValueError(f"stage {stage.name!r} adds {doubled}, which are already there")
        if stage.batch_size < 1:
            raise ValueError(f"stage {stage.name!r}: batch_size must be at least 1")
        present = [name for name in present if name not in stage.drops] + stage.adds.names
    return present
