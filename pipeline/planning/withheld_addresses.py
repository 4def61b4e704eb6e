"""What a plan withholds of addresses, on its way past the dataset to whoever fetches them.

A plan lies beside the results, and has URLs without their queries (`storage.withheld`). The whole
ones are with the driver, packed, a piece for each plan file; each unit of work takes its own along
to the cluster, in memory. A driver that goes on with a run finds them in the manifest again, where
a link may have been signed anew meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

from pipeline import schema, storage

_PACKED = pa.schema([schema.ADDRESSES])
_OPTIONS = pa.ipc.IpcWriteOptions(compression="zstd")


def packed(addresses: pa.Array | pa.ChunkedArray) -> bytes | None:
    """The whole addresses of some rows, small; None: nothing is withheld of any.

    Links of one signer differ in some forty characters, and take about as many bytes.
    """
    whole = addresses.combine_chunks() if isinstance(addresses, pa.ChunkedArray) else addresses
    if whole.null_count == len(whole):
        return None
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, _PACKED, options=_OPTIONS) as writer:
        writer.write_batch(pa.record_batch([whole], schema=_PACKED))
    data: bytes = sink.getvalue().to_pybytes()
    return data


def unpacked(data: bytes) -> pa.ChunkedArray:
    """What was packed."""
    with pa.ipc.open_stream(data) as reader:
        return reader.read_all()[schema.ADDRESSES.name]


def taken_apart(table: pa.Table) -> tuple[pa.Table, pa.ChunkedArray | None]:
    """A piece of a plan as it is written, and the whole addresses of its rows."""
    name = schema.ADDRESSES.name
    if name not in table.column_names:
        return table, None
    return table.drop_columns([name]), table[name]


def of_uris(uris: Iterable[str | None]) -> dict[str, str]:
    """The whole addresses by what is kept of them, of those that have something withheld."""
    kept = {uri: storage.withheld(uri) for uri in uris if uri is not None}
    return {name: uri for uri, name in kept.items() if name != uri}


def looked_up(planned: pa.Table, known: Mapping[str, str]) -> pa.Array:
    """The whole addresses of rows of a plan, as far as they are known."""
    columns = (planned[name].to_pylist() for name in ("image_uri", "mask_uri", "reference_uris"))
    maps = [
        {uri: known[uri] for uri in (photo, mask, *(others or ())) if uri in known}
        for photo, mask, others in zip(*columns, strict=True)
    ]
    return _as_column(maps)


def with_whole(planned: pa.Table, addresses: bytes | None) -> pa.Table:
    """Rows of a plan, with the whole addresses beside what it has of them.

    A plan of an earlier version has them whole: they are taken apart here, so that no result has.
    """
    maps = [
        dict(one or ())
        for one in (
            [None] * planned.num_rows if addresses is None else unpacked(addresses).to_pylist()
        )
    ]
    for name in ("image_uri", "mask_uri"):
        if name not in planned.column_names:
            continue
        uris = planned[name].to_pylist()
        kept = [None if uri is None else storage.withheld(uri) for uri in uris]
        if kept != uris:
            for row, (uri, short) in enumerate(zip(uris, kept, strict=True)):
                if uri != short:
                    maps[row][short] = uri
            index = planned.schema.get_field_index(name)
            column = pa.array(kept, pa.string())
            planned = planned.set_column(index, planned.schema.field(index), column)
    return planned.append_column(schema.ADDRESSES, _as_column(maps))


def _as_column(maps: Sequence[Mapping[str, str]]) -> pa.Array:
    return pa.array([list(one.items()) or None for one in maps], schema.ADDRESSES.type)
