"""Store: finished pictures in, objects beside the dataset out."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from pipeline import schema, storage
from pipeline.engine.actor_memory import Need
from pipeline.engine.isolation import each
from pipeline.engine.stage import Resources, Stage
from pipeline.errors import Columns, FatalError, Outcome, Row
from pipeline.imaging.reading.limits import ImageLimits
from pipeline.imaging.writing.encoding import OutputFormat
from pipeline.storage.object_names import object_path
from pipeline.storage.retry import LONGEST_S
from pipeline.text.printable import of_error


class OutputConfig(BaseModel):
    """Where the finished pictures go."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    image_column: bool = Field(
        default=True, description="Put each picture's bytes into its result row."
    )
    image_objects: bool = Field(
        default=True, description="Write each picture as a file under images/."
    )
    concurrency: int = Field(16, ge=1, le=256, description="Writes under way at once per actor.")
    alpha: bool = Field(
        default=False, description="Keep the alpha (8-bit grey PNG) in the result row."
    )
    timestamps: Literal["microseconds", "as_they_are"] = Field(
        "microseconds",
        description="Kept columns with nanoseconds: cut to microseconds, or as they are. Spark "
        "refuses whole files that have nanoseconds, and Delta cannot read them.",
    )
    maps: Literal["lists", "as_they_are"] = Field(
        "lists",
        description="Kept maps: lists of keys and values, or as they are. `datasets` loads nothing "
        "of a dataset that has a map.",
    )


class StoreMapper:
    """Writes pictures as objects. Keys follow from the row alone: twice written is no harm."""

    def __init__(
        self,
        config: OutputConfig,
        *,
        run_uri: str,
        format: OutputFormat,  # noqa: A002
    ) -> None:
        self._run_uri = run_uri
        self._format = format
        self._pool = ThreadPoolExecutor(config.concurrency, thread_name_prefix="store")

    def map_batch(self, rows: Sequence[Row]) -> list[Outcome]:
        """Write all at once; a picture whose object is not safely stored is not a result.

        Raises:
            FatalError: the place takes no picture: it is full, gone, or not ours to write to.
        """
        return each(
            [{"future": self._pool.submit(self._store, row)} for row in rows],
            lambda row: row["future"].result(),
            of=rows,
        )

    def _store(self, row: Row) -> Columns:
        format_ = OutputFormat(row["shot"]["output_format"] or self._format)
        path = object_path(row["sample_id"], format_.extension)
        uri = storage.join(self._run_uri, path)
        try:
            retries = storage.write(
                uri, row["picture"], content_type=format_.media_type, below=self._run_uri
            )
        except (PermissionError, FileNotFoundError) as error:  # of the place, not this picture
            raise FatalError(of_error(error)) from error
        return {"image_path": path, "store_retries": retries}


def store(
    config: OutputConfig,
    resources: Resources,
    *,
    run_uri: str,
    format: OutputFormat,  # noqa: A002
    limits: ImageLimits,
) -> Stage:
    """The stage that writes picture objects under `run_uri`."""
    return Stage(
        name="store",
        mapper=partial(StoreMapper, run_uri=run_uri, format=format),
        config=config,
        reads=("sample_id", "picture", "shot"),
        adds=pa.schema([schema.IMAGE_PATH, schema.STORE_RETRIES]),
        batch_size=32,
        resources=resources,
        need=Need(megapixels=limits.max_megapixels, has_pictures=True),
        patience_s=LONGEST_S,
    )
