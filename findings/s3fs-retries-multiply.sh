#!/usr/bin/env bash
# s3fs 2026.9.0 with aiobotocore 3.10.0: a store that answers HEAD and says 503 SlowDown to every GET is
# sent 25 GETs for one small file before the caller hears of it: botocore's five attempts, each of them
# inside one of five of s3fs's own. Where HEAD is refused as well it is five requests. boto3 makes five.
# A store that sheds load gets five times the load, and the caller waits most of a minute.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 's3fs==2026.9.0' \
  'fsspec==2026.9.0' 'aiobotocore==3.10.0' 2>/dev/null
cat >"$work/count.py" <<'PYTHON'
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import s3fs

SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
asked = Counter()


class Store(BaseHTTPRequestHandler):
    def do_HEAD(self):
        asked["HEAD"] += 1
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.send_header("ETag", '"098f6bcd4621d373cade4e832627b4f6"')
        self.send_header("Last-Modified", "Sat, 28 Nov 2026 00:00:00 GMT")
        self.end_headers()

    def do_GET(self):
        asked["GET"] += 1
        self.send_response(503)
        self.send_header("Content-Length", str(len(SLOW_DOWN)))
        self.end_headers()
        self.wfile.write(SLOW_DOWN)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
threading.Thread(target=server.serve_forever, daemon=True).start()
store = s3fs.S3FileSystem(
    key="key",
    secret="secret",
    endpoint_url=f"http://127.0.0.1:{server.server_port}",
    client_kwargs={"region_name": "us-east-1"},
)
try:
    with store.open("catalog/mug.jpg") as file:
        file.read()
    said = "read"
except OSError as error:
    said = f"OSError {error}"
server.shutdown()
sys.stdout.write(f"{dict(asked)}, then {said}\n")
assert asked["GET"] == 25, "the loops do not multiply any more"
PYTHON
"$work/venv/bin/python" "$work/count.py"
