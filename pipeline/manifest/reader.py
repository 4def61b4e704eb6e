"""Opening a manifest: its files are found, its columns checked, its condition understood."""

from __future__ import annotations

import logging
from dataclasses import replace

from pipeline import storage
from pipeline.manifest.columns import check_columns
from pipeline.manifest.rows import Manifest, about_manifest
from pipeline.tables import AS_IT_IS, Reading, open_named, spelled
from pipeline.tables.sql import check_condition

logger = logging.getLogger(__name__)


def open_manifest(
    uri: str,
    *,
    where: str | None = None,
    limit: int | None = None,
    reading: Reading = AS_IT_IS,
) -> Manifest:
    """Find the files of a manifest and read their columns.

    Of Parquet files the footers are read, of CSV files the headers, of JSON Lines files every line.

    Args:
        uri: a file, a folder or a glob pattern; Parquet, CSV or JSON Lines. Or the folder of a
            table in the format of Delta, Iceberg or Lance, of which the newest version is read.
        where: SQL condition over its columns; only rows that meet it are selected.
        limit: at most so many rows are selected.
        reading: what is to be known of the files that they do not say themselves.

    Raises:
        ValueError: one line saying what is wrong with which field, and the fix.
    """
    if not uri.strip():  # not the folder we happen to be in, with all that is below it
        raise ValueError(
            "the manifest is named by nothing: give a Parquet, CSV or JSON Lines file, a folder of "
            "them, or a pattern such as 'catalog/*.parquet'"
        )
    storage.check_place(uri, what="manifest")
    uri = storage.absolute(uri)
    try:
        opened = open_named(uri, reading=reading, key="id")
        table = spelled(opened.table, "id")
    except ValueError as error:
        raise about_manifest(uri, error) from None
    if opened.passed_over is not None:
        logger.info("manifest %s: %s", uri, opened.passed_over)
    manifest = Manifest(
        uri=uri,
        root=opened.root,
        table=table,
        version=opened.version,
        where=where,
        limit=limit,
        passed_over=opened.passed_over,
        no_text=opened.no_text,
    )
    check_columns(manifest)
    if where is None:
        return manifest
    try:
        columns = manifest.sql_columns(where)
        check_condition(where, columns, known=manifest.schema.names)
    except ValueError as error:
        raise ValueError(f"--where {where!r}: {error}") from None
    return replace(manifest, asked=columns)
