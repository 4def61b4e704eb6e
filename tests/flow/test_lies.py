"""Two nights over a network that refuses and lies, and a third with nothing left to do."""

from __future__ import annotations

import json
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests import faults
from tests.faults import FaultyProxy
from tests.flow import pictures
from tests.flow.drivers import ALONE, backlot
from tests.flow.test_object_store import client, server

__all__ = ["client", "server"]  # fixtures
pytestmark = pytest.mark.ray

LIES = {
    "short": faults.shortened,
    "flipped": faults.flipped,
    "page": faults.page,
    "empty": faults.emptied,
}
TOLD_BY = {"store": ("flipped",), "web": tuple(LIES)}
"""A store is asked eight times, over some 15 s: its other lies are for `test_integrity.py`."""
TORN = faults.shortened(pictures.with_alpha(), 1)
QUIET = {"seed": 0, "slow_down": 0.0, "reset": 0.0, "delay": 0.0}


def put_catalogue(client, web_url: str) -> None:
    """Photographs of the store and of a web site, by what will be said of them."""
    rows = []
    for place, told in TOLD_BY.items():
        for number, kind in enumerate(("good", "torn", "denied", "mask", *told)):
            data = TORN if kind == "torn" else pictures.with_alpha(shift_px=number)
            key = f"lies/{place}/{kind}/a.png"
            client.put_object(Bucket="catalog", Key=key, Body=data, ACL="public-read")
            uri = f"{web_url}/catalog/{key}" if place == "web" else f"s3://catalog/{key}"
            rows.append({"id": f"{place} {kind}", "image_uri": uri, "prompt": "oak table"})
    client.put_object(Bucket="catalog", Key="lies/masks/m.png", Body=pictures.with_alpha())
    masks = {"store mask": "s3://catalog/lies/masks/m.png"}
    table = pa.Table.from_pylist([{**row, "mask_uri": masks.get(row["id"])} for row in rows])
    sink = BytesIO()
    pq.write_table(table, sink)
    client.put_object(Bucket="catalog", Key="lies/manifest.parquet", Body=sink.getvalue())


def errors(client, run_id: str) -> dict[str, tuple[str, bool] | None]:
    """Code and whether it is retryable, by row; None for a picture."""
    run = f"lies-out/run_id={run_id}"

    def get(name: str) -> bytes:
        return client.get_object(Bucket="catalog", Key=f"{run}/{name}")["Body"].read()

    tables = [
        pq.read_table(BytesIO(get(f"results/{name}")), columns=["sample_id", "error"])
        for name in json.loads(get("_SUCCESS"))["results"]
    ]
    return {
        row["sample_id"]: row["error"] and (row["error"]["code"], row["error"]["retryable"])
        for table in tables
        for row in table.to_pylist()
    }


def test_what_a_bad_network_did_is_undone_by_the_next_night(server, client, ray_address):
    lies = {f"catalog/lies/{place}/{kind}/": LIES[kind]
            for place, told in TOLD_BY.items() for kind in told}  # fmt: skip
    lies["catalog/lies/masks/"] = faults.page
    with (
        FaultyProxy(
            server, lies=lies, denied_prefix="catalog/lies/store/denied/a", **QUIET
        ) as store,
        # A web server that states no checksum.
        FaultyProxy(
            server,
            lies=lies,
            denied_prefix="catalog/lies/web/denied",
            unsaid=("etag",),
            **QUIET,
        ) as web,
    ):
        put_catalogue(client, web.url)

        def nightly(run_id: str) -> str:
            done = backlot(
                store.url,
                *("nightly", "studio", "--manifest", "s3://catalog/lies/manifest.parquet"),
                *("--output", "s3://catalog/lies-out", "--run-id", run_id),
                *("--set", "budget.max_failures=20", "--set", "input.max_megapixels=2"),
                *("--set", 'fetch.allowed_schemes=["s3", "http"]'),
                *("--set", f"fetch.allowed_hosts=['{web.url.removeprefix('http://')}']"),
                *("--set", "fetch.allow_private_addresses=true"),
                # Pictures on the web that are seconds old have no version yet, and one later.
                *("--set", "fetch.versions=[s3, file]"),
                *ALONE,
                address=ray_address,
            )
            assert done.returncode == 0, done.stderr[-3000:]
            return done.stdout

        nightly("n1")
        assert errors(client, "n1") == {
            "store good": None,
            "store torn": ("corrupt_image", False),  # as the store holds it
            "store denied": ("access_denied", True),
            "store mask": ("storage", True),
            "store flipped": ("storage", True),
            "web good": None,
            "web torn": ("corrupt_image", True),
            "web denied": ("access_denied", True),
            "web mask": None,
            "web short": ("corrupt_image", True),
            "web flipped": ("corrupt_image", True),
            "web page": ("unsupported_format", True),
            "web empty": ("empty_file", True),
        }
        for proxy in (store, web):
            proxy.lies, proxy.denied_prefix = {}, None
        nightly("n2")
        mended = {key: None for key, error in errors(client, "n1").items() if error and error[1]}
        assert errors(client, "n2") == {**mended, "web torn": ("corrupt_image", True)}
        said = nightly("n3")
        assert "nothing to do: 13 rows are unchanged" in said
