import hashlib
import json
import time

import pytest
from pydantic import ValidationError

from pipeline.errors import FatalError
from pipeline.models.weights import MANIFEST, Checkpoint, locate, revision_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def directory(tmp_path):
    weights = tmp_path / "model"
    (weights / "unet").mkdir(parents=True)
    (weights / "unet" / "model.safetensors").write_bytes(b"weights" * 1000)
    (weights / "model_index.json").write_text(json.dumps({"a": 1}))
    return weights


def with_manifest(directory):
    lines = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  ./{file.relative_to(directory)}"
        for file in sorted(directory.rglob("*"))
        if file.is_file()
    ]
    (directory / MANIFEST).write_text("\n".join(lines) + "\n")
    return hashlib.sha256((directory / MANIFEST).read_bytes()).hexdigest()


def in_cache(cache, hub_id, commit):
    """The layout of the Hugging Face cache."""
    repository = cache / f"models--{hub_id.replace('/', '--')}"
    snapshot = repository / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").write_bytes(b"weights")
    return snapshot


def test_a_directory_is_found_where_it_is(directory):
    assert locate(Checkpoint(path=directory)) == directory


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, "one of path, uri and hub_id"),
        ({"path": "a", "hub_id": "a/b", "revision": COMMIT}, "one of path, uri and hub_id"),
        ({"hub_id": "a/b"}, "needs a revision"),
        ({"hub_id": "a/b", "revision": "main"}, "pattern"),
        ({"hub_id": "../b/c", "revision": COMMIT}, "pattern"),
        ({"path": "a", "revision": COMMIT}, "belongs to hub_id"),
        ({"path": "a", "allow_remote_code": True}, "allow_remote_code needs"),
    ],
)
def test_a_source_is_one_and_pinned(values, reason):
    with pytest.raises(ValidationError, match=reason):
        Checkpoint(**values)


def test_missing_weights_are_fatal_at_once_and_named(tmp_path):
    with pytest.raises(FatalError, match=r"absent: expected a directory, found nothing"):
        locate(Checkpoint(path=tmp_path / "absent"))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FatalError, match="found a file"):
        locate(Checkpoint(path=tmp_path / "file"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FatalError, match="found an empty directory"):
        locate(Checkpoint(path=tmp_path / "empty"))


def test_a_hub_id_is_found_in_the_cache_and_never_fetched(tmp_path):
    snapshot = in_cache(tmp_path, "owner/name", COMMIT)
    here = Checkpoint(hub_id="owner/name", revision=COMMIT)
    assert locate(here, cache_dir=tmp_path).resolve() == snapshot.resolve()
    assert revision_of(locate(here, cache_dir=tmp_path)) == COMMIT[:12]
    other = Checkpoint(hub_id="owner/name", revision="f" * 40)
    started = time.monotonic()
    with pytest.raises(FatalError, match=f"expected revision {'f' * 40} in {tmp_path}"):
        locate(other, cache_dir=tmp_path)
    assert time.monotonic() - started < 5


def test_a_pickle_is_refused_unless_allowed_or_unneeded(directory):
    pickle = directory / "vae" / "model.bin"
    pickle.parent.mkdir()
    pickle.write_bytes(b"\x80")
    with pytest.raises(FatalError, match=r"model\.bin: expected safetensors, found a pickle"):
        locate(Checkpoint(path=directory))
    assert locate(Checkpoint(path=directory, allow_pickle=True)) == directory
    (pickle.parent / "model.safetensors").write_bytes(b"weights")
    assert locate(Checkpoint(path=directory)) == directory


def test_a_manifest_vouches_for_every_file(directory):
    pinned = Checkpoint(path=directory, manifest_sha256=with_manifest(directory))
    assert locate(pinned) == directory
    weights = directory / "unet" / "model.safetensors"
    good = weights.read_bytes()
    weights.write_bytes(good[:-1] + b"!")
    with pytest.raises(FatalError, match=r"model\.safetensors: expected sha256"):
        locate(pinned)
    weights.write_bytes(good)
    (directory / "extra.py").write_text("")
    with pytest.raises(FatalError, match=r"extra\.py: not named"):
        locate(pinned)
    (directory / "extra.py").unlink()
    weights.unlink()
    with pytest.raises(FatalError, match=r"model\.safetensors: named in SHA256SUMS, found none"):
        locate(pinned)
    (directory / MANIFEST).write_text("")
    with pytest.raises(FatalError, match=r"SHA256SUMS: expected sha256"):
        locate(pinned)


def test_the_revision_follows_the_bytes_and_not_the_place(directory, tmp_path):
    before = revision_of(directory)
    moved = directory.rename(tmp_path / "elsewhere")
    assert revision_of(moved) == before
    (moved / ".cache").mkdir()
    (moved / ".cache" / "note").write_text("left by a download tool")
    assert revision_of(moved) == before
    (moved / "unet" / "model.safetensors").write_bytes(b"other w" * 1000)
    assert revision_of(moved) != before


def test_remote_code_is_allowed_where_it_is_pinned():
    assert Checkpoint(hub_id="a/b", revision=COMMIT, allow_remote_code=True).pinned
    assert Checkpoint(path="a", manifest_sha256="0" * 64, allow_remote_code=True).pinned
