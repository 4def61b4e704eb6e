"""What a name was meant to say under which nothing is, as far as it shows: for the row's error."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePath
from urllib.parse import unquote

from pipeline.errors import ErrorCode, RowError
from pipeline.storage.photographs.addresses import BLANK, OF_WINDOWS, PICTURE, quoted
from pipeline.storage.uris import shortened

_WINDOWS = re.compile(r"(?:^|/)(?:[A-Za-z]:[\\/]|\\\\)")
_HOME = re.compile(r"~[\w.-]*")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(
    rf"www\.{_LABEL}(?:\.{_LABEL})+(?::\d+)?"
    rf"|(?:{_LABEL}\.)+(?:app|biz|cloud|co|com|dev|edu|eu|gov|info|io|me|net|online|org|shop|site"
    rf"|store|tv|xyz|[a-z]{{2}})(?::\d+)?"
    rf"|(?:\d{{1,3}}\.){{3}}\d{{1,3}}(?::\d+)?|localhost(?::\d+)?|(?:{_LABEL}\.)+{_LABEL}:\d+",
    re.IGNORECASE,
)


def no_file(uri: str, *, root: str, name: str) -> RowError:
    """The error of a local file that is not there, `name` being its path below `root`."""
    first, slash, _ = name.partition("/")
    if slash and not os.path.lexists(f"{root.rstrip('/')}/{first}"):
        if _HOME.fullmatch(first):
            return RowError(
                ErrorCode.BAD_REQUEST,
                f"image_uri {quoted(name)} begins with {first!r}, which stands for nobody's folder "
                "here: write where it lies below the manifest's folder",
            )
        if _HOST.fullmatch(first):
            bare = name.partition("?")[0]  # a query may be signed
            return RowError(ErrorCode.BAD_REQUEST, f"image_uri {quoted(bare)} {_of_the_web(bare)}")
    found = _of_a_name(name)
    if found is not None:
        return found
    path, ending = Path(f"{root}/{name}"), PurePath(name).suffix
    for other in {ending.lower(), ending.upper()} - {ending}:
        if os.path.lexists(path.with_suffix(other)):
            there = quoted(path.with_suffix(other).name)
            return RowError(ErrorCode.NOT_FOUND, f"nothing at {shortened(uri)}; there is {there}")
    return RowError(ErrorCode.NOT_FOUND, f"nothing at {shortened(uri)}{_to_the_letter(name)}")


def no_object(*, key: str, said: str) -> RowError:
    """The error of an object that is not there; `said` is the store's word for it."""
    found = _of_a_name(key)
    if found is not None:
        return found
    parts = key.split("/")
    for place, part in enumerate(parts[:-1]):
        if _HOST.fullmatch(part):  # or a folder that is called after a host
            bare = "/".join(parts[place:]).partition("?")[0]  # a query may be signed
            said = f"{said.partition('?')[0]}; it {_of_the_web(bare)}"
            return RowError(ErrorCode.NOT_FOUND, said)
    return RowError(ErrorCode.NOT_FOUND, f"{said}{_to_the_letter(key)}")


def _to_the_letter(name: str) -> str:
    """A note on a part of a name that its writer hardly meant as such; empty: there is none."""
    decoded = unquote(name)
    if decoded != name and "\ufffd" not in decoded:
        return f"; '%' is part of a name here: if it was encoded, write {quoted(decoded)}"
    if "?" in name:
        return "; '?' and what follows it are part of a name here"
    unseen = next((letter for letter in name if letter in BLANK and not letter.isspace()), None)
    return f"; it holds U+{ord(unseen):04X}, which is not seen" if unseen else ""


def _of_a_name(name: str) -> RowError | None:
    if _WINDOWS.search(name):
        return RowError(ErrorCode.BAD_REQUEST, f"image_uri {quoted(name)} {OF_WINDOWS}")
    parts = [part.strip() for part in re.split(r"[,;|\s]\s*", name.strip())]
    parts = [part for part in parts if part]
    if len(parts) > 1 and all(PICTURE.search(part) for part in parts):
        return RowError(
            ErrorCode.BAD_REQUEST,
            f"image_uri {quoted(name)}: nothing is there; it seems to hold {len(parts)} addresses: "
            "write one, and a row for each further picture",
        )
    return None


def _of_the_web(name: str) -> str:
    host = name.partition("/")[0]
    return f"says no scheme: if {host} is on the web, write {shortened(f'https://{name}')}"
