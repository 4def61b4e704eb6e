from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jobs.cli import main
from jobs.running import run as jobs_run
from pipeline.runs.earlier_runs import current
from tests.flow import pictures
from tests.flow.drivers import ALONE
from tests.flow.test_run import write_manifest

pytestmark = pytest.mark.ray

NAMES = ("still", "reworded", "reshot", "busy", "gone")


def rows_of(run: Path) -> dict[str, dict]:
    listed = json.loads((run / "_SUCCESS").read_text())["results"]
    files = [pq.ParquetFile(run / "results" / name) for name in listed]
    return {row["sample_id"]: row for file in files for row in file.read().to_pylist()}


def outcomes(run: Path) -> dict[str, str]:
    return {k: v["error"]["code"] if v["error"] else "ok" for k, v in rows_of(run).items()}


def shown(output: Path) -> dict[str, str]:
    view = current(str(output))
    return dict(zip(view["sample_id"].to_pylist(), view["run_id"].to_pylist(), strict=True))


def no_cluster(*_, **__):
    raise AssertionError("Ray is started for nothing")


def make_busy(run: Path, sample_id: str) -> None:
    """As if the storage had not answered: the row failed, and may be tried again."""
    for file in (run / "results").glob("*.parquet"):
        table = pq.ParquetFile(file).read()
        rows = table.to_pylist()
        for row in rows:
            if row["sample_id"] == sample_id:
                row["image"] = None
                row["error"] = {
                    "stage": "fetch",
                    "code": "storage",
                    "message": "",
                    "retryable": True,
                }
        pq.write_table(table.from_pylist(rows, schema=table.schema), file)


@pytest.fixture(scope="module")
def nights(tmp_path_factory):
    """A first night over five rows, one of them without a photograph, one that must be retried."""
    folder = tmp_path_factory.mktemp("nights")
    images = {f"{name}.jpg": pictures.jpeg() for name in NAMES if name != "gone"}
    pictures.write_all(folder / "catalog" / "images", images)
    rows = [
        {"id": name, "image_uri": f"images/{name}.jpg", "prompt": "oak", "brand": name[:2]}
        for name in NAMES
    ]
    manifest = write_manifest(folder / "catalog", rows)
    output = folder / "out"
    command = ["nightly", "studio", "--manifest", str(manifest), "--output", str(output)]
    command += ["--set", "budget.max_failures=3", *ALONE]
    assert main(command) == 0
    (first,) = output.glob("run_id=nightly-*")
    assert outcomes(first) == {**dict.fromkeys(NAMES, "ok"), "gone": "not_found"}
    return folder, rows, command, first


def test_the_same_night_again_looks_and_has_nothing_to_do(nights, monkeypatch, capsys):
    folder, _, command, first = nights
    monkeypatch.setattr(jobs_run, "run_cluster", no_cluster)
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    assert main(command) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "nothing to do: all 5 rows were looked at, and none has changed since earlier" in said
    assert str(first) in said
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before
    assert list((folder / "out").glob("run_id=*")) == [first]


def test_the_same_night_by_its_name_says_that_nobody_looked(nights, monkeypatch, capsys):
    _, _, command, first = nights
    monkeypatch.setattr(jobs_run, "run_cluster", no_cluster)
    run_id = first.name.removeprefix("run_id=")
    assert main([*command, "--run-id", run_id]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"nothing to do: run {run_id} is finished, and what it was made from was not" in said


def test_the_next_night_with_no_change_starts_nothing(nights, monkeypatch, capsys):
    folder, _, command, _ = nights
    monkeypatch.setattr(jobs_run, "run_cluster", no_cluster)
    assert main([*command, "--run-id", "idle"]) == 0
    assert "nothing to do: 5 rows are unchanged" in capsys.readouterr().out
    idle = folder / "out" / "run_id=idle"
    report = json.loads((idle / "report.json").read_text())
    assert (report["rows"]["planned"], report["unchanged"]) == (0, 5)
    assert json.loads((idle / "_SUCCESS").read_text()) == {"results": []}
    assert main(["verify", str(idle)]) == 0


def test_the_life_of_a_catalogue(nights, capsys):
    folder, rows, command, first = nights
    output, images = folder / "out", folder / "catalog" / "images"
    make_busy(first, "busy")
    images.joinpath("reshot.jpg").write_bytes(pictures.jpeg((240, 320)))
    images.joinpath("fresh.jpg").write_bytes(pictures.jpeg())
    changed = [{**r, "prompt": "marble"} if r["id"] == "reworded" else r for r in rows]
    new = {"id": "fresh", "image_uri": "images/fresh.jpg", "prompt": "oak", "brand": "fr"}
    write_manifest(folder / "catalog", [*changed, new])

    assert main(command) == 0  # on the same day
    second = output / f"{first.name}-002"
    capsys.readouterr()
    assert main(command) == 0
    assert "nothing to do: all 6 rows were looked at" in " ".join(capsys.readouterr().out.split())
    assert outcomes(second) == dict.fromkeys(("reworded", "reshot", "busy", "fresh"), "ok")
    assert json.loads((second / "report.json").read_text())["unchanged"] == 2
    assert rows_of(second)["reshot"]["height"] == 320
    view = shown(output)
    second_id = second.name.removeprefix("run_id=")
    assert view == {**dict.fromkeys(outcomes(second), second_id), "still": view["still"]}
    assert view["still"] == first.name.removeprefix("run_id=")

    # The photograph that was missing has come; what failed is made anew.
    capsys.readouterr()
    images.joinpath("gone.jpg").write_bytes(pictures.jpeg())
    again = ["reprocess", str(output), "--where", "error.code = 'not_found' and brand = 'go'"]
    assert main([*again, "--run-id", "mended", "--set", "render.quality=80"]) == 0
    mended = output / "run_id=mended"
    assert outcomes(mended) == {"gone": "ok"}
    document = json.loads((mended / "run.json").read_text())
    assert document["parent"] == [first.name.removeprefix("run_id=")]
    assert document["recipe"]["render"]["quality"] == 80
    assert document["image_root"] == str(folder / "catalog")
    assert shown(output)["gone"] == "mended"
    assert main(again) == 0  # the newest row of it is no failure any more
    assert len(list(output.glob("run_id=*"))) == len(
        {first, second, mended, output / "run_id=idle"}
    )

    capsys.readouterr()
    assert main(["current", str(output), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["rows"] == 6
    assert list(printed["runs"]) == [view["still"], second_id, "mended"]
    assert main(["current", str(output), "--materialise", str(folder / "merged")]) == 0
    merged = pq.read_table(folder / "merged").to_pylist()
    assert {row["sample_id"]: row["run_id"] for row in merged} == shown(output)
    for row in merged:
        assert Path(row["run_uri"], row["image_path"]).read_bytes() == row["image"]["bytes"]

    assert main(["verify", str(second)]) == 0
    lost = next((second / "images").rglob("busy.*"))
    lost.unlink()
    capsys.readouterr()
    assert main(["verify", str(second)]) == 1
    assert f"missing objects: 1 (images/{lost.parent.name}/{lost.name})" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--run-id", "a/b"], "--run-id 'a/b'"),
        (["--run-id", ".a"], "neither '.' nor '-' to start with"),
        (["--run-id", "x" * 129], "at most 128"),
        (["--run-id", "idle", "--set", "render.quality=50"], "started with another config_hash"),
    ],
)
def test_what_cannot_be_is_refused_at_once(nights, monkeypatch, capsys, arguments, said):
    folder, _, command, _ = nights
    monkeypatch.setattr(jobs_run, "run_cluster", no_cluster)
    main([*command, "--run-id", "idle"])
    capsys.readouterr()
    before = sorted((folder / "out").rglob("*"))
    assert main([*command, *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error
    assert sorted((folder / "out").rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--where", "brnd = 'x'"], "brnd"),
        (["--where", "true", "--run-id", "idle"], "started with another request"),
        (["--where", "true", "--set", "render.qality=1"], "render.qality: there is no such field"),
        (["--where", "true", "--recipe", "stduio"], "did you mean 'studio'"),
    ],
)
def test_a_wrong_reprocessing_is_refused_and_writes_nothing(nights, capsys, arguments, said):
    folder, *_ = nights
    before = sorted((folder / "out").rglob("*"))
    assert main(["reprocess", str(folder / "out"), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error
    assert sorted((folder / "out").rglob("*")) == before
