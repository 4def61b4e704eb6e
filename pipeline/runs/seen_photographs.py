"""Which version of each photograph the runs under an output have seen last."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import pyarrow as pa

from pipeline.processes.activity import doing
from pipeline.runs.past_runs import past_runs, read_columns, telling_files
from pipeline.storage.parallel import in_threads
from pipeline.tables.sql import Stream, query

_SEEN = pa.schema(
    [("file", pa.int32()), ("image_uri", pa.string()), ("image_version", pa.string())]
)


class SeenBefore:
    """The versions of images that earlier runs under an output have seen last."""

    def __init__(self, output: str) -> None:
        """Read nothing yet: on most nights all can be looked at."""
        self._output = output
        self._known: pa.Table | None = None

    def __call__(self, uris: Sequence[str]) -> dict[str, str]:
        """Versions by URI, of those images that have been seen."""
        if self._known is None:
            self._known = _image_versions(self._output)
        seen = query(
            "SELECT image_uri, image_version FROM known SEMI JOIN wanted USING (image_uri)",
            known=self._known,
            wanted=pa.table({"image_uri": pa.array(uris, pa.string())}),
        ).read_all()
        return dict(
            zip(seen["image_uri"].to_pylist(), seen["image_version"].to_pylist(), strict=True)
        )


@doing("reading earlier runs")
def _image_versions(output: str) -> pa.Table:
    files = [file.uri for file in telling_files(past_runs(output))]
    batches = chain.from_iterable(in_threads(_seen_in, enumerate(files)))
    return query(
        "SELECT image_uri, arg_max(image_version, file) AS image_version FROM seen "
        "WHERE image_uri IS NOT NULL AND image_version IS NOT NULL GROUP BY image_uri",
        seen=Stream(_SEEN, batches),
    ).read_all()


def _seen_in(item: tuple[int, str]) -> list[pa.RecordBatch]:
    place, uri = item
    table = read_columns(uri, ("image_uri", "image_version"))
    if table is None:
        return []
    columns = {"file": pa.repeat(pa.scalar(place, pa.int32()), table.num_rows)} | {
        name: table[name] for name in table.column_names
    }
    batches: list[pa.RecordBatch] = pa.table(columns).cast(_SEEN).to_batches()
    return batches
