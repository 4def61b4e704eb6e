#!/usr/bin/env bash
# Pillow 13.0.0 on valid PNGs with tRNS, the one colour that is declared transparent: of grey with 2
# or 4 bits it scales the pixels (by 85 or 17), not the colour, so that only black is ever found; of
# RGB with 16 bits it compares the high byte with all of the colour, so that only n * 257 is found.
# libpng, here by imagecodecs 2026.3.6, finds all.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check \
  pillow==13.0.0 imagecodecs==2026.3.6 numpy==2.4.6 2>/dev/null
"$work/env/bin/python" - <<'PY'
import io, struct, sys, zlib
import imagecodecs
from PIL import Image


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(depth, colour_type, row, key):
    header = struct.pack(">IIBBBBB", 8, 8, depth, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"tRNS", key)
        + chunk(b"IDAT", zlib.compress((b"\0" + row) * 8)) + chunk(b"IEND", b"")
    )


def alphas(data):
    by_pillow = Image.open(io.BytesIO(data)).convert("RGBA").getpixel((0, 0))[3]
    return by_pillow, int(imagecodecs.png_decode(data)[0, 0, -1]) % 254


found = {
    "grey, 2 bits, 3": alphas(png(2, 0, b"\xff\xff", b"\0\3")),
    "grey, 4 bits, 15": alphas(png(4, 0, b"\xff" * 4, b"\0\x0f")),
    "RGB, 16 bits, 0x1234": alphas(png(16, 2, b"\x12\x34" * 24, b"\x12\x34" * 3)),
}
for name, pair in found.items():
    print(f"{name}: alpha by Pillow {pair[0]}, by libpng {pair[1]}; wanted 0")
sys.exit(any(pair != (255, 0) for pair in found.values()))
PY
