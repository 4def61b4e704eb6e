"""An object store in memory: whole objects or none, conditional writes, listings in pages.

It can do what S3 can and no more: there is no rename, and the pages of a listing are not of one
moment. It has a clock of its own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
from fsspec.utils import glob_translate

from pipeline.storage.s3.requests import ConflictError, ReadObject

EPOCH = datetime(2030, 5, 6, 22, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Stored:
    """An object."""

    data: bytes
    written_s: float
    """By the store's clock."""
    version: int

    @property
    def etag(self) -> str:
        # Unlike S3's: an object that is written again with the same bytes has another one there
        # too as soon as it is encrypted. A lease must not depend on either.
        return f'"{hashlib.md5(self.data, usedforsecurity=False).hexdigest()}"'


@dataclass(slots=True)
class Memory:
    """Objects by URI."""

    between_pages: Callable[[], None] = lambda: None
    """Called in the middle of a listing."""
    now_s: float = 0.0
    objects: dict[str, Stored] = field(default_factory=dict)
    _versions: int = 0

    def exists(self, uri: str) -> bool:
        return uri in self.objects or self.is_folder(uri)

    def is_folder(self, uri: str) -> bool:
        return any(name.startswith(uri.rstrip("/") + "/") for name in self.objects)

    def read(self, uri: str) -> bytes:
        if uri not in self.objects:
            raise FileNotFoundError(f"nothing at {uri}")
        return self.objects[uri].data

    def write(
        self, uri: str, data: bytes, *, content_type: str | None, below: str | None = None
    ) -> int:
        self._versions += 1
        self.objects[uri] = Stored(data, self.now_s, self._versions)
        return 0

    def create(self, uri: str, data: bytes, *, content_type: str | None) -> bool:
        if uri in self.objects:
            return self.objects[uri].data == data
        self.write(uri, data, content_type=content_type)
        return True

    def remove(self, uri: str) -> None:
        self.objects.pop(uri, None)

    def list_files(self, uri: str, *, suffix: str) -> list[str]:
        prefix = uri.rstrip("/") + "/"
        # Two pages, the keys from 8 on in the second: what changes in between may be in neither.
        first = self._matching(prefix, suffix, lambda name: name < f"{prefix}part-8")
        self.between_pages()
        return first + self._matching(prefix, suffix, lambda name: name >= f"{prefix}part-8")

    def sizes(self, uri: str) -> dict[str, int]:
        return {name: len(self.read(name)) for name in self.list_files(uri, suffix="")}

    def list_folders(self, uri: str) -> list[str]:
        prefix = uri.rstrip("/") + "/"
        below = {name.removeprefix(prefix) for name in self.objects if name.startswith(prefix)}
        return sorted(f"{prefix}{name.partition('/')[0]}" for name in below if "/" in name)

    def glob_files(self, pattern: str) -> list[str]:
        return sorted(filter(re.compile(glob_translate(pattern)).match, self.objects))

    def _matching(self, prefix: str, suffix: str, belongs: Callable[[str], bool]) -> list[str]:
        return sorted(
            name
            for name in self.objects
            if name.startswith(prefix) and name.endswith(suffix) and belongs(name)
        )

    # What a lease asks for, as `pipeline.storage.s3.requests.S3` has it.

    def get(self, uri: str) -> ReadObject:
        data = self.read(uri)
        stored = self.objects[uri]
        return ReadObject(
            data=data,
            etag=stored.etag,
            modified_at=self._date(stored.written_s),
            answered_at=self._date(self.now_s),
            retries=0,
            md5=None,
            content_encoding="",
        )

    def put(self, uri: str, data: bytes, *, if_absent: bool) -> int:
        if if_absent and uri in self.objects:
            raise ConflictError(f"{uri} was changed by somebody else")
        return self.write(uri, data, content_type=None)

    def _date(self, seconds: float) -> datetime:
        """In whole seconds, as HTTP has it."""
        return EPOCH + timedelta(seconds=int(seconds))


class ArrowReader(pafs.FileSystemHandler):
    """Arrow's view of objects; paths are URIs."""

    def __init__(self, objects: Mapping[str, bytes], *, is_cut: bool) -> None:
        """Arrow's view of what there is now.

        Args:
            objects: by URI.
            is_cut: whether of all files but the first half arrives, under a good status.
        """
        self._objects = objects
        self._is_cut = is_cut

    def get_type_name(self) -> str:
        return "memory"

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info(self, paths: list[str]) -> list[pafs.FileInfo]:
        return [self._info(path) for path in paths]

    def get_file_info_selector(self, selector: pafs.FileSelector) -> list[pafs.FileInfo]:
        prefix = selector.base_dir.rstrip("/") + "/"
        return [self._info(name) for name in self._objects if name.startswith(prefix)]

    def open_input_file(self, path: str) -> pa.NativeFile:
        if path not in self._objects:
            raise FileNotFoundError(f"nothing at {path}")
        data = self._objects[path]
        return pa.BufferReader(data[: len(data) // 2] if self._is_cut else data)

    def open_input_stream(self, path: str) -> pa.NativeFile:
        return self.open_input_file(path)

    def _info(self, path: str) -> pafs.FileInfo:
        data = self._objects.get(path)
        if data is None:
            return pafs.FileInfo(path, pafs.FileType.NotFound)
        return pafs.FileInfo(path, pafs.FileType.File, size=len(data))

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError("for reading only")

    create_dir = delete_dir = delete_dir_contents = delete_root_dir_contents = _refuse
    delete_file = move = copy_file = open_output_stream = open_append_stream = _refuse
