#!/usr/bin/env bash
# libvips 8.18.7 as pyvips-binary brings it is built without zstd and LZMA. A TIFF whose strips are
# packed with either opens: width, height and bands are right, and every pixel is 0. No exception is
# raised, since the loader's `fail_on` is "none" unless told otherwise; with `fail_on="error"` it is
# refused once pixels are asked for. So a batch that reads with the defaults gets black pictures. The
# same picture packed with LZW or Deflate comes out right.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pyvips==3.2.0' \
  'pyvips-binary==8.18.7' 'tifffile==2026.3.3' 'imagecodecs==2026.3.6' 'numpy==2.4.6' 2>/dev/null
cat >"$work/read.py" <<'PYTHON'
import io
import sys

import numpy as np
import pyvips
import tifffile

picture = np.full((48, 64, 3), 200, np.uint8)
for packing in ("lzw", "zlib", "zstd", "lzma"):
    file = io.BytesIO()
    tifffile.imwrite(file, picture, photometric="rgb", compression=packing)
    image = pyvips.Image.new_from_buffer(file.getvalue(), "")
    strict = pyvips.Image.new_from_buffer(file.getvalue(), "", fail_on="error")
    try:
        strictly = f"mean {strict.avg():g}"
    except pyvips.Error:
        strictly = "refused"
    sys.stdout.write(
        f"{packing}: {image.width} x {image.height}, mean {image.avg():g}; "
        f"with fail_on=error {strictly}\n"
    )
PYTHON
found=$("$work/venv/bin/python" "$work/read.py" 2>/dev/null)
echo "$found"
wanted='lzw: 64 x 48, mean 200; with fail_on=error mean 200
zlib: 64 x 48, mean 200; with fail_on=error mean 200
zstd: 64 x 48, mean 0; with fail_on=error refused
lzma: 64 x 48, mean 0; with fail_on=error refused'
[ "$found" = "$wanted" ]
