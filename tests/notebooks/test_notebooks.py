from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"
NAMES = ("quickstart", "inspect_run", "tune_quality")


def executed(name: str, folder: Path) -> nbformat.NotebookNode:
    """A notebook after all its cells have run; a cell that raises fails the test."""
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    path = f"{FOLDER.parent}:{os.environ.get('PYTHONPATH', '')}"
    environment = {**os.environ, "BACKLOT_NOTEBOOKS": str(folder), "PYTHONPATH": path}
    NotebookClient(notebook, timeout=240).execute(cwd=str(FOLDER), env=environment)
    return notebook


def printed(notebook: nbformat.NotebookNode) -> str:
    """What the cells printed and what their last lines came to, as text."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    values = [output.get("data", {}).get("text/plain", "") for output in outputs]
    return "\n".join([*(output.get("text", "") for output in outputs), *values])


def num_pictures(notebook: nbformat.NotebookNode) -> int:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return sum("image/png" in output.get("data", {}) for output in outputs)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    kept = os.environ.get("BACKLOT_NOTEBOOKS_KEPT")
    return Path(kept) if kept else tmp_path_factory.mktemp("notebooks")


def keep(notebook: nbformat.NotebookNode, name: str) -> None:
    if "BACKLOT_NOTEBOOKS_KEPT" in os.environ:
        nbformat.write(notebook, Path(os.environ["BACKLOT_NOTEBOOKS_KEPT"]) / f"{name}.ipynb")


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_kept_without_its_outputs(name):
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}


@pytest.mark.slow
def test_settings_are_tuned_without_a_cluster(folder):
    notebook = executed("tune_quality", folder)
    keep(notebook, "tune_quality")
    assert num_pictures(notebook) == 4
    assert "ray" not in printed(notebook)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_quickstart_makes_a_dataset_that_can_be_inspected(folder):
    quickstart = executed("quickstart", folder)
    keep(quickstart, "quickstart")
    said = printed(quickstart)
    assert "espresso-marble  ok" in said
    assert "teapot-lost      not_found" in said
    assert num_pictures(quickstart) == 1
    inspected = executed("inspect_run", folder)
    keep(inspected, "inspect_run")
    assert "2 of 7 rows have no picture" in printed(inspected)
    assert num_pictures(inspected) == 4
