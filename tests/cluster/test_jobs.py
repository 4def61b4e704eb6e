from __future__ import annotations

import json
import re
import time
import urllib.request
from pathlib import Path

import pytest

from jobs.cli import main
from tests.children import python_child
from tests.flow import pictures
from tests.flow.test_nightly import outcomes
from tests.flow.test_run import write_manifest

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]

NUM_ROWS = 24
FEW = ["--limit", "4", "--set", "budget.max_failures=1"]
POOLS = [
    "resources.matte={num_cpus: 0.5, num_gpus: 0.5, node_group: light-gpu, max_actors: 1}",
    "resources.render={num_cpus: 0.5, num_gpus: 0.5, node_group: heavy-gpu, max_actors: 1}",
    "resources.store={num_cpus: 0.1, max_actors: 1}",
    "resources.fetch={num_cpus: 0.1, max_actors: 1}",
]


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    folder = tmp_path_factory.mktemp("catalogue")
    names = [f"{number:02d}" for number in range(NUM_ROWS)]
    pictures.write_all(folder / "images", {f"{n}.jpg": pictures.jpeg() for n in names[1:]})
    rows = [{"id": n, "image_uri": f"images/{n}.jpg", "prompt": "oak", "shop": "a"} for n in names]
    return write_manifest(folder, rows)


@pytest.fixture
def ask(head, catalogue, tmp_path):
    """The arguments of a submission."""

    def make(command: str = "run", *more: str, output: Path = tmp_path / "out") -> list[str]:
        settings = [word for pool in POOLS for word in ("--set", pool)]
        where = ["--manifest", str(catalogue), "--output", str(output)]
        return [
            "submit",
            command,
            "studio",
            *where,
            *settings,
            *more,
            "--address",
            head["dashboard"],
        ]

    return make


def on(head, *words: str) -> list[str]:
    return [*words, "--address", head["dashboard"]]


def counted_rows(head) -> list[dict[str, str]]:
    """The labels of every count of rows that a node offers to Prometheus, and the node's group."""
    found = []
    for port, group in head["metrics"].items():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        series = re.findall(r"^ray_backlot_rows_total\{(.*)\} [\d.]+$", text, re.MULTILINE)
        labels = (dict(re.findall(r'(\w+)="([^"]*)"', one)) for one in series)
        found += [{**one, "group": group} for one in labels]
    return found


def wait_for(condition, seconds: float = 120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.5)
    raise AssertionError("it did not come to pass")


def test_a_run_is_stopped_and_goes_on_and_comes_to_its_exit_code(head, ask, tmp_path, capsys):
    output = tmp_path / "out"
    assert main(ask("run", "--detach")) == 0
    said = capsys.readouterr().err
    (run_id,) = re.findall(r"backlot stop (\S+)", said)
    run = output / f"run_id={run_id}"
    wait_for(lambda: list(run.glob("results/*.parquet")))
    assert main(on(head, "status", run_id)) == 0
    assert "RUNNING" in capsys.readouterr().out
    assert main(ask("run", "--run-id", run_id)) == 2
    assert f"job {run_id} is RUNNING" in capsys.readouterr().err
    assert main(on(head, "stop", run_id)) == 0
    assert "STOPPED" in capsys.readouterr().out
    assert not (run / "_SUCCESS").exists()
    done = len(list(run.glob("results/*.parquet")))
    assert 0 < done < NUM_ROWS

    # The same command: the same run, the same job, only what is left.
    assert main(ask("run", "--set", "budget.max_failures=0.02")) == 3
    said = capsys.readouterr()
    assert f"job {run_id}.2: " in said.err
    assert "exit code 3" in said.err
    assert main(ask("run")) == 0
    said = capsys.readouterr()
    assert f"job {run_id}.3: " in said.err
    assert "24 rows: 23 with a picture, 1 failed" in said.out
    assert outcomes(run)["00"] == "not_found"
    assert sum(outcome == "ok" for outcome in outcomes(run).values()) == NUM_ROWS - 1
    assert len(list(output.glob("run_id=*"))) == 1
    assert main(["verify", str(run)]) == 0

    capsys.readouterr()
    assert main(on(head, "logs", run_id)) == 0
    assert "with a picture" in capsys.readouterr().out
    assert main(on(head, "logs", run_id, "--follow")) == 0
    capsys.readouterr()
    assert main(on(head, "status")) == 0
    assert re.search(
        rf"^{run_id}.3 +SUCCEEDED .* exit code 0$", capsys.readouterr().out, re.MULTILINE
    )
    assert main(on(head, "status", "unheard-of")) == 2


def test_nights_and_failures_are_submitted_the_same_way(head, ask, catalogue, tmp_path, capsys):
    output = tmp_path / "out"
    assert main(ask("nightly", *FEW)) == 0
    (night,) = output.glob("run_id=*")
    assert outcomes(night) == {"00": "not_found", "01": "ok", "02": "ok", "03": "ok"}
    before = sorted(night.rglob("*"))
    capsys.readouterr()
    assert main(ask("nightly", *FEW)) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert sorted(night.rglob("*")) == before

    catalogue.parent.joinpath("images", "00.jpg").write_bytes(pictures.jpeg())
    try:
        again = on(head, "submit", "reprocess", str(output), "--where", "error is not null")
        assert main([*again, "--run-id", "mended"]) == 0
    finally:
        catalogue.parent.joinpath("images", "00.jpg").unlink()
    assert outcomes(output / "run_id=mended") == {"00": "ok"}


def test_actors_keep_to_their_group_and_metrics_tell_what_they_did(head, ask, tmp_path):
    assert main(ask("run", *FEW, output=tmp_path / "metrics")) == 0

    def groups(stage: str) -> set[str]:
        return {row["group"] for row in counted_rows(head) if row["stage"] == stage}

    wait_for(lambda: groups("matte") and groups("render"), 60)
    assert (groups("matte"), groups("render")) == ({"light-gpu"}, {"heavy-gpu"})
    assert "not_found" in {row["code"] for row in counted_rows(head)}


def test_plain_ray_job_submit_works_too(head, catalogue, tmp_path):
    from ray.job_submission import JobSubmissionClient

    from jobs.remote.ray_jobs import wait

    client = JobSubmissionClient(head["dashboard"])
    words = ["studio", "--manifest", str(catalogue), "--output", str(tmp_path / "out")]
    words += ["--limit", "2", "--set", "budget.max_failures=0"]
    job = client.submit_job(entrypoint=f"python -m jobs.cli run {' '.join(words)}")
    info = wait(client, job)
    assert (info.status.value, info.driver_exit_code) == ("FAILED", 3)
    report = json.loads(next(tmp_path.glob("out/run_id=*/report.json")).read_text())
    assert report["failures"] == {"not_found": 1}


def test_a_job_joins_its_own_cluster_whatever_else_runs_on_the_machine(head):
    from ray.job_submission import JobSubmissionClient

    from jobs.remote.ray_jobs import wait

    here = "import ray; ray.init(); print('joined', ray.get_runtime_context().gcs_address)"
    client = JobSubmissionClient(head["dashboard"])
    with python_child("-m", "tests.chaos.raylets", "alone") as (_, other):
        # One in two would go astray: each job looks around anew.
        jobs = [client.submit_job(entrypoint=f'python -c "{here}"') for _ in range(5)]
        for job in jobs:
            wait(client, job)
    joined = [re.findall(r"joined (\S+)", client.get_job_logs(job)) for job in jobs]
    assert other != head["address"]
    assert joined == [[head["address"]]] * 5


def test_preflight_tries_every_node_and_names_what_does_not_fit(head, ask, capsys):
    assert main(ask("preflight", "--set", "budget.max_failures=2")) == 0
    said = capsys.readouterr().out
    passed = [check.strip() for check in re.findall("^pass  (.{12})", said, re.MULTILINE)]
    assert passed[:4] == ["manifest", "output", "lease", "photographs"]
    assert passed[4:] == ["writing", "budget", "weights", "pools", "GPU memory"]
    assert "3 nodes read 16 of them each" in said
    assert main(ask("preflight", "--set", "resources.render.num_gpus=2")) == 1
    said = capsys.readouterr().out
    lacks = r"^FAIL  pools        render: no node has 0\.5 CPU, 2 GPU, [1-9][\d.]* [MG]B"
    assert re.search(lacks, said, re.MULTILINE)
    assert "fix: lower resources.<stage>.min_actors" in said
