"""Fetch: image URI in, the photograph's bytes out, and its mask's where a row names one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal

import pyarrow as pa
from pydantic import BeforeValidator, Field

from pipeline import schema
from pipeline.engine.actor_memory import Need
from pipeline.engine.isolation import each
from pipeline.engine.stage import Resources, Stage
from pipeline.errors import Columns, ErrorCode, Outcome, Postponed, Row, RowError
from pipeline.imaging.reading.limits import ImageLimits
from pipeline.stages.wrappers.unreadable_files import doubted, joined
from pipeline.storage import Allowance, Doubt, Fetched, Looker, PhotoReader, ReadPolicy

Scheme = Literal["file", "s3", "https", "http"]
_WORDS: Mapping[str, tuple[Scheme, ...]] = {
    "all": ("file", "s3", "https", "http"),
    "list": ("file", "s3"),
    "none": (),
}


def _schemes(value: Any) -> Any:
    return _WORDS.get(value, value) if isinstance(value, str) else value


class FetchConfig(ReadPolicy):
    """How photographs are read."""

    max_bytes: int = Field(
        64 * 2**20, ge=1, description="Largest file accepted, bytes; larger ones are not read."
    )
    batch_bytes: int = Field(
        256 * 2**20,
        ge=1,
        description="Most bytes of files that rows bring along together. What does not fit beside "
        "the rows before it is read once those have gone on; a row that has more goes alone. It "
        "counts in what an actor reserves.",
    )
    versions: Annotated[tuple[Scheme, ...], BeforeValidator(_schemes)] = Field(
        ("file", "s3", "https", "http"),
        description="URI schemes of which a run notes, when it plans, which version of each "
        "photograph is there, so that a nightly run sees those that changed: by listing folders, "
        "on the web by a HEAD request each. 'all' are these four, 'list' is [file, s3], 'none' is "
        "[]. What is not looked at counts as unchanged, and the run's last lines say how many.",
    )
    versions_http: int = Field(
        100_000, ge=0, description="Most such requests to web servers while a run is planned."
    )
    versions_http_s: float = Field(
        900.0, ge=0, allow_inf_nan=False, description="Most seconds for them, all in all."
    )

    def looker(self, *, schemes: Sequence[Scheme] | None = None) -> Looker:
        """Looks at photographs, for one plan; of other schemes than a run does, or of none."""
        return Looker(
            self,
            schemes=self.versions if schemes is None else schemes,
            allowance=Allowance(requests=self.versions_http, seconds=self.versions_http_s),
        )


class FetchMapper:
    """Reads a batch of photographs at once."""

    def __init__(self, config: FetchConfig, *, root: str | None) -> None:
        self._reader = PhotoReader(config, root=root, max_bytes=config.max_bytes)
        self._batch_bytes = config.batch_bytes

    def map_batch(self, rows: Sequence[Row]) -> list[Outcome]:
        """Read what the manifest did not bring along, masks and references too; hash what came.

        The last rows are `Postponed` where all of them together are over `fetch.batch_bytes`.
        """
        files = self._reader.read_rows(
            [
                [
                    *([row["image_uri"]] if row["image_input"] is None else []),
                    *([] if row["mask_uri"] is None else [row["mask_uri"]]),
                    *row["reference_uris"],
                ]
                for row in map(_with_whole_addresses, rows)
            ],
            most_bytes=self._batch_bytes,
        )
        read = [_named(row, found) for row, found in zip(rows, files, strict=False)]
        done = each(read, _digest, of=rows[: len(read)])
        return [*done, *(Postponed() for _ in rows[len(read) :])]


def _named(row: Row, files: Sequence[Fetched | RowError]) -> Row:
    """What was read, as what a row needs it for."""
    given, found = row["image_input"], iter(files)
    return {
        "photo": next(found) if given is None else Fetched(given, retries=0),
        "mask": None if row["mask_uri"] is None else next(found),
        "references": list(found),
    }


def _with_whole_addresses(row: Row) -> Row:
    """The row with what can be fetched by, where the dataset has only what is kept of it."""
    known = dict(row.get("addresses") or ())
    if not known:
        return row
    return {
        **row,
        "image_uri": known.get(row["image_uri"], row["image_uri"]),
        "mask_uri": known.get(row["mask_uri"], row["mask_uri"]),
        "reference_uris": [known.get(uri, uri) for uri in row["reference_uris"]],
    }


def _digest(row: Row) -> Columns:
    photo = _read(row["photo"], "image")
    mask = None if row["mask"] is None else _read(row["mask"], "mask")
    references = [_read(reference, "reference") for reference in row["references"]]
    others = [*([] if mask is None else [mask]), *references]
    named = [
        *_doubts(photo, "image"),
        *([] if mask is None else _doubts(mask, "mask")),
        *(doubt for reference in references for doubt in _doubts(reference, "reference")),
    ]
    return {
        "image_bytes": photo.data,
        "image_sha256": hashlib.sha256(photo.data).hexdigest(),
        "mask_bytes": None if mask is None else mask.data,
        "file_doubt": joined(named),
        "reference_bytes": [reference.data for reference in references],
        "fetch_retries": photo.retries + sum(other.retries for other in others),
    }


def _read(fetched: Fetched | RowError, what: str) -> Fetched:
    if isinstance(fetched, RowError):
        if what == "image":
            raise fetched
        # A reader knows of addresses, and which column one is of is known here.
        message = f"the {what}: {fetched.message}".replace(": image_uri ", f": {what}_uri ", 1)
        raise type(fetched)(fetched.code, message.replace(" of image_uri ", f" of {what}_uri ", 1))
    if not fetched.data:
        error = RowError(ErrorCode.EMPTY_FILE, f"the {what} has no bytes")
        raise doubted(error, joined(_doubts(fetched, what)))
    return fetched


def _doubts(fetched: Fetched, what: str) -> list[tuple[str, Doubt]]:
    return [] if fetched.doubt is None else [(what, fetched.doubt)]


def fetch(
    config: FetchConfig, resources: Resources, *, root: str | None, limits: ImageLimits
) -> Stage:
    """The stage that reads photographs; `root` is the manifest's folder, local or of a bucket."""
    return Stage(
        name="fetch",
        mapper=partial(FetchMapper, root=root),
        config=config,
        reads=("image_uri", "image_input", "mask_uri", "reference_uris", "addresses"),
        adds=pa.schema(
            [
                schema.IMAGE_BYTES,
                schema.IMAGE_SHA256,
                schema.FILE_DOUBT,
                schema.MASK_BYTES,
                schema.REFERENCE_BYTES,
                schema.FETCH_RETRIES,
            ]
        ),
        drops=("image_input", "reference_uris", "addresses"),
        batch_size=64,
        part_bytes=config.batch_bytes,
        resources=resources,
        need=Need(
            megapixels=limits.max_megapixels,
            has_photographs=True,
            # One row goes through in any case: its photograph and its mask.
            files_mb=max(config.batch_bytes, 2 * config.max_bytes) / 2**20,
        ),
        patience_s=config.max_seconds,
    )
