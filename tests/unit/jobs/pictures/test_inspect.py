"""`backlot inspect`: what is in a file, and what a run would make of it."""

from __future__ import annotations

import json
import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image, ImageCms
from PIL.TiffImagePlugin import IFDRational

from jobs.cli import main
from pipeline.imaging.reading.limits import ImageLimits
from pipeline.models.matting.matting_config import ExistingConfig
from pipeline.stages.matte import MatteConfig, MatteMapper
from tests import parents
from tests.flow import pictures
from tests.photoshop import clipping, ellipse, jpeg, marked, path, rectangle, resource

CUP = ellipse(0.5, 0.5, 0.3, 0.35)


def disc() -> np.ndarray:
    y, x = np.mgrid[:80, :120]
    return np.where(np.hypot(y - 40, x - 60) < 25, 255, 0).astype(np.uint8)


def with_exif() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x013B] = "Erika Mustermann"
    exif[0x8298] = "(c) 2026 Studio"
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2] = "N", (IFDRational(52), IFDRational(31), IFDRational(7))
    exif[0x8825] = gps
    out = BytesIO()
    picture = Image.new("RGB", (120, 80), "white")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture.save(out, "JPEG", exif=exif, dpi=(300, 300), icc_profile=profile)
    return out.getvalue()


def cut_out() -> bytes:
    picture = np.full((80, 120, 4), 90, np.uint8)
    picture[..., 3] = disc()
    out = BytesIO()
    Image.fromarray(picture).save(out, "PNG")
    return out.getvalue()


def selected(*, count: int = 1) -> bytes:
    four = np.concatenate(
        [
            np.full((80, 120, 3), 30000, np.uint16),
            *[disc()[..., None].astype(np.uint16) * 257] * count,
        ],
        axis=-1,
    )
    blocks = resource(1006, b"\x03Cup" * count)
    out = BytesIO()
    tifffile.imwrite(
        out,
        four,
        photometric="rgb",
        extrasamples=["unspecified"] * count,
        extratags=[(34377, "B", len(blocks), blocks, True)],
    )
    return out.getvalue()


def credentialed() -> bytes:
    """A PNG with a manifest store in which there is nothing."""
    data = cut_out()
    store = b"\0\0\0\x20jumb\0\0\0\x18jumdc2pa\0\x11\0\x10\x80\0\0\xaa\0\x38\x9b\x71"
    body = b"caBX" + store
    chunk = struct.pack(">I", len(store)) + body + struct.pack(">I", zlib.crc32(body))
    return data[:33] + chunk + data[33:]


SEVERAL = resource(2000, path(rectangle(0.1, 0.1, 0.4, 0.9)), b"Left") + resource(
    2001, path(CUP), b"Cup"
)

FILES = {
    "plain.jpg": jpeg(),
    "path.jpg": jpeg(marked(CUP)),
    "several.jpg": jpeg(SEVERAL + clipping(b"Cup")),
    "unmarked.jpg": jpeg(SEVERAL),
    "frame.jpg": jpeg(marked(rectangle(0, 0, 1, 1))),
    "damaged.jpg": jpeg(marked(CUP)[:-3]),
    "exif.jpg": with_exif(),
    "cutout.png": cut_out(),
    "signed.png": credentialed(),
    "selected.tif": selected(),
    "two.tif": selected(count=2),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def seen(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, dict[str, Any]]:
    """What is said of each file, by its name; whatever the exit code."""
    main(["inspect", "--json", *map(str, arguments)])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {Path(line["uri"]).name: line for line in lines}


def lines(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, str]:
    assert main(["inspect", *map(str, arguments)]) == 0
    said = capsys.readouterr().out.splitlines()
    return {Path(line.split("  ")[0]).name: line for line in said}


def test_each_file_is_one_line_in_plain_words(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = lines(capsys, folder)
    assert list(said) == sorted(FILES)
    assert said["plain.jpg"].endswith(
        "JPEG by Pillow, 120 x 80 px, RGB, 8 bits, no profile; a run: cut out by the network"
    )
    assert "clipping path 'Path 1'; a run: uses the clipping path" in said["path.jpg"]
    assert "clipping path 'Cup', other path 'Left'; a run: uses" in said["several.jpg"]
    assert "2 saved paths 'Left', 'Cup'; a run: cut out by the network" in said["unmarked.jpg"]
    assert "it goes around the whole picture" in said["frame.jpg"]
    assert "clipping path unreadable, not used" in said["damaged.jpg"]
    assert "straight alpha; a run: uses the alpha channel" in said["cutout.png"]
    assert "TIFF by tifffile, 120 x 80 px, RGB, 16 bits" in said["selected.tif"]
    assert "saved selection 'Cup'; a run: uses the saved selection" in said["selected.tif"]
    assert "2 saved selections 'Cup', 'Cup'; a run" in said["two.tif"]


def test_what_is_beside_the_pixels_is_told_but_for_the_place(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = lines(capsys, folder / "exif.jpg")["exif.jpg"]
    assert "80 x 120 px" in line
    assert "turned upright from orientation 6, 300 dpi, by 'Erika Mustermann'" in line
    assert ", rights '(c) 2026 Studio'" in line
    assert "profile 'sRGB built-in'" in line
    assert "says where it was taken" in line
    one = seen(capsys, folder / "exif.jpg")["exif.jpg"]
    assert (one["orientation"], one["resolution_dpi"]) == (6, [300, 300])
    assert (one["has_gps"], one["has_content_credentials"]) == (True, False)
    assert "52" not in json.dumps({**one, "uri": "", "num_bytes": 0})
    signed = seen(capsys, folder / "signed.png")["signed.png"]
    assert (signed["has_gps"], signed["has_content_credentials"]) == (False, True)


def test_a_run_does_what_inspect_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = MatteConfig(network=ExistingConfig())
    mapper = MatteMapper(config, limits=ImageLimits(), num_threads=1)
    told = seen(capsys, folder, "--set", "matte.network={kind: existing}")
    assert len(told) == len(FILES)
    for name, data in FILES.items():
        row = {"image_bytes": data, "mask_bytes": None, "clipping_path": None}
        (outcome,) = mapper.map_batch([row])
        if isinstance(outcome, dict):
            assert told[name]["alpha_source"] == outcome["alpha_source"]
            assert told[name]["alpha_colors"] == outcome["alpha_colors"]
            assert told[name]["notes"] == outcome["decode_notes"]
        else:
            assert told[name]["error"] == {"code": outcome.code, "message": outcome.message}


def test_the_network_is_asked_what_a_run_asks_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vase = np.asarray(pictures.photograph((320, 240)))
    padded = np.zeros((320, 320, 4), np.uint8)
    padded[40:280, :, :3], padded[40:280, :, 3] = vase, 255
    out = BytesIO()
    Image.fromarray(padded).save(out, "PNG")
    (tmp_path / "padded.png").write_bytes(out.getvalue())
    told = seen(capsys, tmp_path)["padded.png"]
    mapper = MatteMapper(MatteConfig(), limits=ImageLimits(), num_threads=1)
    row = {"image_bytes": out.getvalue(), "mask_bytes": None, "clipping_path": None}
    (outcome,) = mapper.map_batch([row])
    assert isinstance(outcome, dict)
    assert told["alpha_source"] == outcome["alpha_source"] == "network"
    assert told["notes"] == outcome["decode_notes"]


def test_the_recipe_decides(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    off = seen(capsys, folder / "path.jpg", "--set", "matte.clipping_path.use=false")["path.jpg"]
    assert off["alpha_source"] == "network"
    named = seen(capsys, folder / "several.jpg", "--set", "brief.clipping_path=Left")
    assert "clipping path 'Left' used" in named["several.jpg"]["notes"]
    absent = seen(capsys, folder / "plain.jpg", "--set", "brief.clipping_path=Left")["plain.jpg"]
    assert absent["error"]["code"] == "bad_request"
    assert absent["run"].startswith("refused: bad_request: clipping_path: ")


@pytest.mark.parametrize(
    ("data", "code", "kind"),
    [
        (b"", "empty_file", None),
        (b"<svg/>", "unsupported_format", None),
        (FILES["plain.jpg"][:400], "corrupt_image", "JPEG"),
        (jpeg(size=(40, 20)), "too_small", "JPEG"),
        (jpeg(marked(rectangle(0.5, 0.5, 0.51, 0.51)), size=(400, 400)), "empty_matte", "JPEG"),
    ],
)
def test_what_a_run_refuses_is_seen_as_far_as_it_can_be_and_costs_no_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes, code: str, kind: str | None
) -> None:
    (tmp_path / "x.jpg").write_bytes(data)
    assert main(["inspect", str(tmp_path / "x.jpg")]) == 0
    assert f"a run: refused: {code}: " in capsys.readouterr().out
    told = seen(capsys, tmp_path / "x.jpg")["x.jpg"]
    assert (told["kind"], told["error"]["code"]) == (kind, code)
    assert told["num_bytes"] == len(data)


def test_a_file_that_cannot_be_read_is_one_line_and_the_rest_are_looked_at(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(folder / "none.jpg"), str(folder / "plain.jpg")]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert "none.jpg; a run: refused: not_found" in first
    assert "cut out by the network" in second


def test_names_for_nothing_are_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect"]) == 2
    assert main(["inspect", str(tmp_path / "*.jpg")]) == 2
    assert "no pictures there" in capsys.readouterr().err
    assert main(["inspect", str(tmp_path)]) == 2


def test_neither_a_name_nor_what_a_file_says_can_forge_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exif = Image.Exif()
    exif[0x013B] = "a\nplain.jpg  JPEG\x1b[2K"
    blocks = marked(CUP, name=b"x\ny\x1b[2K")
    (tmp_path / "x\ny.jpg").write_bytes(jpeg(blocks, exif=exif))
    assert main(["inspect", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 1
    assert "\x1b" not in out


def xmp_jpeg(*, xmp: bytes) -> bytes:
    out = BytesIO()
    Image.new("RGB", (64, 48)).save(out, "JPEG", xmp=xmp)
    return out.getvalue()


def test_damaged_metadata_is_not_remarked_on_by_libraries(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    exif = Image.Exif()
    exif[0x013B] = "Erika Mustermann"
    block = exif.tobytes()
    (tmp_path / "x.jpg").write_bytes(jpeg(exif=block[:-4]))
    assert lines(capsys, tmp_path / "x.jpg")["x.jpg"].endswith("cut out by the network")
    assert not recwarn.list


def gps(**tags: object) -> bytes:
    exif, out = Image.Exif(), BytesIO()
    exif.get_ifd(0x8825).update({getattr(ExifTags.GPS, name): tag for name, tag in tags.items()})
    Image.new("RGB", (64, 48)).save(out, "JPEG", exif=exif)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "is_told"),
    [
        (gps(GPSVersionID=b"\2\2\0\0"), False),
        (gps(GPSDateStamp="2026:11:28", GPSTimeStamp=(10.0, 0.0, 0.0)), False),
        (gps(GPSLatitude=(52.0, 31.0, 12.0), GPSLatitudeRef="N"), True),
        (xmp_jpeg(xmp=parents.XMP), True),
        (xmp_jpeg(xmp=parents.XMP.decode().encode("utf-16")), True),
        (xmp_jpeg(xmp=parents.XMP.replace(b"exif", b"e")), False),
        (
            xmp_jpeg(xmp=parents.XMP.replace(b"xmlns:exif", b"xmlns:e").replace(b"exif:G", b"e:G")),
            True,
        ),
    ],
)
def test_a_place_is_told_only_where_there_is_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes, is_told: bool
) -> None:
    (tmp_path / "x.jpg").write_bytes(data)
    assert seen(capsys, tmp_path / "x.jpg")["x.jpg"]["has_gps"] == is_told


def test_what_is_declared_and_what_it_means_is_told_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opaque, chunk = BytesIO(), b"cICP" + bytes([12, 13, 0, 1])
    Image.new("RGBA", (64, 48), (9, 9, 9, 255)).save(opaque, "PNG")
    data = opaque.getvalue()
    data = (
        data[:33] + struct.pack(">I", 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[33:]
    )
    (tmp_path / "x.png").write_bytes(data)
    line = lines(capsys, tmp_path / "x.png")["x.png"]
    assert "Display P3 by CICP 12/13/0, straight alpha that hides nothing; a run: cut out" in line
    assert seen(capsys, tmp_path / "x.png")["x.png"]["is_opaque"] is True


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "MPO"])
def test_that_a_place_is_there_is_told_of_every_format(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    (tmp_path / "here").write_bytes(parents.written(kind))
    told = seen(capsys, tmp_path / "here")["here"]
    assert (told["kind"], told["has_gps"]) == (kind, True)
    assert parents.PLACE not in json.dumps(told)
    assert "says where it was taken" in lines(capsys, tmp_path / "here")["here"]
