"""Signed pictures, from whatever photographs come to the dataset, while what signs is killed."""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.cli import main
from tests import parents
from tests.certificates import write_chain

pytestmark = pytest.mark.ray

c2pa = pytest.importorskip("c2pa")

KINDS = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "MPO", "BMP", "JPEG2000", "credentials")


AGE_S = 1.5
"""At which a signer is killed: it has tried its key, and waits for pictures or signs one."""


def signers(chain):
    """Processes that sign with these certificates, and have done so for a while."""
    for process in psutil.process_iter(["cmdline", "create_time"]):
        is_old = time.time() - process.info["create_time"] > AGE_S
        if is_old and str(chain) in (process.info["cmdline"] or ()):
            yield process


def test_every_photograph_gets_a_signed_picture_though_its_signer_is_killed(tmp_path: Path) -> None:
    catalogue, output = tmp_path / "catalogue", tmp_path / "dataset"
    for folder in (catalogue, tmp_path / "keys", tmp_path / "camera"):
        folder.mkdir()
    chain, key = write_chain(tmp_path / "keys")
    for kind in KINDS:
        own = kind == "credentials"
        file = (
            parents.with_credentials(*write_chain(tmp_path / "camera"))
            if own
            else parents.written(kind)
        )
        (catalogue / kind).write_bytes(file)
    rows = [{"id": kind, "image_uri": kind, "prompt": "oak"} for kind in KINDS]
    pq.write_table(pa.Table.from_pylist(rows), catalogue / "manifest.parquet")
    killed: list[int] = []
    done = threading.Event()

    def kill_the_first_two() -> None:
        while not done.wait(0.05) and len(killed) < 2:
            for process in signers(chain):
                if process.pid not in killed:
                    with suppress(psutil.NoSuchProcess):
                        process.kill()
                        killed.append(process.pid)

    killer = threading.Thread(target=kill_the_first_two)
    killer.start()
    manifest = str(catalogue / "manifest.parquet")
    sign = f"render.provenance.sign={{certificates: {chain}, private_key: {key}}}"
    try:
        code = main(
            ["run", "studio", "--manifest", manifest, "--output", str(output), "--set", sign]
        )
    finally:
        done.set()
        killer.join()
    assert code == 0
    assert killed
    (run,) = output.glob("run_id=*")
    names = json.loads((run / "_SUCCESS").read_text())["results"]
    found = {
        row["id"]: row
        for name in names
        for row in pq.read_table(run / "results" / name).to_pylist()
    }
    assert set(found) == set(KINDS)
    for row in found.values():
        assert row["error"] is None
        with c2pa.Reader("image/jpeg", BytesIO(row["image"]["bytes"])) as reader:
            assert reader.get_validation_state() == "Valid"
            assert parents.PLACE not in reader.detailed_json()
    assert [kind for kind in KINDS if found[kind]["shot_notes"]] == ["credentials"]
