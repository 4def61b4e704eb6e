"""Pinned weights: nothing is beside them that the pin does not name. And the lock of loading."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pipeline.errors import FatalError
from pipeline.models import weights
from pipeline.models.pins import MANIFEST
from pipeline.models.weights import Checkpoint, locate, one_at_a_time
from pipeline.processes import locks
from pipeline.processes.locks import locked, private_folder

COMMIT = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = {"model.safetensors": b"weights", "unet/config.json": b"{}"}


def put(folder: Path, names: dict[str, bytes]) -> Path:
    for name, data in names.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def pin(folder: Path, names: dict[str, bytes]) -> Checkpoint:
    """The folder, pinned to these files, whatever else is there."""
    lines = [f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in names.items()]
    sums = "".join(lines).encode()
    (folder / MANIFEST).write_bytes(sums)
    return Checkpoint(path=folder, manifest_sha256=hashlib.sha256(sums).hexdigest())


def test_a_link_to_a_folder_outside_is_refused_by_name(tmp_path) -> None:
    put(tmp_path / "outside", {"planted.py": b"planted"})
    folder = put(tmp_path / "model", WEIGHTS)
    (folder / "vae").symlink_to(tmp_path / "outside")
    with pytest.raises(FatalError, match=r"model/vae: a link to a folder outside"):
        locate(pin(folder, WEIGHTS))


def test_files_behind_a_link_inside_count_as_files(tmp_path) -> None:
    folder = put(tmp_path / "model", WEIGHTS)
    (folder / "vae").symlink_to("unet")
    with pytest.raises(FatalError, match=r"vae/config\.json: not named in SHA256SUMS"):
        locate(pin(folder, WEIGHTS))
    assert locate(pin(folder, {**WEIGHTS, "vae/config.json": b"{}"})) == folder


def test_links_in_a_circle_end(tmp_path) -> None:
    folder = put(tmp_path / "model", WEIGHTS)
    (folder / "again").symlink_to(".")
    named = WEIGHTS | {f"again/{name}": data for name, data in WEIGHTS.items()}
    with pytest.raises(FatalError, match="again/again: a link to a folder behind another link"):
        locate(pin(folder, {**named, f"again/{MANIFEST}": b""}))


@pytest.mark.parametrize("name", [".hidden.py", ".cache/planted.py", "unet/.config.json.swp"])
def test_hidden_files_count(tmp_path, name) -> None:
    folder = put(tmp_path / "model", {**WEIGHTS, name: b"planted"})
    with pytest.raises(FatalError, match=f"model/{name}: not named in SHA256SUMS"):
        locate(pin(folder, WEIGHTS))
    assert locate(pin(folder, {**WEIGHTS, name: b"planted"})) == folder


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path) -> None:
    folder = put(tmp_path / "model", WEIGHTS)
    os.mkfifo(folder / "pipe")
    with pytest.raises(FatalError, match="pipe: neither a file nor a folder"):
        locate(pin(folder, WEIGHTS))


def test_snapshots_of_the_hugging_face_cache_are_links_and_pass(tmp_path) -> None:
    repository = tmp_path / "models--owner--name"
    snapshot = repository / "snapshots" / COMMIT
    for name, data in WEIGHTS.items():
        blob = put(repository / "blobs", {hashlib.sha256(data).hexdigest(): data})
        link = snapshot / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob / hashlib.sha256(data).hexdigest(), link.parent))
    pinned = pin(snapshot, WEIGHTS)
    assert locate(pinned) == snapshot
    (snapshot / "more.py").symlink_to("model.safetensors")
    with pytest.raises(FatalError, match=r"more\.py: not named"):
        locate(pinned)


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which nobody has a runtime folder; returns its temporary one."""
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / ".cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    return tmp_path / "tmp"


def test_the_lock_lies_where_nobody_else_may_enter(alone, tmp_path, monkeypatch) -> None:
    with one_at_a_time():
        (folder,) = alone.iterdir()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (lock,) = folder.iterdir()
        assert stat.S_IMODE(lock.stat().st_mode) & 0o077 == 0
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    assert private_folder() == tmp_path / "run" / "backlot"


def test_a_planted_folder_or_link_is_passed_over(alone, tmp_path) -> None:
    planted = alone / f"backlot-{os.geteuid()}"
    (tmp_path / "theirs").mkdir(mode=0o700)
    planted.symlink_to(tmp_path / "theirs")
    home = tmp_path / "home" / ".cache" / "backlot" / "locks"
    assert private_folder() == home
    planted.unlink()
    planted.mkdir()
    planted.chmod(0o777)
    assert private_folder() == home
    home.chmod(0o755)
    with pytest.raises(FatalError, match="others may enter it") as refused, one_at_a_time():
        pass
    assert "XDG_RUNTIME_DIR" in str(refused.value)


def test_no_link_is_followed_and_no_file_emptied(tmp_path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("kept")
    (tmp_path / "lock").symlink_to(precious)
    with pytest.raises(OSError, match="lock"), locked(tmp_path / "lock", patience_s=1):
        pass
    with locked(precious, patience_s=1):
        pass
    assert precious.read_text() == "kept"


HOLDS = """
import sys
from pathlib import Path
from pipeline.processes.locks import locked
with locked(Path(sys.argv[1]), patience_s=1):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_who_holds_it_for_ever_is_not_waited_for_for_ever(alone, monkeypatch, caplog) -> None:
    monkeypatch.setattr(weights, "_PATIENCE_S", 0.3)
    monkeypatch.setattr(locks, "_LOOKS_S", 0.05)
    lock = private_folder() / "loading.lock"
    command = [sys.executable, "-c", HOLDS, str(lock)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        refused = pytest.raises(TimeoutError, match="another process has held")
        with refused, locked(lock, patience_s=0.2):
            pass
        with one_at_a_time():
            pass
        holder.stdin.close()
    (warned,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "loading.lock for 0 s" in warned.getMessage()
    with locked(lock, patience_s=1):
        pass
