"""Every pattern of `re` in our code and how it is used, by the source: none is missed."""

import ast
import importlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_MATCHING = frozenset({"match", "fullmatch"})
_SEARCHING = frozenset({"search", "sub", "subn", "split", "findall", "finditer"})
_FLAGS = {name: getattr(re, name) for name in ("DOTALL", "IGNORECASE", "MULTILINE", "VERBOSE")}


@dataclass(frozen=True)
class Used:
    """A pattern in one place."""

    place: str
    pattern: re.Pattern | None
    """None: it is made while we run."""
    ways: frozenset[str]
    """The methods that are called on it."""


def used_patterns(folders: tuple[str, ...] = ("pipeline", "jobs")) -> Iterator[Used]:
    """All that are compiled, or handed to a function of `re`, in these folders."""
    texts = {
        path: path.read_text()
        for folder in folders
        for path in sorted((_ROOT / folder).rglob("*.py"))
    }
    trees = {path: ast.parse(text) for path, text in texts.items() if "import re\n" in text}
    sharing = [
        ".".join(path.relative_to(_ROOT).with_suffix("").parts)
        for path, tree in trees.items()
        if any(not name.startswith("_") for name in _names_of_compiled(tree).values())
    ]
    elsewhere = [
        ast.parse(text)
        for path, text in texts.items()
        if path not in trees and any(f"from {module} import" in text for module in sharing)
    ]
    everywhere = _ways_by_name([*trees.values(), *elsewhere])
    for path, tree in trees.items():
        within = _ways_by_name([tree])
        names = _names_of_compiled(tree)
        for call in ast.walk(tree):
            method = _method_of_re(call)
            if method is None:
                continue
            assert isinstance(call, ast.Call)
            place = f"{path.relative_to(_ROOT)}:{call.lineno}"
            if method == "compile":
                name = names.get(call)
                # What has no name of its module's, or is handed on, may be used in every way.
                known = within if name is not None and name.startswith("_") else everywhere
                used = known.get(name, _SEARCHING) if name is not None else _SEARCHING
            else:
                used = frozenset({method})
            yield Used(place, _compiled(call, method, path, tree), used)


def _method_of_re(node: ast.AST) -> str | None:
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
        and node.func.attr in _MATCHING | _SEARCHING | {"compile"}
    ):
        return node.func.attr
    return None


def _names_of_compiled(tree: ast.Module) -> dict[ast.Call, str]:
    """Calls whose result a name of the module holds."""
    return {
        node.value: target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _ways_by_name(trees: Iterable[ast.Module]) -> dict[str, frozenset[str]]:
    """By name: the methods that are called on it; where it is passed on, all of them."""
    ways: defaultdict[str, set[str]] = defaultdict(set)
    for tree in trees:
        called, loaded = set(), []
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                called.add(node.value)
                ways[node.value.id].add(node.attr)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                loaded.append(node)
        for node in loaded:
            ways[node.id] |= frozenset() if node in called else _SEARCHING
    return {name: frozenset(used) for name, used in ways.items()}


def _compiled(call: ast.Call, method: str, path: Path, tree: ast.Module) -> re.Pattern | None:
    names = dict(_FLAGS)
    needed = {
        node.id
        for node in ast.walk(call.args[0])
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    held = {
        target.id
        for node in tree.body
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    if needed - held:
        return None
    if needed:
        module = importlib.import_module(".".join(path.relative_to(_ROOT).with_suffix("").parts))
        names |= {name: getattr(module, name) for name in needed}
    pattern = eval(compile(ast.Expression(call.args[0]), "pattern", "eval"), names)
    # The place of flags differs; no function has a number beside them that is no keyword.
    given = [word.value for word in call.keywords if word.arg == "flags"]
    place = {"sub": 4, "subn": 4, "split": 3}.get(method, 1 if method == "compile" else 2)
    given += call.args[place : place + 1]
    flags = eval(compile(ast.Expression(given[0]), "flags", "eval"), {"re": re}) if given else 0
    return re.compile(pattern, flags)
