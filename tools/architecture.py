"""Write into ARCHITECTURE.md what each package is for: the first line of its docstring.

python tools/architecture.py
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PAGE = "ARCHITECTURE.md"
ROOTS = ("pipeline", "jobs", "benchmarks")

FENCE = "\n```\n"
"""Around the list: the first block of the page."""
MOST_CHARACTERS = 100


def tree(root: Path) -> str:
    """A line for each package below some folders of the repository, found by walking.

    Raises:
        ValueError: a package has no docstring, or one whose first line is too long or no sentence.
    """
    packages = [package for name in ROOTS for package in _packages(root / name)]
    labels = [_label(package.relative_to(root)) for package in packages]
    width = max(map(len, labels)) + 2
    lines = []
    for package, label in zip(packages, labels, strict=True):
        line = f"{label:{width}}{_job(package / '__init__.py')}"
        over = len(line) - MOST_CHARACTERS
        if over > 0:
            raise ValueError(f"{package}: shorten its docstring's first line by {over} characters")
        lines.append(f"{line}\n")
    return "".join(lines)


def written(page: str, root: Path) -> str:
    """The page with the tree as it is now.

    Raises:
        ValueError: as `tree`, or the page has no place for it.
    """
    parts = page.split(FENCE)
    if len(parts) < 3:
        raise ValueError(f"{PAGE}: the block with the packages is gone: bring it back")
    before, _, *after = parts
    return FENCE.join([before, tree(root).rstrip(), *after])


def _packages(package: Path) -> Iterator[Path]:
    """A package and those in it, each before what lies below."""
    yield package
    for init in sorted(package.glob("*/__init__.py")):
        yield from _packages(init.parent)


def _label(package: Path) -> str:
    return f"{'  ' * (len(package.parts) - 1)}{package.name}/"


def _job(file: Path) -> str:
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    if not docstring:
        raise ValueError(f"{file}: say in a docstring what this package is for")
    first = docstring.splitlines()[0]
    if not first.endswith("."):
        raise ValueError(f"{file}: let the docstring's first line be a sentence: {first}")
    return first


def main() -> None:
    """Write the page."""
    root = Path(__file__).parents[1]
    page = root / PAGE
    page.write_text(written(page.read_text(encoding="utf-8"), root), encoding="utf-8")


if __name__ == "__main__":
    main()
