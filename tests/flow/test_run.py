from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset
from PIL import Image

from jobs.cli import main
from tests.flow import pictures
from tests.flow.drivers import ALONE

pytestmark = pytest.mark.ray

GOOD = {
    "vase.jpg": pictures.jpeg(),
    "cmyk.jpg": pictures.encoded(pictures.photograph().convert("CMYK"), "JPEG"),
    "deep.png": pictures.deep_grey(),
    "turned.jpg": pictures.rotated(),
    "cutout.png": pictures.with_alpha(),
    "palette.gif": pictures.encoded(pictures.photograph().convert("P"), "GIF"),
    "odd.webp": pictures.encoded(pictures.photograph((301, 227)), "WEBP"),
}
BAD = {
    "torn.jpg": (pictures.jpeg()[:2000], "matte", "corrupt_image"),
    "empty.jpg": (b"", "fetch", "empty_file"),
    "bomb.png": (pictures.bomb(), "matte", "too_many_pixels"),
    "dot.png": (pictures.encoded(Image.new("RGB", (1, 1)), "PNG"), "matte", "too_small"),
    "strip.jpg": (pictures.jpeg((1280, 64)), "matte", "extreme_aspect"),
    "note.txt": (b"this is no picture", "matte", "unsupported_format"),
}
HOSTILE_ID = "../../etc/pass wd\u202e/é\\.jpg"


def results(output: Path) -> dict[str, dict]:
    (run,) = output.glob("run_id=*")
    committed = json.loads((run / "_SUCCESS").read_text())["results"]
    rows = [
        row
        for file in committed
        for row in pq.ParquetFile(run / "results" / file).read().to_pylist()
    ]
    assert len(rows) == len({row["sample_id"] for row in rows})
    return {row["sample_id"]: row for row in rows}


def write_manifest(folder: Path, rows: list[dict]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "manifest.parquet")
    return folder / "manifest.parquet"


@pytest.fixture(scope="module")
def torture(tmp_path_factory):
    """One run over every kind of input at once."""
    folder = tmp_path_factory.mktemp("torture")
    images = {**GOOD, **{name: data for name, (data, _, _) in BAD.items()}}
    pictures.write_all(folder / "catalog" / "images", images)
    (folder / "secret.jpg").write_bytes(pictures.jpeg())
    rows = [
        {"id": name, "image_uri": f"images/{name}", "prompt": "navy sweep", "brand": "Acme"}
        for name in images
    ]
    rows += [
        {"id": "gone", "image_uri": "images/gone.jpg", "prompt": "oak", "brand": None},
        {"id": "outside", "image_uri": "../secret.jpg", "prompt": "oak", "brand": None},
        {"id": "no prompt", "image_uri": "images/vase.jpg", "prompt": " ", "brand": None},
        {"id": "no uri", "image_uri": None, "prompt": "oak", "brand": None},
        {"id": HOSTILE_ID, "image_uri": "images/vase.jpg", "prompt": "oak", "brand": None},
    ]
    manifest = write_manifest(folder / "catalog", rows)
    output = folder / "out"
    code = main(
        [
            *("run", "studio", "--manifest", str(manifest), "--output", str(output)),
            *("--set", "budget.max_failures=10"),
            *("--set", "keep=[brand]"),
            *("--set", "output.alpha=true"),
        ]
    )
    return code, output, rows


def test_every_row_comes_out_once_with_a_picture_or_the_right_reason(torture):
    code, output, rows = torture
    assert code == 0
    found = results(output)
    assert found.keys() == {row["id"] for row in rows}
    reasons = {
        name: (row["error"]["stage"], row["error"]["code"])
        for name, row in found.items()
        if row["error"]
    }
    assert reasons == {
        **{name: (stage, reason) for name, (_, stage, reason) in BAD.items()},
        "gone": ("fetch", "not_found"),
        "outside": ("fetch", "uri_not_allowed"),
        "no prompt": ("plan", "prompt_missing"),
        "no uri": ("plan", "bad_request"),
    }
    for row in found.values():
        assert (row["image"] is None) == (row["error"] is not None)


def test_good_rows_hold_pictures_of_the_upright_size(torture):
    _, output, _ = torture
    found = results(output)
    (run,) = output.glob("run_id=*")
    for name in GOOD:
        row = found[name]
        picture = Image.open(run / row["image_path"])
        assert picture.format == "JPEG"
        assert picture.info["icc_profile"]
        assert picture.size == (row["width"], row["height"])
        assert (run / row["image_path"]).read_bytes() == row["image"]["bytes"]
        assert row["seed"] >= 0
        assert row["brand"] == "Acme"
        assert row["timings"]["render_s"] > 0
        assert row["generation_model"].startswith("studio")
    # 320 x 240 upright, stored on its side.
    assert (found["turned.jpg"]["width"], found["turned.jpg"]["height"]) == (320, 240)
    assert found["cutout.png"]["alpha_source"] == "file"
    assert found["vase.jpg"]["alpha_source"] == "network"


def test_the_product_survives_and_the_background_changes(torture):
    _, output, _ = torture
    row = results(output)["vase.jpg"]
    source = np.asarray(pictures.photograph()).astype(int)
    (run,) = output.glob("run_id=*")
    result = np.asarray(Image.open(run / row["image_path"])).astype(int)
    assert np.abs(source[150, 160] - result[150, 160]).max() < 16  # JPEG twice
    red, _, blue = result[20, 20]
    assert blue > red + 20  # the sweep is navy, the wall was cream


def test_an_id_cannot_leave_its_folder(torture):
    _, output, _ = torture
    row = results(output)[HOSTILE_ID]
    (run,) = output.glob("run_id=*")
    written = (run / row["image_path"]).resolve()
    assert written.is_relative_to((run / "images").resolve())
    assert written.exists()


def test_hugging_face_reads_the_dataset(torture, tmp_path):
    _, output, _ = torture
    (run,) = output.glob("run_id=*")
    files = [str(path) for path in (run / "results").glob("*.parquet")]
    dataset = load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path))
    row = next(row for row in dataset if row["sample_id"] == "vase.jpg")
    assert isinstance(row["image"], Image.Image)
    assert row["image"].size == (320, 240)


def test_the_report_speaks_of_every_row(torture):
    _, output, rows = torture
    (run,) = output.glob("run_id=*")
    report = json.loads((run / "report.json").read_text())
    assert report["rows"] == {"planned": len(rows), "ok": 8, "failed": 10, "already_done": 0}
    assert sum(report["failures"].values()) == 10
    html = (run / "report.html").read_text()
    for name in (*GOOD, *BAD):
        assert name in html


def test_pixels_do_not_depend_on_batch_order_or_number_of_workers(tmp_path):
    pictures.write_all(
        tmp_path / "images",
        {f"{n}.jpg": pictures.jpeg((200 + 8 * n, 160)) for n in range(5)},
    )
    rows = [{"id": str(n), "image_uri": f"images/{n}.jpg", "prompt": "marble"} for n in range(5)]
    digests = []
    for name, order in (("all", rows), ("some", rows[::-1])):
        manifest = write_manifest(tmp_path / name, order)
        manifest = manifest.rename(tmp_path / f"{name}.parquet")
        arguments = ["run", "studio", "--manifest", str(manifest), "--output", str(tmp_path / name)]
        if name == "some":
            arguments += ["--where", "id in ('1', '2', '4')", *ALONE]
        assert main(arguments) == 0
        digests.append({k: v["image"]["bytes"] for k, v in results(tmp_path / name).items()})
    assert len(digests[0]) == 5
    assert len(digests[1]) == 3
    assert digests[1].items() <= digests[0].items()
    assert len(set(digests[0].values())) == 5


def test_the_same_command_goes_on_where_a_run_stopped(tmp_path, capsys):
    pictures.write_all(tmp_path / "images", {"a.jpg": pictures.jpeg()})
    rows = [{"id": str(n), "image_uri": "images/a.jpg", "prompt": "sand"} for n in range(6)]
    manifest = write_manifest(tmp_path, rows)
    command = ["run", "studio", "--manifest", str(manifest), "--output", str(tmp_path / "out")]
    command += ALONE
    assert main(command) == 0
    (run,) = (tmp_path / "out").glob("run_id=*")
    before = results(tmp_path / "out")
    # As if the plug had been pulled: a file was never written, another one was cut off.
    lost, torn, *_ = sorted((run / "results").glob("*.parquet"))
    lost.unlink()
    torn.write_bytes(torn.read_bytes()[:-20])
    for name in ("_SUCCESS", "report.json", "report.html"):
        (run / name).unlink()
    assert main(command) == 0
    after = results(tmp_path / "out")
    assert {k: v["image"] for k, v in after.items()} == {k: v["image"] for k, v in before.items()}
    report = json.loads((run / "report.json").read_text())
    assert 0 < report["rows"]["already_done"] < 6


def test_too_many_failures_stop_the_run_and_keep_what_is_done(tmp_path):
    pictures.write_all(tmp_path / "images", {"a.jpg": pictures.jpeg()})
    rows = [{"id": f"gone {n}", "image_uri": "images/b.jpg", "prompt": "sand"} for n in range(4)]
    manifest = write_manifest(
        tmp_path, [*rows, {"id": "a", "image_uri": "images/a.jpg", "prompt": "sand"}]
    )
    command = ["run", "studio", "--manifest", str(manifest), "--output", str(tmp_path / "out")]
    assert main([*command, "--set", "budget.max_failures=1", *ALONE]) == 3


def test_pools_that_do_not_fit_are_refused(tmp_path, capsys):
    pictures.write_all(tmp_path / "images", {"a.jpg": pictures.jpeg()})
    manifest = write_manifest(
        tmp_path, [{"id": "a", "image_uri": "images/a.jpg", "prompt": "sand"}]
    )
    command = ["run", "studio", "--manifest", str(manifest), "--output", str(tmp_path / "out")]
    assert main([*command, "--set", "resources.render.num_gpus=1"]) == 2
    assert "resources" in capsys.readouterr().err
    assert not list(tmp_path.rglob("part-*.parquet"))
