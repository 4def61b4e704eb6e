"""`validate` and `inspect` over a folder that others fill: its regular files, and nothing else."""

import os
import struct
from io import BytesIO

import pytest
import tifffile
from PIL import Image

from jobs.cli import main
from jobs.pictures.named_files import DELIVERED, pictures
from pipeline.stages.fetch import FetchConfig

MOST = FetchConfig().max_bytes


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "folder"
    (made / "more").mkdir(parents=True)
    Image.new("RGB", (1200, 1200), "white").save(made / "good.jpg")
    Image.new("RGB", (1200, 1200), "white").save(tmp_path / "outside.jpg")
    return made


def validated(folder, capsys):
    status = main(["validate", str(folder), "--channel", "shopify"])
    said = capsys.readouterr()
    return status, said.out.splitlines(), said.err


def test_pipes_devices_and_links_out_of_the_folder_are_passed_over_and_counted(folder, capsys):
    os.mkfifo(folder / "a pipe.png")
    os.mkfifo(folder / "more" / "pipe.jpg")
    (folder / "device.jpg").symlink_to("/dev/zero")
    (folder / "outside.jpg").symlink_to(folder.parent / "outside.jpg")
    (folder / "up.jpg").symlink_to("../outside.jpg")
    (folder / "dangling.jpg").symlink_to("nowhere")
    (folder / "loop.jpg").symlink_to("loop.jpg")
    _, lines, said = validated(folder, capsys)
    assert [line.split()[1] for line in lines] == [str(folder / "good.jpg")]
    assert "7 passed over that are no file of the folder" in said
    assert "such as" in said


def test_a_link_within_the_folder_is_followed(folder, capsys):
    (folder / "more" / "same.jpg").symlink_to("../good.jpg")
    _, lines, said = validated(folder, capsys)
    assert len(lines) == 2
    assert "passed over" not in said


def test_a_pattern_reaches_through_no_link_either(folder, capsys):
    (folder / "elsewhere").symlink_to(folder.parent)
    (folder / "again").symlink_to(".")  # two loops: forty steps deep, each with two ways to go on
    (folder / "outside.jpg").symlink_to(folder.parent / "outside.jpg")
    found = pictures(f"{folder}/**/*.jpg", argument="IMAGES", suffixes=DELIVERED)
    assert found == [str(folder / "good.jpg")]
    with pytest.raises(ValueError, match="2 passed over that are no file of the folder"):
        pictures(f"{folder}/*/outside.jpg", argument="IMAGES", suffixes=DELIVERED)
    assert main(["validate", f"{folder}/elsewhere/*.jpg", "--channel", "shopify"]) in (0, 1)
    assert "outside.jpg" in capsys.readouterr().out  # a folder that was named is looked into


def test_a_folder_of_nothing_else_is_refused_with_the_reason(folder, capsys):
    (folder / "good.jpg").unlink()
    os.mkfifo(folder / "pipe.jpg")
    status, _, said = validated(folder, capsys)
    assert status == 2
    assert "no pictures there (1 passed over that is no file of the folder" in said


def test_a_pipe_that_is_named_itself_keeps_nobody_waiting(folder, capsys):
    os.mkfifo(folder / "pipe.jpg")
    status, lines, _ = validated(folder / "pipe.jpg", capsys)
    assert status == 1
    assert "is no file" in lines[0]


def test_a_file_that_is_too_large_is_named_and_not_read(folder, capsys):
    large = folder / "large.jpg"
    large.touch()
    os.truncate(large, MOST + 1)
    status, lines, _ = validated(folder, capsys)
    assert status == 1
    (line,) = [line for line in lines if "large.jpg" in line]
    assert line.startswith("unreadable")
    assert f"too_many_bytes: {MOST + 1} bytes, at most {MOST} accepted" in line


def test_a_header_that_announces_too_much_is_told(folder, capsys):
    out = BytesIO()
    tifffile.imwrite(out, [[0] * 64] * 64, dtype="uint8", photometric="minisblack", tile=(64, 64))
    data = bytearray(out.getvalue())
    with tifffile.TiffFile(BytesIO(data)) as file:
        for code in (322, 323):
            struct.pack_into("<I", data, file.pages[0].tags[code].valueoffset, 20_000)
    (folder / "tiles.tif").write_bytes(data)
    scan = b"\xff\xda" + struct.pack(">HB", 8, 1) + b"\1\0\1\x3f\0"
    jpeg = (folder / "good.jpg").read_bytes()
    (folder / "scans.jpg").write_bytes(jpeg[:-2] + 101 * scan + jpeg[-2:])
    status, lines, _ = validated(folder, capsys)
    said = {line.split()[1].rpartition("/")[2]: line for line in lines}
    assert status == 1
    assert "too_many_pixels: TIFF: tiles of 20000 x 20000 px" in said["tiles.tif"]
    assert "corrupt_image: JPEG: more than 100 scans" in said["scans.jpg"]


def test_inspect_looks_at_the_same_files(folder, capsys):
    os.mkfifo(folder / "pipe.png")
    (folder / "outside.jpg").symlink_to(folder.parent / "outside.jpg")
    assert main(["inspect", str(folder)]) == 0
    said = capsys.readouterr()
    assert "outside.jpg" not in said.out
    assert "2 passed over that are no file of the folder" in said.err
