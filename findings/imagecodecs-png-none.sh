#!/usr/bin/env bash
# imagecodecs 2026.3.6, png_decode: on a PNG whose pixels are cut short it raises, as it should, and
# drops a reference to None that it never had; apng_decode does so too. CPython 3.11 and older count
# those references and end the process ("none_dealloc: deallocating None") when none are left, some
# ten thousand damaged files later and far from any PNG. In 3.12 None cannot be lost.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check \
  imagecodecs==2026.3.6 numpy==2.4.6 2>/dev/null
"$work/env/bin/python" - <<'PY'
import sys
import imagecodecs, numpy as np

cut = imagecodecs.png_encode(np.zeros((40, 56, 3), np.uint16))[:-40]
lost = {}
for name in ("png", "apng"):
    before = sys.getrefcount(None)
    for _ in range(500):
        try:
            getattr(imagecodecs, f"{name}_decode")(cut)
        except RuntimeError:
            pass
    lost[name] = before - sys.getrefcount(None)
print(f"references to None lost in 500 refusals: {lost}")
sys.exit(not all(450 < count < 650 for count in lost.values()))
PY
