"""Whole commands against each store: two drivers at once, a second night, a wrong secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.chaos.catalogue import Catalogue
from tests.chaos.drivers import Drivers
from tests.flow import pictures

pytestmark = [pytest.mark.stores, pytest.mark.ray]

_HELD_S = 90.0
_PHOTOGRAPHS = ("red/2.jpg", "red-1.jpg", "red.jpg", "blue/1.jpg", "blue-2.jpg", "blue/a/3.jpg")


def backlot(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jobs.cli", *arguments],
        env={
            **os.environ,
            "RAY_AUTH_MODE": "disabled",
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


def only_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2, done.stderr[-3000:]
    (line,) = done.stderr.strip().splitlines()
    return line


def test_a_second_driver_is_refused_and_the_first_one_finishes(
    store, address, watched, note, tmp_path
) -> None:
    catalogue = Catalogue.make(60)
    drivers = Drivers(catalogue, address, tmp_path, options=store.options)
    deadline = time.monotonic() + _HELD_S
    while catalogue.lease() is None and time.monotonic() < deadline:
        assert drivers.process.poll() is None, drivers.said()
        time.sleep(0.05)
    second = backlot(*drivers.words)
    assert second.returncode == 2, second.stderr[-3000:]
    # Above it is what is said of a store where one driver is assumed.
    assert "is working on this run" in second.stderr.strip().splitlines()[-1], second.stderr
    assert drivers.process.poll() is None, "the first one was done before the second one asked"
    assert drivers.process.wait(timeout=300) == 0, drivers.said()
    assert {what: n for what, n in catalogue.account().items() if n} == {}
    (run,) = runs(store, catalogue.bucket)
    verified = backlot("verify", f"s3://{catalogue.bucket}/{run}")
    assert verified.returncode == 0, verified.stderr + verified.stdout
    note("scenarios", "run", f"{catalogue.num_rows} of {catalogue.num_rows} rows, verified")
    note("scenarios", "second driver", "refused")


def test_a_run_is_refused_at_once_where_two_drivers_could_both_work(store) -> None:
    if store.honours_conditions:
        pytest.skip(f"{store.name} honours conditions")
    bucket = filled(store)
    places = ["--manifest", f"s3://{bucket}/in/manifest.parquet", "--output", f"s3://{bucket}/out"]
    for command in (["run", "studio"], ["nightly", "studio"]):
        assert "--assume-single-driver" in only_line(backlot(*command, *places))
    assert store.keys(bucket, "out/") == []


def test_a_replaced_photograph_is_made_anew_and_no_other(store, address, watched, note) -> None:
    bucket = filled(store)
    command = ["nightly", "studio", "--manifest", f"s3://{bucket}/in/manifest.parquet"]
    command += ["--output", f"s3://{bucket}/out", "--address", address, *store.options]
    made = []
    for number, replaced in enumerate((None, None, "red/2.jpg")):
        if replaced is not None:
            store.fill(bucket, {f"in/{replaced}": pictures.with_alpha(shift_px=33)})
        before = set(runs(store, bucket))
        done = backlot(*command)
        assert done.returncode == 0, done.stderr[-3000:]
        made.append(
            sorted(
                row for run in set(runs(store, bucket)) - before for row in rows(store, bucket, run)
            )
        )
        if number == 0:
            assert made[0] == sorted(_PHOTOGRAPHS), done.stderr[-3000:]
    assert made[1] == []
    if not store.tells_versions:
        assert "6 photographs not looked at" in done.stdout, done.stdout
        assert "the store gives no ETag" in done.stdout, done.stdout
        note(
            "scenarios",
            "nightly, one replaced",
            f"{len(made[2])} rows; that nobody can tell is said",
        )
        return
    assert made[2] == ["red/2.jpg"], done.stderr[-3000:]
    note("scenarios", "nightly, one replaced", "1 row")


def test_every_other_command_works_on_what_a_run_has_left(store, address, note) -> None:
    bucket = filled(store, absent="late.jpg")
    places = ["--manifest", f"s3://{bucket}/in/manifest.parquet", "--output", f"s3://{bucket}/out"]
    here = ["--address", address, *store.options]
    ran = backlot("run", "studio", *places, *here, "--set", "budget.max_failures=1")
    assert ran.returncode == 0, ran.stderr[-3000:]
    (run,) = runs(store, bucket)
    assert rows(store, bucket, run, failed=1) == sorted([*_PHOTOGRAPHS, "late.jpg"])
    for command in (["verify"], ["report"]):
        done = backlot(*command, f"s3://{bucket}/{run}")
        assert done.returncode == 0, done.stderr[-3000:]
    assert merged(store, bucket, "before") == sorted(_PHOTOGRAPHS)
    store.fill(bucket, {"in/late.jpg": pictures.with_alpha(shift_px=9)})
    again = ["reprocess", f"s3://{bucket}/out", "--where", "error.code = 'not_found'", *here]
    again += ["--trust-dataset"]
    done = backlot(*again)
    assert done.returncode == 0, done.stderr[-3000:]
    (new,) = set(runs(store, bucket)) - {run}
    assert rows(store, bucket, new) == ["late.jpg"]
    assert merged(store, bucket, "after") == sorted([*_PHOTOGRAPHS, "late.jpg"])
    note("scenarios", "verify, report, current, reprocess", "work")


def test_a_wrong_secret_is_one_line_that_says_so(store, note) -> None:
    bucket = filled(store)
    command = ["run", "studio", "--manifest", f"s3://{bucket}/in/manifest.parquet"]
    command += ["--output", f"s3://{bucket}/out", "--dry-run"]
    command += [] if store.server.checks_secrets else store.options
    done = backlot(*command, AWS_SECRET_ACCESS_KEY="not-the-secret-of-this-key")
    if store.server.checks_secrets:
        line = only_line(done)
        assert "AWS_SECRET_ACCESS_KEY" in line, line
        assert "not-the-secret" not in line
        note("scenarios", "wrong secret", "one line, exit 2")
    else:
        assert done.returncode == 0, done.stderr
        note("scenarios", "wrong secret", "the store looks at no secret")


def filled(store, *, absent: str | None = None) -> str:
    """A bucket with photographs whose names lie beside folders of the same name.

    `absent`, if given, is one more that the manifest names and that is not there.
    """
    bucket = store.bucket()
    for number, name in enumerate(_PHOTOGRAPHS):
        store.fill(bucket, {f"in/{name}": pictures.with_alpha(shift_px=number)})
    names = [*_PHOTOGRAPHS, *([] if absent is None else [absent])]
    table = [{"id": name, "image_uri": name, "prompt": "oak table"} for name in names]
    sink = BytesIO()
    pq.write_table(pa.Table.from_pylist(table), sink)
    store.fill(bucket, {"in/manifest.parquet": sink.getvalue()})
    return bucket


def runs(store, bucket: str) -> list[str]:
    """Folders of finished runs."""
    marks = [key for key in store.keys(bucket, "out/") if key.endswith("/_SUCCESS")]
    return [mark.removesuffix("/_SUCCESS") for mark in marks]


def rows(store, bucket: str, run: str, *, failed: int = 0) -> list[str]:
    """Ids of the rows that a run made, sorted, of which so many have an error."""
    names = json.loads(read(store, bucket, f"{run}/_SUCCESS"))["results"]
    tables = [
        pq.read_table(BytesIO(read(store, bucket, f"{run}/results/{name}"))) for name in names
    ]
    found = [row for table in tables for row in table.to_pylist()]
    errors = [row["error"] for row in found if row["error"]]
    assert len(errors) == failed, errors
    return sorted(row["sample_id"] for row in found)


def merged(store, bucket: str, name: str) -> list[str]:
    """Ids of the merged view of all runs, written to a folder of that name."""
    done = backlot("current", f"s3://{bucket}/out", "--materialise", f"s3://{bucket}/{name}")
    assert done.returncode == 0, done.stderr[-3000:]
    files = [key for key in store.keys(bucket, f"{name}/") if key.endswith(".parquet")]
    tables = [pq.read_table(BytesIO(read(store, bucket, file))) for file in files]
    return sorted(id_ for table in tables for id_ in table["sample_id"].to_pylist())


def read(store, bucket: str, key: str) -> bytes:
    return store.client.get_object(Bucket=bucket, Key=key)["Body"].read()
