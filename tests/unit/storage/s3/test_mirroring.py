"""Weights from a real S3 server to a folder of this machine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from pydantic import BaseModel

from pipeline import storage
from pipeline.errors import FatalError, TransientError
from pipeline.models.weights import Checkpoint
from pipeline.stages.local_weights import bring_weights
from pipeline.storage.s3 import mirroring
from tests.faults import FaultyProxy, flipped

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


def liar(s3_port, lies, **options):
    return FaultyProxy(s3_port, seed=0, slow_down=0, reset=0, delay=0, lies=lies, **options)


def test_nothing_half_brought_stays(bucket, fill, tmp_path, s3_port, point_at):
    fill(WEIGHTS)
    prefix = f"{bucket.removeprefix('s3://')}/models/bria/unet"
    other_each_time = {prefix: lambda body, time: bytes([time]) * len(body)}
    with liar(s3_port, other_each_time) as proxy:
        point_at(proxy.url)
        with pytest.raises(TransientError, match="MD5"):
            storage.mirror(f"{bucket}/models/bria")
        assert not [path for path in (tmp_path / "cache").rglob("*") if path.suffix != ".lock"]
        proxy.lies = {}
        assert (storage.mirror(f"{bucket}/models/bria") / "empty").read_bytes() == b""


def test_what_arrives_damaged_once_is_asked_for_again(bucket, fill, s3_port, point_at):
    fill(WEIGHTS)
    name = "models/bria/unet/weights.safetensors"
    once = {f"{bucket.removeprefix('s3://')}/{name}": lambda b, n: flipped(b, n) if n == 1 else b}
    with liar(s3_port, once) as proxy:
        point_at(proxy.url)
        brought = storage.mirror(f"{bucket}/models/bria")
        assert proxy.counts["lies"] == 2
    assert (brought / "unet/weights.safetensors").read_bytes() == WEIGHTS[name]


def test_an_etag_that_looks_like_an_md5_and_is_none_keeps_nobody_from_the_weights(
    bucket, fill, s3_port, point_at, caplog
):
    fill(WEIGHTS)
    # As if the store's ETags were no MD5s: the same bytes come each time, and do not agree.
    with liar(s3_port, {f"{bucket.removeprefix('s3://')}/models/bria/unet": flipped}) as proxy:
        point_at(proxy.url)
        storage.mirror(f"{bucket}/models/bria")
    assert "arrived twice with MD5" in caplog.text


def test_nor_does_one_of_an_encrypted_object(bucket, fill, s3_url, s3_port, point_at, caplog):
    client = boto3.client("s3", endpoint_url=s3_url)
    given = {"Bucket": bucket.removeprefix("s3://"), "Key": "w/a", "Body": b"weights" * 99}
    client.put_object(**given, ServerSideEncryption="aws:kms")
    with liar(s3_port, {f"{given['Bucket']}/w": flipped}) as proxy:
        point_at(proxy.url)
        storage.mirror(f"{bucket}/w")
        assert proxy.counts["lies"] == 1
    assert not caplog.text


def test_where_copies_can_be_kept_nowhere_the_variable_is_named(
    bucket, fill, tmp_path, monkeypatch
):
    fill(WEIGHTS)
    (tmp_path / "file").write_text("in the way")
    for cache in ("~nobody-of-that-name/x", str(tmp_path / "file" / "x")):
        monkeypatch.setenv(mirroring.CACHE_VARIABLE, cache)
        with pytest.raises(OSError, match=r"may be written in BACKLOT_CACHE"):
            storage.mirror(f"{bucket}/models/bria")


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
