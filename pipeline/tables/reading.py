"""How the files of a table are to be read, where they do not say so themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What somebody says of a manifest's files. The same again is the same request."""

    names: tuple[tuple[str, str], ...] = ()
    """Of columns that are called otherwise here: the name here, and the one in the files."""

    def as_json(self) -> dict[str, Any]:
        """What is said, and nothing that is not."""
        return {"names": dict(self.names)} if self.names else {}

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Reading:
        """What `as_json` wrote down."""
        return cls(names=tuple(sorted(said.get("names", {}).items())))


AS_IT_IS = Reading()
"""The files say all that is needed."""


def parse_reading(renamed: Sequence[str]) -> Reading:
    """What a command line says.

    Args:
        renamed: of `--map`, each `name=column`.

    Raises:
        ValueError: one of it says nothing; one line that names the option.
    """
    names: dict[str, str] = {}
    for said in renamed:
        new, is_there, old = said.partition("=")
        if not (new and is_there and old):
            raise ValueError(
                f"--map {said!r}: write the name that Backlot knows, '=', and the name of the "
                "manifest's column, such as image_uri='Image Src'"
            )
        if names.get(new, old) != old:
            raise ValueError(
                f"--map {said!r}: {new!r} is mapped to {names[new]!r} as well: keep one of them"
            )
        names[new] = old
    return Reading(names=tuple(sorted(names.items())))
