"""Sixty rows that use every column of a brief, and every kind of bad value, bucket to bucket."""

from __future__ import annotations

import json
from collections import Counter
from io import BytesIO

import boto3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer
from PIL import Image, ImageDraw

from pipeline.manifest.shots import COLUMNS
from tests.flow.conftest import KEYS
from tests.flow.drivers import backlot
from tests.flow.pictures import encoded

pytestmark = pytest.mark.ray

SMALL = {"canvas_width": 160, "canvas_height": 120}

GOOD: dict[str, tuple[dict, int]] = {
    "as it is": ({}, 1),
    "seeded": ({"seed": 42, "num_results": 2}, 2),
    "everywhere": ({"placement": "automatic", **SMALL}, 10),
    "two places": ({"placement": "upper_left, box:10,10,50,60", "num_results": 2, **SMALL}, 4),
    "padded": ({"placement": "padding:8,4,2,6"}, 1),
    "wider": ({"aspect_ratio": "16:9"}, 1),
    "tall": ({"placement": "fit", "aspect_ratio": "4:5", "canvas_width": 96}, 1),
    "margins": ({"placement": "fit", "margin": 0.2, "align": "bottom_left", **SMALL}, 1),
    "cropped": ({"placement": "fit", "keep_cropped_edges": True, "max_upscale": 4.0, **SMALL}, 1),
    "negative": ({"negative_prompt": "people"}, 1),
    "sampled": ({"fast": True, "steps": 20, "guidance_scale": 5.0, "strength": 0.9}, 1),
    "referred": ({"reference_uri": ["vase.png"], "reference_scale": 0.5}, 1),
    "as written": ({"enhance_prompt": False}, 1),
    "teal": ({"background_color": "teal"}, 1),
    "teal sets": ({"background_color": "#008080", "num_results": 3}, 3),
    "white words": ({"prompt": "a white background"}, 1),
    "only words": ({"prompt": "a white background", "solid_colors": False}, 1),
    "soft": (
        {
            "shadow": "soft",
            "shadow_direction_deg": -60.0,
            "shadow_length": 0.5,
            "shadow_opacity": 0.4,
        },
        1,
    ),
    "floating": ({"shadow": "floating"}, 1),
    "one light": ({"harmonize": "product", "prompt": "oak table, golden hour"}, 1),
    "small file": ({"output_width": 64}, 1),
    "webp": ({"output_format": "webp", "output_width": 48, "output_height": 36}, 1),
    "shop": ({"channel": "amazon_main", **SMALL}, 1),
}
BAD: dict[str, tuple[dict, str]] = {
    "none": ({"num_results": 0}, "num_results: "),
    "many": ({"num_results": 13}, "num_results: "),
    "nowhere": ({"placement": "middle"}, "placement: 'middle' is no placement"),
    "twice": ({"placement": "fit, fit"}, "placement: 'fit' is asked for twice"),
    "flat box": ({"placement": "box:1,1,0,5"}, "placement: "),
    "far pad": ({"placement": "padding:1,2,3,99999"}, "placement: "),
    "out of canvas": ({"placement": "box:100,0,200,50", **SMALL}, "placement box:100,0,200,50"),
    "no width": ({"canvas_width": 0, "canvas_height": 90}, "canvas_width: "),
    "no height": ({"canvas_width": 90, "canvas_height": 99_999}, "canvas_height: "),
    "half canvas": ({"canvas_width": 90}, "canvas_width and canvas_height"),
    "two shapes": ({"aspect_ratio": "1:1", **SMALL}, "aspect_ratio: "),
    "word ratio": ({"aspect_ratio": "wide"}, "aspect_ratio: "),
    "strip": ({"aspect_ratio": "100:1"}, "aspect_ratio 100:1"),
    "all margin": ({"margin": 0.5}, "margin: "),
    "nan margin": ({"margin": float("nan")}, "margin: "),
    "askew": ({"align": "middle"}, "align: "),
    "no scale": ({"max_upscale": 0.0}, "max_upscale: "),
    "long no": ({"negative_prompt": "x" * 2001}, "negative_prompt: "),
    "few steps": ({"steps": 3}, "steps: "),
    "guided": ({"guidance_scale": -1.0}, "guidance_scale: "),
    "too strong": ({"strength": 1.5}, "strength: "),
    "five refs": ({"reference_uri": ["a"] * 5}, "reference_uri: "),
    "heavy ref": ({"reference_scale": 2.0}, "reference_scale: "),
    "no colour": ({"background_color": "blurple"}, "background_color: 'blurple' is no colour"),
    "long shadow": ({"shadow": "long"}, "shadow: "),
    "turned": ({"shadow_direction_deg": 200.0}, "shadow_direction_deg: "),
    "very long": ({"shadow_length": 9.0}, "shadow_length: "),
    "black": ({"shadow_opacity": 2.0}, "shadow_opacity: "),
    "very": ({"harmonize": "very"}, "harmonize: "),
    "huge": ({"output_width": 1_000_000}, "output_width: "),
    "tiny": ({"output_height": 1}, "output_height: "),
    "stretched": ({"output_width": 50, "output_height": 50}, "output_width x output_height"),
    "bmp": ({"output_format": "bmp"}, "output_format: "),
    "moon": ({"channel": "moon"}, "channel: 'moon' is no channel"),
    "seed": ({"seed": -5}, "seed -5"),
    "pathless": ({"clipping_path": "Vase"}, "clipping_path: the photograph has no path 'Vase'"),
    "no photo": ({"image_uri": " "}, "image_uri is empty"),
}
OTHER = {"wordless": ({"prompt": " "}, "plan", "prompt_missing")}
TYPES = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "text": pa.string(),
    "texts": pa.string(),
}
LATE = {"pathless": "matte", "out of canvas": "render", "stretched": "render"}
"""Known only once the photograph is there, and to that stage."""


def cut_out() -> bytes:
    """A vase with an alpha, so that no network is needed."""
    picture = Image.new("RGBA", (120, 90), (200, 196, 190, 0))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((42, 25, 78, 82), fill=(180, 50, 40, 255))
    draw.rectangle((54, 10, 66, 40), fill=(170, 45, 38, 255))
    return encoded(picture, "PNG")


def manifest() -> bytes:
    asked = {**GOOD, **BAD, **{name: case[:2] for name, case in OTHER.items()}}
    rows = [
        {"id": name, "image_uri": "vase.png", "prompt": "oak table", **columns}
        for name, (columns, _) in asked.items()
    ]
    assert len(rows) == 61
    used = {column for row in rows for column in row}
    assert used >= COLUMNS.keys()
    fields = [("id", pa.string()), ("image_uri", pa.string()), ("prompt", pa.string())]
    fields += [("seed", pa.int64())]
    fields += [(name, TYPES[kind]) for name, kind in COLUMNS.items() if name != "reference_uri"]
    fields += [("reference_uri", pa.list_(pa.string()))]
    sink = BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(fields)), sink)
    return sink.getvalue()


@pytest.fixture(scope="module")
def finished(ray_address):
    """The result rows by id of one run over the manifest, and what reads the bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    keys = {name.lower(): KEYS[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys)
    client.create_bucket(Bucket="shop")
    client.put_object(Bucket="shop", Key="in/vase.png", Body=cut_out())
    client.put_object(Bucket="shop", Key="in/manifest.parquet", Body=manifest())
    done = backlot(
        endpoint,
        *("run", "studio", "--manifest", "s3://shop/in/manifest.parquet"),
        *("--output", "s3://shop/out", "--run-id", "asked"),
        *("--set", "budget.max_failures=40", "--set", "render.thumbnail_px=0"),
        address=ray_address,
    )
    assert done.returncode == 0, done.stderr[-3000:]

    def get(name: str) -> bytes:
        return client.get_object(Bucket="shop", Key=f"out/run_id=asked/{name}")["Body"].read()

    rows = [
        row
        for name in json.loads(get("_SUCCESS"))["results"]
        for row in pq.read_table(BytesIO(get(f"results/{name}"))).to_pylist()
    ]
    yield {row["sample_id"]: row for row in rows}, rows, get
    server.stop()


def test_every_row_is_accounted_for(finished):
    _, rows, get = finished
    counted = Counter(row["id"] for row in rows)
    expected = {name: number for name, (_, number) in GOOD.items()}
    expected |= dict.fromkeys([*BAD, *OTHER], 1)
    assert counted == expected
    assert len({row["sample_id"] for row in rows}) == len(rows)
    report = json.loads(get("report.json"))
    assert report["failures"] == {"bad_request": len(BAD), "prompt_missing": 1}


def test_good_rows_have_pictures_and_bad_ones_a_reason_that_names_their_column(finished):
    _, rows, _ = finished
    for row in rows:
        name, error = row["id"], row["error"]
        if name in GOOD:
            assert error is None, (name, error)
            assert row["image"]["bytes"]
        elif name in BAD:
            assert error["message"].startswith(BAD[name][1]), (name, error)
            assert error["code"] == "bad_request"
            assert error["stage"] == LATE.get(name, "plan")
        else:
            assert (error["stage"], error["code"]) == OTHER[name][1:]


def decoded(row):
    return np.asarray(Image.open(BytesIO(row["image"]["bytes"])).convert("RGB"))


def test_what_was_asked_is_what_came(finished):
    by_id, _, get = finished
    assert (by_id["seeded/1"]["seed"], by_id["seeded/2"]["seed"]) == (42, 43)
    assert decoded(by_id["two places/upper_left/1"]).shape == (120, 160, 3)
    assert decoded(by_id["padded"]).shape == (98, 132, 3)
    assert decoded(by_id["wider"]).shape == (90, 160, 3)
    assert decoded(by_id["tall"]).shape == (120, 96, 3)
    assert decoded(by_id["small file"]).shape == (48, 64, 3)
    assert by_id["webp"]["image_path"].endswith(".webp")
    assert get(by_id["webp"]["image_path"]) == by_id["webp"]["image"]["bytes"]
    assert np.abs(decoded(by_id["teal"])[:8].astype(int) - (0, 128, 128)).max() <= 1
    assert (decoded(by_id["white words"])[:8] == 255).all()
    assert by_id["only words"]["shot"]["paint"] == "scene"
    assert [by_id[f"teal sets/{n}"]["shot"]["paint"] for n in (1, 2, 3)] == [
        "plain",
        "recolored",
        "recolored",
    ]
    assert 0 < by_id["one light"]["metrics"]["shift_mean"] <= 2


def test_files_carry_their_certificates(finished):
    by_id, _, _ = finished
    assert by_id["as it is"]["fidelity"]["bit_equal"]
    assert not by_id["one light"]["fidelity"]["bit_equal"]
    terms = {name: by_id[name]["provenance"]["source_type"] for name in ("teal", "as it is")}
    assert terms["teal"].endswith("/algorithmicallyEnhanced")
    assert terms["as it is"].endswith("/compositeSynthetic")
    verdict = by_id["shop"]["verdict"]
    assert (verdict["accepted"], verdict["rules"]) == (False, ["size"])
    assert by_id["teal"]["verdict"] is None
