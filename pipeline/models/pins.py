"""Pins: whether a folder of weights is, file for file, what its SHA256SUMS says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import FatalError
from pipeline.text.printable import visible

MANIFEST = "SHA256SUMS"


def check_pin(directory: Path, manifest_sha256: str, *, named: str | None = None) -> None:
    """Check a folder's SHA256SUMS against its pin, and every file below the folder against it.

    Hidden files count, and so do files behind links: a loader does not pass over them either.

    Args:
        directory: the folder.
        manifest_sha256: SHA-256 of the SHA256SUMS file itself, in hexadecimal digits.
        named: how messages call the folder; None: by its path.

    Raises:
        FatalError: a file is missing, is another or is not named; a link leads to a folder outside.
    """
    called = named or str(directory)
    manifest = directory / MANIFEST
    if not manifest.is_file():
        raise FatalError(f"weights {called}/{MANIFEST}: expected a manifest, found none")
    check_sha256(manifest, manifest_sha256, named=f"{called}/{MANIFEST}")
    expected = {}
    for line in manifest.read_text(encoding="utf-8").splitlines():
        sha256, _, name = line.partition(" ")
        expected[name.removeprefix(" ").removeprefix("*").removeprefix("./")] = sha256
    for name in _everything(directory, called):
        if name != MANIFEST and name not in expected:
            raise FatalError(
                f"weights {called}/{visible(name)}: not named in {MANIFEST}: take it away, or name "
                "it there and pin anew"
            )
    for name, sha256 in expected.items():
        one = f"{called}/{visible(name)}"
        if not (directory / name).is_file():
            raise FatalError(f"weights {one}: named in {MANIFEST}, found none")
        check_sha256(directory / name, sha256, named=one)


def check_sha256(file: Path, expected: str, *, named: str | None = None) -> None:
    """Check a file's bytes.

    Raises:
        FatalError: they have another SHA-256.
    """
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != expected.lower():
        raise FatalError(f"weights {named or file}: expected sha256 {expected}, found {digest}")


def _everything(directory: Path, called: str) -> Iterator[str]:
    """Names of all files below a folder, relative to it: hidden ones, and those behind links.

    A file may be a link to anywhere, as in snapshots of the Hugging Face cache: its bytes are
    checked. A folder may be a link to another inside, once on a path, so that the walk has an end.

    Raises:
        FatalError: a link leads to a folder outside or in a circle, or what is there is no file.
    """
    root = directory.resolve()
    waiting = [(directory, False)]
    while waiting:
        folder, behind_link = waiting.pop()
        for entry in sorted(folder.iterdir()):
            name = entry.relative_to(directory).as_posix()
            if entry.is_dir():
                is_link = entry.is_symlink()
                if is_link and (behind_link or not entry.resolve().is_relative_to(root)):
                    raise FatalError(
                        f"weights {called}/{visible(name)}: a link to a folder "
                        f"{'behind another link' if behind_link else 'outside'}: put the files "
                        "themselves there, in pinned weights"
                    )
                waiting.append((entry, behind_link or is_link))
            elif entry.is_file():
                yield name
            else:
                raise FatalError(
                    f"weights {called}/{visible(name)}: neither a file nor a folder: take it away"
                )
