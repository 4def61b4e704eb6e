"""Weights from a bucket: whoever may put objects there chooses their keys, and no place of ours."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from pipeline import storage
from pipeline.errors import FatalError
from pipeline.models.pins import MANIFEST
from pipeline.models.weights import Checkpoint
from pipeline.stages.local_weights import bring_weights
from pipeline.storage.s3 import mirroring
from tests.small_s3 import SmallS3
from tests.unit.storage.conftest import pointing

Fill = Callable[[Mapping[str, bytes]], SmallS3]

INDEX = b'{"weights": 1}'
KEYS = {
    "above": "w/../../beside.txt",
    "far above": "w/unet/../../../../../beside.txt",
    "absolute": "w/{place}/beside.txt",
    "an empty part": "w/unet//beside.txt",
    "this folder": "w/./beside.txt",
    "only above": "w/unet/..",
    "a backslash": "w/..\\beside.txt",
}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "deep" / "cache"
    monkeypatch.setenv(mirroring.CACHE_VARIABLE, str(folder))
    return folder


@pytest.fixture
def fill(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fill]:
    """Put objects into the bucket `shop` of a store in memory, which takes keys to the letter."""
    with SmallS3() as server:
        pointing(monkeypatch)(server.url)

        def put(objects: Mapping[str, bytes]) -> SmallS3:
            for key, data in objects.items():
                server.put(f"shop/{key}", data)
            return server

        yield put
        storage.disconnect()


def everything(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_key_that_is_no_path_below_the_copy_is_refused_before_anything_is_written(
    key, cache, tmp_path, fill
) -> None:
    key = key.format(place=tmp_path)
    fill({"w/index.json": INDEX, key: b"planted"})
    with pytest.raises(FatalError, match="this key is no path below a folder") as refused:
        bring_weights(Checkpoint(uri="s3://shop/w"))
    assert repr(key.removeprefix("w/"))[1:-1][-10:] in repr(str(refused.value))
    assert "\n" not in str(refused.value)
    assert everything(tmp_path) == set()


def test_the_message_shows_a_key_without_what_would_move_the_terminal(cache, fill) -> None:
    fill({"w/index.json": INDEX, "w/\u202ename/../x": b"planted"})
    with pytest.raises(FatalError) as refused:
        bring_weights(Checkpoint(uri="s3://shop/w"))
    assert "\u202e" not in str(refused.value)
    assert "U+202E" in str(refused.value)


def test_moto_hands_such_keys_out_as_well(cache, tmp_path, monkeypatch) -> None:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    pointing(monkeypatch)(url)
    s3 = boto3.client("s3", endpoint_url=url)
    s3.create_bucket(Bucket="mirrored")
    s3.put_object(Bucket="mirrored", Key="w/index.json", Body=INDEX)
    s3.put_object(Bucket="mirrored", Key=f"w/{tmp_path}/beside.txt", Body=b"planted")
    try:
        with pytest.raises(FatalError, match="this key is no path below a folder"):
            bring_weights(Checkpoint(uri="s3://mirrored/w"))
    finally:
        storage.disconnect()
        server.stop()
    assert everything(tmp_path) == set()


def test_nul_is_no_letter_of_a_name() -> None:
    with pytest.raises(FatalError, match="NUL"):
        mirroring._check_name("a\0b", "s3://shop/w/a\0b")


def test_ordinary_keys_arrive_whatever_letters_they_have(cache, fill) -> None:
    names = {"a..b", "...", ".hidden", "ünet/x y.bin", "unet/..x"}
    fill({f"w/{name}": name.encode() for name in names} | {"w/unet/": b""})
    brought = storage.mirror("s3://shop/w")
    assert {n for n in everything(brought) if (brought / n).is_file()} == names


def test_where_a_link_would_lead_out_nothing_is_opened(tmp_path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "unet").symlink_to(tmp_path)
    with pytest.raises(FatalError, match="would be written outside"):
        mirroring._inside(copy, "unet/beside.txt")


def test_what_is_not_as_pinned_never_gets_the_name_of_a_copy(cache, fill) -> None:
    sums = f"{hashlib.sha256(INDEX).hexdigest()}  index.json\n".encode()
    pinned = Checkpoint(uri="s3://shop/w", manifest_sha256=hashlib.sha256(sums).hexdigest())
    server = fill({"w/index.json": INDEX, f"w/{MANIFEST}": sums, "w/.more.py": b"planted"})
    with pytest.raises(FatalError, match=r"s3://shop/w/\.more\.py: not named in SHA256SUMS"):
        bring_weights(pinned)
    assert not [path for path in cache.iterdir() if path.is_dir()]
    del server.objects["shop/w/.more.py"]
    assert bring_weights(pinned).path.is_relative_to(cache)
