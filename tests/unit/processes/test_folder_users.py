from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil

from pipeline.processes.folder_users import end_users, has_ended, users


def sleeper(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"],
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )


def test_a_folders_users_are_found_and_ended_and_nobody_elses(tmp_path: Path) -> None:
    with sleeper(tmp_path / "ours") as ours, sleeper(tmp_path / "theirs") as theirs:
        for process in (ours, theirs):
            assert process.stdout is not None
            process.stdout.readline()
        (user,) = users(tmp_path / "ours")
        assert user.pid == ours.pid
        assert not has_ended(user)

        end_users(tmp_path / "ours", patience_s=0)

        assert has_ended(user)
        assert users(tmp_path / "ours") == []
        assert not has_ended(psutil.Process(theirs.pid))
        theirs.kill()
