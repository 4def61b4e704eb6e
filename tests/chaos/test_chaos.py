"""Kill what can be killed, at random moments, and count the rows."""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from io import BytesIO

import boto3
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer

from tests.children import python_child
from tests.flow import pictures

pytestmark = pytest.mark.chaos

logger = logging.getLogger(__name__)

NUM_KILLS = int(os.environ.get("BACKLOT_CHAOS_KILLS", "3"))
# As few rows as leave time for the kills: every row costs time, each start some seconds more.
NUM_ROWS = 96 if NUM_KILLS <= 3 else 240
SEED = int(os.environ.get("BACKLOT_CHAOS_SEED", "7"))


@pytest.fixture
def bucket(monkeypatch):
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("s3")
    client.create_bucket(Bucket="catalog")
    for number in range(12):
        picture = pictures.with_alpha(shift_px=number)
        client.put_object(Bucket="catalog", Key=f"in/{number}.png", Body=picture)
    rows = [
        {"id": f"sku/{n}", "image_uri": f"{n % 12}.png", "prompt": "oak table, plaster wall"}
        for n in range(NUM_ROWS)
    ]
    sink = BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    client.put_object(Bucket="catalog", Key="in/manifest.parquet", Body=sink.getvalue())
    yield client
    server.stop()


@pytest.fixture
def raylets():
    with python_child("-m", "tests.chaos.raylets") as holder:
        yield holder


def start_driver(address: str, log) -> subprocess.Popen:
    command = [sys.executable, "-m", "jobs.cli", "run", "studio", "--address", address]
    command += ["--manifest", "s3://catalog/in/manifest.parquet", "--output", "s3://catalog/out"]
    settings = ["render.thumbnail_px=64", "render.shadow.enabled=true"]
    settings += [f"resources.{stage}.max_actors=2" for stage in ("matte", "render")]
    for setting in settings:
        command += ["--set", setting]
    environment = {
        **os.environ,
        "RAY_AUTH_MODE": "disabled",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    }
    return subprocess.Popen(command, stdout=log, stderr=log, env=environment)


def result_files(client) -> list[str]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="catalog", Prefix="out/")
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    return [key for key in keys if "/results/" in key]


def kill_an_actor(raylets, dice: random.Random) -> bool:
    processes = psutil.Process(raylets.pid).children(recursive=True)
    actors = [p for p in processes if "MapWorker" in " ".join(p.cmdline())]
    if not actors:
        return False
    dice.choice(sorted(actors, key=lambda process: process.pid)).send_signal(signal.SIGKILL)
    return True


@pytest.mark.timeout(3600)
def test_every_row_comes_out_once_whatever_is_killed(bucket, raylets, tmp_path):
    holder, address = raylets
    dice = random.Random(SEED)
    kinds = ["driver", "actor", "node"]
    kills: Counter[str] = Counter()
    path = tmp_path / "driver.log"
    with path.open("w") as log:
        driver = start_driver(address, log)
        while kills.total() < NUM_KILLS:
            waiting_for = len(result_files(bucket)) + dice.choice([1, 2, 4])
            deadline = time.monotonic() + 40
            while driver.poll() is None and time.monotonic() < deadline:
                if len(result_files(bucket)) >= waiting_for:
                    break
                time.sleep(0.1)
            if driver.poll() is not None:
                assert driver.returncode == 0, path.read_text()[-3000:]
                # All done before enough was killed: once more from the start.
                check(bucket)
                empty(bucket)
                driver = start_driver(address, log)
                continue
            time.sleep(dice.random())
            kind = kinds[kills.total() % 3] if NUM_KILLS < 6 else dice.choice(kinds)
            if kind == "driver":
                driver.kill()
                driver.wait()
                driver = start_driver(address, log)
            elif kind == "node":
                holder.stdin.write("lose\n")
                holder.stdin.flush()
                assert holder.stdout.readline() == "lost\n"
            elif not kill_an_actor(holder, dice):
                continue
            kills[kind] += 1
            logger.info("kill %d: %s", kills.total(), kind)
        assert driver.wait(timeout=300) == 0, path.read_text()[-3000:]
    check(bucket)
    logger.info("seed %d, kills %s", SEED, dict(kills))


def check(client) -> None:
    """Every planned row once, by the list of committed files."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="catalog", Prefix="out/")
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    (success,) = [key for key in keys if key.endswith("/_SUCCESS")]
    run = success.removesuffix("/_SUCCESS")
    committed = json.loads(client.get_object(Bucket="catalog", Key=success)["Body"].read())
    counts: Counter[str] = Counter()
    for name in committed["results"]:
        body = client.get_object(Bucket="catalog", Key=f"{run}/results/{name}")["Body"].read()
        table = pq.read_table(BytesIO(body), columns=["sample_id", "error", "image_path"])
        counts.update(table["sample_id"].to_pylist())
        assert table["error"].null_count == table.num_rows
        assert {f"{run}/{path}" for path in table["image_path"].to_pylist()} <= set(keys)
    assert counts == Counter({f"sku/{n}": 1 for n in range(NUM_ROWS)})


def empty(client) -> None:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="catalog", Prefix="out/")
    for page in pages:
        for entry in page.get("Contents", []):
            client.delete_object(Bucket="catalog", Key=entry["Key"])
