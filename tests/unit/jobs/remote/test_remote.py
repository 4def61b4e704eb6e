from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from ray.job_submission import JobStatus

from jobs.cli import main
from jobs.commands.app import app
from jobs.commands.on_a_cluster import EXIT_UNKNOWN, parser, watch
from jobs.recipes import load_recipe
from jobs.remote import ray_jobs as remote
from jobs.remote.ray_jobs import Submission
from jobs.remote.submission import submission
from pipeline.engine.on_ray.forwarded_settings import forwarded
from pipeline.errors import FatalError
from pipeline.manifest.reader import open_manifest
from pipeline.planning.planner import Planner
from pipeline.runs.identity import Request, run_uri
from pipeline.runs.run_folder import start_ledger

PARSE = parser(typer.main.get_command(app))


class FakeJobs:
    """A cluster in memory. `pieces` is what each connection to a log says before it breaks off."""

    def __init__(self, pieces=()):
        self.jobs: dict[str, SimpleNamespace] = {}
        self.pieces = deque(pieces)
        self.stopped: list[str] = []
        self.logs: dict[str, str] = {}

    def add(self, job_id, status, code=None, metadata=None):
        self.jobs[job_id] = SimpleNamespace(
            submission_id=job_id,
            status=status,
            driver_exit_code=code,
            start_time=1_000,
            end_time=61_000,
            metadata={"backlot-run": job_id} if metadata is None else metadata,
            message="the head is gone",
        )

    def submit_job(self, *, entrypoint, submission_id, runtime_env, metadata):
        if submission_id in self.jobs:
            raise RuntimeError("500: already exists")
        self.add(submission_id, JobStatus.RUNNING, metadata=metadata)
        self.jobs[submission_id].entrypoint = entrypoint
        self.jobs[submission_id].runtime_env = runtime_env
        return submission_id

    def stop_job(self, job_id):
        self.stopped.append(job_id)
        self.jobs[job_id].status = JobStatus.STOPPED
        return True

    def get_job_info(self, job_id):
        if job_id not in self.jobs:
            raise RuntimeError(f"Request failed with status code 404: Job {job_id} does not exist.")
        return self.jobs[job_id]

    def list_jobs(self):
        return list(self.jobs.values())

    def get_job_logs(self, job_id):
        return self.logs.get(job_id, "")

    async def tail_job_logs(self, job_id):
        for piece in self.pieces.popleft():
            if isinstance(piece, BaseException):
                raise piece
            if isinstance(piece, tuple):
                self.jobs[job_id].status, self.jobs[job_id].driver_exit_code = piece
            else:
                yield piece


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(remote, "_POLL_S", 0.0)


@pytest.fixture
def asked(make_manifest, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_manifest(id=["a", "b"], image_uri=["1.jpg", "2.jpg"], prompt=["sand", "oak"])
    return ["studio", "--manifest", "manifest.parquet", "--output", "out"]


def made(*arguments, with_code=False) -> Submission:
    return submission(list(arguments), parse=PARSE, with_code=with_code)


def test_a_submitted_command_does_not_depend_on_where_it_was_typed(asked, tmp_path):
    maps = ["--map", "image_uri=photo b", "--map", "photo a=image_uri"]
    maps += ["--csv-delimiter", ";", "--csv-encoding", "cp1252"]
    job = made(
        *asked, "--where", "id = 'a b'", *maps, "--set", "keep=[x]", "--set", "render.quality=80",
        "--assume-single-driver",
    )  # fmt: skip
    assert job.command == (
        "run", "studio",
        "--manifest", f"{tmp_path}/manifest.parquet", "--output", f"{tmp_path}/out",
        "--where", "id = 'a b'", *maps, "--set", "keep=[x]", "--set", "render.quality=80",
        "--assume-single-driver", "--run-id", job.run_id,
    )  # fmt: skip
    assert job.entrypoint.startswith("python -m jobs.cli run studio --manifest ")
    assert """--where 'id = '"'"'a b'"'"''""" in job.entrypoint
    assert (job.recipe, job.with_code) == (None, False)


def test_what_is_submitted_is_what_a_command_line_understands(asked):
    job = made("run", *asked, "--limit", "3")
    name, *rest = job.command
    again = PARSE(name, rest)
    assert (again["limit"], again["run_id"]) == (3, job.run_id)
    assert made(*job.command) == job


def test_the_same_command_is_the_same_job_until_its_run_is_finished(asked, tmp_path):
    recipe = load_recipe("studio")
    manifest = str(tmp_path / "manifest.parquet")
    request = Request(manifest=manifest, where=None, limit=None, config_hash=recipe.config_hash)
    planner = Planner(recipe=recipe, manifest=open_manifest(manifest))
    uri = run_uri(str(tmp_path / "out"), "begun")
    start_ledger(uri, request=request, recipe=recipe, planner=planner)
    assert made(*asked).run_id == "begun"
    assert made(*asked, "--limit", "1").run_id != "begun"
    Path(uri, "_SUCCESS").write_text("{}")
    # Whether anything is left to do, the job has to find out: its run has no name before that.
    assert made(*asked).run_id == "begun"
    assert "--run-id" not in made(*asked).command
    anew = made(*asked, "--again")
    assert anew.run_id != "begun"
    assert {"--again", anew.run_id} <= {*anew.command}


def test_a_night_has_one_job(asked):
    assert made("nightly", *asked).run_id == made("nightly", *asked).run_id
    assert made("nightly", *asked).run_id.startswith("nightly-")
    assert "--run-id" not in made("nightly", *asked).command
    assert made("nightly", *asked, "--run-id", "mine").command[-2:] == ("--run-id", "mine")


def test_checks_are_jobs_under_their_own_name(asked):
    assert made("preflight", *asked).run_id.endswith("-studio-preflight")
    assert "--run-id" not in made("estimate", *asked, "--sample", "32").command


def test_a_recipe_of_ones_own_travels_along(asked, tmp_path):
    (tmp_path / "mine.yaml").write_text("name: mine\nrender: {quality: 70}\n")
    job = made("mine.yaml", *asked[1:])
    assert job.command[:2] == ("run", "recipe.yaml")
    environment = remote.runtime_env(job, _new(tmp_path / "job"))
    assert Path(environment["working_dir"], "recipe.yaml").read_text().startswith("name: mine")


def test_a_recipe_that_extends_others_travels_with_all_that_they_say(asked, tmp_path):
    (tmp_path / "house.yaml").write_text("name: house\nextends: studio\nrender: {quality: 70}\n")
    (tmp_path / "mine.yaml").write_text("name: mine\nextends: house.yaml\nkeep: [title]\n")
    here = load_recipe(str(tmp_path / "mine.yaml"))
    job = made("mine.yaml", *asked[1:], "--set", "render.thumbnail_px=0")
    folder = _new(tmp_path / "job")
    remote.runtime_env(job, folder)
    assert [path.name for path in folder.iterdir()] == ["recipe.yaml"]
    assert "extends:" not in (folder / "recipe.yaml").read_text()
    there = load_recipe(str(folder / "recipe.yaml"))
    assert (there, there.config_hash) == (here, here.config_hash)
    assert job.command[job.command.index("--set") + 1] == "render.thumbnail_px=0"
    assert there.render.thumbnail_px != 0


def test_the_code_travels_if_asked_for_and_runs_there(asked, tmp_path):
    job = made(*asked, with_code=True)
    folder = _new(tmp_path / "job")
    remote.runtime_env(job, folder)
    assert not list(folder.rglob("__pycache__"))
    run = subprocess.run(
        [sys.executable, "-m", "jobs.cli", "recipes"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert any(line.startswith("studio ") for line in run.stdout.splitlines())


def test_settings_travel_and_secrets_do_not(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://store:9000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "hush")
    environment = remote.runtime_env(A_RUN, tmp_path)
    assert environment["env_vars"]["AWS_ENDPOINT_URL"] == "http://store:9000"
    assert "hush" not in str(environment)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://user:hush@store:9000")
    with pytest.raises(ValueError, match="AWS_ENDPOINT_URL holds a user name or password"):
        remote.runtime_env(A_RUN, tmp_path)


def test_within_a_job_only_settings_that_did_not_come_with_it_are_passed_on():
    settings = {"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "http://store", "HOME": "/"}
    assert forwarded(settings) == {k: v for k, v in settings.items() if k != "HOME"}
    job = '{"runtime_env": {"env_vars": {"AWS_REGION": "eu-west-1"}}}'
    inside = {**settings, "RAY_JOB_CONFIG_JSON_ENV_VAR": job}
    assert forwarded(inside) == {"AWS_ENDPOINT_URL": "http://store"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Missing argument 'RECIPE'"),
        (["studoi", "--manifest", "m", "--output", "o"], "did you mean 'studio'"),
        (["studio", "--manifest", "m", "--output", "o", "--bogus"], "No such option: --bogus"),
        (["studio", "--manifest", "m", "--output", "o", "--run-id", "a/b"], "--run-id 'a/b'"),
        (["studio", "--manifest", "m", "--output", "o", "--dry-run"], "--dry-run touches no"),
        (["nightly", "studio", "--manifest", "m"], "Missing option '--output'"),
        (["studio", "--manifest", "m", "--output", "o", "--set", "a=1"], "no such field"),
        (["estimate", "studio", "--manifest", "m", "--output", "o", "--sample", "1"], "--sample"),
        (["reprocess", "/nowhere/at/all", "--where", "true", "--run-id", "-"], "--run-id '-'"),
        (
            ["studio", "--manifest", "m", "--output", "o", "--address", "http://a:b@127.0.0.1:1"],
            "--address holds a user name or password",
        ),
        (
            ["studio", "--manifest", "m", "--output", "o", "--address", "http://127.0.0.1:1"],
            "no Ray dashboard answers there",
        ),
    ],
)
def test_a_wrong_submission_is_one_line_and_exit_code_2(
    capsys, tmp_path, monkeypatch, arguments, said
):
    monkeypatch.chdir(tmp_path)
    assert main(["submit", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error


def test_a_job_under_way_is_not_started_twice_and_a_later_one_gets_a_number(tmp_path):
    jobs = FakeJobs()
    job = Submission(run_id="r1", command=("run", "studio"))
    assert remote.submit(jobs, job, tmp_path) == "r1"
    with pytest.raises(ValueError, match="job r1 is RUNNING: follow it with"):
        remote.submit(jobs, job, tmp_path)
    jobs.stop_job("r1")
    assert remote.submit(jobs, job, tmp_path) == "r1.2"
    assert jobs.jobs["r1.2"].entrypoint == "python -m jobs.cli run studio"
    jobs.jobs["r1.2"].start_time = 2_000
    assert remote.find(jobs, "r1").submission_id == "r1.2"
    assert remote.find(jobs, "r1.2").submission_id == "r1.2"


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (JobStatus.SUCCEEDED, 0, 0),
        (JobStatus.FAILED, 3, 3),
        (JobStatus.FAILED, 137, 137),
        (JobStatus.FAILED, None, 1),
        (JobStatus.STOPPED, None, 1),
    ],
)
def test_the_exit_code_is_that_of_the_job(capsys, status, code, exit_code):
    jobs = FakeJobs([["1 of 2 rows\n", (status, code)]])
    jobs.add("r1", JobStatus.RUNNING)
    assert watch(jobs, "r1") == exit_code
    said = capsys.readouterr()
    assert said.out == "1 of 2 rows\n"
    assert f"exit code {exit_code}" in said.err
    assert ("the head is gone" in said.err) is (status is JobStatus.FAILED and code is None)


def test_a_log_goes_on_where_its_connection_broke(capsys):
    jobs = FakeJobs(
        [
            ["one\n", RuntimeError("closed")],
            ["one\ntwo\n", RuntimeError("closed")],
            ["on", "e\ntwo\nthree\n", (JobStatus.SUCCEEDED, 0)],
        ]
    )
    jobs.add("r1", JobStatus.RUNNING)
    assert watch(jobs, "r1") == 0
    assert capsys.readouterr().out == "one\ntwo\nthree\n"


def test_a_cluster_that_is_gone_is_not_waited_for_for_ever():
    jobs = FakeJobs([[RuntimeError("refused")]] * 20)
    jobs.add("r1", JobStatus.RUNNING)
    with pytest.raises(FatalError, match="does not answer any more"):
        watch(jobs, "r1")
    assert len(jobs.pieces) > 10


@pytest.mark.parametrize(("answer", "code", "stopped"), [(True, 1, ["r1"]), (False, 130, [])])
def test_an_interrupt_asks_before_it_stops(capsys, answer, code, stopped):
    jobs = FakeJobs([["1 of 2 rows\n", KeyboardInterrupt()]])
    jobs.add("r1", JobStatus.RUNNING)
    assert watch(jobs, "r1", may_stop=lambda: answer) == code
    assert jobs.stopped == stopped
    assert ("goes on" in capsys.readouterr().err) is not answer


def test_without_a_terminal_an_interrupt_leaves_the_job_alone():
    jobs = FakeJobs([[KeyboardInterrupt()]])
    jobs.add("r1", JobStatus.RUNNING)
    assert watch(jobs, "r1") == EXIT_UNKNOWN
    assert jobs.stopped == []


def test_only_our_jobs_are_listed_newest_first():
    jobs = FakeJobs()
    jobs.add("r1", JobStatus.FAILED, 3)
    jobs.add("theirs", JobStatus.RUNNING, metadata={})
    jobs.add("r2", JobStatus.RUNNING)
    jobs.jobs["r2"].start_time = 9_000
    assert [job.submission_id for job in remote.ours(jobs)] == ["r2", "r1"]
    assert remote.describe(jobs.jobs["r1"]).endswith(
        "FAILED     1970-01-01 00:00:01 UTC        60 s  exit code 3"
    )
    with pytest.raises(ValueError, match="knows none of that id"):
        remote.find(jobs, "r3")


def test_the_last_progress_line_is_found():
    assert remote.last_progress("start\n1 of 9 rows, 0 failed\n2 of 9 rows, 0 failed\nnoise\n") == (
        "2 of 9 rows, 0 failed"
    )
    assert remote.last_progress("nothing yet") is None


def _new(path: Path) -> Path:
    path.mkdir()
    return path


class StartingJobs(FakeJobs):
    """A cluster whose dashboard refuses some jobs before it takes one."""

    def __init__(self, refusals):
        super().__init__()
        self.refusals = deque(refusals)

    def submit_job(self, **asked):
        if self.refusals:
            raise RuntimeError(f"Request failed with status code 500: {self.refusals.popleft()}.")
        return super().submit_job(**asked)


A_RUN = Submission(run_id="r1", command=("run", "studio"))
NO_AGENT = "No available agent to submit job, please try again later."


def test_a_cluster_that_has_just_started_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "_POLL_S", 0)
    jobs = StartingJobs([NO_AGENT, NO_AGENT])
    assert remote.submit(jobs, A_RUN, tmp_path) == "r1"
    assert not jobs.refusals


@pytest.mark.parametrize("refusals", [["the store is full\nsee its log"], [NO_AGENT] * 9])
def test_a_job_that_is_not_taken_is_told_in_one_line(tmp_path, monkeypatch, refusals):
    monkeypatch.setattr(remote, "_POLL_S", 0)
    monkeypatch.setattr(remote, "_AGENT_S", -1)
    said = refusals[0].splitlines()[0]
    with pytest.raises(FatalError, match=f"did not take the job .*{said}") as refusal:
        remote.submit(StartingJobs(refusals), A_RUN, tmp_path)
    assert "\n" not in str(refusal.value)
