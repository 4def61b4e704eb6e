"""Fences by package: contracts of import-linter, which reads the `imports.toml` of every package.

    packages = ["pipeline.errors", "pipeline.text"]  # of ours
    libraries = ["numpy", "PIL"]                     # of others, without Python's own

A fence is around the files of one package; packages inside it have their own. A table that is named
like a file, `[flow]`, is a fence around that file alone. A file without a fence is an error: those
of a package that declares nothing, and new ones of a package that has only tables.

What counts is what a file imports itself, also within a function and below `TYPE_CHECKING`: whoever
imports `pipeline.models` need not list torch. Declarations are exact: unused entries are errors.
Heavy libraries have doors besides: `.importlinter` says which packages may list them.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

DECLARATION = "imports.toml"
KINDS = ("packages", "libraries")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fence:
    """What the files of one package, or one file alone, may import."""

    name: str
    place: str  # of the declaration, for messages
    packages: frozenset[str]
    libraries: frozenset[str]


class _Listing(Contract):
    """A contract whose check leaves a list of problems."""

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print a problem a line, however narrow the terminal is."""
        for problem in check.metadata["problems"]:
            output.console.print(f"- {problem}", markup=False, soft_wrap=True)
        output.new_line()


class FencesContract(_Listing):
    """Every import is declared in the package where the importing file lies.

    Options:
        doors: lines of `library: package, package`. Only these packages, and those inside them,
            may list the library; where there are none, nobody may.
    """

    doors = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002, FBT001
        """Collect everything that is wrong, a line each."""
        lines: list[str] = self.doors  # type: ignore[assignment]  # the field is what mypy sees
        doors = dict(_door(line) for line in lines)
        files = _files(self.session_options["root_packages"])
        fences: dict[str, Fence] = {}
        problems = list(_read_fences(files, doors, into=fences))
        used = set()
        for module, path in files.items():
            fence = _fence_around(path, fences)
            if module not in graph.modules:
                problems.append(f"{path} is in a folder without __init__.py, where nobody checks.")
            elif fence is None:
                problems.append(
                    f"{path} has no fence. Declare in {path.parent / DECLARATION} what it may "
                    f"import, or move it into a package that has one."
                )
            else:
                for imported in sorted(graph.find_modules_directly_imported_by(module)):
                    entry = _entry_for(imported, fence, files, fences)
                    used.add((fence.name, entry))
                    if entry and entry not in fence.packages | fence.libraries:
                        details = graph.get_import_details(importer=module, imported=imported)
                        refusal = _refusal(entry, fence, fences, doors)
                        problems += [
                            f"{path}:{number} imports {imported}. {refusal}"
                            for number in sorted({detail["line_number"] for detail in details})
                        ]
        problems += [
            f"{fence.place} lists {entry}, which nothing there imports. Remove it."
            for fence in fences.values()
            for entry in sorted(fence.packages | fence.libraries)
            if (fence.name, entry) not in used
        ]
        return ContractCheck(kept=not problems, metadata={"problems": problems})


class AcyclicFilesContract(_Listing):
    """No file is imported by what it imports, nor is a package's `__init__.py`.

    The linter's own `acyclic_siblings` looks at neighbours, not at a package and what is inside it.

    Options:
        packages: whose files.
    """

    packages = fields.SetField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002, FBT001
        """Find a circle, if there is one; the next shows when it is gone."""
        roots: set[str] = self.packages  # type: ignore[assignment]  # the field is what mypy sees
        files = sorted(name for name in graph.modules if name.partition(".")[0] in roots)
        imports = {
            name: sorted(graph.find_modules_directly_imported_by(name) & set(files))
            for name in files
        }
        problems = []
        try:
            TopologicalSorter(imports).prepare()
        except CycleError as error:
            circle = " -> ".join(reversed(error.args[1]))
            problems.append(f"{circle}: each imports the next.")
        return ContractCheck(kept=not problems, metadata={"problems": problems})


def _door(line: str) -> tuple[str, list[str]]:
    library, _, packages = line.partition(":")
    return library.strip(), [name.strip() for name in packages.split(",") if name.strip()]


def _files(roots: Iterable[str]) -> dict[str, Path]:
    """Every Python file below the roots, by the name of its module."""
    paths = sorted(path for root in roots for path in Path(root).rglob("*.py"))
    return {".".join(path.with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def _read_fences(
    files: Mapping[str, Path], doors: Mapping[str, list[str]], *, into: dict[str, Fence]
) -> Iterator[str]:
    """Read each declaration; what is wrong with one by itself is yielded."""
    for folder in sorted({path.parent for path in files.values()}):
        path = folder / DECLARATION
        if not path.exists():
            continue
        try:
            content = tomllib.loads(path.read_text())
        except tomllib.TOMLDecodeError as error:
            yield f"{path} is no TOML: {error}."
            continue
        tables = {key: value for key, value in content.items() if isinstance(value, dict)}
        of_package = {key: value for key, value in content.items() if key not in tables}
        for table, declared in {**tables, **({"": of_package} if of_package else {})}.items():
            place = f"{path} [{table}]" if table else str(path)
            name = ".".join((*folder.parts, table)) if table else ".".join(folder.parts)
            if sorted(declared) != sorted(KINDS) or not all(map(_is_names, declared.values())):
                yield f"{place} needs two lists of names, {' and '.join(KINDS)}, and nothing else."
            elif table and folder / f"{table}.py" not in files.values():
                yield f"{place} is for a file that is not there. Remove it."
            else:
                names = {kind: frozenset(declared[kind]) for kind in KINDS}
                into[name] = Fence(name=name, place=place, **names)
                for library in sorted(names["libraries"] & doors.keys()):
                    if not set(_outwards(name)) & set(doors[library]):
                        yield f"{place} lists {library}. {_only_door(library, doors)}"


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _outwards(name: str) -> Iterator[str]:
    """The name, then each package around it."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def _fence_around(path: Path, fences: Mapping[str, Fence]) -> Fence | None:
    package = ".".join(path.parent.parts)
    return fences.get(f"{package}.{path.stem}") or fences.get(package)


def _entry_for(
    imported: str, fence: Fence, files: Mapping[str, Path], fences: Mapping[str, Fence]
) -> str | None:
    """What a declaration calls the imported module. None: nothing that is to be declared."""
    if imported in files:
        other = _fence_around(files[imported], fences)
        return None if other is None or other == fence else other.name
    library = imported.partition(".")[0]
    return None if library in sys.stdlib_module_names else library


def _refusal(
    entry: str, fence: Fence, fences: Mapping[str, Fence], doors: Mapping[str, list[str]]
) -> str:
    if entry in doors and not set(_outwards(fence.name)) & set(doors[entry]):
        return _only_door(entry, doors)
    kind = "packages" if entry in fences else "libraries"
    return (
        f"{fence.place} does not list {entry} in {kind}. Move the import to a package that lists "
        f"it, or list it there."
    )


def _only_door(library: str, doors: Mapping[str, list[str]]) -> str:
    match doors[library]:
        case []:
            rule = "Nobody may"
        case [package]:
            rule = f"Its only door is {package}"
        case packages:
            rule = f"Its only doors are {', '.join(packages)}"
    return f"{rule}, says .importlinter."
