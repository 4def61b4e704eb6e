"""Files by ImageMagick, libavif, OpenJPEG and libheif: Debian's tools, where they are installed."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import tempfile
from functools import cache, partial
from pathlib import Path

import numpy as np
from PIL import Image

from tests.grid.scene import Case, alpha8, deep, grey8, rgb8

MAGICK, AVIFENC, HEIFENC, OPJ = "convert-im6.q16", "avifenc", "heif-enc", "opj_compress"
TOOLS = tuple(name for name in (MAGICK, AVIFENC, HEIFENC, OPJ) if shutil.which(name))

_LOSSY = {"mean": 3.0, "worst": 40.0}


@cache
def _folder():
    """With the scene as plain files that every tool reads."""
    folder = tempfile.TemporaryDirectory(prefix="grid-")
    at = Path(folder.name)
    with_alpha = np.concatenate([rgb8(), alpha8()[..., None]], -1)
    Image.fromarray(rgb8()).save(at / "rgb.png")
    Image.fromarray(grey8()).save(at / "grey.png")
    Image.fromarray(with_alpha).save(at / "rgb-alpha.png")
    Image.fromarray(np.stack([grey8(), alpha8()], -1)).save(at / "grey-alpha.png")
    Image.fromarray(np.where(grey8() > 128, 255, 0).astype("u1")).save(at / "bilevel.png")
    for bits in (1, 2, 4, 8):
        Image.fromarray(steps(bits)).save(at / f"steps-{bits}.png")
    Image.fromarray(np.dstack([rgb8(), np.where(alpha8() > 128, 255, 0)]).astype("u1")).save(
        at / "rgb-hard.png"
    )
    (at / "rgb16.ppm").write_bytes(
        f"P6\n{rgb8().shape[1]} {rgb8().shape[0]}\n65535\n".encode()
        + deep(rgb8()).astype(">u2").tobytes()
    )
    return folder


def steps(bits):
    """The grey ramp in as many levels as so many bits have."""
    most = 2**bits - 1
    return (np.round(grey8() / 255 * most) * (255 / most)).astype("u1")


def _made(tool, *arguments, source, name):
    """What a tool makes of a file of the scene."""
    at = Path(_folder().name)
    into = at / name.replace(":", "-")
    named = name if ":" in name else str(into)
    named = named if ":" not in name else f"{name.split(':')[0]}:{into}"
    command = {
        MAGICK: [MAGICK, str(at / source), *arguments, named],
        AVIFENC: [AVIFENC, "-s", "9", "-j", "1", *arguments, str(at / source), str(into)],
        HEIFENC: [HEIFENC, *arguments, str(at / source), "-o", str(into)],
        OPJ: [OPJ, "-i", str(at / source), "-o", str(into), *arguments],
    }[tool]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    data = into.read_bytes()
    into.unlink()
    return data


def _magick(*arguments, source="rgb.png", name):
    return partial(_made, MAGICK, *arguments, source=source, name=name)


def tiffs():
    """By ImageMagick: compressions, byte orders, planes, alpha."""
    packings = ("None", "LZW", "Zip", "RLE", "JPEG", "LZMA", "ZSTD", "WebP")
    for packing, depth, plane, order in itertools.product(
        packings, (8, 16), ("none", "plane"), ("LSB", "MSB")
    ):
        if packing in ("JPEG", "WebP") and (depth == 16 or plane == "plane"):
            continue
        source = "rgb.png" if depth == 8 else "rgb16.ppm"
        yield Case(
            name=f"tiff/{depth}/rgb/none/{plane}-{packing}-{order} by imagemagick",
            write=_magick(
                "-depth", str(depth), "-compress", packing, "-interlace", plane,
                "-define", f"tiff:endian={order.lower()}", "-quality", "95", source=source,
                name="a.tif",
            ),
            rgb=rgb8(), **(_LOSSY if packing in ("JPEG", "WebP") else {}),
        )  # fmt: skip
    for alpha, depth, space, packing in itertools.product(
        ("associated", "unassociated"), (8, 16), ("rgb", "grey"), ("None", "LZW")
    ):
        yield Case(
            name=f"tiff/{depth}/{space}/{alpha}/contig-{packing} by imagemagick",
            write=_magick(
                "-depth", str(depth), "-compress", packing, "-define", f"tiff:alpha={alpha}",
                source=f"{space}-alpha.png", name="a.tif",
            ),
            rgb=rgb8() if space == "rgb" else grey8(), alpha=alpha8(),
            premultiplied=alpha == "associated",
        )  # fmt: skip
    bilevel = np.where(grey8() > 128, 255, 0).astype("u1")
    for packing in ("Group4", "Fax", "RLE", "LZW", "None"):
        yield Case(
            name=f"tiff/1/grey/none/{packing} by imagemagick",
            write=_magick(
                "-monochrome", "-compress", packing, source="bilevel.png", name="a.tif"
            ),
            rgb=bilevel,
        )  # fmt: skip
    for depth in (2, 4, 8):
        yield Case(
            name=f"tiff/{depth}/palette/none/contig by imagemagick",
            write=_magick("-type", "Palette", "-depth", str(depth), source=f"steps-{depth}.png",
                          name="a.tif"),
            rgb=steps(depth), mean=3 if depth == 8 else 0, worst=6 if depth == 8 else 0,
        )  # fmt: skip
    for name in ("tiff64:a.tif", "ptif:a.tif"):
        yield Case(
            name=f"tiff/8/rgb/none/{name[:-6]} by imagemagick", write=_magick(name=name), rgb=rgb8()
        )


def pngs():
    """By ImageMagick: every bit depth, alpha, interlacing."""
    for depth, interlace in itertools.product((1, 2, 4, 8, 16), ("none", "PNG")):
        yield Case(
            name=f"png/{depth}/grey/none/{interlace} by imagemagick",
            write=_magick(
                "-interlace", interlace, "-define", "png:color-type=0", "-define",
                f"png:bit-depth={depth}", source=f"steps-{min(depth, 8)}.png", name="a.png",
            ),
            rgb=steps(min(depth, 8)),
        )  # fmt: skip
    for interlace, (source, kind) in itertools.product(
        ("none", "PNG"), (("rgb.png", 2), ("rgb-alpha.png", 6), ("grey-alpha.png", 4))
    ):
        for depth in (8, 16):
            yield Case(
                name=f"png/{depth}/{source[:-4]}/type-{kind}/{interlace} by imagemagick",
                write=_magick(
                    "-interlace", interlace, "-define", f"png:color-type={kind}", "-define",
                    f"png:bit-depth={depth}", source=source, name="a.png",
                ),
                rgb=grey8() if source.startswith("grey") else rgb8(),
                alpha=alpha8() if "alpha" in source else None,
            )  # fmt: skip


def avifs():
    """By libavif: depth, subsampling, range, alpha, and what turns and crops."""
    for depth, sampling, extent, alpha in itertools.product(
        (8, 10, 12), ("444", "422", "420"), ("full", "limited"), (False, True)
    ):
        yield Case(
            name=f"avif/{depth}/rgb/{_named(alpha)}/{sampling}-{extent} by avifenc",
            write=partial(
                _made, AVIFENC, "-d", str(depth), "-y", sampling, "-r", extent, "--min", "4",
                "--max", "10", "--minalpha", "0", "--maxalpha", "0",
                source="rgb-alpha.png" if alpha else "rgb.png", name="a.avif",
            ),
            rgb=rgb8(), alpha=alpha8() if alpha else None, mean=3, worst=30, alpha_worst=2,
        )  # fmt: skip
    for depth, extent in itertools.product((8, 10, 12), ("full", "limited")):
        yield Case(
            name=f"avif/{depth}/grey/none/400-{extent} by avifenc",
            write=partial(_made, AVIFENC, "-d", str(depth), "-y", "400", "-r", extent, "--min", "0",
                          "--max", "8", source="grey.png", name="a.avif"),
            rgb=grey8(), mean=3, worst=20,
        )  # fmt: skip
        yield Case(
            name=f"avif/{depth}/rgb/premultiplied/444-{extent} by avifenc",
            write=partial(_made, AVIFENC, "-d", str(depth), "-y", "444", "-r", extent, "-p",
                          "--min",
                          "0", "--max", "4", "--minalpha", "0", "--maxalpha", "0",
                          source="rgb-alpha.png", name="a.avif"),
            rgb=rgb8(), alpha=alpha8(), premultiplied=True, mean=4, worst=40, alpha_worst=2,
        )  # fmt: skip
    turns = {0: 0, 1: 1, 2: 2, 3: 3}
    for depth, (turn, mirror) in itertools.product(
        (8, 10), itertools.product((*turns, None), (0, 1, None))
    ):
        if turn is None and mirror is None:
            continue
        expected = rgb8() if turn is None else np.rot90(rgb8(), turn)
        if mirror is not None:  # after the turn (HEIF, 6.5.10 and 6.5.12)
            expected = expected[::-1] if mirror == 0 else expected[:, ::-1]
        arguments = [] if turn is None else ["--irot", str(turn)]
        arguments += [] if mirror is None else ["--imir", str(mirror)]
        yield Case(
            name=f"avif/{depth}/rgb/none/irot-{turn}-imir-{mirror} by avifenc",
            write=partial(_made, AVIFENC, "-d", str(depth), "-y", "444", "--min", "4",
                          "--max", "10",
                          *arguments, source="rgb.png", name="a.avif"),
            rgb=expected, mean=3, worst=30,
        )  # fmt: skip
    for depth, sampling, box in itertools.product(
        (8, 10, 12), ("444", "420"), ((0, 0, 40, 30), (10, 6, 30, 40), (20, 2, 44, 46))
    ):
        x, y, width, height = box
        yield Case(
            name=f"avif/{depth}/rgb/none/{sampling}-crop-{'-'.join(map(str, box))} by avifenc",
            write=partial(_made, AVIFENC, "-d", str(depth), "-y", sampling, "--min", "4", "--max",
                          "10", "--crop", ",".join(map(str, box)), source="rgb.png", name="a.avif"),
            rgb=rgb8()[y : y + height, x : x + width], mean=3, worst=30,
        )  # fmt: skip


def heics():
    """By libheif: phones' own format."""
    for depth, alpha, quality in itertools.product((8, 10, 12), (False, True), (90, 100)):
        yield Case(
            name=f"heic/{depth}/rgb/{_named(alpha)}/{quality} by heif-enc",
            write=partial(_made, HEIFENC, "-q", str(quality), "-b", str(depth),
                          source="rgb-alpha.png" if alpha else "rgb.png", name="a.heic"),
            rgb=rgb8(), alpha=alpha8() if alpha else None, mean=4, worst=40, alpha_worst=12,
        )  # fmt: skip


def psds():
    """By ImageMagick: the flat composite."""
    for kind, depth, space, alpha, packing in itertools.product(
        ("psd", "psb"), (8, 16), ("rgb", "grey"), (False, True), ("None", "RLE")
    ):
        yield Case(
            name=f"{kind}/{depth}/{space}/{_named(alpha)}/{packing} by imagemagick",
            write=_magick("-depth", str(depth), "-compress", packing,
                          source=f"{space}-alpha.png" if alpha else f"{space}.png",
                          name=f"a.{kind}"),
            # Its flat composite lies on white: only what is opaque is known.
            rgb=None if alpha else (rgb8() if space == "rgb" else grey8()),
            alpha=alpha8() if alpha else None,
        )  # fmt: skip


def bitmaps():
    """BMP and GIF by ImageMagick."""
    for version, source in itertools.product(("bmp2", "bmp3", "bmp"), ("rgb.png", "grey.png")):
        yield Case(
            name=f"bmp/8/{source[:-4]}/none/{version} by imagemagick",
            write=_magick(source=source, name=f"{version}:a.bmp"),
            rgb=rgb8() if source == "rgb.png" else grey8(),
        )
    yield Case(
        name="bmp/8/rgb/straight/v4 by imagemagick",
        write=_magick(source="rgb-alpha.png", name="bmp:a.bmp"), rgb=rgb8(), alpha=alpha8(),
    )  # fmt: skip
    for form in ("rgb555", "rgb565", "argb4444", "argb1555"):
        opaque = not form.startswith("a")
        yield Case(
            name=f"bmp/4-6/rgb/{'none' if opaque else 'straight'}/{form} by imagemagick",
            write=_magick("-define", f"bmp:subtype={form.upper()}",
                          source="rgb.png" if opaque else "rgb-hard.png", name="bmp:a.bmp"),
            rgb=rgb8(), mean=10, worst=20, alpha=None if opaque else _hard(),
        )  # fmt: skip
    for interlace, version in itertools.product(("none", "GIF"), ("gif", "gif87")):
        yield Case(
            name=f"gif/8/palette/none/{interlace}-{version} by imagemagick",
            write=_magick("-interlace", interlace, "-dither", "None", name=f"{version}:a.gif"),
            rgb=rgb8(), mean=8, worst=60,
        )  # fmt: skip
    yield Case(
        name="gif/8/palette/straight/trimmed by imagemagick",
        write=_magick("-dither", "None", "-trim", source="rgb-hard.png", name="gif:a.gif"),
        alpha=_hard(),
        rgb=None,
    )


def _named(alpha):
    return "straight" if alpha else "none"


def _hard():
    return np.where(alpha8() > 128, 255, 0).astype("u1")


def jpegs():
    """By ImageMagick: inks and odd samplings."""
    for sampling, interlace in itertools.product(
        ("1x1", "2x1", "2x2", "4x1", "1x2"), ("none", "JPEG")
    ):
        yield Case(
            name=f"jpeg/8/rgb/none/{sampling}-{interlace} by imagemagick",
            write=_magick("-quality", "96", "-sampling-factor", sampling, "-interlace", interlace,
                          name="a.jpg"),
            rgb=rgb8(), mean=4, worst=60,
        )  # fmt: skip


def jpeg2000s():
    """By OpenJPEG: deep colour, tiles, an image offset, the bare codestream."""
    for ending, (label, arguments) in itertools.product(
        ("jp2", "j2k"),
        {
            "plain": [],
            "tiled": ["-n", "3", "-t", "32,32"],
            "rates": ["-r", "4"],
            "offset": ["-d", "7,5"],
        }.items(),
    ):
        for source, depth in (("rgb.png", 8), ("rgb16.ppm", 16), ("rgb-alpha.png", 8)):
            yield Case(
                name=f"jpeg2000/{depth}/{source.split('.')[0]}/-/{ending}-{label} by opj_compress",
                write=partial(_made, OPJ, *arguments, source=source, name=f"a.{ending}"),
                rgb=rgb8(), alpha=alpha8() if "alpha" in source else None,
                **({"mean": 4, "worst": 40, "alpha_worst": 60} if label == "rates" else {}),
            )  # fmt: skip


def webps():
    """By ImageMagick."""
    for lossless, alpha in itertools.product(("true", "false"), (False, True)):
        yield Case(
            name=f"webp/8/rgb/{_named(alpha)}/lossless-{lossless} by imagemagick",
            write=_magick("-quality", "96", "-define", f"webp:lossless={lossless}",
                          source="rgb-alpha.png" if alpha else "rgb.png", name="a.webp"),
            rgb=rgb8() if not alpha else None, alpha=alpha8() if alpha else None, **_LOSSY,
        )  # fmt: skip


def cases():
    """All that the tools on this machine can write."""
    if MAGICK in TOOLS:
        for made in (tiffs, pngs, psds, bitmaps, jpegs, webps):
            yield from made()
    if AVIFENC in TOOLS:
        yield from avifs()
    if HEIFENC in TOOLS:
        yield from heics()
    if OPJ in TOOLS:
        yield from jpeg2000s()
