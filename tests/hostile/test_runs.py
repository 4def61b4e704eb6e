"""Whole manifests of hostile rows through real runs: each costs itself, and no neighbour."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from jobs.cli import main
from pipeline.engine.on_ray.cluster import cluster
from tests.hostile import asked, damaged
from tests.hostile.cases import PICTURE, Row, manifest, put
from tests.hostile.test_rows import end_of

pytestmark = [pytest.mark.ray, pytest.mark.hostile]

_CHEAP = {"image_uri": "small.png", "prompt": "white", "background_color": "white"}
"""A healthy row that needs no network and no generator."""
_SMALL = (60, 45)


@pytest.fixture(scope="module", autouse=True)
def ray_cluster() -> Iterator[None]:
    """One real Ray for all runs."""
    with pytest.MonkeyPatch.context() as patch:
        # Actors reserve memory for the largest photograph; a small machine would refuse.
        patch.setenv("RAY_OVERRIDE_RESOURCES", json.dumps({"memory": 256 * 2**30}))
        with cluster(None):
            yield


def _run(folder: Path, cases: Iterable[Row], capfd: pytest.CaptureFixture[str]) -> list[str]:
    """Run the rows with a healthy one behind each; returns what the hostile ones came to."""
    supplier, output = folder / "catalogue", folder / "dataset"
    small = damaged.with_alpha(damaged.oval()).resize(_SMALL)
    photo = damaged.healthy()["jpeg"]
    put(supplier, {"small.png": damaged.saved(small, "PNG"), "healthy.jpg": photo})
    expected: dict[str, frozenset[str]] = {}
    rows: list[Mapping[str, Any]] = []
    for number, case in enumerate(cases):
        put(supplier, case.files)
        row = {"id": f"{case.group}-{case.name}", **_CHEAP, **_asked(case)}
        rows += [row, {"id": f"healthy {number}", **_CHEAP}]
        expected |= {row["id"]: case.ends, f"healthy {number}": frozenset({PICTURE})}
    pq.write_table(manifest(rows), supplier / "manifest.parquet")
    code = main(
        [
            *("run", "studio", "--manifest", str(supplier / "manifest.parquet")),
            *("--output", str(output), "--set", f"budget.max_failures={len(rows)}"),
            *("--set", "budget.max_unexpected=0"),
        ]
    )
    said = capfd.readouterr()
    assert "Traceback" not in said.out + said.err
    found = _results(output)
    ends = {id_: end_of(row) for id_, row in found.items()}
    assert {id_: end for id_, end in ends.items() if end not in expected[id_]} == {}
    assert len(found) == len(rows)
    assert code == 0
    assert main(["verify", *map(str, output.glob("run_id=*"))]) == 0
    return [end for id_, end in ends.items() if not id_.startswith("healthy ")]


def _asked(case: Row) -> Mapping[str, Any]:
    """What the case asks for; not for a plain background where that would hide its words."""
    if {"prompt", "image_uri", "image"} & case.columns.keys():
        return {"background_color": None, "prompt": "oak table", **case.columns}
    if {"mask_uri", "reference_uri"} & case.columns.keys():
        return {"image_uri": "healthy.jpg", **case.columns}
    return case.columns


def _results(output: Path) -> dict[str, Mapping[str, Any]]:
    (run,) = output.glob("run_id=*")
    committed = json.loads((run / "_SUCCESS").read_text())["results"]
    rows = [
        row
        for file in committed
        for row in pq.ParquetFile(run / "results" / file).read().to_pylist()
    ]
    assert len(rows) == len({row["sample_id"] for row in rows})
    return {row["id"]: row for row in rows}


def _fails(case: Row) -> bool:
    """Whether a row is there to be refused: those that only look bad cost a picture each."""
    return PICTURE not in case.ends


def _pictures() -> Iterable[Row]:
    return filter(_fails, chain(damaged.pictures(), damaged.masks()))


def _words() -> Iterable[Row]:
    return (case for case in asked.rows() if _fails(case) or case.group == "id")


@pytest.mark.parametrize("cases", [_pictures, _words])
def test_hostile_rows_cost_no_other_row(cases, tmp_path, capfd, record_property):
    ends = _run(tmp_path, cases(), capfd)
    assert len(ends) > 120
    for end in ends:
        record_property("in a real run", end)
