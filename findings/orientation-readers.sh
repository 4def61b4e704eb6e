#!/usr/bin/env bash
# The same picture, lying on its side, with orientation 6: who turns it upright? (Pillow 13.0.0 by
# `ImageOps.exif_transpose`, OpenCV 5.0.0 by `imdecode`, libvips 8.18.7 by `autorot`.)
#   orientation in EXIF:  all three, but for AVIF, which OpenCV leaves lying
#   in XMP alone:         Pillow turns JPEG, PNG, WebP, TIFF and AVIF; OpenCV and libvips none of them
#   OpenCV's IMREAD_UNCHANGED, which leaves the others as they lie, turns TIFF
#   OpenCV's `imread` of the same TIFF gives None: it turns it, and then finds that its size has changed
# An editor that turns pixels and leaves the XMP behind makes a photograph that lies on its side for
# one program and stands for the next: a mask made by OpenCV has 120 x 80 pixels where Pillow's
# photograph has 80 x 120. With orientation 3 the sizes agree, and nobody is told.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'opencv-python-headless==5.0.0.93' \
  'Pillow==13.0.0' 'pyvips==3.2.0' 'pyvips-binary==8.18.7' 2>/dev/null
cat >"$work/turn.py" <<'PYTHON'
import sys

import cv2
import numpy as np
import pyvips
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

work = sys.argv[1]
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
    b' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
    b' xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)
exif = Image.Exif()
exif[0x0112] = 6
as_png_text = PngInfo()
as_png_text.add_itxt("XML:com.adobe.xmp", XMP.decode())
in_xmp = {"png": {"pnginfo": as_png_text}, "tiff": {"tiffinfo": {700: XMP}}}
turned, refused = {}, set()
for ending in ("jpeg", "png", "webp", "tiff", "avif"):
    for place, options in (("EXIF", {"exif": exif}), ("XMP", in_xmp.get(ending, {"xmp": XMP}))):
        path = f"{work}/{place}.{ending}"
        Image.new("RGB", (120, 80)).save(path, **options)
        with Image.open(path) as picture:
            pillow = ImageOps.exif_transpose(picture).size
        data = np.fromfile(path, np.uint8)
        widths = {
            "Pillow": pillow[0],
            "OpenCV": cv2.imdecode(data, cv2.IMREAD_COLOR).shape[1],
            "OpenCV, unchanged": cv2.imdecode(data, cv2.IMREAD_UNCHANGED).shape[1],
            "libvips": pyvips.Image.new_from_file(path).autorot().width,
        }
        refused |= {(ending, place)} if cv2.imread(path) is None else set()
        turned[ending, place] = {reader for reader, width in widths.items() if width == 80}
        sys.stdout.write(f"{ending}, {place}: turned by {sorted(turned[ending, place])}\n")
sys.stdout.write(f"not read by OpenCV's imread: {refused}\n")
for ending in ("jpeg", "png", "webp", "tiff", "avif"):
    assert turned[ending, "XMP"] == {"Pillow"}, f"{ending} with XMP is turned by others now"
for ending in ("jpeg", "png", "webp"):
    assert turned[ending, "EXIF"] == {"Pillow", "OpenCV", "libvips"}
assert turned["tiff", "EXIF"] == {"Pillow", "OpenCV", "OpenCV, unchanged", "libvips"}
assert turned["avif", "EXIF"] == {"Pillow", "libvips"}, "OpenCV turns AVIF now"
assert refused == {("tiff", "EXIF")}, "OpenCV's imread reads TIFF now"
PYTHON
"$work/venv/bin/python" "$work/turn.py" "$work" 2>"$work/log" || { tail -3 "$work/log" >&2; exit 1; }
