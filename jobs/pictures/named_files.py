"""Which picture files a name on the command line stands for."""

from __future__ import annotations

import logging
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path

from pipeline import storage
from pipeline.stages.fetch import FetchConfig
from pipeline.text.printable import visible

logger = logging.getLogger(__name__)

PUBLISHED = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".avif")
"""Endings of files that shops are sent."""
DELIVERED = (*PUBLISHED, ".jp2", ".j2k", ".jpx", ".psd", ".psb", ".heic", ".heif", ".hif")
"""Endings of files that photographers send."""


def pictures(name: str, *, argument: str, suffixes: tuple[str, ...]) -> list[str]:
    """The files: one, all below a folder, or those that match a pattern; local or `s3://`.

    What a Mac or an editor keeps beside them is passed over and counted: names that begin with a
    dot, and a zip's `__MACOSX`. One underscore is a camera's: `_DSC0815.JPG` is a photograph.
    What is no file of the folder as well: pipes, devices, links that lead out of it or nowhere.

    Args:
        name: as given.
        argument: what the command calls it.
        suffixes: of the files of a folder that count, in small letters.

    Raises:
        ValueError: there are none.
    """
    root = storage.absolute(name)
    if any(letter in name for letter in "*?[") and not storage.exists(name):
        listed = storage.glob_files(name)
        root = re.split(r"[*?\[]", root, maxsplit=1)[0].rpartition("/")[0]
    elif storage.is_folder(name):
        listed = [uri for uri in storage.list_files(name) if uri.lower().endswith(suffixes)]
    else:
        return [name] if storage.exists(name) else _none(argument, name, [])
    hidden = [uri for uri in listed if _is_hidden(uri[len(root) :])]
    left_out = frozenset(hidden)
    seen = [uri for uri in listed if uri not in left_out]
    is_local = storage.scheme_of(root) == "file"
    foreign = [uri for uri in seen if is_local and not _is_file_of(root, uri)]
    left_out = frozenset(foreign)
    found = [uri for uri in seen if uri not in left_out]
    passed_over = [_passed_over(hidden)] if hidden else []
    passed_over += [_foreign(foreign)] if foreign else []
    if not found:
        return _none(argument, name, passed_over)
    for said in passed_over:
        logger.info("%s", said)
    return found


def reader(uris: Sequence[str], policy: FetchConfig) -> storage.PhotoReader:
    """What reads files that were named on the command line: regular ones, up to `max_bytes`.

    Whoever names files here is nobody's supplier: what is named may be read.
    """
    buckets = {f"s3://{uri.split('/')[2]}/": None for uri in uris if uri.startswith("s3://")}
    policy = policy.model_copy(update={"allowed_prefixes": tuple(buckets)})
    return storage.PhotoReader(policy, root="/", max_bytes=policy.max_bytes)


def _is_file_of(root: str, path: str) -> bool:
    """Whether it is a regular file, and lies below the folder by its own path."""
    real = os.path.realpath(path)
    try:
        is_regular = stat.S_ISREG(Path(real).stat().st_mode)
    except OSError:  # it leads nowhere
        return False
    return is_regular and real.startswith(os.path.realpath(root).rstrip("/") + "/")


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in path.split("/"))


def _passed_over(hidden: list[str]) -> str:
    one = len(hidden) == 1
    return visible(
        f"{len(hidden):,} hidden {'file is' if one else 'files are'} passed over, such as "
        f"{hidden[0]}: name one itself to have it looked at"
    )


def _foreign(foreign: list[str]) -> str:
    return visible(
        f"{len(foreign):,} passed over that {'is' if len(foreign) == 1 else 'are'} no file of the "
        f"folder (a pipe, a device, a link that leads out of it or nowhere), such as {foreign[0]}: "
        "put the file itself there, or name it"
    )


def _none(argument: str, name: str, passed_over: list[str]) -> list[str]:
    also = f" ({'; '.join(passed_over)})" if passed_over else ""
    raise ValueError(f"{argument} {name}: no pictures there{also}")
