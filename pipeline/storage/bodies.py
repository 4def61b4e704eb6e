"""Bodies of answers, read up to a limit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from pipeline.errors import ErrorCode, RowError


def nobody_counts(_: int) -> None:
    """Take a number of bytes and count nothing."""


async def read_capped(
    chunks: AsyncIterator[bytes],
    announced: int | None,
    *,
    max_bytes: int | None,
    count: Callable[[int], None] = nobody_counts,
) -> bytes:
    """A body, chunk by chunk, refused as soon as it is known to be too large.

    Args:
        chunks: of the body.
        announced: its length, where that is said.
        max_bytes: the most that is taken.
        count: is told of bytes as they come, and once more, negative, if they are not kept.

    Raises:
        RowError: larger than `max_bytes`, by announcement or in fact.
    """
    body, refusal = bytearray(), f"bytes, at most {max_bytes} accepted"
    if max_bytes is not None and announced is not None and announced > max_bytes:
        raise RowError(ErrorCode.TOO_MANY_BYTES, f"{announced} {refusal}")
    is_kept = False
    try:
        async for chunk in chunks:
            body += chunk
            count(len(chunk))
            if max_bytes is not None and len(body) > max_bytes:
                raise RowError(ErrorCode.TOO_MANY_BYTES, f"more than {max_bytes} {refusal}")
        is_kept = True
    finally:
        if not is_kept:
            count(-len(body))
    return bytes(body)
