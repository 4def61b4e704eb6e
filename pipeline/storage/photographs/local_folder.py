"""The one local folder that photographs are read from, and what is there under a name."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

from pipeline.storage.photographs.spellings import composed, rewritten
from pipeline.storage.uris import absolute

_MOST_LISTINGS = 64
"""The most folders whose listings are remembered: those of names that are not there as written."""


class LocalFolder:
    """A folder, by its own path: no link and no `..` leads out of it."""

    def __init__(self, root: str | None) -> None:
        """None: there is no local folder that may be read."""
        self._root = None if root is None else root.rstrip("/") or "/"
        self._real = None if root is None else os.path.realpath(root)
        self._listings: dict[tuple[str, int], dict[str, list[str]]] = {}

    def __str__(self) -> str:
        return "no folder of this machine" if self._real is None else self._real

    def real(self, path: str) -> str | None:
        """The real path that a path leads to through all links; None: out of the folder."""
        real = os.path.realpath(path)
        if self._real is None or not real.startswith(self._real.rstrip("/") + "/"):
            return None
        return real

    def holds(self, path: str) -> bool:
        """Whether a path leads to the folder itself, or into it."""
        return self._real is not None and (
            os.path.realpath(path) == self._real or self.real(path) is not None
        )

    def otherwise(self, uri: str) -> list[str]:
        """Other spellings of a name that exist; mostly one, and empty if the name itself exists."""
        path = absolute(uri)
        if self._real is None or os.path.lexists(path):
            return []
        above, name = self.split(path)
        for text in (name, *rewritten(name)):
            found = self._below(above, text.split("/"))
            within = [one for one in found if self.real(one) is not None]
            if within:
                return within
        return []

    def why_outside(self, path: str) -> str:
        """The reason why a path leads out of the folder, and the fix, to follow the path."""
        outside = f"lies outside the manifest's folder, {self}"
        if self._root is None:
            return (
                f"{outside}: write s3://bucket/key, or where it lies below the folder of the "
                "manifest, without a slash before it"
            )
        if os.path.realpath(path) == self._real:
            return "is no file, but the manifest's folder: write a file below it"
        if self.split(os.path.normpath(path))[0]:
            return (
                f"leads out of the manifest's folder, {self}, through a link: put the picture "
                "itself there"
            )
        if path.strip("/") and os.path.lexists(f"{self._root}/{path.lstrip('/')}"):
            return f"{outside}: there is one below it, so write it without the slash before it"
        return f"{outside}: put the pictures below it"

    def split(self, path: str) -> tuple[str, str]:
        """A path as the folder and what is below it; one that lies elsewhere, from the root on."""
        roots = [root.rstrip("/") for root in (self._root, self._real) if root is not None]
        above = next((root for root in roots if path.startswith(f"{root}/")), "")
        return above, path[len(above) + 1 :]

    def _below(self, folder: str, parts: list[str]) -> list[str]:
        """The paths that have these names, in any spelling of their letters where need be."""
        if not parts:
            return [folder]
        name, *rest = parts
        if os.path.lexists(f"{folder}/{name}"):
            found = self._below(f"{folder}/{name}", rest)
            if found:
                return found
        others = [] if name.isascii() else self._listed(folder or "/").get(composed(name), [])
        return [
            path
            for other in others
            if other != name
            for path in self._below(f"{folder}/{other}", rest)
        ]

    def _listed(self, folder: str) -> dict[str, list[str]]:
        """The names in a folder that have more spellings than one, by the composed one."""
        try:
            key = (folder, Path(folder).stat().st_mtime_ns)
            if key not in self._listings:
                names = defaultdict[str, list[str]](list)
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if not entry.name.isascii():
                            names[composed(entry.name)].append(entry.name)
                if len(self._listings) >= _MOST_LISTINGS:
                    self._listings.clear()
                self._listings[key] = {one: sorted(all_) for one, all_ in names.items()}
            return self._listings[key]
        except OSError:  # no such folder, or one that may not be listed: nothing is found there
            return {}
