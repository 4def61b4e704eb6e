#!/usr/bin/env bash
# Pillow 13.0.0: what is put into a directory that `Exif.get_ifd` hands out is written into JPEG,
# PNG, WebP and AVIF, and left out of TIFF without a word: a photograph that was to have a place in
# it has none, and a test that looks for it in what was made of the photograph finds nothing,
# whatever the code does. Ours did.
#
# The way round: set the directory as a value, `exif[IFD.GPSInfo] = dict(directory)`, and do without
# compression: with it libtiff writes the file, and saving fails ("Error setting from dictionary").
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pillow==13.0.0' 2>/dev/null
cat >"$work/place.py" <<'PYTHON'
import io
import sys

from PIL import ExifTags, Image

GPS = ExifTags.IFD.GPSInfo


def has_place(kind, *, is_set, **options):
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Camera works"
    exif.get_ifd(GPS).update({1: "N", 2: (52.0, 31.0, 12.4)})
    if is_set:
        exif[GPS] = dict(exif.get_ifd(GPS))
    file = io.BytesIO()
    Image.new("RGB", (64, 48)).save(file, kind, exif=exif, **options)
    with Image.open(file) as image:
        return bool(image.getexif().get_ifd(GPS))


put_in = {kind: has_place(kind, is_set=False) for kind in ("JPEG", "PNG", "WEBP", "AVIF", "TIFF")}
print("put into the directory:", put_in)
as_value = has_place("TIFF", is_set=True)
print("set as a value: TIFF", as_value)
try:
    packed = str(has_place("TIFF", is_set=True, compression="tiff_lzw"))
except RuntimeError as error:
    packed = str(error)
print("and with LZW:", packed)
others = all(found for kind, found in put_in.items() if kind != "TIFF")
if not (others and not put_in["TIFF"] and as_value and packed != "True"):
    sys.exit("changed: look at tests/parents.py")
PYTHON
"$work/venv/bin/python" "$work/place.py"
