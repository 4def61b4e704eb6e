"""Pillow's door: files opened as one format and no other, damage told from refusals."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

from PIL import Image, ImageFile, UnidentifiedImageError

from pipeline.errors import ErrorCode, RowError

DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RuntimeError,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders raise on files that are not what they seem. A missing byte surfaces as
whatever the code next to it did with nothing."""


SEVERAL_FRAMES = "the first of several frames"
"""A note on what was read."""


def is_animated(image: Image.Image) -> bool:
    """Whether there is a second frame, without a look at a third.

    How many there are costs more than the file is long where each is found by the one before it
    (TIFF), and nobody acts on the number.

    Raises:
        DAMAGE: the second frame cannot be found.
    """
    return bool(getattr(image, "is_animated", False))


@contextmanager
def opened(
    data: bytes, file_format: str, *, is_whole: bool = False
) -> Iterator[ImageFile.ImageFile]:
    """Open the file as this format and no other; damage found meanwhile is a `RowError`.

    Args:
        data: the file.
        file_format: Pillow's name of it.
        is_whole: its header is known to be so: then it is Pillow who cannot read such files.
    """
    try:
        with Image.open(BytesIO(data), formats=(file_format,)) as image:
            yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        # Pillow's own limit, before ours is asked. A warning only where the process made it raise.
        raise RowError(ErrorCode.TOO_MANY_PIXELS, str(error)) from error
    except UnidentifiedImageError as error:  # its message is the address of our buffer
        if is_whole:
            raise RowError(
                ErrorCode.UNSUPPORTED_FORMAT,
                f"a {file_format} of a rare kind. Save it as RGB with 8 or 16 bits a channel",
            ) from error
        raise RowError(
            ErrorCode.CORRUPT_IMAGE, f"{file_format} with a header that is damaged, or too exotic"
        ) from error
    except DAMAGE as error:
        raise RowError(ErrorCode.CORRUPT_IMAGE, f"{file_format}: {error!r}") from error
