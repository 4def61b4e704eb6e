"""Every command agrees with the dry run: what that accepts, a run takes from end to end.

Everything but Ray and the stages is real: the commands, the plan, the lease, result files, report.
"""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jobs.forecasting.estimate
import jobs.running.run
import pipeline.flow
import pipeline.runs.driver
from jobs.forecasting.estimate import estimate
from jobs.previews.dry_run import dry_run
from jobs.previews.preflight import preflight
from jobs.previews.prompt_outcomes import prompt_outcomes
from jobs.results.datasets import show_current, show_verdict, write_current
from jobs.running.reprocess import reprocess
from jobs.running.run import run_and_report
from pipeline.engine.on_ray.execution import check_wiring
from pipeline.errors import ErrorCode, RowError
from pipeline.recipe import parse_recipe
from pipeline.runs.past_runs import past_runs
from pipeline.runs.result_files import committed_files
from pipeline.runs.run_config import RunConfig
from tests.hostile.arrow_types import columns
from tests.unit.past import as_finished

ALL = columns()
NAMES = ("x", "Größe", "a b", 'say "x"', "select", "X", "a.b", "id ", "run_uri", "width", "file",
         "row", "position", "place", "{x}", "shot", "")  # fmt: skip
ASKING = ("seed", "num_results", "margin", "fast", "placement", "channel", "mask_uri", "image",
          "clipping_path", "background_color", "reference_uri")  # fmt: skip


class NoCluster(Exception):  # noqa: N818 - where a command would start Ray
    """A command got past all of its checks."""


def at_once(
    units: Sequence[Any],
    read: Any,
    stages: Sequence[Any],
    write: Any,
    *,
    columns: Sequence[str],
    most_rows: int,
    max_strikes: int,
    max_row_seconds: float,
) -> Generator[str, None, None]:
    """`execute` without a cluster: every third row of a picture is not found."""
    check_wiring(stages, [*columns, "timings"])
    for unit in units:
        planned = read(unit)
        ids, known = planned["sample_id"].to_pylist(), planned["error"].to_pylist()
        refused = [
            None if error is None else RowError(ErrorCode(error["code"]), error["message"])
            for error in known
        ]
        gone = RowError(ErrorCode.NOT_FOUND, "gone")
        outcomes = {
            id_: error or gone
            for place, (id_, error) in enumerate(zip(ids, refused, strict=True))
            if error or place % 3 == 2
        }
        assert planned.num_rows <= most_rows
        yield write(as_finished(planned, write.run_uri, outcomes))


@contextmanager
def no_cluster(*_: Any) -> Iterator[None]:
    raise NoCluster
    yield


@contextmanager
def without_ray(*_: Any) -> Iterator[None]:
    yield


@pytest.fixture(scope="module", autouse=True)
def nothing_of_ray() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline.runs.driver, "execute", at_once)
        patch.setattr(pipeline.runs.driver, "check_capacity", lambda _: None)
        patch.setattr(pipeline.runs.driver, "block_rows", lambda _: 2)
        # Reading the term policies for each example would take most of the time.
        patch.setattr("jobs.previews.prompt_outcomes._needed", lambda _: [])
        patch.setattr(jobs.running.run, "run_cluster", without_ray)
        patch.setattr(jobs.forecasting.estimate, "quiet_cluster", no_cluster)
        patch.setattr("jobs.previews.preflight.quiet_cluster", no_cluster)
        yield


@dataclass(frozen=True, kw_only=True)
class Case:
    """A manifest by file name, and what is asked of it."""

    files: Mapping[str, pa.Table]
    overrides: tuple[str, ...]
    where: str | None
    limit: int | None

    def write(self, folder: Path) -> str:
        for name, table in self.files.items():
            path = folder / "m" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            _WRITERS[path.suffix](path, table)
        return str(folder / "m")

    def config(self, folder: Path, **more: Any) -> RunConfig:
        # Within any budget: a run that stops early has not come to its end.
        overrides = ("budget.max_failures=1000", *self.overrides)
        recipe = parse_recipe("name: mine", overrides=overrides, source="mine")
        return RunConfig(
            recipe=recipe, manifest=self.write(folder), output=str(folder / "out"),
            where=self.where, limit=self.limit, **more,
        )  # fmt: skip


def _spelled(value: pa.Scalar) -> Any:
    try:
        plain = value.as_py()
    except (ValueError, OverflowError, pa.ArrowException):
        return str(value.type)
    return plain if isinstance(plain, str | int | float | bool | None) else str(plain)


def _rows(table: pa.Table) -> list[list[Any]]:
    return [[_spelled(column[row]) for column in table.columns] for row in range(table.num_rows)]


def _write_csv(path: Path, table: pa.Table) -> None:
    with path.open("w", newline="", encoding="utf-8", errors="replace") as file:
        csv.writer(file).writerows([table.column_names, *_rows(table)])


def _write_json(path: Path, table: pa.Table) -> None:
    lines = (dict(zip(table.column_names, row, strict=True)) for row in _rows(table))
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def _write_parquet(path: Path, table: pa.Table) -> None:
    pq.write_table(table, path)


_WRITERS = {".parquet": _write_parquet, ".csv": _write_csv, ".jsonl": _write_json}


@st.composite
def tables(draw: st.DrawFn, first: int, extra: Sequence[tuple[str, str]]) -> pa.Table:
    """A file of some rows: healthy ids, and other columns of any type."""
    bad = draw(st.sampled_from([None] * 9 + ["null id", "same id"]))
    ids: list[str | None] = [f"s{first}", f"s{first + 1}"]
    if bad:
        ids[1] = None if bad == "null id" else ids[0]
    made = {
        "id": pa.array(ids, pa.string()),
        "image_uri": pa.array(["1.jpg", draw(st.sampled_from(["2.jpg", "", "zz://x", None]))]),
        "prompt": pa.array([draw(st.sampled_from(["oak", None])), "white"], pa.string()),
    }
    for name, kind in extra:
        made[name] = ALL[kind]
    return pa.table(made).slice(0, draw(st.sampled_from([2, 2, 2, 1, 0])))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    ending = draw(st.sampled_from([".parquet", ".parquet", ".csv", ".jsonl"]))
    kinds = st.sampled_from(sorted(ALL))
    names = draw(st.lists(st.sampled_from(NAMES), max_size=3, unique=True))
    asking = draw(st.lists(st.sampled_from(ASKING), max_size=1))
    extra = [(name, draw(kinds)) for name in (*names, *asking)]
    parts = draw(st.sampled_from([["a"], ["a", "b"], ["dt=2026-11-01/a", "dt=2026-11-02/b"],
                                  ["dt=1/a", "dt=x1/b"]]))  # fmt: skip
    files = {}
    for number, part in enumerate(parts):
        there = extra
        if number and extra:  # a later file may lack columns, or have them as something else
            there = [
                (name, draw(st.sampled_from([kind, kind, draw(kinds)])))
                for name, kind in extra
                if draw(st.sampled_from([True, True, False]))
            ]
        files[part + ending] = draw(tables(2 * number, there))
    offered = [*names, *asking, "prompt", "dt", "title"][: 4 if len(parts) == 1 else None]
    keep = draw(st.lists(st.sampled_from(offered), max_size=3, unique=True))
    overrides = [f"keep={json.dumps(keep, ensure_ascii=False)}"] if keep else []
    if keep and draw(st.sampled_from([False, False, True])):
        kind = draw(st.sampled_from(["text", "integer", "number", "boolean", "date", "timestamp"]))
        overrides.append("keep_types=" + json.dumps({keep[0]: kind}, ensure_ascii=False))
    if names and draw(st.sampled_from([False, False, True])):
        name = names[0].replace("{", "{{").replace("}", "}}")
        overrides.append("prompt.template=" + json.dumps(f"{{{name}}} wall", ensure_ascii=False))
    if draw(st.booleans()):
        overrides.append("output.timestamps=as_they_are")
    if draw(st.booleans()):
        overrides.append("output.maps=as_they_are")
    if draw(st.sampled_from([False, False, True])):
        overrides.append("brief.num_results=2")
    condition = None
    if draw(st.sampled_from([False, False, True])):
        column = '"' + draw(st.sampled_from(offered)).replace('"', '""') + '"'
        condition = draw(st.sampled_from([
            f"{column} IS NULL OR id >= 's1'", f"{column} IS NOT NULL", "id <> 's0'",
            f"{column} = 1", f"{column} > 'a'", "COLUMNS('i.') IS NOT NULL", "nothing = 1",
        ]))  # fmt: skip
    return Case(
        files=files, overrides=tuple(overrides), where=condition,
        limit=draw(st.sampled_from([None, None, 1, 3])),
    )  # fmt: skip


def refusal(call: Callable[[], Any]) -> str | None:
    """The one line in which something is refused; None if it is not."""
    try:
        call()
    except NoCluster:
        return None
    except ValueError as error:
        found = error
    else:
        return None
    assert type(found) is ValueError, repr(found)  # no library's own
    assert "\n" not in str(found)
    return str(found)


def said_by_preflight(config: RunConfig) -> str | None:
    try:
        for check in preflight(config, address=None):
            if not check.ok:
                return check.said
    except NoCluster:
        return None
    return None


def agrees(config: RunConfig, night: int = 1) -> bool:
    """Whether the dry run accepts it; all else must be of the same opinion."""
    before = sorted(Path(config.output).rglob("*"))
    said = refusal(lambda: dry_run(config))
    assert sorted(Path(config.output).rglob("*")) == before
    assert said_by_preflight(config) == said
    assert refusal(lambda: estimate(config, sample=8, address=None)) == said
    assert sorted(Path(config.output).rglob("*")) == before
    if night == 1:  # it knows of no dataset
        words = refusal(
            lambda: list(
                prompt_outcomes(
                    config.recipe, config.manifest, where=config.where, limit=config.limit
                )
            )
        )
        assert words == said
    if said is not None:
        for asked in (config, replace(config, only_changed=True)):
            assert refusal(lambda asked=asked: run_and_report(asked, address=None)) == said
        assert sorted(Path(config.output).rglob("*")) == before
        return False
    asked = config if night == 1 else replace(config, only_changed=True)
    assert run_and_report(asked, address=None) == 0
    newest = past_runs(config.output)[-1]
    counted = [
        id_
        for file in committed_files(newest.uri)
        for id_ in pq.ParquetFile(file.removeprefix("file://"))
        .read(["sample_id"])["sample_id"]
        .to_pylist()
    ]
    assert len(counted) == len(set(counted)) == newest.document["plan"]["rows"]
    assert (told := show_verdict(newest.uri))[1] == 0, told
    assert (Path(newest.uri.removeprefix("file://")) / "report.html").stat().st_size
    return True


def used_again(output: str, number: int) -> None:
    """Whatever else is done with a dataset."""
    show_current(output)
    write_current(output, f"{output}-merged-{number}")
    assert (
        reprocess(
            output,
            condition="true",
            recipe=None,
            overrides=[],
            run_id=f"again-{number}",
            address=None,
        )
        == 0
    )
    write_current(output, f"{output}-merged-again-{number}")


@st.composite
def next_nights(draw: st.DrawFn) -> tuple[Case, Case]:
    """A case, and the same dataset's next night: other rows, columns of another type."""
    case = draw(cases())
    files = {}
    for name, table in case.files.items():
        ids = [f"{draw(st.sampled_from(['s', 'n']))}{name}{row}" for row in range(table.num_rows)]
        arrays = {"id": pa.array(ids, pa.string())}
        for column in table.column_names[1:]:
            arrays[column] = table[column]
            if column not in {"image_uri", "prompt"} and draw(st.booleans()):
                arrays[column] = ALL[draw(st.sampled_from(sorted(ALL)))].slice(0, table.num_rows)
        files[name] = pa.table(arrays)
    return case, replace(case, files=files)


def healthy(**columns: Sequence[Any]) -> pa.Table:
    base = {"id": ["a", "b"], "image_uri": ["1.jpg", "2.jpg"], "prompt": ["oak", "white"]}
    return pa.table({**base, **columns})


@pytest.mark.parametrize(
    ("table", "overrides", "where"),
    [
        (healthy(id=["a", "a"]), (), None),
        (healthy(id=["a", None]), (), None),
        (healthy(), ("keep=[size]",), None),
        (healthy(), ("keep=[size]",), "prompt = 1"),
        (healthy(), ("prompt.template='{size}'",), "size > 1"),
        (healthy(), (), "id = 'c'"),
        (healthy(id=["a", "a/2"]), ("brief.num_results=2",), None),
    ],
)
def test_what_is_refused_is_refused_by_all_in_the_same_words(
    tmp_path: Path, table: pa.Table, overrides: tuple[str, ...], where: str | None
) -> None:
    case = Case(files={"a.parquet": table}, overrides=overrides, where=where, limit=None)
    assert not agrees(case.config(tmp_path))


def test_what_does_not_fit_the_dataset_is_refused_by_all(tmp_path: Path) -> None:
    def night(x: list[Any]) -> RunConfig:
        files = {"a.parquet": healthy(x=x)}
        return Case(files=files, overrides=("keep=[x]",), where=None, limit=None).config(tmp_path)

    assert agrees(night([1, 2]))
    assert not agrees(night(["1", "wide"]), night=2)
    assert agrees(night(["3", "4"]), night=2)
    used_again(str(tmp_path / "out"), 2)


@settings(max_examples=20)
@given(cases())
def test_a_run_takes_what_its_dry_run_accepts(case: Case) -> None:
    with tempfile.TemporaryDirectory() as folder:
        config = case.config(Path(folder))
        if agrees(config):
            used_again(config.output, 1)


@settings(max_examples=10)
@given(next_nights())
def test_the_next_night_of_a_dataset_is_taken_or_refused_by_all(nights: tuple[Case, Case]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        config = nights[0].config(Path(folder))
        if refusal(lambda: dry_run(config)) is not None:
            return
        assert run_and_report(config, address=None) == 0
        config = nights[1].config(Path(folder))
        if agrees(config, night=2):
            used_again(config.output, 2)
