"""What a section of CONTRIBUTING.md tells its reader to write and to run."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "CONTRIBUTING.md"

_FENCE = re.compile(r"^(?P<indent> *)```(?P<kind>\w+)\n(?P<body>.*?)^(?P=indent)```$", re.M | re.S)
_PATH = re.compile(r"`([\w.-]+/[\w./-]+)`")


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A fenced block, and the file it is for."""

    kind: str
    """`diff`: changes of a file; `sh`: commands; else a file, whole."""
    path: str
    """The last path that is named above the block."""
    text: str


def blocks(title: str) -> list[Block]:
    """The blocks of the section with a title, in order."""
    section = PAGE.read_text().partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    found, end = [], 0
    for fence in _FENCE.finditer(section):
        named = _PATH.findall(section[end : fence.start()])
        end = fence.end()
        kind, text = fence["kind"], textwrap.dedent(fence["body"])
        assert named or kind == "sh", f"{title}: no file is named above the block\n{text}"
        found.append(Block(kind=kind, path=named[-1] if named else "", text=text))
    return found


def follow(block: Block, root: Path) -> None:
    """Write the file, or change it as the block says.

    Raises:
        AssertionError: a file that is to be new is there, or what is to be changed is not.
    """
    path = root / block.path
    if block.kind == "diff":
        path.write_text(changed(path.read_text(), block.text, source=block.path))
        return
    assert not path.exists(), f"{block.path} is there already"
    path.write_text(block.text)


def changed(text: str, diff: str, *, source: str) -> str:
    """The text after the hunks of a diff, which `@@` keeps apart.

    Raises:
        AssertionError: what a hunk starts from is not in the text, or more than once.
    """
    lines = text.splitlines()
    for hunk in re.split(r"^@@\n", diff, flags=re.M):
        marked = hunk.splitlines()
        before = [line[1:] for line in marked if not line.startswith("+")]
        after = [line[1:] for line in marked if not line.startswith("-")]
        places = [
            number for number in range(len(lines)) if lines[number : number + len(before)] == before
        ]
        assert len(places) == 1, f"{source} has these lines {len(places)} times: {before}"
        lines[places[0] : places[0] + len(before)] = after
    return "\n".join(lines) + "\n"
