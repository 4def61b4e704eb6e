"""Files, modules and headings that the documentation names are there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    *("ARCHITECTURE.md", "CONTRIBUTING.md", "README.md", "cluster/README.md"),
    *sorted(f"docs/{path.name}" for path in ROOT.glob("docs/*.md")),
]
FOLDERS = "benchmarks|cluster|docs|findings|jobs|notebooks|pipeline|tests|tools"
FOLLOWED = re.compile(r"^## Adding a (stage|generator)\n.*?(?=^## )", re.M | re.S)
"""Sections that name files which their reader is to write: see tests/contributing/."""

PATH = re.compile(rf"(?<![\w./<-])(?:{FOLDERS})/[\w./*-]*")
MODULE = re.compile(r"(?<![\w./-])(?:benchmarks|jobs|pipeline|tests|tools)(?:\.\w+)+")
VERB = re.compile(r"(?:^|`)make ([a-z-]+)", re.M)
QUOTED_MODULE = re.compile(f"`({MODULE.pattern})`")
FILE = re.compile(r"`(\w+\.(?:py|sh|toml))`")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def text_of(page: str) -> str:
    """What a page says, without the sections that are followed."""
    return FOLLOWED.sub("", (ROOT / page).read_text())


@cache
def file_names() -> frozenset[str]:
    """Of all files of ours that could be named without their folder."""
    found = [path for name in FOLDERS.split("|") for path in (ROOT / name).rglob("*")]
    return frozenset(path.name for path in [*found, *ROOT.glob("*")])


def is_there(path: str) -> bool:
    """Whether a path, or anything that fits its pattern, exists."""
    path = path.rstrip(".")
    if "*" in path:
        return any(ROOT.glob(path.rstrip("/")))
    return (ROOT / path).is_dir() if path.endswith("/") else (ROOT / path).exists()


def is_module(name: str) -> bool:
    """Whether a dotted name is a module, or something that a module defines."""
    folder = ROOT
    parts = name.split(".")
    for number, part in enumerate(parts):
        if (folder / part / "__init__.py").exists():
            folder = folder / part
            continue
        file = folder / f"{part}.py"
        if file.exists():
            return defines(file, parts[number + 1 :])
        return defines(folder / "__init__.py", parts[number:])
    return True


def defines(file: Path, names: list[str]) -> bool:
    if not names:
        return True
    if not file.exists():
        return False
    defined = set()
    for node in ast.parse(file.read_text()).body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                defined.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                defined.add(name)
            case ast.ImportFrom(names=imported):
                defined |= {alias.asname or alias.name for alias in imported}
    return names[0] in defined


def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_is_there(page: str) -> None:
    text = text_of(page)
    assert [path for path in PATH.findall(text) if not is_there(path)] == []
    assert [name for name in MODULE.findall(text) if not is_module(name)] == []
    assert [name for name in FILE.findall(text) if name not in file_names()] == []
    assert set(VERB.findall(text)) <= verbs()


def verbs() -> set[str]:
    """What `make` can be asked for."""
    return set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.M))


def test_every_verb_is_listed_where_people_set_up() -> None:
    set_up = text_of("CONTRIBUTING.md").partition("## Set up")[2].partition("\n## ")[0]
    listed = {*VERB.findall(set_up), *re.findall(r"; ([a-z]+-[a-z]+):", set_up)}
    assert verbs() - {"help"} == listed


def test_every_folder_of_tests_is_in_the_table_of_tests() -> None:
    folders = {f"tests/{path.parent.name}/" for path in (ROOT / "tests").glob("*/*.py")}
    listed = re.findall(r"^\| `(tests/\w+/)` \|", (ROOT / "CONTRIBUTING.md").read_text(), re.M)
    assert folders == set(listed)


@pytest.mark.parametrize("folder", ["benchmarks", "jobs", "pipeline", "tests", "tools"])
def test_what_docstrings_and_comments_name_is_there(folder: str) -> None:
    lost = {}
    for path in (ROOT / folder).rglob("*.py"):
        text = path.read_text()
        names = [name for name in FILE.findall(text) if name not in file_names()]
        names += [name for name in QUOTED_MODULE.findall(text) if not is_module(name)]
        if names and path != Path(__file__):
            lost[str(path.relative_to(ROOT))] = names
    assert lost == {}


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_links_to_is_there(page: str) -> None:
    lost = []
    for target in LINK.findall(text_of(page)):
        if re.match(r"\w+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (ROOT / page).parent / name if name else ROOT / page
        if not file.exists() or (anchor and anchor not in headings(file)):
            lost.append(target)
    assert lost == []


@pytest.mark.parametrize(
    "name",
    [
        "pipeline/gone.py",
        "pipeline/gone/",
        "pipeline/flow.py/",
        "tests/*/gone_*.py",
        "docs/gone.md",
    ],
)
def test_a_path_that_is_gone_is_noticed(name: str) -> None:
    assert PATH.findall(f"In `{name}` it is.") == [name]
    assert not is_there(name)


@pytest.mark.parametrize("name", ["pipeline.gone", "pipeline.flow.gone", "jobs.recipes.gone"])
def test_a_module_that_is_gone_is_noticed(name: str) -> None:
    assert MODULE.findall(f"python -m {name}, or so") == [name]
    assert not is_module(name)
    assert is_module(name.removesuffix(".gone"))
