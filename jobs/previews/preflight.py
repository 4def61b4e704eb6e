"""Preflight: would this run get off the ground? One line per check, with the fix."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import ray
from pydantic import BaseModel
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from jobs.running.cluster_address import check_address
from jobs.terminal.quiet import quiet_cluster
from pipeline import storage
from pipeline.engine.nodes import Node, placed
from pipeline.engine.on_ray.cluster_nodes import cluster_nodes
from pipeline.engine.pools import Pool
from pipeline.engine.stage import Resources, Stage
from pipeline.errors import FatalError, RowError, TransientError
from pipeline.flow import stages
from pipeline.manifest.reader import open_manifest
from pipeline.models.weights import Checkpoint, check_file, locate
from pipeline.planning.planner import Planner
from pipeline.planning.untrusted import described, limited
from pipeline.recipe import Recipe
from pipeline.runs.earlier_runs import held_columns
from pipeline.runs.identity import run_uri
from pipeline.runs.output_checks import check_apart, check_lease, check_named, check_writable
from pipeline.runs.run_config import RunConfig
from pipeline.stages.prompting.endpoint import EndpointConfig
from pipeline.storage import PhotoReader
from pipeline.tables import python_rows
from pipeline.text.config_tree import nested_models

_PLANNED = 1000
"""Rows of the manifest that are planned."""
_READ = 16
"""Photographs that each node reads."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """What was looked at, and how it is."""

    name: str
    ok: bool
    said: str
    fix: str = ""

    def lines(self) -> list[str]:
        """The check in lines for people: how it is and, where it is not well, what to do."""
        line = f"{'pass' if self.ok else 'FAIL'}  {self.name:<12} {self.said}"
        return [line, f"      {'':<12} fix: {self.fix}"] if self.fix and not self.ok else [line]


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """What each node is asked to try."""

    recipe: Recipe
    manifest_root: str
    output: str
    uris: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Findings:
    """What a node found when it tried."""

    node: Node
    unreadable: tuple[str, ...]
    unwritable: str | None
    weights: Mapping[str, str]
    """The reasons why weights cannot be used, by stage."""
    key: str | None
    """Why its key must not be sent to the recipe's endpoint."""
    gpu_memory_mb: tuple[int, ...]
    """The memory of each GPU, in MB."""


def preflight(config: RunConfig, *, address: str | None) -> Iterator[Check]:
    """Check a request from top to bottom; a check that needs an earlier one waits for it.

    Args:
        config: the request.
        address: of the cluster it is to run on; None: one on this machine.
    """
    try:
        manifest = open_manifest(
            config.manifest, where=config.where, limit=config.limit, reading=config.reading
        )
        held = held_columns(config.output, config.recipe.keep)
        untrusted = config.why_untrusted is not None
        planner = Planner(recipe=config.recipe, manifest=manifest, held=held, untrusted=untrusted)
        planner.check()  # before anything is counted: what is wrong is said in a run's own words
        num_rows = manifest.count()
    except ValueError as error:
        yield Check(name="manifest", ok=False, said=str(error), fix="as the message says")
        return
    yield Check(
        name="manifest",
        ok=num_rows > 0,
        said=f"{num_rows:,} rows selected, ids present and unique",
        fix="check --where and --limit",
    )
    if config.why_untrusted is not None:
        yield Check(name="limits", ok=True, said=described(config.recipe, config.why_untrusted))
    yield _output_here(config)
    yield _lease_here(config)
    try:
        check_address(address)
    except (ValueError, FatalError) as error:
        yield Check(name="cluster", ok=False, said=str(error), fix="as the message says")
        return
    yield from _on_cluster(config, planner, num_rows, address)


def _output_here(config: RunConfig) -> Check:
    try:
        check_named(config.output)
        check_apart(config.output, storage.absolute(config.manifest))
        check_writable(config.output)
    except (ValueError, TransientError) as error:
        return Check(
            name="output", ok=False, said=str(error), fix="grant write access, or name another"
        )
    return Check(name="output", ok=True, said=f"{config.output} can be written by the driver")


def _lease_here(config: RunConfig) -> Check:
    try:
        check_lease(config.output, is_exclusive=not config.assume_single_driver)
    except (ValueError, TransientError) as error:
        return Check(name="lease", ok=False, said=str(error), fix="as the message says")
    said = "keeps a second driver off a run"
    if config.assume_single_driver and storage.scheme_of(config.output) != "file":
        said = "has no conditions, as --assume-single-driver says: start one driver only"
    return Check(name="lease", ok=True, said=said)


def _on_cluster(
    config: RunConfig, planner: Planner, num_rows: int, address: str | None
) -> Iterator[Check]:
    recipe, manifest = config.recipe, planner.manifest
    planned = list(islice(_planned(planner), _PLANNED))
    uris = [
        dict(row["addresses"] or ()).get(row["image_uri"], row["image_uri"])
        for row in planned
        if row["error"] is None and row["image_uri"]
    ]
    probe = Probe(
        recipe=limited(recipe) if planner.untrusted else recipe,
        manifest_root=manifest.root,
        output=config.output,
        uris=tuple(uris[:: max(1, len(uris) // _READ)][:_READ]),
    )
    with quiet_cluster(address):
        there = cluster_nodes()
        found = _probe_all(there, probe)
    yield from access(found, probe)
    yield failures(planned, found, recipe, num_rows)
    place = run_uri(config.output, "preflight")
    listed = stages(recipe, manifest, place, untrusted=planner.untrusted)
    yield weights(listed, found)
    if isinstance(recipe.prompt.enhancer, EndpointConfig):
        yield key(found)
    yield pools(listed, there)
    yield gpu_memory(listed, found)


def _planned(planner: Planner) -> Iterator[Mapping[str, Any]]:
    # What is kept may be nothing that Python has.
    tables = planner.tables(planner.recipe.fetch.looker(schemes=()))
    return chain.from_iterable(python_rows(table)[0] for table in tables)


def access(found: Sequence[Findings], probe: Probe) -> Iterator[Check]:
    """Whether every node reads photographs and writes to the output."""
    blind = [one for one in found if probe.uris and len(one.unreadable) == len(probe.uris)]
    yield Check(
        name="photographs",
        ok=not blind,
        said=f"{blind[0].node}: {blind[0].unreadable[0]}"
        if blind
        else f"{len(found)} nodes read {len(probe.uris)} of them each, "
        f"{sum(len(one.unreadable) for one in found)} reads failed",
        fix="give the nodes' account read access to the photographs, or mount their disk",
    )
    mute = [one for one in found if one.unwritable]
    yield Check(
        name="writing",
        ok=not mute,
        said=f"{mute[0].node}: {mute[0].unwritable}"
        if mute
        else f"{len(found)} nodes write to the output",
        fix="give the nodes' account write access to the output, or mount its disk",
    )


def failures(
    planned: Sequence[Mapping[str, Any]],
    found: Sequence[Findings],
    recipe: Recipe,
    num_rows: int,
) -> Check:
    """Whether the rows that are known to fail fit the budget."""
    bad = [row for row in planned if row["error"] is not None]
    unreadable = max((len(one.unreadable) for one in found), default=0)
    tried = max(1, min(_READ, len(planned) - len(bad)))
    share = len(bad) / max(1, len(planned))
    expected = round(num_rows * (share + (1 - share) * unreadable / tried))
    allowed = recipe.budget.allowed_failures(num_rows)
    first = f", the first: {bad[0]['id']}: {bad[0]['error']['message']}" if bad else ""
    return Check(
        name="budget",
        ok=expected <= allowed,
        said=f"about {expected:,} of {num_rows:,} rows fail before they are drawn, budget allows "
        f"{allowed:,} ({len(bad)} of {len(planned)} planned rows{first}; {unreadable} of {tried} "
        "photographs)",
        fix="mend the manifest, or raise budget.max_failures",
    )


def weights(listed: Sequence[Stage], found: Sequence[Findings]) -> Check:
    """Whether every node that may get a stage's actors has its weights."""
    problems = [
        f"{one.node}: stage {stage.name}: {one.weights[stage.name]}"
        for stage in listed
        for one in found
        if stage.name in one.weights and one.node.takes(_alone(stage))
    ]
    return Check(
        name="weights",
        ok=not problems,
        said=problems[0] + _and_more(problems) if problems else f"there on {len(found)} nodes",
        fix="bring the weights to every node of the group, at the same path",
    )


def key(found: Sequence[Findings]) -> Check:
    """Whether no node has a key that is for another endpoint than the recipe's."""
    refused = [one for one in found if one.key is not None]
    return Check(
        name="key",
        ok=not refused,
        said=f"{refused[0].node}: {refused[0].key}{_and_more([str(one.key) for one in refused])}"
        if refused
        else "no node has a key of an endpoint that is not the recipe's",
        fix="as the message says, in the environment of the nodes",
    )


def pools(listed: Sequence[Stage], there: Sequence[Node]) -> Check:
    """Whether the smallest pools fit the nodes, all at once."""
    _, problems = placed(listed, there)
    cpus, gpus = sum(node.cpus for node in there), sum(node.gpus for node in there)
    return Check(
        name="pools",
        ok=not problems,
        said=problems[0] + _and_more(problems)
        if problems
        else f"fit {len(there)} nodes with {cpus:g} CPU and {gpus:g} GPU",
        fix="lower resources.<stage>.min_actors or num_gpus, or start more or larger nodes",
    )


def gpu_memory(listed: Sequence[Stage], found: Sequence[Findings]) -> Check:
    """Whether the actors that share a device fit its memory, as far as the recipe says."""
    said = {stage.name: _alone(stage) for stage in listed if stage.resources.gpu_memory_mb}
    problems = [
        f"{one.node}: {name} needs {_on_device(pool.resources)} MB of a GPU, which has "
        f"{smallest} MB"
        for one in found
        for name, pool in said.items()
        if one.node.takes(pool)
        for smallest in [min(one.gpu_memory_mb, default=0)]
        if _on_device(pool.resources) > smallest
    ]
    return Check(
        name="GPU memory",
        ok=not problems,
        said=problems[0] + _and_more(problems)
        if problems
        else f"suffices for {', '.join(said)}"
        if said
        else "not compared: no pool states gpu_memory_mb",
        fix="raise resources.<stage>.num_gpus so that fewer share a device, or use larger ones",
    )


def _alone(stage: Stage) -> Pool:
    return Pool(stages=(stage,), resources=stage.resources)


def _on_device(pool: Resources) -> int:
    """Memory of the actors that share one device, MB."""
    return pool.gpu_memory_mb * (int(1 / pool.num_gpus + 1e-6) if 0 < pool.num_gpus <= 1 else 1)


def _and_more(problems: Sequence[str]) -> str:
    return f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""


def _probe_all(there: Sequence[Node], probe: Probe) -> list[Findings]:
    remote = ray.remote(num_cpus=0, max_retries=1)(try_out)
    asked = [
        remote.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node.node_id, soft=False)
        ).remote(node, probe)
        for node in there
    ]
    found: list[Findings] = ray.get(asked)
    return found


def try_out(node: Node, probe: Probe) -> Findings:
    """Try on this machine what the stages will need. Runs inside the cluster."""
    recipe = probe.recipe
    reader = PhotoReader(recipe.fetch, root=probe.manifest_root, max_bytes=recipe.fetch.max_bytes)
    read = reader.read_many(probe.uris)
    unwritable = None
    try:
        check_writable(probe.output)
    except (ValueError, TransientError) as error:
        unwritable = str(error)
    refused_key = None
    try:
        recipe.prompt.check_key()
    except ValueError as error:
        refused_key = str(error)
    sections: dict[str, BaseModel] = {
        "matte": recipe.matte,
        "prompt": recipe.prompt,
        "render": recipe.render,
    }
    problems = {name: problem_with_weights(section) for name, section in sections.items()}
    return Findings(
        node=node,
        unreadable=tuple(str(outcome) for outcome in read if isinstance(outcome, RowError)),
        unwritable=unwritable,
        weights={name: said for name, said in problems.items() if said is not None},
        key=refused_key,
        gpu_memory_mb=_gpu_memory_mb(),
    )


def problem_with_weights(section: BaseModel) -> str | None:
    """Why weights that a section of a recipe names cannot be used here; None if all can."""
    try:
        for check in _weight_checks(section):
            check()
    except FatalError as error:
        return str(error)
    return None


def _weight_checks(section: BaseModel) -> Iterator[partial[Any]]:
    for _, model, holder in nested_models(section):
        weights = getattr(model, "weights", None)
        if isinstance(model, Checkpoint):
            yield partial(_find, model, cache_dir=getattr(holder, "cache_dir", None))
        elif isinstance(weights, str | Path):
            yield partial(check_file, Path(weights), getattr(model, "weights_sha256", None))


def _find(checkpoint: Checkpoint, *, cache_dir: Path | None = None) -> None:
    """Look a checkpoint up; one on an object store is looked at and not brought: it may be large.

    Raises:
        FatalError: it cannot be used here.
    """
    if checkpoint.uri is None:
        locate(checkpoint, cache_dir=cache_dir)
        return
    try:
        there = storage.is_folder(checkpoint.uri)
    except (OSError, RowError) as error:
        raise FatalError(f"weights {checkpoint.uri}: {error}") from error
    if not there:
        raise FatalError(f"weights {checkpoint.uri}: nothing below this prefix")


def _gpu_memory_mb() -> tuple[int, ...]:
    """Memory of every device of this machine; none where the driver is not installed."""
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ()
    return tuple(int(line) for line in answer.stdout.split() if line.isdigit())
