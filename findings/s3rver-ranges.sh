#!/usr/bin/env bash
# s3rver 3.7.1 (npm), an S3 server for tests: `Range: bytes=-N` is answered with the *first* N + 1 bytes, as
# if it were `bytes=0-N`: 206, a Content-Range that says so, no error. It should be the last N (RFC 9110,
# section 14.1.2), where Parquet and ZIP have their directory. Other ranges are right.
#
# What else S3 refuses and s3rver takes with 200, so that no test on it fails:
#   a body whose Content-MD5 is another one's, or whose x-amz-checksum-crc32 is wrong;
#   a part named with a wrong ETag in CompleteMultipartUpload;
#   `If-None-Match: *` over an object, and `If-Match` with a stale ETag, of PUT and of GET.
# And keys are listed folder by folder, not by their bytes: `red/2.jpg` before `red-1.jpg`.
# Needs Python and npm.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); server=
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
command -v npm >/dev/null || { echo "this needs npm" >&2; exit 1; }
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'boto3==1.43.117' 2>/dev/null
npm install --silent --no-audit --no-fund --prefix "$work/node" 's3rver@3.7.1' >/dev/null 2>&1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
node "$work/node/node_modules/.bin/s3rver" --directory "$work/data" --address 127.0.0.1 --port "$port" \
  --silent >"$work/log" 2>&1 &
server=$!
for _ in $(seq 300); do (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep 0.1; done
cat >"$work/ask.py" <<'PYTHON'
import base64
import hashlib
import string
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

store = boto3.client(
    "s3",
    endpoint_url=f"http://127.0.0.1:{sys.argv[1]}",
    aws_access_key_id="S3RVER",
    aws_secret_access_key="S3RVER",
    region_name="us-east-1",
    config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
)
store.create_bucket(Bucket="catalog")
letters = string.ascii_uppercase.encode()
store.put_object(Bucket="catalog", Key="letters", Body=letters)
ranges = {}
for wanted in ("5-7", "20-", "-3", "-8"):
    answer = store.get_object(Bucket="catalog", Key="letters", Range=f"bytes={wanted}")
    ranges[wanted] = answer["Body"].read()
    sys.stdout.write(f"bytes={wanted}: {ranges[wanted]}, {answer['ContentRange']}\n")


def status(request, key, **options):
    try:
        answer = request(Bucket="catalog", Key=key, **options)
    except ClientError as error:
        answer = error.response
    return answer["ResponseMetadata"]["HTTPStatusCode"]


wrong = base64.b64encode(hashlib.md5(b"another").digest()).decode()
stale = '"00000000000000000000000000000000"'
upload = store.create_multipart_upload(Bucket="catalog", Key="parts")["UploadId"]
store.upload_part(Bucket="catalog", Key="parts", UploadId=upload, PartNumber=1, Body=b"x")
taken = {
    "Content-MD5": status(store.put_object, "sum", Body=b"x", ContentMD5=wrong),
    "CRC32": status(store.put_object, "sum", Body=b"x", ChecksumCRC32="AAAAAQ=="),
    "ETag of a part": status(
        store.complete_multipart_upload,
        "parts",
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": stale}]},
    ),
    "If-None-Match: *": status(store.put_object, "letters", Body=b"x", IfNoneMatch="*"),
    "If-Match of PUT": status(store.put_object, "letters", Body=b"x", IfMatch=stale),
    "If-Match of GET": status(store.get_object, "letters", IfMatch=stale),
}
keys = ["red-1.jpg", "red.jpg", "red/2.jpg"]
for key in keys:
    store.put_object(Bucket="catalog", Key=key, Body=b"x")
answer = store.list_objects_v2(Bucket="catalog", Prefix="red")
listed = [found["Key"] for found in answer["Contents"]]
sys.stdout.write(f"status where S3 refuses: {taken}\nlisted: {listed}\n")
assert ranges["5-7"] == letters[5:8] and ranges["20-"] == letters[20:]
assert ranges["-3"] == letters[:4] and ranges["-8"] == letters[:9], "the last bytes are given now"
assert set(taken.values()) == {200}, "some of it is refused now"
assert sorted(listed) == keys and listed[0] == "red/2.jpg", "the listing goes by bytes now"
PYTHON
"$work/venv/bin/python" "$work/ask.py" "$port"
