#!/usr/bin/env bash
# imagecodecs 2026.3.6, bmp_decode, on valid BMPs whose pixels are cut by masks (BI_BITFIELDS): of a
# mask of ten bits it returns the low eight, and two bits of alpha as 0 to 3. No error. Masks of up to
# eight bits are read rightly. Pillow 13.0.0 refuses what has ten (OSError).
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check \
  imagecodecs==2026.3.6 numpy==2.4.6 2>/dev/null
"$work/env/bin/python" - <<'PY'
import struct, sys
import imagecodecs


def bmp(pixel, bits, masks):
    raw = struct.pack("<H" if bits == 16 else "<I", pixel) * 64
    info = struct.pack("<IiiHHIIiiII", 108, 8, 8, 1, bits, 3, len(raw), 0, 0, 0, 0)
    info += struct.pack("<4I", *masks) + bytes(108 - 56)
    return b"BM" + struct.pack("<IHHI", 14 + len(info) + len(raw), 0, 0, 14 + len(info)) + info + raw


found = {}
for name, bits, masks, pixel, wanted in (
    ("5551", 16, (0x7C00, 0x03E0, 0x001F, 0x8000), 0xC210, [132, 132, 132, 255]),
    ("4444", 16, (0x0F00, 0x00F0, 0x000F, 0xF000), 0x6118, [17, 17, 136, 102]),
    ("1010102", 32, (0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000), 0xE0080200, [128, 128, 128, 255]),
):
    got = imagecodecs.bmp_decode(bmp(pixel, bits, masks))[0, 0].tolist()
    found[name] = all(abs(a - b) <= 1 for a, b in zip(got, wanted))
    print(f"{name}: wanted {wanted}, got {got}")
sys.exit(found != {"5551": True, "4444": True, "1010102": False})
PY
