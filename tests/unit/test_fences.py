"""Imports that a package may not have are planted in copies of the tree: the linter finds each."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
ROOTS = ("pipeline", "jobs", "benchmarks")
ABOVE = {
    "pipeline": ("pipeline.flow", "jobs.cli"),
    "jobs": ("benchmarks",),
    "benchmarks": ("tests",),
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what the linter reads."""
    for root in (*ROOTS, "tools"):
        data = shutil.ignore_patterns("__pycache__", "*.jpg", "*.onnx", "*.icc")
        shutil.copytree(CHECKOUT / root, tmp_path / root, ignore=data)
    shutil.copy(CHECKOUT / ".importlinter", tmp_path)
    return tmp_path


def lint(tree: Path) -> tuple[int, str]:
    """Check the imports of a copy as `make lint` does: the exit code, and what is printed."""
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def plant(tree: Path, path: str, *lines: str) -> None:
    (tree / path).parent.mkdir(parents=True, exist_ok=True)
    (tree / path).write_text("".join(f"{line}\n" for line in lines))


def replace(tree: Path, path: str, old: str, new: str) -> None:
    text = (tree / path).read_text()
    assert old in text
    (tree / path).write_text(text.replace(old, new, 1))


def packages(tree: Path) -> list[str]:
    """Every package but `pipeline`, where no file can be planted that has a fence."""
    found = (path.parent for root in ROOTS for path in (tree / root).rglob("__init__.py"))
    return sorted(str(folder.relative_to(tree)) for folder in found if folder != tree / "pipeline")


def closed_doors(tree: Path, package: str) -> list[str]:
    """The heavy libraries to which this package is no door."""
    config = configparser.ConfigParser()
    config.read(tree / ".importlinter")
    doors = dict(
        line.split(":")
        for line in config["importlinter:contract:fences"]["doors"].split("\n")
        if line
    )
    around = [str(folder).replace("/", ".") for folder in (Path(package), *Path(package).parents)]
    return [
        library
        for library, open_to in doors.items()
        if not {name.strip() for name in open_to.split(",")} & set(around)
    ]


def forbidden_imports(tree: Path) -> dict[str, list[str]]:
    """For every package, imports that it may not have: of ours above it, and of heavy libraries."""
    return {
        package: [*ABOVE[package.split("/")[0]], *closed_doors(tree, package)]
        for package in packages(tree)
    }


def refused(report: str) -> dict[str, list[str]]:
    """By file, the imports that the report refuses."""
    found: dict[str, list[str]] = {}
    for file, imported in re.findall(r"^- (\S+):\d+ imports (\S+)\. ", report, re.MULTILINE):
        found.setdefault(file, []).append(imported)
    return found


def test_the_tree_as_it_is_passes(tree):
    code, report = lint(tree)

    assert code == 0, report


def test_forbidden_imports_are_refused_in_every_package(tree):
    forbidden = forbidden_imports(tree)
    for package, imports in forbidden.items():
        plant(tree, f"{package}/planted.py", *(f"import {name}" for name in imports))

    code, report = lint(tree)

    assert code == 1
    assert all(len(imports) > 2 for imports in forbidden.values())
    assert {
        package: sorted(refused(report).get(f"{package}/planted.py", [])) for package in forbidden
    } == {package: sorted(imports) for package, imports in forbidden.items()}


def test_what_is_refused_says_file_line_and_what_to_change(tree):
    plant(
        tree,
        "pipeline/imaging/pixels/planted.py",
        "from typing import TYPE_CHECKING",
        "if TYPE_CHECKING:",
        "    from pipeline.storage.s3 import connection",
        "def late():",
        "    import torch.nn",
        "    import json, pandas",
    )

    _, report = lint(tree)

    file, declaration = "pipeline/imaging/pixels/planted.py", "pipeline/imaging/pixels/imports.toml"
    elsewhere = "Move the import to a package that lists it, or list it there."
    assert [line for line in report.split("\n") if file in line] == [
        f"- {file}:6 imports pandas. {declaration} does not list pandas in libraries. {elsewhere}",
        f"- {file}:3 imports pipeline.storage.s3.connection. {declaration} does not list "
        f"pipeline.storage.s3 in packages. {elsewhere}",
        f"- {file}:5 imports torch. Its only door is pipeline.models, says .importlinter.",
    ]


def test_new_files_and_packages_have_a_fence_or_are_refused(tree):
    for path in (
        "pipeline/planted.py",
        "pipeline/planted_package/__init__.py",
        "pipeline/imaging/planted/__init__.py",
        "pipeline/imaging/no_package/planted.py",
    ):
        plant(tree, path, "import torch")

    code, report = lint(tree)

    assert code == 1
    no_fence = "has no fence. Declare in"
    assert f"- pipeline/planted.py {no_fence} pipeline/imports.toml" in report
    package = "pipeline/planted_package"
    assert f"- {package}/__init__.py {no_fence} {package}/imports.toml" in report
    assert "- pipeline/imaging/planted/__init__.py has no fence. Declare in pipeline/im" in report
    assert "- pipeline/imaging/no_package/planted.py is in a folder without __init__.py" in report


def test_declarations_are_exact_and_open_no_doors(tree):
    replace(tree, "pipeline/text/imports.toml", "libraries = [", 'libraries = ["torch", "numpi", ')
    replace(tree, "pipeline/prompts/imports.toml", "libraries", "library")
    plant(tree, "pipeline/tables/imports.toml", "packages = [")
    plant(tree, "jobs/recipes/imports.toml", "[gone]", "packages = []", "libraries = []")

    code, report = lint(tree)

    assert code == 1
    text = "- pipeline/text/imports.toml lists"
    assert f"{text} torch. Its only door is pipeline.models, says .importlinter." in report
    assert f"{text} numpi, which nothing there imports. Remove it." in report
    assert "- pipeline/prompts/imports.toml needs two lists of names, packages and lib" in report
    assert "- pipeline/tables/imports.toml is no TOML: " in report
    assert (
        "- jobs/recipes/imports.toml [gone] is for a file that is not there. Remove it." in report
    )


def test_no_declaration_allows_an_arrow_against_the_grain(tree):
    plant(tree, "pipeline/text/planted.py", "import pipeline.runs")
    replace(tree, "pipeline/text/imports.toml", "packages = [", 'packages = ["pipeline.runs", ')

    code, report = lint(tree)

    assert code == 1
    assert "imports.toml lists BROKEN" not in report
    assert "Imports point down BROKEN" in report
    assert "pipeline.text.planted -> pipeline.runs (l.1)" in report


def test_circles_are_found_among_files_and_among_packages(tree):
    for package, other in (("left", "right"), ("right", "left")):
        folder = f"pipeline/imaging/{package}"
        declared = f'packages = ["pipeline.imaging.{other}"]'
        plant(tree, f"{folder}/imports.toml", declared, "libraries = []")
        plant(tree, f"{folder}/__init__.py")
        plant(tree, f"{folder}/asks.py", f"import pipeline.imaging.{other}.answers")
        plant(tree, f"{folder}/answers.py")
    plant(tree, "pipeline/text/planted.py", "import pipeline.text")
    plant(tree, "pipeline/text/__init__.py", "import pipeline.text.planted")

    code, report = lint(tree)

    assert code == 1
    assert "No cycles are allowed in pipeline.imaging." in report
    circle = "pipeline.text -> pipeline.text.planted -> pipeline.text"
    assert f"- {circle}: each imports the next." in report
