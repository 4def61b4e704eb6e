from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from jobs.cli import main


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    good = Image.new("RGB", (1200, 1200), "white")
    ImageDraw.Draw(good).rectangle((60, 200, 1140, 1000), fill=(40, 60, 90))
    good.save(tmp_path / "good.jpg", quality=95)
    (tmp_path / "more").mkdir()
    good.resize((900, 900)).save(tmp_path / "more" / "small.webp")
    return tmp_path


def test_a_file_name_cannot_forge_a_line(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pictures / "x\naccepted    y\x1b[2K.jpg").write_bytes(b"no picture")
    assert main(["validate", str(pictures), "--channel", "amazon_main"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["accepted", "refused", "unreadable"]
    assert "x[U+000A]accepted    y[U+001B][2K.jpg" in lines[2]


def test_files_are_accepted_or_refused_with_every_reason(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", str(pictures), "--channel", "amazon_main"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[0] == "accepted"
    assert lines[1].split()[0] == "refused"
    assert "format: WEBP" in lines[1]
    assert "size: 900 x 900 px" in lines[1]


def test_of_a_folder_only_what_shops_are_sent_is_looked_at(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pictures / "layers.psd").write_bytes(b"8BPS")
    main(["validate", str(pictures), "--channel", "amazon_main"])
    assert "layers.psd" not in capsys.readouterr().out


def test_all_accepted_is_success(pictures: Path) -> None:
    assert main(["validate", str(pictures / "*.jpg"), "--channel", "amazon_main"]) == 0


def test_a_damaged_file_is_told_and_the_others_still_looked_at(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pictures / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert main(["validate", str(pictures), "--channel", "shopify", "--json"]) == 1
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["accepted"] for one in told] == [False, True, True]
    assert told[0]["error"].startswith("corrupt_image")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere", "--channel", "shopify"], "no pictures there"),
        (["{}", "--channel", "moon"], "is no channel: use amazon_main"),
    ],
)
def test_a_wrong_request_is_one_line(
    pictures: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(["validate", *(word.format(pictures) for word in arguments)]) == 2
    assert said in capsys.readouterr().err


def test_what_a_mac_keeps_beside_pictures_is_passed_over_and_counted(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("._good.jpg", ".thumbs/a.jpg", "__MACOSX/._good.jpg", "__MACOSX/good.jpg"):
        (pictures / name).parent.mkdir(exist_ok=True)
        (pictures / name).write_bytes(b"\0\5\x16\7 no picture")
    # Cameras call photographs in Adobe RGB so.
    (pictures / "_DSC0815.jpg").write_bytes((pictures / "good.jpg").read_bytes())
    for asked in (pictures, pictures / "**" / "*.*"):
        main(["validate", str(asked), "--channel", "amazon_main"])
        said = capsys.readouterr()
        names = [line.split()[1].rpartition("/")[2] for line in said.out.splitlines()]
        assert names == ["_DSC0815.jpg", "good.jpg", "small.webp"]
        assert "4 hidden files are passed over, such as" in said.err
    assert main(["validate", str(pictures / "._good.jpg"), "--channel", "amazon_main"]) == 1
    assert "unreadable" in capsys.readouterr().out
    assert main(["validate", str(pictures / ".thumbs" / "*"), "--channel", "amazon_main"]) == 1
    assert main(["validate", str(pictures / "__MACOSX"), "--channel", "amazon_main"]) == 1
