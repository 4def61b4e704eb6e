"""The answer book: what a language model said before, as Parquet files beside a dataset's runs.

Many actors and many runs write into it at once, so nothing in it is ever changed: every batch of
new answers is a file of its own, and two files may hold the same answer. What is read from it is
held against the policies again, like any other words of a model.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import storage
from pipeline.errors import FatalError
from pipeline.schema import column
from pipeline.tables.writing import WORDS, encoded
from pipeline.text.printable import of_error

logger = logging.getLogger(__name__)

_SCHEMA = pa.schema(
    [
        column("key", pa.string(), "SHA-256 of the question", nullable=False),
        column("scene", pa.string(), "the prompt it was about"),
        column("answer", pa.string(), "what the model said, unread", nullable=False),
    ]
)
_MANY_FILES = 64
"""The number of small files that are rewritten as one by whoever opens the book."""
_READ_THREADS = 16

Answers = Mapping[str, tuple[str, str]]
"""Answers by key: the scene, and the answer."""


class AnswerBook:
    """Answers by the key of their question. `uri` is a folder, which need not exist."""

    def __init__(self, uri: str, *, capacity: int) -> None:
        """Read the newest answers.

        Args:
            uri: the book's folder.
            capacity: how many answers to hold in memory at most.
        """
        self._uri = uri
        self._capacity = capacity
        self._known: dict[str, tuple[str, str]] = {}
        self._read: set[str] = set()
        small = self._read_new()
        if len(small) >= _MANY_FILES:
            self._rewrite(small)

    def find(self, keys: list[str]) -> dict[str, str]:
        """The answers there are; looks into new files for those that are missing."""
        if any(key not in self._known for key in keys):
            self._read_new()
        return {key: self._known[key][1] for key in keys if key in self._known}

    def add(self, answers: Answers) -> None:
        """Write new answers down."""
        if answers:
            self._write(answers)
            self._hold(answers)

    def _read_new(self) -> dict[str, Answers]:
        """Read the files that are not known yet, newest first, while there is room."""
        files = storage.list_files(self._uri, suffix=".pq")[::-1]
        unread = [file for file in files if file not in self._read]
        found: dict[str, Answers] = {}
        with ThreadPoolExecutor(_READ_THREADS, thread_name_prefix="answers") as pool:
            for first in range(0, len(unread), _READ_THREADS):
                if len(self._known) >= self._capacity:
                    break
                batch = unread[first : first + _READ_THREADS]
                for file, answers in zip(batch, pool.map(_read_file, batch), strict=True):
                    found[file] = answers
                    self._hold(answers)
        self._read.update(unread)
        return found

    def _hold(self, answers: Answers) -> None:
        for key, value in answers.items():
            if len(self._known) >= self._capacity:
                return
            self._known[key] = value

    def _rewrite(self, small: Mapping[str, Answers]) -> None:
        """One file in place of many. Another actor may do the same at once: no answer is lost."""
        merged = {key: value for answers in small.values() for key, value in answers.items()}
        if not merged:
            return
        written = self._write(merged)
        for file in small:
            if file != written:
                storage.remove(file)

    def _write(self, answers: Answers) -> str:
        rows = sorted((key, scene, answer) for key, (scene, answer) in answers.items())
        columns = list(zip(*rows, strict=True))
        arrays = [
            pa.array(values, field.type) for values, field in zip(columns, _SCHEMA, strict=True)
        ]
        data = encoded(pa.Table.from_arrays(arrays, schema=_SCHEMA), WORDS)
        digest = hashlib.sha256("\0".join(columns[0]).encode()).hexdigest()[:16]
        # Names sort by time, so that the newest are read first.
        name = f"answers-{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{digest}.pq"
        uri = storage.join(self._uri, name)
        try:
            storage.write(uri, data)
        except OSError as error:
            raise FatalError(of_error(error)) from error
        self._read.add(uri)
        return uri


def _read_file(uri: str) -> Answers:
    try:
        table = pq.read_table(io.BytesIO(storage.read(uri)), columns=_SCHEMA.names)
    except FileNotFoundError:
        return {}  # rewritten by another actor since it was listed: its answers are in a new file
    except (pa.ArrowInvalid, KeyError) as error:
        logger.warning("%s is no part of an answer book and was left out: %s", uri, error)
        return {}
    return {
        key: (scene, answer)
        for key, scene, answer in zip(*(table[n].to_pylist() for n in _SCHEMA.names), strict=True)
    }
