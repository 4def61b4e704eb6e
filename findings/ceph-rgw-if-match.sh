#!/usr/bin/env bash
# Ceph RGW 16.2.15 (Debian 12) compares `If-Match` of a PUT with the bare MD5 of the object. The ETag as
# RGW itself hands it out, in quotes, as HTTP has it (RFC 9110, section 8.8.3) and as S3 compares it, is
# answered with 412 every time. Without the quotes the write is a true compare-and-swap: of four who ask
# at once, one succeeds. `If-None-Match: *` is right.
#
# A lock that is an object can be taken there, and never renewed or taken over, by a client that sends
# back what it was given. (Packages are unpacked into the temporary folder: Debian 12, 500 MB.)
set -euo pipefail
version=16.2.15+ds-0+deb12u2
work=$(mktemp -d /tmp/finding-XXXX)
trap 'kill $(cat "$work"/run/*.pid 2>/dev/null) 2>/dev/null || true; sleep 2; rm -rf "$work"' EXIT
command -v apt-get >/dev/null || { echo "this needs Debian 12 (apt-get)" >&2; exit 1; }
mkdir -p "$work"/{archives/partial,root,run,mon,osd,rgw}
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'boto3==1.43.117' 2>/dev/null
touch "$work/status"
packages=(ceph-mon ceph-osd radosgw ceph-common)
apt-get install -qq -y --no-install-recommends --download-only -o APT::Sandbox::User=root \
  -o Dir::State::status="$work/status" -o Dir::Cache::archives="$work/archives" \
  "${packages[@]/%/=$version}" >/dev/null
for package in "$work"/archives/*.deb; do dpkg -x "$package" "$work/root"; done
lib=$work/root/usr/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH=$lib:$lib/ceph:$work/root/lib/x86_64-linux-gnu:$lib/blas:$lib/lapack
export PYTHONPATH=$work/root/usr/lib/python3/dist-packages PATH=$work/root/usr/bin:$PATH
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
s3=$(port)
cat >"$work/ceph.conf" <<CONF
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon host = v2:127.0.0.1:$(port)
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
run dir = $work/run
admin socket = $work/run/\$name.asok
log file = $work/\$name.log
plugin dir = $lib/ceph
erasure code dir = $lib/ceph/erasure-code
osd class dir = $lib/rados-classes
keyring = $work/none
mon data = $work/mon
osd data = $work/osd
osd objectstore = memstore
memstore device bytes = 1073741824
osd pool default size = 1
osd pool default min size = 1
mon allow pool size one = true
mon data avail crit = 1
osd crush chooseleaf type = 0
rgw frontends = beast endpoint=127.0.0.1:$s3
rgw data = $work/rgw
osd pool default pg num = 4
CONF
export CEPH_CONF=$work/ceph.conf
say() { "$work/root/usr/bin/python3.11" "$work/root/usr/bin/ceph" --connect-timeout 60 "$@"; }
start() { # name, command
  local name=$1; shift
  "$@" -c "$CEPH_CONF" -f >"$work/$name.out" 2>&1 &
  echo $! >"$work/run/$name.pid"
}
monmaptool --create --fsid "$(sed -n 's/^fsid = //p' "$CEPH_CONF")" \
  --addv a "[$(sed -n 's/^mon host = //p' "$CEPH_CONF")]" "$work/monmap" >/dev/null
ceph-mon -i a --mkfs --monmap "$work/monmap" >"$work/mkfs.out" 2>&1
start mon ceph-mon -i a
id=$(cat /proc/sys/kernel/random/uuid)
say osd new "$id" >/dev/null
ceph-osd -i 0 --mkfs --osd-uuid "$id" >>"$work/mkfs.out" 2>&1
say osd crush add osd.0 1.0 host=one root=default >/dev/null 2>&1
start osd ceph-osd -i 0
radosgw-admin user create --uid=one --display-name=one --access-key=key \
  --secret-key=secret-of-this-server >/dev/null 2>&1
start rgw radosgw -n client.rgw
unset LD_LIBRARY_PATH PYTHONPATH
cat >"$work/swap.py" <<'PYTHON'
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

store = boto3.client(
    "s3",
    endpoint_url=f"http://127.0.0.1:{sys.argv[1]}",
    aws_access_key_id="key",
    aws_secret_access_key="secret-of-this-server",
    region_name="us-east-1",
    config=Config(retries={"total_max_attempts": 1}),
)
for _ in range(240):
    try:
        store.create_bucket(Bucket="catalog")
        break
    except (BotoCoreError, ClientError):
        time.sleep(0.5)


def status(body, **condition):
    try:
        answer = store.put_object(Bucket="catalog", Key="lock", Body=body, **condition)
    except ClientError as error:
        answer = error.response
    return answer["ResponseMetadata"]["HTTPStatusCode"]


given = store.put_object(Bucket="catalog", Key="lock", Body=b"first")["ETag"]
as_given = status(b"second", IfMatch=given)
bare = status(b"second", IfMatch=given.strip('"'))
stale = status(b"third", IfMatch=given.strip('"'))
winners = []
for turn in range(5):
    etag = store.head_object(Bucket="catalog", Key="lock")["ETag"].strip('"')
    bodies = [f"{turn} {number}".encode() for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(lambda body: status(body, IfMatch=etag), bodies))
    winners.append(codes.count(200))
sys.stdout.write(
    f"If-Match {given}: {as_given}; {given.strip(chr(34))}: {bare}, and once more: {stale}\n"
    f"If-None-Match *: {status(b'none', IfNoneMatch='*')}\n"
    f"winners of four, in five races without quotes: {winners}\n"
)
assert as_given == 412, "the ETag as it is given is taken now"
assert (bare, stale) == (200, 412)
assert winners == [1] * 5
PYTHON
"$work/venv/bin/python" "$work/swap.py" "$s3"
