#!/usr/bin/env bash
# s3rver 3.7.1 (npm), an S3 server for tests, on Node 17 and newer: a listing of more keys than fit into one
# page (1000, or MaxKeys) is answered with 500 InternalError, always. Its continuation tokens are encrypted
# with DES, which OpenSSL 3 has only in its legacy provider (ERR_OSSL_EVP_UNSUPPORTED). So who asks whether
# a folder is empty, with MaxKeys=1, is told that the store is broken. ListObjects (version 1) has no such
# token, and works. NODE_OPTIONS=--openssl-legacy-provider mends it.
# Needs Python, npm and Node 17 or newer.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); server=
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
command -v npm >/dev/null || { echo "this needs npm" >&2; exit 1; }
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'boto3==1.43.117' 2>/dev/null
npm install --silent --no-audit --no-fund --prefix "$work/node" 's3rver@3.7.1' >/dev/null 2>&1
cat >"$work/ask.py" <<'PYTHON'
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

port, how = sys.argv[1:]
store = boto3.client(
    "s3",
    endpoint_url=f"http://127.0.0.1:{port}",
    aws_access_key_id="S3RVER",
    aws_secret_access_key="S3RVER",
    region_name="us-east-1",
    config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
)
store.create_bucket(Bucket=how)
for number in range(3):
    store.put_object(Bucket=how, Key=f"images/{number}.jpg", Body=b"x")


def status(request, most):
    try:
        answer = request(Bucket=how, Prefix="images/", MaxKeys=most)
    except ClientError as error:
        answer = error.response
    return answer["ResponseMetadata"]["HTTPStatusCode"]


said = {most: status(store.list_objects_v2, most) for most in (1, 2, 3)}
first = status(store.list_objects, 1)
sys.stdout.write(f"{how}: version 2 by MaxKeys {said}, version 1 {first}\n")
broken = 500 if how == "plain" else 200
assert said == {1: broken, 2: broken, 3: 200}, "listings are cut otherwise now"
assert first == 200
PYTHON
for how in plain legacy; do
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  options=; [ "$how" = plain ] || options=--openssl-legacy-provider
  NODE_OPTIONS=$options node "$work/node/node_modules/.bin/s3rver" --directory "$work/$how" \
    --address 127.0.0.1 --port "$port" --silent >"$work/log" 2>&1 &
  server=$!
  for _ in $(seq 300); do (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep 0.1; done
  "$work/venv/bin/python" "$work/ask.py" "$port" "$how"
  kill "$server"; wait "$server" 2>/dev/null || true
done
