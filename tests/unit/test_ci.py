"""What CI runs, over a checkout whose tests look around."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

CI = Path(__file__).parents[2] / ".ci" / "run"

MAKEFILE = "test:\n\t@$(PYTHON) look_around.py; exit 3\n"
LOOK_AROUND = """
import json, os, subprocess, sys
from pathlib import Path

folder = Path(os.environ.get("TMPDIR", "/tmp"))
if folder == Path("/tmp"):
    stays = [sys.executable, "-c", "import time; time.sleep(30)", os.getcwd()]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.Popen(stays, **silent, start_new_session=True)
files = [path for path in folder.rglob("*") if path.is_file() and Path.cwd() not in path.parents]
print(json.dumps({"folder": str(folder), "found": [str(p.relative_to(folder)) for p in files]}))
print(json.dumps(dict(os.environ)))
"""


@pytest.fixture
def looked_around(tmp_path: Path):
    """Run it in a checkout below the temporary directory; what was seen from there."""
    checkout, home = tmp_path / "checkout", tmp_path / "home"
    (checkout / ".ci").mkdir(parents=True)
    shutil.copy(CI, checkout / ".ci")
    (checkout / "Makefile").write_text(MAKEFILE)
    (checkout / "look_around.py").write_text(LOOK_AROUND)
    (home / ".config" / "pip").mkdir(parents=True)
    (home / ".config" / "pip" / "pip.conf").write_text("[global]\n")
    (home / "left-by-an-earlier-run").touch()

    def run(path: str = os.environ["PATH"]) -> str:
        before = set(Path("/tmp").glob("ci-*"))
        changes = {"PATH": path, "HOME": str(home), "XDG_CACHE_HOME": "/x", "RAY_ADDRESS": "y"}
        # A make below another one says so, and these tests mostly run below one.
        around = {name: value for name, value in os.environ.items() if "MAKE" not in name}
        done = subprocess.run(
            ["bash", str(checkout / ".ci" / "run")],
            env={**around, **changes},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert "Error 3" in done.stderr
        assert done.returncode == 2
        assert set(Path("/tmp").glob("ci-*")) <= before
        saw, environment = map(json.loads, done.stdout.splitlines())
        assert saw["found"] == ["home/.config/pip/pip.conf"]
        assert environment["HOME"] == f"{saw['folder']}/home"
        assert not {"XDG_CACHE_HOME", "RAY_ADDRESS"} & set(environment)
        assert Path(environment["PYTHON"]).samefile(sys.executable)
        return saw["folder"]

    return run


def test_nothing_is_there_that_earlier_runs_left_and_nothing_stays(looked_around, tmp_path) -> None:
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
        pytest.skip("this system gives no mount namespaces")
    assert looked_around() == "/tmp"
    checkout = str(tmp_path / "checkout")
    assert not [
        p for p in psutil.process_iter(["cmdline"]) if checkout in (p.info["cmdline"] or ())
    ]


def test_without_namespaces_it_has_folders_of_its_own_whose_paths_are_short(
    looked_around, tmp_path
) -> None:
    refused = tmp_path / "bin" / "unshare"
    refused.parent.mkdir()
    refused.write_text("#!/bin/sh\nexit 1\n")
    refused.chmod(0o755)
    folder = looked_around(f"{refused.parent}:{os.environ['PATH']}")
    assert folder.startswith("/tmp/ci-")
    assert len(folder) == len("/tmp/ci-XXXX")
