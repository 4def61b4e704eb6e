"""Files by tifffile, imagecodecs and Pillow: writers that run wherever the tests do."""

from __future__ import annotations

import itertools
import struct
import zlib
from functools import partial
from io import BytesIO

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

from tests.grid.scene import Case, alpha8, deep, grey8, multiplied, rgb8

ALPHAS = {
    "none": (),
    "straight": ("unassalpha",),
    "premultiplied": ("assocalpha",),
    "selection": ("unspecified",),
    "straight+selection": ("unassalpha", "unspecified"),
}
COMPRESSIONS = ({}, {"compression": "lzw"}, {"compression": "zlib", "predictor": True},
                {"compression": "packbits"}, {"compression": "zstd"})  # fmt: skip
LAYOUTS = (
    {"rowsperstrip": 13},
    {"tile": (16, 32)},
    {"rowsperstrip": 48, "byteorder": ">"},
    {"tile": (32, 16), "byteorder": ">"},
    {"rowsperstrip": 7, "bigtiff": True},
    {"rowsperstrip": 7, "bigtiff": True, "byteorder": ">"},
)


def tiff(samples, **options):
    """A TIFF file by tifffile."""
    out = BytesIO()
    tifffile.imwrite(out, samples, **options)
    return out.getvalue()


def _sized(levels, bits):
    return deep(levels) if bits == 16 else levels


def _stacked(colour, alpha_name, bits):
    """Samples with what stands behind the colours, HWC."""
    colour = colour[..., None] if colour.ndim == 2 else colour
    alpha = _sized(alpha8(), bits)
    if alpha_name == "premultiplied":
        colour = multiplied(colour, alpha)
    num_extra = len(ALPHAS[alpha_name])
    flipped = np.ascontiguousarray(alpha[::-1])
    planes = [alpha, flipped][:num_extra]
    return np.concatenate([colour, *(plane[..., None] for plane in planes)], axis=-1)


def _expected(alpha_name):
    names = ALPHAS[alpha_name]
    found = {}
    if alpha_name in ("straight", "premultiplied", "straight+selection"):
        found["alpha"] = alpha8()
    if "unspecified" in names:
        found["selection"] = alpha8() if len(names) == 1 else alpha8()[::-1]
    return found


def _tiff_case(name, colour, alpha_name, bits, photometric, planar, options, *, rgb, **expected):
    samples = _stacked(_sized(colour, bits), alpha_name, bits)
    if planar == "separate":
        samples = np.ascontiguousarray(np.moveaxis(samples, -1, 0))
    elif samples.shape[-1] == 1:
        samples = samples[..., 0]
    extra = {"extrasamples": ALPHAS[alpha_name]} if ALPHAS[alpha_name] else {}
    if samples.ndim == 3:
        extra["planarconfig"] = planar
    write = partial(tiff, samples, photometric=photometric, **extra, **options)
    return Case(name=name, write=write, rgb=rgb, **_expected(alpha_name), **expected)


def tiffs():
    """Depth, colour, alpha, planes and compression in all combinations; layouts in turn."""
    layouts = itertools.cycle(LAYOUTS)
    kinds = itertools.product(
        (8, 16), ("grey", "rgb"), ALPHAS, ("contig", "separate"), COMPRESSIONS
    )
    for bits, space, alpha, planar, packing in kinds:
        if space == "grey" and alpha == "none" and planar == "separate":
            continue
        colour = grey8() if space == "grey" else rgb8()
        layout = next(layouts)
        name = (
            f"tiff/{bits}/{space}/{alpha}/{planar}-{packing.get('compression', 'raw')}"
            f"-{'-'.join(map(str, layout.values()))} by tifffile"
        )
        yield _tiff_case(
            name, colour, alpha, bits, "rgb" if space == "rgb" else "minisblack", planar,
            packing | layout, rgb=colour,
            # Colours that came multiplied are known no better than alpha is.
            **({"premultiplied": True} if alpha == "premultiplied" else {}),
        )  # fmt: skip
    yield from _inks_and_lab(layouts)
    yield from _odd_tiffs()


def _inks_and_lab(layouts):
    """CMYK and Lab: every layout must read as the plainest does, or as what was encoded."""
    for bits, alpha, planar in itertools.product(
        (8, 16), ("none", "straight"), ("contig", "separate")
    ):
        yield _tiff_case(
            f"tiff/{bits}/cmyk/{alpha}/{planar} by tifffile", inks(), alpha, bits, "separated",
            planar, {"compression": "lzw"} | next(layouts), rgb=None,
        )  # fmt: skip
    for bits, planar in itertools.product((8, 16), ("contig", "separate")):
        samples = lab(bits) if planar == "contig" else np.moveaxis(lab(bits), -1, 0)
        write = partial(
            tiff, np.ascontiguousarray(samples), photometric="cielab", planarconfig=planar,
            compression="zlib", **next(layouts),
        )  # fmt: skip
        yield Case(
            name=f"tiff/{bits}/lab/none/{planar} by tifffile", write=write, rgb=rgb8(),
            # 8 bits hold a* and b* in whole steps, which are several levels of blue.
            mean=1.0, worst=14.0 if bits == 8 else 3.0,
        )  # fmt: skip


def _odd_tiffs():
    """What stands alone: inverted grey, palettes, one bit, floats, small depths, JPEG inside."""
    for bits in (8, 16):
        samples = np.iinfo(f"u{bits // 8}").max - _sized(grey8(), bits)
        write = partial(tiff, samples.astype(f"u{bits // 8}"), photometric="miniswhite")
        yield Case(name=f"tiff/{bits}/white-is-0/none/raw by tifffile", write=write, rgb=grey8())
    table = np.stack([np.arange(256), np.arange(256)[::-1], np.full(256, 90)]).astype(np.uint16)
    write = partial(tiff, grey8(), photometric="palette", colormap=table * 257)
    yield Case(
        name="tiff/8/palette/none/raw by tifffile", write=write, rgb=table.T[grey8()].astype("u1")
    )
    for space, levels in (("grey", grey8()), ("rgb", rgb8())):
        for kind in ("float32", "float16"):
            linear = _linear(levels).astype(kind)
            photometric = "rgb" if space == "rgb" else "minisblack"
            write = partial(tiff, linear, photometric=photometric, compression="zlib")
            yield Case(
                name=f"tiff/{kind}/{space}/none/zlib by tifffile", write=write, rgb=levels, worst=3
            )
    bilevel = grey8() > 128
    for packing in ({}, {"compression": "packbits"}, {"compression": "zlib"}):
        write = partial(tiff, bilevel, photometric="minisblack", **packing)
        yield Case(
            name=f"tiff/1/grey/none/{packing.get('compression', 'raw')} by tifffile",
            write=write, rgb=np.where(bilevel, 255, 0).astype("u1"),
        )  # fmt: skip
    for space, levels in (("grey", grey8()), ("rgb", rgb8())):
        write = partial(
            tiff, levels, photometric="rgb" if space == "rgb" else "minisblack",
            compression="jpeg", compressionargs={"level": 95}, rowsperstrip=16,
        )  # fmt: skip
        yield Case(
            name=f"tiff/8/{space}/none/jpeg by tifffile", write=write, rgb=levels, mean=3, worst=40
        )


def _linear(levels):
    encoded = levels / 255
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def inks():
    """Cyan, magenta, yellow and black, HWC; full scale is full ink."""
    rgb = 255 - rgb8().astype(int)
    black = rgb.min(-1, keepdims=True) // 2
    return np.concatenate([rgb - black, black], -1).astype(np.uint8)


def lab(bits):
    """The scene in CIELAB under D50, a* and b* signed (TIFF 6.0, section 23)."""
    to_xyz_d50 = np.array(  # sRGB to XYZ, adapted to D50 by Bradford (Lindbloom)
        [[0.4360747, 0.3850649, 0.1430804],
         [0.2225045, 0.7168786, 0.0606169],
         [0.0139322, 0.0971045, 0.7141733]]
    )  # fmt: skip
    xyz = _linear(rgb8()) @ to_xyz_d50.T / [0.96422, 1.0, 0.82521]
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    lightness = 116 * f[..., 1] - 16
    a, b = 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])
    if bits == 8:
        signed = np.round(np.stack([lightness * 2.55, a, b], -1)).astype(np.int64)
        return (signed & 255).astype(np.uint8)
    signed = np.round(np.stack([lightness * 655.35, a * 256, b * 256], -1)).astype(np.int64)
    return (signed & 65535).astype(np.uint16)


def jpeg2000s():
    """Depth, channels, container and transform."""
    colours = {1: grey8(), 2: grey8(), 3: rgb8(), 4: rgb8()}
    for bits, channels, codec, lossless in itertools.product(
        (8, 10, 12, 16), colours, ("jp2", "j2k"), (True, False)
    ):
        planes = deep(colours[channels], bits) if bits > 8 else colours[channels]
        if channels in (2, 4):
            alpha = deep(alpha8(), bits) if bits > 8 else alpha8()
            planes = planes[..., None] if planes.ndim == 2 else planes
            planes = np.concatenate([planes, alpha[..., None]], -1)
        write = partial(
            imagecodecs.jpeg2k_encode, np.ascontiguousarray(planes),
            level=0 if lossless else 60, codecformat=codec, bitspersample=bits,
            reversible=lossless,
        )  # fmt: skip
        yield Case(
            name=f"jpeg2000/{bits}/{'grey' if channels < 3 else 'rgb'}/"
            f"{'straight' if channels in (2, 4) else 'none'}/"
            f"{codec}-{'reversible' if lossless else 'lossy'} by imagecodecs",
            write=write,
            rgb=colours[channels],
            alpha=alpha8() if channels in (2, 4) else None,
            **({} if lossless else {"mean": 2.0, "worst": 12.0, "alpha_worst": 12.0}),
        )


def pngs():
    """8 and 16 bits, one to four channels, by two encoders."""
    encoders = {"png": imagecodecs.png_encode, "spng": imagecodecs.spng_encode}
    for (name, encode), bits, channels in itertools.product(
        encoders.items(), (8, 16), (1, 2, 3, 4)
    ):
        colour = grey8() if channels < 3 else rgb8()
        planes = [colour[..., None] if colour.ndim == 2 else colour]
        planes += [alpha8()[..., None]] if channels in (2, 4) else []
        samples = np.concatenate([_sized(plane, bits) for plane in planes], -1)
        write = partial(encode, np.ascontiguousarray(samples.squeeze()))
        yield Case(
            name=f"png/{bits}/{'grey' if channels < 3 else 'rgb'}/"
            f"{'straight' if channels in (2, 4) else 'none'}/plain by imagecodecs-{name}",
            write=write, rgb=colour, alpha=alpha8() if channels in (2, 4) else None,
        )  # fmt: skip


def keyed_pngs():
    """One level, or one colour, that a PNG of each bit depth declares see-through."""
    for bits in (1, 2, 4, 8, 16):
        most = 2**bits - 1
        stored = deep(grey8()) if bits == 16 else np.round(grey8() / 255 * most).astype(np.uint16)
        key = int(stored[20, 30])
        levels = grey8() if bits == 16 else (stored * (255 // most)).astype(np.uint8)
        yield Case(
            name=f"png/{bits}/grey/one-level/plain by hand",
            write=partial(png, stored[..., None], bits, 0, struct.pack(">H", key)),
            rgb=levels, alpha=np.where(stored == key, 0, 255).astype(np.uint8),
        )  # fmt: skip
    for bits in (8, 16):
        stored = _sized(rgb8(), bits)
        key = stored[20, 30]
        yield Case(
            name=f"png/{bits}/rgb/one-colour/plain by hand",
            write=partial(png, stored, bits, 2, struct.pack(">3H", *map(int, key))), rgb=rgb8(),
            alpha=np.where((stored == key).all(-1), 0, 255).astype(np.uint8),
        )  # fmt: skip


def png(samples, bits, colour_type, transparent):
    """A PNG by hand (PNG 3rd edition, section 11), since few writers make use of tRNS."""

    def chunk(kind, body):
        checksum = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + checksum

    height, width, channels = samples.shape
    flat = samples.reshape(height, width * channels)
    if bits == 16:
        rows = flat.astype(">u2").view(np.uint8).reshape(height, -1)
    else:  # the most significant bits of a byte come first
        as_bits = np.unpackbits(flat.astype(np.uint8)[..., None], axis=-1)[..., 8 - bits :]
        rows = np.packbits(as_bits.reshape(height, -1), axis=-1)
    filtered = np.concatenate([np.zeros((height, 1), np.uint8), rows], -1)
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"tRNS", transparent)
        + chunk(b"IDAT", zlib.compress(filtered.tobytes())) + chunk(b"IEND", b"")
    )  # fmt: skip


def avifs():
    """Depth, subsampling and alpha."""
    for bits, alpha, (sampling, mean) in itertools.product(
        (8, 10, 12), (False, True), (("444", 2), ("422", 3), ("420", 3))
    ):
        planes = [rgb8(), alpha8()[..., None]] if alpha else [rgb8()]
        samples = np.concatenate([deep(p, bits) if bits > 8 else p for p in planes], -1)
        write = partial(
            imagecodecs.avif_encode, samples, level=95, speed=9, bitspersample=bits,
            pixelformat=sampling,
        )  # fmt: skip
        yield Case(
            name=f"avif/{bits}/rgb/{'straight' if alpha else 'none'}/{sampling} by imagecodecs",
            write=write, rgb=rgb8(), alpha=alpha8() if alpha else None,
            mean=mean, worst=25, alpha_worst=6,
        )  # fmt: skip


def webps():
    """Lossless and lossy, with and without alpha."""
    for alpha, lossless in itertools.product((False, True), (True, False)):
        samples = np.concatenate([rgb8(), alpha8()[..., None]], -1) if alpha else rgb8()
        write = partial(imagecodecs.webp_encode, samples, level=95, lossless=lossless)
        yield Case(
            name=f"webp/8/rgb/{'straight' if alpha else 'none'}/"
            f"{'lossless' if lossless else 'lossy'} by imagecodecs",
            write=write, rgb=None if alpha and not lossless else rgb8(),
            alpha=alpha8() if alpha else None,
            **({} if lossless else {"mean": 4, "worst": 40}),
        )  # fmt: skip


def jpegs():
    """Grey, colour and inks, all subsamplings."""
    for sampling, progressive in itertools.product(("444", "422", "420", "440", "411"), (0, 1)):
        image, out = Image.fromarray(rgb8()), BytesIO()
        if progressive:
            named = {"444": 0, "422": 1, "420": 2}.get(sampling)
            if named is None:
                continue
            image.save(out, "JPEG", quality=95, subsampling=named, progressive=True)
            write, who = out.getvalue, "pillow"
        else:
            write = partial(imagecodecs.jpeg8_encode, rgb8(), level=95, subsampling=sampling)
            who = "imagecodecs"
        kind = "progressive" if progressive else "baseline"
        yield Case(
            name=f"jpeg/8/rgb/none/{kind}-{sampling} by {who}", write=write, rgb=rgb8(), mean=4,
            worst=50,
        )  # fmt: skip
    yield Case(
        name="jpeg/16/grey/none/lossless by imagecodecs",
        write=partial(imagecodecs.ljpeg_encode, deep(grey8())), rgb=grey8(),
    )  # fmt: skip
    yield Case(
        name="jpeg/12/rgb/none/baseline by imagecodecs",
        write=partial(imagecodecs.jpeg8_encode, deep(rgb8(), 12), level=97, bitspersample=12),
        rgb=rgb8(), mean=3, worst=40,
    )  # fmt: skip
    yield Case(
        name="jpeg/8/grey/none/baseline by imagecodecs",
        write=partial(imagecodecs.jpeg8_encode, grey8(), level=97), rgb=grey8(), mean=1, worst=8,
    )  # fmt: skip


def turned():
    """EXIF orientation 1 to 8 over the kinds that can carry it."""
    back = {
        1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1], 5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, 1), 7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }  # fmt: skip
    formats = {
        "jpeg": {"format": "JPEG", "quality": 97, "subsampling": 0}, "png": {"format": "PNG"},
        "webp": {"format": "WEBP", "lossless": True}, "tiff": {"format": "TIFF"},
        "avif": {"format": "AVIF", "quality": 97, "subsampling": "4:4:4"},
    }  # fmt: skip
    for (kind, options), (orientation, stored) in itertools.product(formats.items(), back.items()):
        yield Case(
            name=f"{kind}/8/rgb/none/orientation-{orientation} by pillow",
            write=partial(_turned, np.ascontiguousarray(stored(rgb8())), orientation, options),
            rgb=rgb8(), **({"mean": 2, "worst": 25} if kind in ("jpeg", "avif") else {}),
        )  # fmt: skip


def _turned(samples, orientation, options):
    exif, out = Image.Exif(), BytesIO()
    exif[274] = orientation
    Image.fromarray(samples).save(out, exif=exif, **options)
    return out.getvalue()


def others():
    """Formats that nobody reads here: refused by name, and never called damaged."""
    writers = {
        "jpegxl": partial(imagecodecs.jpegxl_encode, rgb8()),
        "jpegls": partial(imagecodecs.jpegls_encode, grey8()),
        "jpegxr": partial(imagecodecs.jpegxr_encode, rgb8()),
        "exr-like": lambda: b"v/1\x01" + bytes(400),
        "radiance": lambda: b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 48 +X 64\n" + bytes(400),
        "svg": lambda: b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>",
        "pdf": lambda: b"%PDF-1.7\n" + bytes(400),
        "eps": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n" + bytes(400),
        "qoi": partial(imagecodecs.qoi_encode, rgb8()),
    }
    for name, write in writers.items():
        yield Case(name=f"{name}/-/-/-/-", write=write, refused=True)


def cases():
    """All of them."""
    yield from tiffs()
    yield from jpeg2000s()
    yield from pngs()
    yield from keyed_pngs()
    yield from avifs()
    yield from webps()
    yield from jpegs()
    yield from turned()
    yield from others()
