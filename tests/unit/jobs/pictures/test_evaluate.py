import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jobs.cli import main


def folder_of(tmp_path: Path, *, truth_shape: tuple[int, int] = (90, 120)) -> Path:
    """Two photographs of a ball with their true mattes, and a file that is no photograph."""
    folder = tmp_path / "mine"
    folder.mkdir()
    lines = ["id,input,alpha,category"]
    for name, column in (("left", 40), ("right", 80)):
        y, x = np.mgrid[:90, :120]
        inside = np.hypot(y - 45, x - column) < 28
        picture = np.where(inside[..., np.newaxis], (250, 190, 60), (60, 65, 75))
        Image.fromarray(picture.astype(np.uint8)).save(folder / f"{name}.png")
        truth = Image.fromarray((inside * 255).astype(np.uint8))
        truth.resize(truth_shape[::-1]).save(folder / f"{name}_alpha.png")
        lines.append(f"{name},{name}.png,{name}_alpha.png,balls")
    (folder / "mine.csv").write_text("\n".join(lines) + "\n")
    (folder / "._mine.csv").write_bytes(b"\0\5\x16\7")  # as a Mac leaves beside it
    return folder


def test_mattes_are_scored_and_saved(tmp_path, capsys):
    folder, saved = folder_of(tmp_path), tmp_path / "saved"
    code = main(["evaluate", str(folder), "--recipe", "studio", "--save-alpha", str(saved)])
    assert code == 0
    printed = capsys.readouterr().out
    header, means = printed.splitlines()[:2]
    scores = dict(zip(header.split(), map(float, means.split()[1:]), strict=True))
    assert scores["n"] == 2
    assert scores["IoU"] > 0.9
    assert scores["SAD"] < 0.5
    assert scores["s/MP"] > 0
    assert {"left", "right"} <= set(printed.split())
    assert sorted(file.name for file in saved.iterdir()) == ["left.png", "right.png"]


def test_a_recipe_that_leaves_the_edge_coarse_scores_worse(tmp_path, capsys):
    folder, sums = folder_of(tmp_path), []
    for method in ("guided", "none"):
        settings = ["--set", f"matte.refine.method={method}"]
        assert main(["evaluate", str(folder), "--recipe", "studio", *settings]) == 0
        sums.append(float(capsys.readouterr().out.splitlines()[1].split()[2]))
    assert sums[0] < sums[1]


def test_a_photograph_without_a_matte_is_named_and_the_others_are_scored(tmp_path, capsys):
    folder = folder_of(tmp_path)
    (folder / "left.png").write_bytes(b"no picture")
    assert main(["evaluate", str(folder), "--recipe", "studio"]) == 1
    printed = capsys.readouterr().out
    assert "left: unsupported_format" in printed
    assert printed.splitlines()[1].split()[:2] == ["all", "1"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "expected one CSV file, found 0"),
        ("id,input\na,left.png\n", "columns ['alpha'] are missing"),
        ("id,input,alpha\na,gone.png,left_alpha.png\n", "input 'gone.png' of 'a' is no file"),
        ("id,input,alpha\n../a,left.png,left_alpha.png\n", "no plain name"),
        ("id,input,alpha\na,left.png,left_alpha.png\nb\n", "row 2 lacks one of"),
        (f"id,input,alpha\n{'x' * 200_000},left.png,left_alpha.png\n", "cannot be read as CSV"),
    ],
)
def test_a_folder_that_is_not_as_described_is_refused(tmp_path, capsys, text, said):
    csv.field_size_limit(2**17)  # of the process, in which a manifest may have been read
    folder = folder_of(tmp_path)
    (folder / "mine.csv").unlink()
    if text is not None:
        (folder / "mine.csv").write_text(text)
    assert main(["evaluate", str(folder), "--recipe", "studio"]) == 2
    assert said in capsys.readouterr().err


def test_ids_and_groups_are_shown_as_they_are_and_steer_no_terminal(tmp_path, capsys):
    folder = folder_of(tmp_path)
    text = (folder / "mine.csv").read_text()
    text = text.replace("left,", "\x1b[31mleft[red],", 1).replace("balls", "[bold]balls")
    (folder / "mine.csv").write_text(text)
    assert main(["evaluate", str(folder), "--recipe", "studio"]) == 0
    printed = capsys.readouterr().out
    assert "[U+001B][31mleft[red]" in printed
    assert "\x1b" not in printed


def test_a_truth_of_another_size_is_refused(tmp_path, capsys):
    folder = folder_of(tmp_path, truth_shape=(45, 60))
    assert main(["evaluate", str(folder), "--recipe", "studio"]) == 2
    assert "no truth of (45, 60)" in capsys.readouterr().err
