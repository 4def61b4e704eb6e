#!/usr/bin/env bash
# Little CMS 2.18 (through imagecodecs 2026.3.6; libvips 8.18.7 gives the same pixels)
# converts RGB *less* exactly at 16 bits than at 8. At 8 bits a profile of curves and a matrix is
# computed as such; at 16 it is resampled to a table of 33 steps a side, which misses dark saturated
# colours by up to 20 levels of 255. Nothing in the documentation of the callers says so. Whoever
# keeps 16 bits for precision gets less of it.
#
# Seen on Linux x86-64, Python 3.11: largest error in levels of 255, 8 bits 1, 16 bits 17 to 26.
# The way round: cmsFLAGS_NOOPTIMIZE, which is exact, and six to ten times slower.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check imagecodecs==2026.3.6 'numpy>=2' 2>/dev/null
cat >"$work/convert.py" <<'PYTHON'
import sys

import imagecodecs
import numpy as np

NO_OPTIMIZE = int(imagecodecs.CMS.FLAGS.NOOPTIMIZE)
adobe_rgb, srgb = imagecodecs.cms_profile("adobergb"), imagecodecs.cms_profile("srgb")
levels = np.random.default_rng(0).integers(0, 256, (500, 500, 3)).astype(np.uint8)


def converted(samples, flags):
    return imagecodecs.cms_transform(
        samples, adobe_rgb, srgb, colorspace="rgb", outcolorspace="rgb", intent=1, flags=flags
    )


def error(samples):
    shortcut, exact = (converted(samples, flags).astype(float) for flags in (0, NO_OPTIMIZE))
    return np.abs(shortcut - exact).max() / (np.iinfo(samples.dtype).max / 255)


shallow, deep = error(levels), error(levels.astype(np.uint16) * 257)
sys.stdout.write(f"largest error in levels of 255: 8 bits {shallow:.0f}, 16 bits {deep:.0f}\n")
sys.exit(not (shallow <= 1 and deep > 10))
PYTHON
"$work/venv/bin/python" "$work/convert.py"
