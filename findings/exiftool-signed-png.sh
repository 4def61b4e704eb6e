#!/usr/bin/env bash
# ExifTool 13.59 (12.57 too) and a PNG that c2pa-python 0.38.1 has signed: the EXIF block that Pillow
# 13.0 writes is not read any more, and with it goes the copyright. Unsigned, the same block is read.
#
# ExifTool remembers where directories lie, so as not to walk in a circle, and in a PNG it counts
# from the beginning of each chunk. The manifest's first box is remembered at 8; Pillow puts EXIF's
# first directory at 8 of its own chunk: "IFD0 pointer references previous JUMBFBox directory". At 16
# the same happens with the next box. Either writer keeps to its standard.
#
# The way round, for whoever writes EXIF into pictures that are to be signed: the directory at 10.
# Needs Python, Perl and npm.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  'c2pa-python==0.38.1' 'cryptography==50.0.2' 'pillow==13.0.0' 2>/dev/null
npm install --silent --no-audit --no-fund --prefix "$work" exiftool-vendored.pl@13.59.3 >"$work/npm" 2>&1
cat >"$work/sign.py" <<'PYTHON'
import datetime
import sys
from io import BytesIO
from pathlib import Path

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import ExifTags, Image

NOW, DAY = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)


def name(organization):
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)])


def certificate(subject, key, is_authority):
    """Issued by "Above", whose key is `above`."""
    issued = x509.CertificateBuilder(name("Above"), name(subject), key.public_key())
    issued = issued.serial_number(x509.random_serial_number())
    issued = issued.not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
    extensions = [
        (x509.BasicConstraints(is_authority, None), True),
        (x509.KeyUsage(not is_authority, *[False] * 4, is_authority, *[False] * 3), True),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(above.public_key()), False),
    ]
    if not is_authority:
        extensions.append((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), True))
    for extension, is_critical in extensions:
        issued = issued.add_extension(extension, is_critical)
    return issued.sign(above, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


above, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
secret = own.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
chain = certificate("Signer", own, False) + certificate("Above", above, True)
info = c2pa.C2paSignerInfo("es256", chain, secret, None)

exif = Image.Exif()
exif[ExifTags.Base.Copyright] = "A. Nonymous"
by_pillow = exif.tobytes()
assert by_pillow[6:14] == b"MM\0*\0\0\0\x08", "Pillow puts the directory elsewhere"
header = by_pillow[:10] + (10).to_bytes(4, "big") + bytes(2)
blocks = {"by-pillow": by_pillow, "at-10": header + exif.tobytes(offset=10)[14:]}
for title, block in blocks.items():
    plain, signed = BytesIO(), BytesIO()
    Image.new("RGB", (64, 64), "teal").save(plain, "PNG", exif=block)
    with c2pa.Builder.from_json("{}") as builder, c2pa.Signer.from_info(info) as signer:
        builder.set_intent(
            c2pa.C2paBuilderIntent.CREATE, c2pa.C2paDigitalSourceType.DIGITAL_CREATION
        )
        builder.sign(signer, "image/png", BytesIO(plain.getvalue()), signed)
    for kind, file in (("plain", plain), ("signed", signed)):
        Path(sys.argv[1], f"{kind}-{title}.png").write_bytes(file.getvalue())
PYTHON
"$work/venv/bin/python" "$work/sign.py" "$work"
for file in plain-by-pillow plain-at-10 signed-by-pillow signed-at-10; do
  said=$(perl "$work/node_modules/exiftool-vendored.pl/bin/exiftool" -s3 -Copyright -Warning "$work/$file.png")
  echo "$file: $said"
done | tee "$work/found"
diff "$work/found" - <<'WANTED'
plain-by-pillow: A. Nonymous
plain-at-10: A. Nonymous
signed-by-pillow: IFD0 pointer references previous JUMBFBox directory
signed-at-10: A. Nonymous
WANTED
