#!/usr/bin/env bash
# libvips 8.18.7 (pyvips-binary): a TIFF whose samples are luma and chroma (PhotometricInterpretation
# 6, as TIFF 6.0 section 21 has it) without JPEG inside is opened as if they were red, green and blue:
# interpretation srgb, no warning, wrong colours all over. Pillow (libtiff) converts. With JPEG inside,
# libvips converts, too.
#
# Whoever holds another decoder against libvips finds the other one wrong on these files.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pyvips==3.2.0' \
  'pyvips-binary==8.18.7' 'tifffile==2026.3.3' 'imagecodecs==2026.3.6' 'pillow==13.0.0' \
  'numpy==2.4.6' 2>/dev/null
cat >"$work/read.py" <<'PYTHON'
import sys
from io import BytesIO

import numpy as np
import pyvips
import tifffile
from PIL import Image

column = np.linspace(0, 255, 64, dtype=np.uint8)
rgb = np.stack(np.broadcast_arrays(column[:, None], column[None, ::-1], np.uint8(90)), axis=-1)
luma_chroma = np.asarray(Image.fromarray(rgb).convert("YCbCr"))  # JFIF's weights, full range
colours = [(532, 5, 6, (0, 1, 255, 1, 128, 1, 255, 1, 128, 1, 255, 1), True)]  # said in the file
found = {}
for packing, how in {
    "uncompressed": {},
    "Deflate": {"compression": "zlib"},
    "JPEG": {"compression": "jpeg", "compressionargs": {"level": 100}},
}.items():
    file = BytesIO()
    tifffile.imwrite(
        file, luma_chroma, photometric="ycbcr", subsampling=(1, 1), extratags=colours, **how
    )
    data = file.getvalue()
    opened = pyvips.Image.new_from_buffer(data, "")
    by_pillow = np.asarray(Image.open(BytesIO(data)).convert("RGB"))
    off = [np.abs(seen.astype(int) - rgb).mean() for seen in (opened.numpy(), by_pillow)]
    found[packing] = off
    sys.stdout.write(
        f"{packing}: libvips says {opened.interpretation}, mean error {off[0]:.0f} levels; "
        f"Pillow {off[1]:.0f}\n"
    )
for packing in ("uncompressed", "Deflate"):
    assert found[packing][0] > 20, "libvips converts it now"
assert found["JPEG"][0] < 3, "libvips does not convert what is in a JPEG any more"
assert max(by_pillow for _, by_pillow in found.values()) < 3, "Pillow does not convert any more"
PYTHON
"$work/venv/bin/python" "$work/read.py"
