from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psutil
import pytest

from pipeline.processes.companion import Companion, LostError
from tests.children import ROOT

ECHO = (sys.executable, "-P", "-m", "tests.echo")

OWNER = """
import sys, time
from pipeline.processes.companion import Companion
companion = Companion([sys.executable, "-P", "-m", "tests.echo"], patience_s=60)
print(companion.ask({})[0]["pid"], flush=True)
if "asking" in sys.argv:
    companion.ask({"sleep": 3600})
time.sleep(3600)
"""


@pytest.fixture
def companion():
    with closing(Companion(ECHO, patience_s=60)) as companion:
        yield companion


def pid(companion):
    return companion.ask({})[0]["pid"]


def ended(process_id, within_s=20):
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            status = psutil.Process(process_id).status()
        except psutil.NoSuchProcess:
            return True
        if status == psutil.STATUS_ZOMBIE:
            return True  # ended, and whoever adopted it has not looked yet
        time.sleep(0.05)
    return False


def test_one_process_answers_all(companion):
    bodies = [b"", b"x", os.urandom(5_000_000)]
    answers = [companion.ask({}, body) for body in bodies]
    assert [body for _, body in answers] == bodies
    assert len({header["pid"] for header, _ in answers}) == 1
    assert answers[0][0]["pid"] != os.getpid()


def test_threads_get_their_own_answers(companion):
    bodies = [f"{number}".encode() * 70_000 for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda body: companion.ask({}, body)[1], bodies)
    assert list(answers) == bodies


def test_what_it_prints_is_no_answer(companion, capfd):
    assert companion.ask({"print": "a library says hello\n"}, b"body")[1] == b"body"
    companion.close()
    assert "a library says hello" in capfd.readouterr().err


def test_one_that_ends_is_told_and_the_next_question_starts_another(companion):
    first = pid(companion)
    with pytest.raises(LostError, match="exit code 3"):
        companion.ask({"exit": 3}, b"x" * 1_000_000)
    assert pid(companion) != first


def test_one_that_ended_between_two_questions_costs_neither(companion):
    first = pid(companion)
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)  # all of its threads are gone
    assert pid(companion) != first


def test_one_that_takes_too_long_is_killed(companion, monkeypatch):
    first = pid(companion)
    with monkeypatch.context() as patch:
        patch.setattr(companion, "_patience_s", 0.5)  # it has started, which may take longer
        with pytest.raises(LostError, match=r"no answer in 0\.5 s"):
            companion.ask({"sleep": 3600})
    assert ended(first)
    assert pid(companion) != first


def test_one_that_never_reads_is_killed_too():
    asleep = (sys.executable, "-c", "import time; time.sleep(3600)")
    with (
        closing(Companion(asleep, patience_s=1)) as companion,
        pytest.raises(LostError, match="no answer"),
    ):
        companion.ask({}, b"x" * 10_000_000)  # more than a pipe holds


def test_what_cannot_be_started_is_lost():
    with pytest.raises(LostError, match="cannot be started"):
        Companion(["/nowhere/at-all"], patience_s=1).ask({})


def test_it_ends_with_whoever_had_it():
    companion = Companion(ECHO, patience_s=60)
    process_id = pid(companion)
    del companion
    gc.collect()
    assert not psutil.pid_exists(process_id)


@pytest.mark.parametrize("doing", ["idle", "asking"])
def test_it_ends_when_its_owner_is_killed_whatever_it_is_doing(doing):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", OWNER, doing]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=ROOT) as owner:
        process_id = int(owner.stdout.readline())
        time.sleep(0.3)
        assert psutil.pid_exists(process_id)
        owner.kill()
    assert ended(process_id)


def test_an_interrupt_is_for_its_owner(companion):
    first = pid(companion)
    os.kill(first, signal.SIGINT)
    assert pid(companion) == first
