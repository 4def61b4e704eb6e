"""Which files a name stands for: a file, a folder with all below it, or a pattern.

What programs keep beside their rows is passed over, as Spark and Arrow do: names that begin with
`_` or `.`, of files and of folders, such as `_temporary/`, where a writer was killed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pipeline import storage
from pipeline.text.printable import first_line, visible

_WILD = "*?["
_NULL_FOLDER = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedFiles:
    """The files that a name stands for."""

    files: Sequence[str]
    root: str
    """Folder that relative addresses in the rows start from."""
    is_folder: bool = False
    """Whether these are all files of a folder, of whatever kind."""
    hidden: Sequence[str] = ()
    """Files that were passed over for their names, or for those of their folders."""

    def passed_over(self) -> str | None:
        """The files that were passed over, in words; None: none."""
        if not self.hidden:
            return None
        one = len(self.hidden) == 1
        example = self.hidden[0].removeprefix(self.root).lstrip("/")
        return visible(
            f"{len(self.hidden):,} {'file is' if one else 'files are'} passed over, whose names, "
            f"or those of their folders, begin with _ or . (such as {example})"
        )


def find(name: str) -> NamedFiles:
    """The files, in order of their names.

    Args:
        name: absolute.

    Raises:
        ValueError: the storage does not say what is there; one line.
    """
    try:
        if storage.is_folder(name):
            files = storage.list_files(name)
            return _without_hidden(files, root=name.rstrip("/"), spelled=(), is_folder=True)
        # A file that is named itself is read, whatever its name begins with or looks like.
        if storage.exists(name):
            return NamedFiles(files=[name], root=storage.parent(name))
        if any(character in name for character in _WILD):
            return _matching(name)
        return NamedFiles(files=[], root=storage.parent(name))
    except (PermissionError, OSError) as error:
        raise ValueError(f"{name}: cannot be listed: {first_line(error)}") from None


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is no part of a table.

    >>> [is_hidden(name) for name in ("_temporary", "._m.parquet", "_SUCCESS", "m.parquet")]
    [True, True, True, False]
    >>> is_hidden("_part=1")  # the folder of a partition, as Spark has it
    False
    """
    if name.startswith("."):
        return True
    return name.startswith("_") and "=" not in name and name != _NULL_FOLDER


def _matching(pattern: str) -> NamedFiles:
    fixed = pattern[: min(pattern.find(c) for c in _WILD if c in pattern)]
    root = fixed.rpartition("/")[0]
    # As in a shell, a pattern that spells out how a hidden name begins means hidden names.
    spelled = [part for part in pattern[len(root) :].split("/") if is_hidden(part)]
    return _without_hidden(storage.glob_files(pattern), root=root, spelled=spelled)


def _without_hidden(
    files: Sequence[str], *, root: str, spelled: Sequence[str], is_folder: bool = False
) -> NamedFiles:
    seen, hidden = list[str](), list[str]()
    for file in files:
        parts = re.split("/+", file[len(root) :].lstrip("/"))
        unseen = [part for part in parts if is_hidden(part)]
        is_meant = all(any(fnmatchcase(part, one) for one in spelled) for part in unseen)
        (seen if is_meant else hidden).append(file)
    return NamedFiles(files=seen, root=root, is_folder=is_folder, hidden=hidden)
