"""Weights from a real S3 server to a folder of this machine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import BaseModel

from pipeline import storage
from pipeline.errors import FatalError, TransientError
from pipeline.models.weights import Checkpoint
from pipeline.stages.weights import bring_weights
from pipeline.storage import mirroring

WEIGHTS = {
    "models/bria/model_index.json": b"{}",
    "models/bria/unet/weights.safetensors": bytes(range(256)) * 5000,
    "models/bria/empty": b"",
    "models/bria-other/model_index.json": b"not ours",
}


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path):
    monkeypatch.setenv(mirroring.CACHE_VARIABLE, str(tmp_path / "cache"))


def contents(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_prefix_arrives_whole_and_once(bucket, fill, monkeypatch):
    fill(WEIGHTS)
    monkeypatch.setattr(mirroring, "_SPAN_BYTES", 100_000)  # so that a file takes several requests
    folder = storage.mirror(f"{bucket}/models/bria")
    assert folder.name == "bria"
    assert contents(folder) == {
        name.removeprefix("models/bria/"): data
        for name, data in WEIGHTS.items()
        if name.startswith("models/bria/")
    }
    marker = folder / "kept"
    marker.touch()
    assert storage.mirror(f"{bucket}/models/bria") == folder
    assert marker.exists()


def test_replaced_weights_are_brought_anew(bucket, fill):
    fill(WEIGHTS)
    old = storage.mirror(f"{bucket}/models/bria")
    fill({"models/bria/empty": b"no more"})
    new = storage.mirror(f"{bucket}/models/bria")
    assert new != old
    assert (old / "empty").read_bytes() == b""
    assert (new / "empty").read_bytes() == b"no more"


def test_actors_that_start_together_bring_one_copy(bucket, fill, tmp_path):
    fill(WEIGHTS)
    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(storage.mirror, [f"{bucket}/models/bria"] * 4))
    assert len(folders) == 1
    assert not list((tmp_path / "cache").glob(".unfinished-*"))


def test_nothing_half_brought_stays(bucket, fill, tmp_path, monkeypatch):
    fill(WEIGHTS)
    monkeypatch.setattr(
        mirroring.hashlib, "file_digest", lambda *_: mirroring.hashlib.md5(b"other")
    )
    with pytest.raises(TransientError, match="MD5"):
        storage.mirror(f"{bucket}/models/bria")
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.suffix != ".lock"]


class Configuration(BaseModel):
    main: Checkpoint
    loras: tuple[Checkpoint, ...] = ()
    steps: int = 3


def test_a_configuration_keeps_its_names(bucket, fill):
    fill(WEIGHTS)
    config = Configuration(
        main=Checkpoint(uri=f"{bucket}/models/bria", allow_pickle=True),
        loras=(Checkpoint(uri=f"{bucket}/models/bria-other"), Checkpoint(path="/local")),
    )
    brought = bring_weights(config)
    assert (brought.main.path / "model_index.json").read_bytes() == b"{}"
    assert (brought.loras[0].path / "model_index.json").read_bytes() == b"not ours"
    assert brought.loras[1] == config.loras[1]
    assert brought.main.allow_pickle
    assert brought.steps == 3
    assert brought.main.name == config.main.name == "bria"


def test_weights_that_are_not_there_stop_the_run(bucket, fill):
    fill(WEIGHTS)
    with pytest.raises(FatalError, match=f"{bucket}/models/absent.*nothing below"):
        bring_weights(Configuration(main=Checkpoint(uri=f"{bucket}/models/absent")))
