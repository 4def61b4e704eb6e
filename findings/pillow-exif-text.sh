#!/usr/bin/env bash
# Pillow 13.0.0: text that is put into EXIF as `str` loses every letter that is not ASCII: it becomes
# a question mark, without a warning, be it a photographer's name or the sign of copyright. EXIF
# that was read from a file suffers the same when it is written again: Pillow reads bytes as Latin-1,
# so that `Müller` in UTF-8, which exiftool and most programs write, comes as `MÃ¼ller`, and goes out
# as `M??ller`.
#
# The way round: put text in as bytes, UTF-8; for what was read, `.encode("latin-1")` gives its bytes.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pillow==13.0.0' 2>/dev/null
"$work/venv/bin/python" -W error - <<'PYTHON'
import sys
from io import BytesIO

from PIL import Image

COPYRIGHT, TEXT = 33432, "© 2026 Müller"


def stored(exif):
    """What the file has between the tag's beginning and the zero that ends it."""
    file = BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", exif=exif)
    data = file.getvalue()
    end = data.index(b"ller\0") + 4
    return data[data.rindex(b"\0", 0, end) + 1 : end], data


as_text, as_bytes = Image.Exif(), Image.Exif()
as_text[COPYRIGHT], as_bytes[COPYRIGHT] = TEXT, TEXT.encode()
lost, _ = stored(as_text)
kept, file = stored(as_bytes)
read = Image.open(BytesIO(file)).getexif()
again_as_text = Image.Exif()
again_as_text[COPYRIGHT] = read[COPYRIGHT]
copied, _ = stored(again_as_text)
sys.stdout.write(f"as text    {lost}\nas bytes   {kept.decode()}\nread       {read[COPYRIGHT]}\n")
sys.stdout.write(f"read, then copied field by field  {copied}\n")
assert lost == b"? 2026 M?ller", "text is no longer spoilt"
assert kept == TEXT.encode(), "bytes are no longer kept"
assert read[COPYRIGHT] == TEXT.encode().decode("latin-1"), "bytes are read otherwise"
assert copied == b"?? 2026 M??ller", "what was read is no longer spoilt"
PYTHON
