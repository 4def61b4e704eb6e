"""A job of a cluster that wants a token, handed in through the two shells that KubeRay uses."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.children import ROOT, python_child
from tests.cluster.conftest import free_port
from tests.flow import pictures
from tests.flow.test_run import write_manifest

pytestmark = [pytest.mark.ray, pytest.mark.secure]

ENTRYPOINT = "python -m jobs.from_environment run"
POOLS = "--set='resources.matte={num_cpus: 0.5, max_actors: 1}'"


def test_a_command_with_letters_that_shells_obey_is_run_by_those_with_the_token_alone(tmp_path):
    folder = tmp_path / "a $(touch by-dollar);touch by-semicolon 'quoted' `touch by-tick`"
    folder.mkdir()
    pictures.write_all(folder / "images", {"1.jpg": pictures.jpeg()})
    rows = [{"id": "1", "image_uri": "images/1.jpg", "prompt": "oak"}]
    manifest = write_manifest(folder, rows)
    variables = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": "0123456789abcdef" * 4,
        "BACKLOT_RECIPE": "studio",
        "BACKLOT_MANIFEST": str(manifest),
        "BACKLOT_OUTPUT": str(folder / "out && touch by-ampersand"),
        "BACKLOT_OPTIONS": f"--limit=1 {POOLS}",
    }
    token = {name: variables[name] for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN")}
    programs = Path(sys.executable).parent  # where `ray` is
    port = str(free_port())
    address = f"http://127.0.0.1:{port}"
    # A cluster's nodes have the values in their environment, a submitter only the token.
    with python_child("-m", "tests.cluster.head", port, environment={**os.environ, **variables}):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{address}/api/jobs/", timeout=30)
        assert refused.value.code == 401
        ended = subprocess.run(
            ["bash", "-ce", "--", f"ray job submit --address {address} -- {ENTRYPOINT} ;"],
            env={**os.environ, **token, "PATH": f"{programs}:{os.environ['PATH']}"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    said = ended.stdout + ended.stderr
    assert ended.returncode == 0, said
    assert "1 with a picture" in said
    assert len(list((folder / "out && touch by-ampersand").glob("run_id=*/_SUCCESS"))) == 1
    assert [path.name for path in tmp_path.rglob("by-*")] == []
    assert not list(ROOT.glob("by-*"))
    assert variables["RAY_AUTH_TOKEN"] not in said
