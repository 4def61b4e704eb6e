"""Bodies that are stored or sent compressed: `Content-Encoding`, undone within bounds.

A photograph is compressed already, so nobody is asked for this; but servers send it unasked, and
objects keep the header that they were uploaded with, whether or not it is true.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

import pyarrow as pa

from pipeline.errors import ErrorCode, RowError

_AS_IT_IS = frozenset({"", "identity", "none", "aws-chunked", "binary"})
"""`aws-chunked` is of a request, and some stores keep it with the object."""
_MOST = 4
"""Encodings, one over the other."""
_PICTURES = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n",
    b"GIF8",
    b"II*\0",
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
    b"8BPS",
    b"\xff\x4f\xff\x51",
    b"\0\0\0\x0cjP",
)
"""How files begin; what begins so was never compressed, whatever its header says."""


class _TornError(Exception):
    """What is there cannot be decoded, or not to its end."""


def undone(data: bytes, content_encoding: str, *, max_bytes: int | None) -> bytes:
    """A body without the encodings that its header names.

    A header that is not true of the body is passed over: the body is what it is.

    Args:
        data: the body as it came.
        content_encoding: value of the header; empty: none.
        max_bytes: the most that may come out, of each encoding.

    Raises:
        RowError: `too_many_bytes`; `unsupported_format`, an encoding that is not read;
            `corrupt_image`, one that does not come to its end.
    """
    names = [name.partition(";")[0].strip().lower() for name in content_encoding.split(",")]
    names = [name for name in names if name not in _AS_IT_IS]
    if len(names) > _MOST:
        raise RowError(
            ErrorCode.UNSUPPORTED_FORMAT,
            f"Content-Encoding names {len(names)} encodings, at most {_MOST} are undone",
        )
    for name in reversed(names):
        if not data or _is_picture(data):
            return data
        if name not in _DECODERS:
            raise RowError(
                ErrorCode.UNSUPPORTED_FORMAT,
                f"Content-Encoding {name!r} is not read, only {', '.join(_DECODERS)}: store the "
                "picture as it is",
            )
        try:
            data = _DECODERS[name](data, max_bytes)
        except _TornError as error:
            raise RowError(
                ErrorCode.CORRUPT_IMAGE, f"its Content-Encoding {name!r}: {error}"
            ) from None
    return data


def _is_picture(data: bytes) -> bool:
    return (
        data.startswith(_PICTURES)
        or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")
        or data[4:8] == b"ftyp"
        or (data[:2] == b"BM" and data[6:10] == bytes(4))
    )


def _gzip(data: bytes, most: int | None) -> bytes:
    if data[:2] != b"\x1f\x8b":  # it was never compressed
        return data
    done, body = bytearray(), data
    while body[:2] == b"\x1f\x8b":  # members follow one another
        part, body = _inflated(body, 31, None if most is None else most - len(done))
        done += part
        _check(len(done), most)
    return bytes(done)


def _deflate(data: bytes, most: int | None) -> bytes:
    """RFC 9110 means zlib's format; some send the bare one."""
    try:
        return _inflated(data, zlib.MAX_WBITS, most)[0]
    except _TornError:
        try:
            return _inflated(data, -zlib.MAX_WBITS, most)[0]
        except _TornError:
            return data


def _inflated(data: bytes, wbits: int, most: int | None) -> tuple[bytes, bytes]:
    """What comes out of one stream, and what follows it."""
    stream = zlib.decompressobj(wbits)
    try:
        done = stream.decompress(data, 0 if most is None else most + 1)
    except zlib.error:
        raise _TornError("cannot be decoded") from None
    _check(len(done), most)
    if not stream.eof:
        raise _TornError("ends too early")
    return done, stream.unused_data


def _of_arrow(codec: str, magic: bytes) -> Callable[[bytes, int | None], bytes]:
    def decode(data: bytes, most: int | None) -> bytes:
        if not data.startswith(magic):
            return data
        try:
            with pa.CompressedInputStream(pa.BufferReader(data), codec) as stream:
                done: bytes = stream.read(None if most is None else most + 1)
        except OSError:
            if not magic:  # nothing tells it from what was never compressed
                return data
            raise _TornError("cannot be decoded") from None
        _check(len(done), most)
        return done

    return decode


def _check(num_bytes: int, most: int | None) -> None:
    if most is not None and num_bytes > most:
        raise RowError(
            ErrorCode.TOO_MANY_BYTES,
            "more bytes than are accepted once its Content-Encoding is undone",
        )


_DECODERS: Mapping[str, Callable[[bytes, int | None], bytes]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _of_arrow("brotli", b""),
    "zstd": _of_arrow("zstd", b"\x28\xb5\x2f\xfd"),
}
