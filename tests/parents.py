"""Photographs that carry what no published file may: a place, a preview, their own manifest."""

from __future__ import annotations

import json
from io import BytesIO

import numpy as np
from PIL import ExifTags, Image

PLACE = "52,31.2067N"

XMP = f"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="{PLACE}"
 exif:GPSLongitude="13,24.5801E"/></rdf:RDF></x:xmpmeta>""".encode()


def photograph(side_px=320):
    """A product of many colours before an old background that nobody may see again."""
    rng = np.random.default_rng(7)
    rgb = np.kron(rng.integers(0, 256, (side_px // 16, side_px // 16, 3)), np.ones((16, 16, 1)))
    rgb[80:240, 100:220] = (200, 30, 30)
    return Image.fromarray(rgb.astype(np.uint8))


def written(format_name):
    """The photograph as a file of this format, with a place in EXIF and XMP where it has them."""
    image, file = photograph(), BytesIO()
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Camera works"
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(
        {
            ExifTags.GPS.GPSLatitudeRef: "N",
            ExifTags.GPS.GPSLatitude: (52.0, 31.0, 12.402),
            ExifTags.GPS.GPSLongitudeRef: "E",
            ExifTags.GPS.GPSLongitude: (13.0, 24.0, 34.806),
        }
    )
    if format_name == "TIFF":  # gets what is set, not what is put into the directory
        exif[ExifTags.IFD.GPSInfo] = dict(exif.get_ifd(ExifTags.IFD.GPSInfo))
    options = {
        "JPEG": {"exif": exif, "xmp": XMP},
        "PNG": {"exif": exif},
        "WEBP": {"exif": exif, "xmp": XMP},
        "AVIF": {"exif": exif, "xmp": XMP},
        "TIFF": {"exif": exif},
        "MPO": {"exif": exif, "save_all": True, "append_images": [image.resize((80, 80))]},
        "BMP": {},
        "JPEG2000": {},
    }[format_name]
    image.save(file, format_name, **options)
    return file.getvalue()


def with_credentials(chain, key):
    """A JPEG with Content Credentials of its own: where it was taken, and a picture of itself."""
    import c2pa

    place = {"@context": {"exif": "http://ns.adobe.com/exif/1.0/"}, "exif:GPSLatitude": PLACE}
    manifest = {
        "claim_generator_info": [{"name": "Camera works firmware"}],
        "title": "IMG_0001",
        "format": "image/jpeg",
        "assertions": [{"label": "stds.exif", "data": place, "kind": "Json"}],
    }
    info = c2pa.C2paSignerInfo("es256", chain.read_bytes(), key.read_bytes(), None)
    signed = BytesIO()
    with (
        c2pa.Context() as context,
        c2pa.Builder.from_json(json.dumps(manifest), context) as builder,
        c2pa.Signer.from_info(info) as signer,
    ):
        builder.set_intent(
            c2pa.C2paBuilderIntent.CREATE, c2pa.C2paDigitalSourceType.DIGITAL_CAPTURE
        )
        builder.sign(signer, "image/jpeg", BytesIO(written("JPEG")), signed)
    return signed.getvalue()


def edited_as_the_library_does(parent, chain, key):
    """An edit of the JPEG `parent`, signed with c2pa's defaults: for a search to find things in."""
    import c2pa

    info = c2pa.C2paSignerInfo("es256", chain.read_bytes(), key.read_bytes(), None)
    picture, signed = BytesIO(), BytesIO()
    Image.new("RGB", (64, 48), "white").save(picture, "JPEG")
    said = json.dumps({"title": "photograph", "relationship": "parentOf"})
    with (
        c2pa.Context() as context,
        c2pa.Builder.from_json("{}", context) as builder,
        c2pa.Signer.from_info(info) as signer,
    ):
        builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
        builder.add_ingredient(said, "image/jpeg", BytesIO(parent))
        builder.sign(signer, "image/jpeg", picture, signed)
    return signed.getvalue()
