"""The page that draws the house, against the house."""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path

import pytest

from tools.architecture import PAGE, ROOTS, tree, written

ROOT = Path(__file__).parents[2]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name in ROOTS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f'"""What {name} is."""\n')
    return tmp_path


def test_the_page_has_every_package_and_what_its_docstring_says() -> None:
    page = (ROOT / PAGE).read_text()
    assert page == written(page, ROOT), "run `make fmt`"


def test_the_page_is_no_longer_than_two_screens() -> None:
    lines = (ROOT / PAGE).read_text().splitlines()
    assert len(lines) <= 120  # of 60 lines each
    assert [line for line in lines if len(line) > 100] == []


def test_the_page_says_in_which_order_packages_may_import_each_other() -> None:
    lint = ConfigParser()
    lint.read(ROOT / ".importlinter")
    layers = [
        {re.sub(r"^pipeline\.|\.reader$", "", name.strip()) for name in line.split("|")}
        for line in lint["importlinter:contract:layers"]["layers"].strip().splitlines()
    ]
    (sentence,) = re.findall(r"Imports point down:(.*?)\.\s", (ROOT / PAGE).read_text(), re.S)
    named = [word for word in re.findall(r"\w+", sentence) if any(word in one for one in layers)]
    for layer in layers:
        assert set(named[: len(layer)]) == layer
        named = named[len(layer) :]
    assert named == []


def test_a_package_is_found_where_it_lies_and_a_folder_without_modules_is_not(
    repository: Path,
) -> None:
    deep = repository / "pipeline" / "new" / "deep"
    deep.mkdir(parents=True)
    (repository / "pipeline" / "data").mkdir()
    (deep.parent / "__init__.py").write_text('"""What is new.\n\nAnd more of it."""\n')
    (deep.parent / "module.py").write_text('"""Not for this page."""\n')
    (deep / "__init__.py").write_text('"""What lies deeper."""\n')
    assert tree(repository) == (
        "pipeline/    What pipeline is.\n"
        "  new/       What is new.\n"
        "    deep/    What lies deeper.\n"
        "jobs/        What jobs is.\n"
        "benchmarks/  What benchmarks is.\n"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "say in a docstring"),
        ('"""No sentence\n\nand more."""', "be a sentence: No sentence"),
        (f'"""{"x" * 88}."""', "shorten its docstring's first line by 2 characters"),
    ],
)
def test_a_docstring_that_does_not_fit_is_named(repository: Path, text: str, said: str) -> None:
    init = repository / "jobs" / "__init__.py"
    init.write_text(text)
    with pytest.raises(ValueError, match=said) as caught:
        tree(repository)
    assert str(init.parent) in str(caught.value)


def test_a_page_without_a_place_for_the_packages_is_not_written(repository: Path) -> None:
    with pytest.raises(ValueError, match="the block with the packages is gone"):
        written("# Architecture\n", repository)
