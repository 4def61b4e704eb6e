"""Whole runs from bucket to bucket, over HTTP and through faults, as a user starts them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from io import BytesIO

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer

from jobs.cli import main
from pipeline import storage
from tests.faults import FaultyProxy
from tests.flow import pictures
from tests.flow.conftest import KEYS
from tests.flow.drivers import ALONE, backlot
from tests.small_s3 import SWIFT, SmallS3

pytestmark = pytest.mark.ray

NUM_ROWS = 40
NUM_DENIED = 4

Refuse = Callable[..., list[str]]


@pytest.fixture(scope="module")
def server():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


@pytest.fixture(scope="module")
def client(server):
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{server}",
        region_name="us-east-1",
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
    )
    client.create_bucket(Bucket="catalog")
    for number in range(NUM_ROWS):
        folder = "denied" if number < NUM_DENIED else "images"
        picture = pictures.with_alpha(shift_px=number % 40)
        client.put_object(Bucket="catalog", Key=f"in/{folder}/{number}.png", Body=picture)
    rows = [
        {
            "id": f"sku/{n}",
            "image_uri": f"{'denied' if n < NUM_DENIED else 'images'}/{n}.png",
            "prompt": "oak table",
        }
        for n in range(NUM_ROWS)
    ]
    sink = BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    client.put_object(Bucket="catalog", Key="in/manifest.parquet", Body=sink.getvalue())
    return client


@pytest.fixture
def refuse(monkeypatch, capsys) -> Iterator[Refuse]:
    """Run a command here that must be refused; returns the lines of its standard error."""

    def run(endpoint: str, *arguments: str) -> list[str]:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        storage.disconnect()
        capsys.readouterr()
        assert main([*arguments]) == 2, arguments
        return capsys.readouterr().err.splitlines()

    yield run
    storage.disconnect()


def test_throttling_resets_and_delays_cost_no_row(server, client, ray_address):
    with FaultyProxy(server, seed=5, denied_prefix="catalog/in/denied/") as proxy:
        done = backlot(
            proxy.url,
            *("run", "studio", "--manifest", "s3://catalog/in/manifest.parquet"),
            *("--output", "s3://catalog/out", "--run-id", "faults"),
            *("--set", "budget.max_failures=10"),
            address=ray_address,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in done.stdout + done.stderr
    run = "out/run_id=faults"

    def get(name: str) -> bytes:
        return client.get_object(Bucket="catalog", Key=f"{run}/{name}")["Body"].read()

    report = json.loads(get("report.json"))
    assert report["rows"]["ok"] == NUM_ROWS - NUM_DENIED
    assert report["failures"] == {"access_denied": NUM_DENIED}
    assert report["storage_retries"] > 0
    assert proxy.counts["slow_down"] > 0
    assert proxy.counts["reset"] > 0
    tables = [
        pq.read_table(BytesIO(get(f"results/{name}")))
        for name in json.loads(get("_SUCCESS"))["results"]
    ]
    rows = [row for table in tables for row in table.to_pylist()]
    assert sorted(row["sample_id"] for row in rows) == sorted(f"sku/{n}" for n in range(NUM_ROWS))
    row = next(row for row in rows if row["error"] is None)
    head = client.head_object(Bucket="catalog", Key=f"{run}/{row['image_path']}")
    assert head["ContentType"] == "image/jpeg"
    assert head["ContentLength"] == len(row["image"]["bytes"])


def test_requests_that_cannot_work_are_one_clear_line_each(server, client, refuse):
    endpoint = f"http://127.0.0.1:{server}"
    good = {"--manifest": "s3://catalog/in/manifest.parquet", "--output": "s3://catalog/refused"}
    with FaultyProxy(
        server, seed=1, slow_down=0, reset=0, delay=0, denied_prefix="catalog"
    ) as denying:
        cases = [
            (endpoint, {"--manifest": "s3://nowhere/m.parquet"}, "nowhere"),
            (endpoint, {"--output": "s3://nowhere/out"}, "nowhere"),
            (endpoint, {"--manifest": "s3://catalog/in/none.parquet"}, "nothing there"),
            (endpoint, {"--output": "s3://catalog/in/manifest.parquet"}, "manifest"),
            (denying.url, {}, "credentials"),
        ]
        for url, changed, expected in cases:
            options = [word for pair in {**good, **changed}.items() for word in pair]
            (line,) = refuse(url, "run", "studio", *options)
            assert expected in line, changed
        # As a process of its own, nothing else is said at its end.
        options = [word for pair in good.items() for word in pair]
        refused = backlot(denying.url, "run", "studio", *options)
    assert refused.returncode == 2, refused.stderr[-2000:]
    (line,) = refused.stderr.strip().splitlines()
    assert "credentials" in line
    listed = client.list_objects_v2(Bucket="catalog", Prefix="refused")
    assert listed["KeyCount"] == 0


def test_a_run_on_a_store_without_conditions_goes_on_once_somebody_vouches_for_it(
    ray_address, refuse
):
    with SmallS3(SWIFT) as store:
        for number in range(2):
            store.put(f"catalog/in/{number}.png", pictures.with_alpha(shift_px=number))
        rows = [{"id": str(n), "image_uri": f"{n}.png", "prompt": "oak"} for n in range(2)]
        sink = BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), sink)
        store.put("catalog/in/manifest.parquet", sink.getvalue())
        num_before = len(store.objects)
        places = ["--manifest", "s3://catalog/in/manifest.parquet", "--output", "s3://catalog/out"]
        for arguments in (["run"], ["run", "--dry-run"], ["nightly"]):
            (line,) = refuse(store.url, arguments[0], "studio", *places, *arguments[1:])
            assert "--assume-single-driver" in line
            assert len(store.objects) == num_before

        named = [*places, "--run-id", "one", "--assume-single-driver"]
        left = {"owner": "gone", "ttl_s": 60, "host": "elsewhere", "pid": 1, "machine": "m"}
        lease = json.dumps({**left, "token": "t"}).encode()
        store.put("catalog/out/run_id=one/lease.json", lease, age_s=90)
        done = backlot(store.url, "run", "studio", *named, *ALONE, address=ray_address)
        assert done.returncode == 0, done.stderr[-3000:]
        assert "see to it that no other driver" in done.stderr
        names = {address.removeprefix("catalog/out/run_id=one/") for address in store.objects}
        assert "_SUCCESS" in names
        assert "lease.json" not in names
        report = json.loads(store.objects["catalog/out/run_id=one/report.json"].data)
        assert report["rows"]["ok"] == 2

        num_before = len(store.objects)
        again = ["reprocess", "s3://catalog/out", "--where", "id = '1'", "--trust-dataset"]
        assert "--assume-single-driver" in refuse(store.url, *again)[-1]
        assert len(store.objects) == num_before
