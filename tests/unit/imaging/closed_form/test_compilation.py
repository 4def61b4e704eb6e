"""What is compiled, where that is kept, and what is said: in processes of their own."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pipeline.errors import FatalError
from pipeline.imaging.closed_form import compilation
from pipeline.imaging.cutout.alpha import RefineConfig
from pipeline.imaging.reading.limits import ImageLimits
from pipeline.stages.matte import MatteConfig, MatteMapper
from pipeline.stages.render import RenderConfig, RenderMapper
from pipeline.stages.rendering import foreground_color

SOLVE = """
import json, logging, sys, time
import numpy as np
from numba.core import event
from pipeline.imaging.closed_form import functions
from pipeline.imaging.compositing.foreground_estimation import estimate_foreground

class Listener(event.Listener):
    names = []
    def on_start(self, event):
        function = event.data["dispatcher"].py_func
        if function.__module__.startswith("pymatting"):
            self.names.append(function.__name__)
    def on_end(self, event):
        pass

logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
event.register("numba:compile", Listener())
began = time.perf_counter()
photograph = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
alpha = np.tile(np.linspace(0, 1, 50, dtype=np.float32), (40, 1))
if sys.argv[1] == "multilevel":
    found = estimate_foreground(photograph, alpha, solver=functions.MULTILEVEL)
else:
    found = functions.closed_form(photograph, np.round(alpha * 2) / 2)
assert np.isfinite(found).all()
left = [name for name in sys.modules if name.split(".")[0] == "pymatting"]
print(json.dumps({"compiled": sorted(Listener.names), "left": left}))
"""
FUNCTIONS = {
    "multilevel": ["_estimate_fb_ml", "_resize_nearest", "_resize_nearest_multichannel"],
    "closed_form": [
        "_backsub_LT_csc_inplace",
        "_backsub_L_csc_inplace",
        "_cf_laplacian",
        "_ichol",
    ],
}
"""By method: those of pymatting's that it calls."""


def start(method: str, folder: Path, **environment: str) -> subprocess.Popen[str]:
    """A process that uses a method; its caches and temporary files go below a folder."""
    folder.mkdir(exist_ok=True)
    places = {"XDG_CACHE_HOME": str(folder / "cache"), "TMPDIR": str(folder)}
    kept = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    return subprocess.Popen(
        [sys.executable, "-c", SOLVE, method],
        env=kept | places | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[list[str], str]:
    """What it compiled of pymatting's, and what it said."""
    out, said = process.communicate()
    assert process.returncode == 0, said
    found = json.loads(out)
    assert found["left"] == []
    return found["compiled"], said


# Compiling takes a dozen seconds of a core: one method in every run, the rest in slow ones.
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "method", ["multilevel", pytest.param("closed_form", marks=pytest.mark.slow)]
)
def test_processes_that_start_together_compile_once_between_them_what_is_called(method, tmp_path):
    processes = [start(method, tmp_path) for _ in range(3)]
    results = [ended(process) for process in processes]
    assert sorted(names for names, _ in results) == [[], [], FUNCTIONS[method]]
    lines = [said for names, said in results if names]
    assert [line.count("\n") for line in lines] == [1]
    assert lines[0].startswith("compiling pymatting.")
    assert str(tmp_path / "cache/backlot/numba") in lines[0]
    assert ended(start(method, tmp_path)) == ([], "")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_where_the_home_cannot_be_written_it_is_compiled_once_too(tmp_path):
    (tmp_path / "file").write_text("")
    nowhere = {"XDG_CACHE_HOME": str(tmp_path / "file" / "below")}
    names, _ = ended(start("multilevel", tmp_path, **nowhere))
    assert names == FUNCTIONS["multilevel"]
    names, said = ended(start("multilevel", tmp_path, **nowhere))
    assert names == []
    assert f"are kept in {tmp_path}/backlot-{os.getuid()}/numba" in said


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder of ours among the temporary files, where no other can be written."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file" / "below"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("numba.core.config.CACHE_DIR", "")
    return tmp_path / f"backlot-{os.getuid()}"


def test_the_folder_that_numba_was_given_comes_first(temporary, tmp_path, monkeypatch):
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path / "given"))
    with compilation._turn() as folder:
        assert folder == tmp_path / "given"


def test_where_the_home_cannot_be_written_a_temporary_folder_of_ours_is_used_and_said(
    temporary, tmp_path, caplog
):
    with compilation._turn() as folder:
        assert folder == temporary / "numba"
    assert temporary.stat().st_mode & 0o777 == 0o700
    assert f"are kept in {folder}" in caplog.text
    assert f"{tmp_path}/file/below/backlot/numba: Not a directory" in caplog.text


@pytest.mark.parametrize("kind", ["open to all", "a link"])
def test_a_temporary_folder_that_somebody_else_prepared_is_refused(temporary, tmp_path, kind):
    if kind == "a link":
        (tmp_path / "theirs").mkdir()
        temporary.symlink_to(tmp_path / "theirs")
    else:
        temporary.mkdir()
        temporary.chmod(0o777)
    with (
        pytest.raises(FatalError, match=r"somebody else can write there.*NUMBA_CACHE_DIR"),
        compilation._turn(),
    ):
        pass


def test_a_wait_for_another_process_is_said_once(temporary, monkeypatch, caplog):
    monkeypatch.setattr(compilation, "_SILENT_S", 0.0)
    entered = threading.Event()

    def wait():
        with compilation._turn():
            entered.set()

    with caplog.at_level(logging.INFO), compilation._turn():
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not entered.wait(1)
    waiting.join(10)
    assert entered.is_set()
    assert caplog.text.count("waiting for another process") == 1


def test_a_machine_without_the_package_stops_the_run_by_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymatting", None)
    foreground_color._solver.cache_clear()
    with pytest.raises(FatalError, match=r"pip install 'backlot\[closed-form\]'"):
        RenderMapper(RenderConfig(foreground="multilevel"), limits=ImageLimits(), num_threads=1)
    refine = RefineConfig(method="closed_form")
    with pytest.raises(FatalError, match=r"pip install 'backlot\[closed-form\]'"):
        MatteMapper(MatteConfig(refine=refine), limits=ImageLimits(), num_threads=1)
