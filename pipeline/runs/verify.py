"""Recounting a run: what was planned against what is there, rows and picture objects alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import storage
from pipeline.runs.conservation import compare
from pipeline.runs.documents import files_that_count, read_document
from pipeline.runs.result_files import committed_files
from pipeline.runs.run_folder import planned_ids
from pipeline.runs.stored_files import open_parquet
from pipeline.storage.parallel import in_threads
from pipeline.text.printable import visible

_EXAMPLES = 5
_READ_ROWS = 64
"""Rows whose pictures are in memory at once, per file under way."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One kind of thing that is wrong."""

    kind: str
    count: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        more = ", ..." if self.count > len(self.examples) else ""
        return visible(f"{self.kind}: {self.count:,} ({', '.join(self.examples)}{more})")


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What recounting a run came to."""

    num_planned: int
    num_rows: int
    num_files: int
    num_objects: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _FileCount:
    """What a result file holds: ids, and the size each row's picture object must have."""

    sample_ids: tuple[str, ...]
    object_sizes: Mapping[str, int | None] = field(default_factory=dict)
    """The sizes of objects in bytes, by path relative to the run; None: the row has no bytes."""


def verify(run_uri: str) -> Verdict:
    """Recount a run; every picture byte that a result row holds is read for it.

    Raises:
        ValueError: there is no run in that folder.
    """
    uri = storage.absolute(run_uri)
    document = read_document(uri, "run.json")
    if document is None:
        raise ValueError(f"{uri}: no run.json there; name the folder of a run, .../run_id=X")
    success, names = read_document(uri, "_SUCCESS"), files_that_count(uri)
    present = committed_files(uri)
    listed = present if names is None else [storage.join(uri, "results", n) for n in names]
    counted = dict(zip(listed, in_threads(_count, listed), strict=True))
    counts = [count for count in counted.values() if count is not None]
    there = set(present)
    torn = [name for name, count in counted.items() if count is None and name in there]
    plan = [storage.join(uri, name) for name in document["plan"]["files"]]
    objects = _object_sizes(uri)
    findings = [
        *([] if success else [Finding(kind="unfinished", count=1, examples=("no _SUCCESS",))]),
        _finding("missing files", [_relative(name, uri) for name in listed if name not in there]),
        _finding("torn files", [_relative(name, uri) for name in torn]),
        *_recount(plan, counts),
        *_compared(counts, objects),
    ]
    return Verdict(
        num_planned=document["plan"]["rows"],
        num_rows=sum(len(count.sample_ids) for count in counts),
        num_files=len(counts),
        num_objects=len(objects),
        findings=tuple(finding for finding in findings if finding.count),
    )


def _recount(plan: Sequence[str], counts: Sequence[_FileCount]) -> Iterator[Finding]:
    """Ids that are lost, duplicated or unexpected."""
    counted = (pa.array(count.sample_ids, pa.string()) for count in counts)
    compared = compare(in_threads(planned_ids, plan), counted, num_examples=_EXAMPLES)
    for kind, ids in compared.by_kind().items():
        yield Finding(kind=f"{kind} ids", count=ids.count, examples=ids.examples)


def _compared(counts: Iterable[_FileCount], objects: Mapping[str, int]) -> Iterator[Finding]:
    """Picture objects that are not there, or not whole."""
    wanted = {path: size for count in counts for path, size in count.object_sizes.items()}
    yield _finding("missing objects", [path for path in wanted if path not in objects])
    there = ((path, objects[path], size) for path, size in wanted.items() if path in objects)
    yield _finding(
        "torn objects",
        [
            f"{path} of {actual} bytes" + ("" if size is None else f", its row has {size}")
            for path, actual, size in there
            # With nothing to compare with, an object is wrong only if it is empty.
            if (not actual if size is None else actual != size)
        ],
    )


def _count(uri: str) -> _FileCount | None:
    """What a result file holds; None when it is torn or gone."""
    sizes: dict[str, int | None] = {}
    ids: list[str] = []
    try:
        with open_parquet(uri) as file:
            for batch in file.iter_batches(_READ_ROWS, columns=["sample_id", "image"]):
                ids += batch["sample_id"].to_pylist()
                image = batch["image"]
                lengths = pc.binary_length(pc.struct_field(image, "bytes")).to_pylist()
                paths = pc.struct_field(image, "path").to_pylist()
                sizes |= {p: n for p, n in zip(paths, lengths, strict=True) if p is not None}
    except PermissionError:
        raise
    except (pa.ArrowInvalid, OSError):  # Arrow raises either for a file that was cut off
        return None
    return _FileCount(sample_ids=tuple(ids), object_sizes=sizes)


def _object_sizes(run_uri: str) -> dict[str, int]:
    """Every picture object of a run with its size: one listing, not one request for each."""
    found = storage.sizes(storage.join(run_uri, "images"))
    return {_relative(uri, run_uri): size for uri, size in found.items()}


def _relative(uri: str, run_uri: str) -> str:
    return uri.removeprefix(run_uri).lstrip("/")


def _finding(kind: str, names: Sequence[str]) -> Finding:
    return Finding(kind=kind, count=len(names), examples=tuple(names[:_EXAMPLES]))
