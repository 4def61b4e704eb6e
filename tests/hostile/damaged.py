"""Photographs and masks that are torn, flipped, absurd, or none at all.

Nothing here is large or slow to read: dimensions that are too many stand in a header, above pixels
that are not there.
"""

from __future__ import annotations

import os
import random
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

from tests.flow.pictures import photograph
from tests.hostile.cases import PICTURE, File, Row

SIZE = (120, 90)
_REFUSED = frozenset({"corrupt_image"})
_UNKNOWN = frozenset({"unsupported_format", "corrupt_image"})
"""What is cut before its signature ends may not even be recognised."""
_FINE = frozenset({PICTURE})
_DAMAGED = frozenset(
    {
        PICTURE,
        "corrupt_image",
        "unsupported_format",
        "too_many_pixels",
        "too_small",
        "extreme_aspect",
        "empty_matte",
        "full_matte",
    }
)
"""What may become of a file in which a few bytes are others: any of what pictures are refused for,
or a picture of what is left."""


def saved(
    picture: Image.Image, format_name: str, *, frames: Sequence[Image.Image] = (), **options: object
) -> bytes:
    """The picture as a file, with more frames behind it."""
    sink = BytesIO()
    # Copies: Pillow keeps an encoder's settings in the pictures that it has saved.
    options["append_images"] = [frame.copy() for frame in frames]
    picture.copy().save(sink, format_name, save_all=bool(frames), **options)
    return sink.getvalue()


@cache
def healthy() -> Mapping[str, bytes]:
    """One photograph in every format that is read, and in some ways of storing it."""
    photo = photograph(SIZE)
    cut_out = with_alpha(oval())
    return {
        "jpeg": saved(photo, "JPEG", quality=90),
        "progressive": saved(photo, "JPEG", progressive=True),
        "png": saved(photo, "PNG"),
        "cutout": saved(cut_out, "PNG"),
        "webp": saved(photo, "WEBP"),
        "lossless": saved(cut_out, "WEBP", lossless=True),
        "avif": saved(photo, "AVIF"),
        "gif": saved(photo.quantize(64), "GIF"),
        "tiff": saved(photo, "TIFF"),
        "lzw": saved(photo, "TIFF", compression="tiff_lzw"),
        "bmp": saved(photo, "BMP"),
        "jp2": saved(photo, "JPEG2000"),
        "j2k": saved(photo, "JPEG2000", no_jp2=True),
    }


def oval() -> np.ndarray:
    """Coverage of a product in the middle, 0 to 255."""
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    inside = ((x / SIZE[0] - 0.5) / 0.3) ** 2 + ((y / SIZE[1] - 0.5) / 0.35) ** 2 < 1
    return np.asarray(inside * 255, dtype=np.uint8)


def with_alpha(levels: np.ndarray) -> Image.Image:
    """The photograph with this alpha channel."""
    picture = photograph(SIZE)
    picture.putalpha(Image.fromarray(levels.astype(np.uint8)))
    return picture


def _row(group: str, name: str, data: File, ends: frozenset[str], *, suffix: str = ".jpg") -> Row:
    file = f"{group}/{name}{suffix}".replace(" ", "_")
    return Row(group=group, name=name, columns={"image_uri": file}, ends=ends, files={file: data})


def _readable(group: str, name: str, data: bytes) -> Row:
    """A photograph whose labels are nonsense and whose pixels are whole.

    It brings a mask and asks for a plain background: what it is made into is not the question.
    """
    row = _row(group, name, data, _FINE)
    mask = f"{group}/mask.png"
    columns = {**row.columns, "mask_uri": mask, "background_color": "white"}
    files = {**row.files, mask: saved(Image.fromarray(oval()), "PNG")}
    return replace(row, columns=columns, files=files)


def pictures() -> Iterator[Row]:
    """Every hostile photograph."""
    yield from _torn()
    yield from _flipped()
    yield from _no_pictures()
    yield from _misnamed()
    yield from _sizes()
    yield from _modes()
    yield from _exif()
    yield from _icc()
    yield from _labels()
    yield from _alphas()
    yield from _blank()
    yield from _inline()


def _torn() -> Iterator[Row]:
    for kind, data in healthy().items():
        yield _row("torn", f"{kind} in its signature", data[:3], _UNKNOWN)
        for percent in (3, 15, 40, 65, 90):
            cut = data[: len(data) * percent // 100]
            yield _row("torn", f"{kind} at {percent} percent", cut, _REFUSED)


def _flipped() -> Iterator[Row]:
    for kind, data in healthy().items():
        for seed in range(6):
            chance = random.Random(f"{kind} {seed}")
            damaged = bytearray(data)
            # Half of them in the first bytes, where structure is; the others anywhere.
            reach = min(len(data), 120) if seed % 2 else len(data)
            for _ in range(1 + seed):
                damaged[chance.randrange(4, reach)] ^= 1 << chance.randrange(8)
            yield _row("flipped", f"{kind} {seed}", bytes(damaged), _DAMAGED)


def _no_pictures() -> Iterator[Row]:
    files = {
        "html": b"<!doctype html><html><title>403 Forbidden</title></html>",
        "json": b'{"error": "not found"}',
        "xml": b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>",
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg' width='90' height='90'/>",
        "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        "postscript": saved(Image.new("RGB", (40, 40)), "EPS"),
        "icon": saved(Image.new("RGB", (40, 40)), "ICO"),
        "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100),
        "film": b"\0\0\0\x18ftypisom\0\0\0\0isomiso2" + bytes(100),
        "zip": b"PK\x03\x04" + bytes(60),
        "gzip": b"\x1f\x8b\x08\0" + bytes(60),
        "parquet": b"PAR1" + bytes(60),
        "program": b"\x7fELF" + bytes(60),
        "words": b"to be uploaded by Monday\n",
        "one byte": b"\xff",
        "zeros": bytes(4096),
        "ones": b"\xff" * 4096,
        "spaces": b" " * 4096,
        "utf-16": "no picture".encode("utf-16"),
        "lfs pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    }
    for name, data in files.items():
        yield _row("no picture", name, data, frozenset({"unsupported_format"}))
    empty_psd = b"8BPS\0\x01" + bytes(100)
    yield _row("no picture", "photoshop", empty_psd, frozenset({"corrupt_image"}))
    yield _row("no picture", "nothing", b"", frozenset({"empty_file"}))
    for kind, length in (
        ("jpeg", 3),
        ("png", 8),
        ("gif", 6),
        ("bmp", 2),
        ("tiff", 4),
        ("webp", 12),
    ):
        yield _row("no picture", f"signature of {kind}", healthy()[kind][:length], _REFUSED)
    for kind in ("jpeg", "png", "webp", "gif"):
        rest = bytes(random.Random(kind).randbytes(3000))
        yield _row("no picture", f"noise after {kind}", healthy()[kind][:12] + rest, _DAMAGED)


def _misnamed() -> Iterator[Row]:
    for kind, suffix in (("png", ".jpg"), ("jpeg", ".png"), ("webp", ".jpg"), ("avif", ".jpeg")):
        yield _row("misnamed", f"{kind} as {suffix}", healthy()[kind], _FINE, suffix=suffix)
    for suffix in (".txt", "", ".jpg.exe", ".parquet"):
        yield _row(
            "misnamed", f"jpeg as {suffix or 'nothing'}", healthy()["jpeg"], _FINE, suffix=suffix
        )
    for outer, inner in (("png", "jpeg"), ("gif", "png"), ("bmp", "jpeg"), ("webp", "png")):
        head = healthy()[outer][:16]
        data = head + healthy()[inner][16:]
        yield _row("misnamed", f"{inner} that begins as {outer}", data, _DAMAGED)
    glued = healthy()["jpeg"] + healthy()["png"]
    yield _row("misnamed", "a png behind a jpeg", glued, _FINE)
    yield _row("misnamed", "a web page behind a png", healthy()["png"] + b"<script>", _FINE)
    yield _row("misnamed", "a byte before a jpeg", b"\n" + healthy()["jpeg"],
               frozenset({"unsupported_format"}))  # fmt: skip


def png_header(width: int, height: int, *, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG that announces a size and has no pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", b""), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def _resized(kind: str, at: int, packed: bytes) -> bytes:
    data = bytearray(healthy()[kind])
    data[at : at + len(packed)] = packed
    return bytes(data)


def _announced(width: int, height: int) -> Mapping[str, bytes]:
    """Files whose headers announce this size, whatever pixels follow."""
    jpeg = healthy()["jpeg"].index(b"\xff\xc0") + 5
    siz = healthy()["j2k"].index(b"\xff\x51") + 6
    wide, high = min(width, 16383), min(height, 16383)
    tiff = bytearray(healthy()["tiff"])
    for tag, value in ((256, width), (257, height)):
        at = tiff.index(struct.pack("<HHI", tag, 4, 1)) if False else _tag(tiff, tag)
        tiff[at + 2 : at + 12] = struct.pack("<HII", 4, 1, value)
    lossy = healthy()["webp"].index(b"\x9d\x01\x2a") + 3
    return {
        "png": png_header(width, height),
        "jpeg": _resized("jpeg", jpeg, struct.pack(">HH", min(height, 65535), min(width, 65535))),
        "gif": _resized("gif", 6, struct.pack("<HH", min(width, 65535), min(height, 65535))),
        "bmp": _resized("bmp", 18, struct.pack("<ii", width, height)),
        "webp": _resized("webp", lossy, struct.pack("<HH", wide, high)),
        "tiff": bytes(tiff),
        "j2k": _resized("j2k", siz, struct.pack(">II", width, height)),
    }


def _tag(tiff: bytearray, tag: int) -> int:
    """Where an entry of the first directory stands in a little-endian TIFF."""
    (directory,) = struct.unpack_from("<I", tiff, 4)
    (count,) = struct.unpack_from("<H", tiff, directory)
    for number in range(count):
        at = directory + 2 + 12 * number
        if struct.unpack_from("<H", tiff, at)[0] == tag:
            return at
    raise LookupError(tag)


def _sizes() -> Iterator[Row]:
    for kind, data in _announced(30_000, 30_000).items():
        yield _row("announced", f"{kind} of 900 Mpx", data, frozenset({"too_many_pixels"}))
    for kind, data in _announced(8000, 7600).items():
        yield _row("announced", f"{kind} just over the limit", data, frozenset({"too_many_pixels"}))
    for kind, data in _announced(0, 0).items():
        ends = frozenset({"corrupt_image", "too_small", "unsupported_format"})
        yield _row(
            "announced", f"{kind} of no size", data, ends | {PICTURE} if kind == "gif" else ends
        )
    for kind, data in _announced(SIZE[0] * 3, SIZE[1] * 3).items():
        yield _row("announced", f"{kind} of more than it holds", data, _DAMAGED)
    odd = {
        "1 x 1": ((1, 1), "too_small"),
        "1 x 500": ((1, 500), "too_small"),
        "500 x 1": ((500, 1), "too_small"),
        "31 x 64": ((31, 64), "too_small"),
        "40 x 500": ((40, 500), "extreme_aspect"),
        "2000 x 33": ((2000, 33), "extreme_aspect"),
    }
    for name, (size, code) in odd.items():
        for kind in ("PNG", "JPEG", "WEBP"):
            data = saved(photograph(size), kind)
            yield _row("shape", f"{name} {kind.lower()}", data, frozenset({code}))


def _modes() -> Iterator[Row]:
    photo = photograph(SIZE)
    grey = np.asarray(photo.convert("L"))
    deep = (grey.astype(np.uint16) * 257).astype(np.uint16)
    palette = photo.quantize(16)
    frames = [photo.rotate(9), photo.rotate(18)]
    files = {
        "16 bit grey png": saved(Image.fromarray(deep), "PNG"),
        "16 bit grey tiff": saved(Image.fromarray(deep), "TIFF"),
        "grey": saved(photo.convert("L"), "JPEG"),
        "grey with alpha": saved(with_alpha(oval()).convert("LA"), "PNG"),
        "one bit png": saved(photo.convert("1"), "PNG"),
        "one bit tiff": saved(photo.convert("1"), "TIFF", compression="group4"),
        "cmyk jpeg": saved(photo.convert("CMYK"), "JPEG"),
        "cmyk tiff": saved(photo.convert("CMYK"), "TIFF"),
        "lab tiff": saved(photo.convert("LAB"), "TIFF"),
        "ycbcr tiff": saved(photo.convert("YCbCr"), "TIFF"),
        "jpeg in tiff": saved(photo, "TIFF", compression="jpeg"),
        "palette": saved(palette, "PNG"),
        "palette with a colour that is not there": saved(palette, "PNG", transparency=0),
        "palette with many alphas": saved(palette, "PNG", transparency=bytes(range(0, 256, 16))),
        "gif with a colour that is not there": saved(palette, "GIF", transparency=1),
        "moving gif": saved(palette, "GIF", frames=[palette.rotate(9)]),
        "moving webp": saved(photo, "WEBP", frames=frames),
        "moving png": saved(photo, "PNG", frames=frames),
        "moving avif": saved(photo, "AVIF", frames=frames),
        "several jpegs in one": saved(photo, "MPO", frames=frames),
        "tiff of several pages": saved(photo, "TIFF", frames=frames),
        "interlaced gif": saved(palette, "GIF", interlace=1),
        "jpeg of quality 1": saved(photo, "JPEG", quality=1),
        "jpeg without chroma": saved(photo, "JPEG", subsampling="4:2:0", quality=5),
    }
    ends = frozenset({PICTURE, "empty_matte", "full_matte"})
    for name, data in files.items():
        yield _row("mode", name, data, ends)
    floats = Image.fromarray(grey.astype(np.float32) / 255)
    yield _row("mode", "float tiff", saved(floats, "TIFF"), frozenset({PICTURE}))
    wide = Image.fromarray(grey.astype(np.int32) * 65537)
    yield _row("mode", "32 bit tiff", saved(wide, "TIFF"), frozenset({"unsupported_format"}))
    for depth, colour in ((16, 3), (3, 2), (8, 7), (255, 255), (0, 0)):
        data = png_header(*SIZE, depth=depth, colour=colour)
        yield _row("mode", f"png of depth {depth} and colour {colour}", data, _REFUSED)


def _exif() -> Iterator[Row]:
    photo = photograph(SIZE)
    for value in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 255, 65535):
        exif = Image.Exif()
        exif[0x0112] = value
        yield _row("exif", f"orientation {value}", saved(photo, "JPEG", exif=exif), _FINE)
    blocks = {
        "empty": b"Exif\0\0",
        "no header": b"orientation=6",
        "only a byte order": b"Exif\0\0II*\0",
        "a directory far away": b"Exif\0\0II*\0\xff\xff\xff\x7f",
        "a directory in itself": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0",
        "a value of 4 GB": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\xff\xff\xff\xff\0\0\0\0",
        "orientation as words": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x04\0\0\0six\0",
        "an unknown type": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x63\0\x01\0\0\0\x06\0\0\0",
        "noise": b"Exif\0\0" + random.Random(5).randbytes(400),
        "zeros": b"Exif\0\0" + bytes(2000),
        "cut off": b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12\0\x03",
    }
    for name, block in blocks.items():
        yield _readable("exif", name, saved(photo, "JPEG", exif=block))
        yield _readable("exif", f"{name}, png", saved(photo, "PNG", exif=block))


def _icc() -> Iterator[Row]:
    photo = photograph(SIZE)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    profiles = {
        "noise": random.Random(6).randbytes(500),
        "one byte": b"\0",
        "zeros": bytes(500),
        "words": b"Adobe RGB (1998)",
        "cut off": srgb[:200],
        "another kind of pixels": lab,
        "an unknown kind of pixels": srgb[:16] + b"NOPE" + srgb[20:],
        "for ink": srgb[:16] + b"CMYK" + srgb[20:],
        "an unknown class": srgb[:12] + b"nope" + srgb[16:],
        "no signature": srgb[:36] + b"nope" + srgb[40:],
        "a wrong length": b"\xff\xff\xff\xff" + srgb[4:],
        "a thousand tags": srgb[:128] + struct.pack(">I", 1000) + srgb[132:],
        "tags outside": srgb[:136] + b"\xff\xff\xff\xf0" + srgb[140:],
        "a name that is no text": srgb.replace(b"sRGB", b"\xff\xfe\x00\x1b"),
    }
    for name, profile in profiles.items():
        yield _readable("icc", name, saved(photo, "JPEG", icc_profile=profile))
        yield _readable("icc", f"{name}, png", saved(photo, "PNG", icc_profile=profile))
    ink = saved(photo.convert("CMYK"), "JPEG", icc_profile=profiles["noise"])
    yield _readable("icc", "noise, for ink", ink)
    grey = saved(photo.convert("L"), "JPEG", icc_profile=srgb)
    yield _readable("icc", "of colour, on grey", grey)


def _labels() -> Iterator[Row]:
    photo = photograph(SIZE)
    packets = {
        "no xml": b"\xff\xfe\x00nonsense",
        "not closed": b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF><rdf:Description",
        "empty": b"<x:xmpmeta/>",
        "twice": b"<a/>" * 500,
        "a foreign encoding": "<x:xmpmeta>é</x:xmpmeta>".encode("utf-16"),
        "entities that are not defined": b"<x:xmpmeta>&nope;&#0;</x:xmpmeta>",
        "control characters": b"<x:xmpmeta>\0\x1b[31m\x07</x:xmpmeta>",
    }
    for name, packet in packets.items():
        yield _readable("xmp", name, saved(photo, "JPEG", xmp=packet))
    comments = {
        "comment of noise": random.Random(7).randbytes(3000),
        "comment of escapes": b"\x1b[2J\x1b]0;title\x07",
    }
    for name, comment in comments.items():
        yield _readable("xmp", name, saved(photo, "JPEG", comment=comment))
    for density in ((0, 0), (1, 65535)):
        data = saved(photo, "JPEG", dpi=density)
        yield _readable("xmp", f"density {density[0]} {density[1]}", data)


def _alphas() -> Iterator[Row]:
    height, width = SIZE[1], SIZE[0]
    corner = np.zeros((height, width))
    corner[0, 0] = 255
    line = np.zeros((height, width))
    line[:, 60] = 255
    noise = np.random.default_rng(8).integers(0, 256, (height, width))
    alphas = {
        "all 0": (np.zeros((height, width)), {"empty_matte"}),
        "all 1": (np.ones((height, width)), {PICTURE, "empty_matte"}),
        "all 127": (np.full((height, width), 127), {PICTURE}),
        "all 254": (np.full((height, width), 254), {PICTURE}),
        "all 255": (np.full((height, width), 255), {PICTURE}),
        "a corner": (corner, {"empty_matte"}),
        "a line": (line, {"empty_matte"}),
        "noise": (noise, {PICTURE}),
        "turned inside out": (255 - oval(), {PICTURE}),
        "a frame": (
            np.pad(np.zeros((height - 2, width - 2)), 1, constant_values=255),
            {"empty_matte"},
        ),
        "a checkerboard": (np.indices((height, width)).sum(axis=0) % 2 * 255, {PICTURE}),
    }
    for name, (levels, ends) in alphas.items():
        for kind in ("PNG", "WEBP"):
            data = saved(with_alpha(levels), kind, **({"lossless": True} if kind == "WEBP" else {}))
            yield _row("alpha", f"{name}, {kind.lower()}", data, frozenset(ends))


def _blank() -> Iterator[Row]:
    noise = np.random.default_rng(9).integers(0, 256, (*SIZE[::-1], 3)).astype(np.uint8)
    pictures = {
        "white": Image.new("RGB", SIZE, "white"),
        "black": Image.new("RGB", SIZE, "black"),
        "green": Image.new("RGB", SIZE, "#00ff00"),
        "noise": Image.fromarray(noise),
        "ramp": Image.linear_gradient("L").resize(SIZE),
    }
    ends = frozenset({PICTURE, "empty_matte", "full_matte"})
    for name, picture in pictures.items():
        yield _row("blank", name, saved(picture, "PNG"), ends)


def _inline() -> Iterator[Row]:
    """Photographs that the manifest brings along."""
    values: Mapping[str, tuple[bytes | None, frozenset[str]]] = {
        "healthy": (healthy()["jpeg"], _FINE),
        "nothing": (None, frozenset({"bad_request"})),
        "no bytes": (b"", frozenset({"empty_file", "bad_request"})),
        "words": (b"images/a.jpg", frozenset({"unsupported_format"})),
        "torn": (healthy()["png"][:300], _REFUSED),
        "base64": (b"data:image/png;base64,iVBORw0KGgo=", frozenset({"unsupported_format"})),
    }
    for name, (image, ends) in values.items():
        columns = {"image_uri": None, "image": image}
        yield Row(group="inline", name=name, columns=columns, ends=ends)


def masks() -> Iterator[Row]:
    """Masks of the healthy photograph that are none, and references that are none."""
    levels = oval()
    mask = Image.fromarray(levels)
    black, white = Image.new("L", SIZE), Image.new("L", SIZE, 255)
    bad, fine = frozenset({"bad_request"}), _FINE
    files: Mapping[str, tuple[File, frozenset[str]]] = {
        "healthy": (saved(mask, "PNG"), fine),
        "smaller": (saved(mask.resize((60, 45)), "PNG"), fine),
        "another shape": (saved(mask.resize((90, 120)), "PNG"), bad),
        "square": (saved(mask.resize((90, 90)), "PNG"), bad),
        "coloured": (saved(photograph(SIZE), "PNG"), bad),
        "black": (saved(black, "PNG"), frozenset({"empty_matte"})),
        "white": (saved(white, "PNG"), frozenset({"full_matte"})),
        "torn": (saved(mask, "PNG")[:80], _REFUSED),
        "nothing": (b"", frozenset({"empty_file"})),
        "web page": (b"<html>", frozenset({"unsupported_format"})),
        "one pixel": (saved(Image.new("L", (1, 1), 255), "PNG"), frozenset({"too_small"})),
        "900 Mpx": (png_header(30_000, 30_000), frozenset({"too_many_pixels"})),
        "one bit": (saved(mask.convert("1"), "PNG"), fine),
        "16 bit": (saved(Image.fromarray(levels.astype(np.uint16) * 257), "PNG"), fine),
        "palette": (saved(mask.convert("P"), "PNG"), fine),
        "alpha of 0": (saved(with_alpha(levels * 0), "PNG"), frozenset({"empty_matte"})),
        "jpeg": (saved(mask, "JPEG"), fine),
        "a folder": (lambda path: path.mkdir(), frozenset({"not_found"})),
        "a pipe": (lambda path: os.mkfifo(path), frozenset({"not_found"})),
    }
    for name, (data, ends) in files.items():
        file = f"masks/{name}.png".replace(" ", "_")
        yield Row(
            group="mask", name=name, columns={"mask_uri": file}, ends=ends, files={file: data}
        )
    gone = frozenset({"not_found"})
    yield Row(group="mask", name="not there", columns={"mask_uri": "masks/gone.png"}, ends=gone)
    outside = frozenset({"uri_not_allowed"})
    yield Row(group="mask", name="outside", columns={"mask_uri": "../m.png"}, ends=outside)
    references: Mapping[str, tuple[File, frozenset[str]]] = {
        "torn": (healthy()["jpeg"][:500], fine | _REFUSED),
        "nothing": (b"", frozenset({"empty_file"})),
        "web page": (b"<html>", fine | {"unsupported_format"}),
        "a folder": (lambda path: path.mkdir(), gone),
    }
    for name, (data, ends) in references.items():
        file = f"references/{name}.jpg".replace(" ", "_")
        yield Row(
            group="reference",
            name=name,
            columns={"reference_uri": file},
            ends=ends,
            files={file: data},
        )
    yield Row(group="reference", name="not there", columns={"reference_uri": "gone"}, ends=gone)
