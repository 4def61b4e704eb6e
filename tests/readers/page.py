"""The code blocks of docs/readers.md: what users copy is what the tests run."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "readers.md"
KINDS = ("one run", "all runs", "merged view")
_HEADING = re.compile(r"## (.+)")
_KIND = re.compile(r"# (.+)")


def blocks(page: str) -> dict[tuple[str, str], str]:
    """Python blocks by the heading above them and by what the comment in their first line says."""
    found: dict[tuple[str, str], str] = {}
    heading, block = "", None
    for line in page.splitlines():
        if block is not None and line == "```":
            kind = _KIND.fullmatch(block[0])
            assert kind is not None, f"{heading}: the first line of a block says what it reads"
            assert (heading, kind[1]) not in found, f"{heading}: {kind[1]} twice"
            found[heading, kind[1]] = "\n".join(block)
            block = None
        elif block is not None:
            block.append(line)
        elif line == "```python":
            block = []
        elif matched := _HEADING.fullmatch(line):
            heading = matched[1]
    assert block is None, f"{heading}: a block without an end"
    return found


def value_of(code: str) -> Any:
    """Run a block as it stands; the value of its last line, which is an expression."""
    *statements, last = ast.parse(code).body
    assert isinstance(last, ast.Expr), "the last line of a block is the table"
    names: dict[str, Any] = {}
    exec(compile(ast.Module(statements, []), "docs/readers.md", "exec"), names)
    return eval(compile(ast.Expression(last.value), "docs/readers.md", "eval"), names)
