#!/usr/bin/env bash
# c2pa-python 0.38.1 (c2pa-rs 0.91.3): whoever signs a picture puts two pictures into it, one of
# the result and one of each ingredient, though nobody asks for them. They have 1024 px on the
# longer side, *enlarged* if the picture is smaller, and are lossless where the picture is WebP: one
# of 320 x 240 px and 6 kB grows by 1.5 MB. An ingredient is thereby published whole, with whatever
# an edit was to take away.
#
# `load_settings` takes the setting that turns them off, and has no effect on a Builder; it is
# deprecated, and does not say that. The way round: the same settings in a Context, and
# `Builder.from_json(manifest, context)`.
set -euo pipefail
work=$(mktemp -d /tmp/finding-XXXX); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  'c2pa-python==0.38.1' 'cryptography==50.0.2' 'numpy==2.4.6' 'pillow==13.0.0' 2>/dev/null
cat >"$work/sign.py" <<'PYTHON'
import datetime
import json
import sys
import warnings
from io import BytesIO

import c2pa
import numpy as np
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image

OFF = {"builder": {"thumbnail": {"enabled": False}}}


def certificate(name, key, issuer, issuer_key):
    is_root, now = issuer is None, datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, name)])
    usage = x509.KeyUsage(not is_root, False, False, False, False, is_root, False, False, False)
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    made = (
        x509.CertificateBuilder().subject_name(subject).public_key(key.public_key())
        .issuer_name(subject if is_root else issuer.subject)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(is_root, None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(above, critical=False)
    )
    if not is_root:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        made = made.add_extension(purpose, critical=True)
    return made.sign(issuer_key, hashes.SHA256())


root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
root = certificate("Root", root_key, None, root_key)
pem = serialization.Encoding.PEM
chain = certificate("Leaf", key, root, root_key).public_bytes(pem) + root.public_bytes(pem)
secret = key.private_bytes(
    pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
info = c2pa.C2paSignerInfo("es256", chain, secret, None)

file = BytesIO()
noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3)).astype(np.uint8)
Image.fromarray(noise).resize((320, 240), Image.Resampling.BICUBIC).save(file, "WEBP")
picture = file.getvalue()


def grown(context):
    """Bytes that signing adds, with the picture as the parent of itself, and its thumbnails."""
    signed, ingredient = BytesIO(), json.dumps({"relationship": "parentOf"})
    with (
        c2pa.Builder.from_json("{}", context) if context else c2pa.Builder.from_json("{}")
    ) as builder, c2pa.Signer.from_info(info) as signer:
        builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
        builder.add_ingredient(ingredient, "image/webp", BytesIO(picture))
        builder.sign(signer, "image/webp", BytesIO(picture), signed)
    with c2pa.Reader("image/webp", BytesIO(signed.getvalue())) as reader:
        store = json.loads(reader.json())
        manifest = store["manifests"][store["active_manifest"]]
        sizes = []
        for holder in (manifest, *manifest["ingredients"]):
            if "thumbnail" in holder:
                thumbnail = BytesIO()
                reader.resource_to_stream(holder["thumbnail"]["identifier"], thumbnail)
                sizes.append(Image.open(thumbnail).size)
    return len(signed.getvalue()) - len(picture), sizes


by_itself = grown(None)
warnings.simplefilter("ignore")  # it is deprecated, and says so
c2pa.load_settings(OFF)
told = grown(None)
with c2pa.Context(c2pa.Settings.from_dict(OFF)) as context:
    in_context = grown(context)
sys.stdout.write(
    f"a WebP of 320 x 240 px, {len(picture)} bytes, grows by (thumbnails):\n"
    f"by itself             {by_itself}\nafter load_settings   {told}\n"
    f"settings in a Context {in_context}\n"
)
assert by_itself[1] == told[1] == [(1024, 768)] * 2, "thumbnails have changed"
assert min(by_itself[0], told[0]) > 20 * len(picture), "they have become small"
assert in_context[1] == [] and in_context[0] < 10_000, "a Context does not help any more"
PYTHON
"$work/venv/bin/python" "$work/sign.py"
