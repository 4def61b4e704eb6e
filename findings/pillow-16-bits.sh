#!/usr/bin/env bash
# Pillow 13.0.0, the Linux wheel of PyPI, on valid files of 16 bits a channel:
# 1. JPEG 2000: 65535 is read as 0, so that white is black and what is opaque transparent. It adds
#    128 and keeps the high byte of 16 bits: 65535 + 128 wraps around. So do 9 to 15 bits.
# 2. TIFF, one plane after the other (PlanarConfiguration 2), uncompressed: bytes are taken for
#    pixels of 8 bits. A level of 0x80FF comes out as 255 and 128 in turns, a photograph as stripes
#    of garbage, without an error.
# imagecodecs 2026.3.6 and tifffile 2026.3.3 read both as they were written.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check \
  pillow==13.0.0 imagecodecs==2026.3.6 tifffile==2026.3.3 numpy==2.4.6 2>/dev/null
"$work/env/bin/python" - <<'PY'
import io, sys
import imagecodecs, numpy, tifffile
from PIL import Image

white = numpy.full((64, 64, 4), 65535, numpy.uint16)
jpeg2000 = imagecodecs.jpeg2k_encode(white, level=0, codecformat="jp2", reversible=True)
by_pillow = Image.open(io.BytesIO(jpeg2000)).getpixel((5, 5))
by_imagecodecs = imagecodecs.jpeg2k_decode(jpeg2000)[5, 5].tolist()
print("JPEG 2000, white and opaque:", by_pillow, by_imagecodecs)

out = io.BytesIO()
planes = numpy.full((3, 64, 64), 0x80FF, numpy.uint16)
tifffile.imwrite(out, planes, photometric="rgb", planarconfig="separate")
picture = Image.open(io.BytesIO(out.getvalue()))
planar = picture.getpixel((4, 5)), picture.getpixel((5, 5))
print("planar TIFF, 128 of 255 in each channel:", planar)

is_so = by_pillow == (0, 0, 0, 0) and by_imagecodecs == [65535] * 4 and planar[0] != planar[1]
sys.exit(not is_so)
PY
