"""ICC profiles made by hand, so that every expected colour can be computed."""

import struct

import numpy as np

# Colorants adapted to D50, one column each for red, green, blue.
ADOBE_TO_XYZ = np.array(
    [[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]]
)
SRGB_TO_XYZ = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]
)
D50 = np.array([0.9642, 1.0, 0.8249])


def s15f16(*values):
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def xyz(*values):
    return b"XYZ \0\0\0\0" + s15f16(*values)


def gamma(exponent):
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(exponent * 256)) + bytes(2)


def text(words):
    return b"text\0\0\0\0" + words + b"\0"


def description(words):
    return b"desc\0\0\0\0" + struct.pack(">I", len(words) + 1) + words + bytes(79)


def profile(space, tags, *, connection=b"XYZ ", device=b"mntr", name=b"made by hand"):
    """An ICC version 2 profile (ICC.1:2001-04, clauses 6.1 and 6.2)."""
    tags = {b"desc": description(name), b"cprt": text(b"none"), b"wtpt": xyz(*D50), **tags}
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for signature, data in tags.items():
        table += signature + struct.pack(">II", start + len(body), len(data))
        body += data.ljust(-(-len(data) // 4) * 4, b"\0")
    header = struct.pack(
        ">I4sI4s4s4s", start + len(body), b"\0\0\0\0", 0x02400000, device, space, connection
    )
    header += bytes(12) + b"acsp" + bytes(28) + s15f16(*D50)
    return header.ljust(128, b"\0") + table + body


def matrix_profile(to_xyz, exponent, name=b"made by hand"):
    tags = {}
    for channel, column in zip((b"r", b"g", b"b"), to_xyz.T, strict=True):
        tags |= {channel + b"XYZ": xyz(*column), channel + b"TRC": gamma(exponent)}
    return profile(b"RGB ", tags, name=name)


def encoded(linear):
    """IEC 61966-2-1."""
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


ADOBE = matrix_profile(ADOBE_TO_XYZ, 2.19921875, name=b"wide by hand")


def cmyk_profile():
    """Inks with a colour of their own each: a 2 x 2 x 2 x 2 table into Lab (lut8, clause 6.5.8)."""
    lab = {"paper": (100, 0, 0), "cyan": (62, -20, -25), "black": (0, 0, 0), "other": (40, 0, 0)}
    table = b""
    for corner in range(16):
        c, m, y, k = (corner >> bit & 1 for bit in (3, 2, 1, 0))
        name = (
            "black" if k else "paper" if not c + m + y else "cyan" if c and not m + y else "other"
        )
        lightness, a, b = lab[name]
        table += bytes((round(lightness * 2.55), a + 128, b + 128))
    identity = bytes(range(256))
    lut = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + s15f16(1, 0, 0, 0, 1, 0, 0, 0, 1)
    lut += identity * 4 + table + identity * 3
    return profile(b"CMYK", {b"A2B0": lut, b"A2B1": lut}, connection=b"Lab ", device=b"prtr")


def from_lab(lightness, a, b):
    """CIE 15: Lab of the D50 white to sRGB."""
    f = (lightness + 16) / 116 + np.array([a / 500, 0, -b / 200])
    relative = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    return encoded(np.linalg.solve(SRGB_TO_XYZ, relative * D50))
