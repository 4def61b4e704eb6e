#!/usr/bin/env bash
# OpenCV 5.0.0, `imread(..., IMREAD_UNCHANGED)` of a TIFF with straight alpha (ExtraSamples 2, as Pillow 13.0.0
# and libvips write it): colours of 8 bits come multiplied by alpha, colours of 16 bits as they are in the file.
#   200 under an alpha of 128, 8 bits:  100     16 bits: 200 (of 255)
# What OpenCV writes itself does not say what its fourth sample is, and comes back as it was, so a round trip
# shows nothing; nor do PNG and WebP, where colours are left alone. A cut-out that comes as TIFF gets dark
# edges: whoever lays it over a background by its alpha multiplies a second time. No error; no flag says which.
# IMREAD_COLOR gives the same 100: the picture over black.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'opencv-python-headless==5.0.0.93' \
  'Pillow==13.0.0' 'pyvips==3.2.0' 'pyvips-binary==8.18.7' 'tifffile==2026.3.3' 2>/dev/null
cat >"$work/read.py" <<'PYTHON'
import sys

import cv2
import numpy as np
import pyvips
import tifffile
from PIL import Image

work = sys.argv[1]
RED, ALPHA = 200, 128
pixels = np.full((16, 16, 4), (RED, 0, 0, ALPHA), np.uint8)
Image.fromarray(pixels).save(f"{work}/Pillow, 8 bits.tif")
Image.fromarray(pixels).save(f"{work}/Pillow, 8 bits.png")
Image.fromarray(pixels).save(f"{work}/Pillow, 8 bits.webp", lossless=True)
pyvips.Image.new_from_array(pixels).write_to_file(f"{work}/libvips, 8 bits.tif")
wide = pixels.astype(np.uint16) * 257
tifffile.imwrite(
    f"{work}/tifffile, 8 bits.tif", pixels, photometric="rgb", extrasamples=["unassalpha"]
)
tifffile.imwrite(
    f"{work}/tifffile, 16 bits.tif", wide, photometric="rgb", extrasamples=["unassalpha"]
)
cv2.imwrite(f"{work}/OpenCV, 8 bits.tif", cv2.cvtColor(pixels, cv2.COLOR_RGBA2BGRA))
found = {}
for name in (
    "Pillow, 8 bits.png",
    "Pillow, 8 bits.webp",
    "OpenCV, 8 bits.tif",
    "tifffile, 16 bits.tif",
    "Pillow, 8 bits.tif",
    "libvips, 8 bits.tif",
    "tifffile, 8 bits.tif",
):
    read = cv2.imread(f"{work}/{name}", cv2.IMREAD_UNCHANGED)
    scale = 257 if read.dtype == np.uint16 else 1
    found[name] = (read[0, 0] // scale).tolist()
    sys.stdout.write(f"{name}: blue, green, red, alpha {found[name]}\n")
straight, multiplied = [0, 0, RED, ALPHA], [0, 0, RED * ALPHA // 255, ALPHA]
for name in list(found)[:4]:
    assert found[name] == straight, name
for name in list(found)[4:]:
    assert found[name] == multiplied, f"{name} is read as it is now"
# What it is that the others find in the same files.
for name in list(found)[4:]:
    with Image.open(f"{work}/{name}") as picture:
        assert picture.tag_v2[338] == (2,) and picture.getpixel((0, 0)) == (RED, 0, 0, ALPHA)
    assert pyvips.Image.new_from_file(f"{work}/{name}")(0, 0) == [RED, 0, 0, ALPHA]
PYTHON
"$work/venv/bin/python" "$work/read.py" "$work" 2>&1 | grep -v -i warn
