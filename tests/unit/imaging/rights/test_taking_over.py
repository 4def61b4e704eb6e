"""Whose photograph it is: from every place where files say so, into every format we write."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from pipeline.imaging.rights.carriers import carriers_of
from pipeline.imaging.rights.credits import MOST_CHARACTERS, Credits, Licensor
from pipeline.imaging.rights.manifest_store import manifest_store
from pipeline.imaging.rights.taking_over import exif_block, taken_over
from pipeline.imaging.rights.xmp_reading import rights_of
from pipeline.imaging.writing.encoding import OutputFormat, encode
from pipeline.imaging.writing.provenance_xmp import xmp_packet

RGB = np.full((40, 60, 3), 90, np.uint8)
TAG = ExifTags.Base

AUTHOR, RIGHTS, CAPTION = "Jörg Müller", "© 2026 Müller Fotografie, Zürich", "Tasse – weiß, 5 €"

XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/"
 xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"
 xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/"
 photoshop:Credit="Müller / Agentur" xmpRights:Marked="True" exif:GPSLatitude="52,31.2N"
 xmpRights:WebStatement="https://müller.example/rechte">
<dc:creator><rdf:Seq><rdf:li>Jörg Müller</rdf:li><rdf:li>Zoë Ångström</rdf:li></rdf:Seq>
</dc:creator>
<dc:rights><rdf:Alt><rdf:li xml:lang="de-CH">Alle Rechte vorbehalten</rdf:li>
<rdf:li xml:lang="x-default">© 2026 Müller Fotografie, Zürich</rdf:li></rdf:Alt></dc:rights>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">Tasse – weiß, 5 €</rdf:li></rdf:Alt>
</dc:description>
<xmpRights:UsageTerms><rdf:Alt><rdf:li xml:lang="x-default">Nur Webshop</rdf:li></rdf:Alt>
</xmpRights:UsageTerms>
<xmpRights:Owner><rdf:Bag><rdf:li>Müller AG</rdf:li><rdf:li>Erben</rdf:li></rdf:Bag>
</xmpRights:Owner><plus:CopyrightOwner><rdf:Seq><rdf:li rdf:parseType="Resource">
<plus:CopyrightOwnerName>Verlag Süd</plus:CopyrightOwnerName>
<plus:CopyrightOwnerID>PLUS-1</plus:CopyrightOwnerID></rdf:li></rdf:Seq></plus:CopyrightOwner>
<plus:Licensor><rdf:Seq><rdf:li rdf:parseType="Resource">
<plus:LicensorName>Agentur Süd</plus:LicensorName>
<plus:LicensorURL>https://agentur.example</plus:LicensorURL></rdf:li></rdf:Seq></plus:Licensor>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>""".encode()

IN_XMP = Credits(
    creators=("Jörg Müller", "Zoë Ångström"),
    rights=(("x-default", RIGHTS), ("de-CH", "Alle Rechte vorbehalten")),
    description=(("x-default", CAPTION),),
    credit="Müller / Agentur",
    usage_terms=(("x-default", "Nur Webshop"),),
    web_statement="https://müller.example/rechte",
    marked=True,
    owners=("Müller AG", "Erben"),
    copyright_owners=("Verlag Süd",),
    licensors=(Licensor(name="Agentur Süd", url="https://agentur.example"),),
)

IN_IPTC = Credits(
    creators=("Jörg Müller", "Zoë Ångström"),
    rights=(("x-default", RIGHTS),),
    description=(("x-default", CAPTION),),
    credit="Müller / Agentur",
)


def iptc(encoding):
    def dataset(record, number, text):
        data = text if isinstance(text, bytes) else text.encode(encoding)
        return struct.pack(">BBBH", 0x1C, record, number, len(data)) + data

    said = [dataset(1, 90, b"\x1b%G")] if encoding == "utf-8" else []
    said.append(dataset(2, 0, b"\0\4"))
    said += [dataset(2, 80, name) for name in ("Jörg Müller", "Zoë Ångström")]
    said += [dataset(2, 90, "Zürich")]  # a city: not ours to tell
    said += [dataset(2, 110, "Müller / Agentur"), dataset(2, 116, RIGHTS), dataset(2, 120, CAPTION)]
    return b"".join(said)


def resource(number, data):
    return b"8BIM" + struct.pack(">HHI", number, 0, len(data)) + data + b"\0" * (len(data) % 2)


def saved(format_name, **options):
    file = BytesIO()
    Image.fromarray(RGB).save(file, format_name, **options)
    return file.getvalue()


def jpeg_with_iptc(encoding="utf-8", *, before=b"", after=b""):
    segment = b"Photoshop 3.0\0" + before + resource(1028, iptc(encoding)) + after
    data = saved("JPEG")
    return data[:2] + b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment + data[2:]


def png_with(*chunks):
    data = saved("PNG")
    at = data.index(b"IEND") - 4  # after the pixels, where some programs put them
    made = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    ]
    return data[:at] + b"".join(made) + data[at:]


def raw_profile(kind, data, *, after=b""):
    text = f"\n{kind}\n{len(data):8}\n{data.hex()}\n".encode() + after
    return b"zTXt", f"Raw profile type {kind}".encode() + b"\0\0" + zlib.compress(text)


def jp2_with_xmp():
    box = b"uuid" + bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + XMP
    return saved("JPEG2000") + struct.pack(">I", len(box) + 4) + box


def jp2_with(*uuid_boxes):
    made = [struct.pack(">I", len(body) + 24) + b"uuid" + kind + body for kind, body in uuid_boxes]
    return saved("JPEG2000") + b"".join(made)


def psd_with(*resources):
    """The header of a PSD and its image resources; no pixels are looked at."""
    header = b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 40, 60, 8, 3) + bytes(4)
    section = b"".join(resources)
    return header + struct.pack(">I", len(section)) + section + bytes(8)


def gif_with_xmp():
    end = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    return saved("GIF")[:-1] + b"\x21\xff\x0bXMP DataXMP" + XMP + end + b";"


def heic_with_xmp():
    """By its name; what is inside is found as in AVIF, whatever the pixels are."""
    data = saved("AVIF", xmp=XMP)
    return data[:40].replace(b"avif", b"heic") + data[40:]


def by_tifffile(**options):
    """A TIFF of a kind that Pillow does not open, with XMP in it."""
    file, samples = BytesIO(), np.full((40, 60, 2), 30_000, np.uint16)
    extra = [(700, 1, len(XMP), XMP, True)]
    tifffile.imwrite(file, samples, extrasamples=["unassalpha"], extratags=extra, **options)
    return file.getvalue()


def preview_first():
    """A TIFF whose photograph is its second page, as are its rights."""
    file = BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(RGB[:20, :30], photometric="rgb", subfiletype=1)
        extra = [(700, 1, len(XMP), XMP, True)]
        writer.write(RGB, photometric="rgb", subfiletype=0, extratags=extra)
    return file.getvalue()


def deep_jpeg():
    """Of 12 bits, which Pillow does not open, with XMP in it."""
    data = imagecodecs.jpeg_encode(np.full((40, 60), 3000, np.uint16), bitspersample=12)
    body = b"http://ns.adobe.com/xap/1.0/\0" + XMP
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


def jpeg_with(*segments):
    """A JPEG with further segments APP1."""
    data = saved("JPEG")
    made = [b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body for body in segments]
    return data[:2] + b"".join(made) + data[2:]


def in_parts(*, order=(0, 1), name=b"0123456789ABCDEF" * 2, named=None):
    """A packet that says nothing but the name of a second one, which comes in two parts."""
    standard = XMP[: XMP.index(b"photoshop:Credit")] + b'xmlns:n="http://ns.adobe.com/xmp/note/"'
    standard += b' n:HasExtendedXMP="' + (named or name) + b'"/></rdf:RDF></x:xmpmeta>'
    half = len(XMP) // 2
    parts = [
        b"http://ns.adobe.com/xmp/extension/\0" + name + struct.pack(">II", len(XMP), at) + part
        for at, part in ((0, XMP[:half]), (half, XMP[half:]))
    ]
    return jpeg_with(
        b"http://ns.adobe.com/xap/1.0/\0" + standard, *(parts[number] for number in order)
    )


XMP_CARRIERS = {
    "JPEG": saved("JPEG", xmp=XMP),
    "PNG, iTXt": png_with((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)),
    "PNG, packed iTXt": png_with((b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP))),
    "PNG, ImageMagick's": png_with(raw_profile("xmp", XMP)),
    "PNG, data behind ImageMagick's": png_with(raw_profile("xmp", XMP, after=b"}}\xd1\x01")),
    "PNG, an old ImageMagick's": png_with(
        raw_profile("APP1", b"http://ns.adobe.com/xap/1.0/\0" + XMP)
    ),
    "PNG, libvips'": png_with((b"tEXt", b"XML:com.adobe.xmp\0" + XMP)),
    "WebP": saved("WEBP", xmp=XMP),
    "AVIF": saved("AVIF", xmp=XMP),
    "TIFF": saved("TIFF", tiffinfo={700: XMP}),
    "TIFF, zeros after it": saved("TIFF", tiffinfo={700: XMP + bytes(64)}),
    "JPEG 2000": jp2_with_xmp(),
    "TIFF, 16-bit grey and alpha": by_tifffile(photometric="minisblack"),
    "TIFF, big": by_tifffile(photometric="minisblack", bigtiff=True, byteorder=">"),
    "TIFF, a preview first": preview_first(),
    "JPEG, 12 bits": deep_jpeg(),
    "GIF": gif_with_xmp(),
    "HEIC": heic_with_xmp(),
    "JPEG, UTF-16": saved("JPEG", xmp=XMP.decode().encode("utf-16")),
    "JPEG, the end of an older packet after it": saved("JPEG", xmp=XMP + XMP[-80:]),
    "PNG, the end of an older packet after it": png_with(
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP + XMP[-300:])
    ),
    "JPEG, in parts": in_parts(),
    "JPEG, in parts in no order": in_parts(order=(1, 0)),
}

IPTC_CARRIERS = {
    "JPEG": jpeg_with_iptc(),
    "JPEG, Windows-1252": jpeg_with_iptc("cp1252"),
    "JPEG, damage before it": jpeg_with_iptc(before=b"8BIM\4\x0c\0\0\0\0\0\5abc"),
    "JPEG, damage after it": jpeg_with_iptc(after=b"8BIM\4\x0c\0\0\0\0\1\0abc"),
    "TIFF": saved("TIFF", tiffinfo={33723: iptc("utf-8")}),
    "TIFF, Photoshop's block": saved("TIFF", tiffinfo={34377: resource(1028, iptc("cp1252"))}),
    "PNG, ImageMagick's": png_with(raw_profile("iptc", resource(1028, iptc("utf-8")))),
    "PNG, bare": png_with(raw_profile("iptc", iptc("utf-8"))),
    "JPEG, an empty one first": jpeg_with_iptc(before=resource(1028, b"")),
    "JPEG, what says nothing of rights first": jpeg_with_iptc(
        before=resource(1028, struct.pack(">BBBH", 0x1C, 2, 90, 6) + b"Z\xc3\xbcr.")
    ),
    "JPEG, an older one after it": jpeg_with_iptc(
        after=resource(1028, struct.pack(">BBBH", 0x1C, 2, 80, 3) + b"Old")
    ),
}


@pytest.mark.parametrize(
    "options", [{"order": (0,)}, {"order": (1,)}, {"named": b"F" * 32}, {"order": ()}]
)
def test_parts_that_are_not_whole_or_of_another_edit_say_nothing(options):
    assert taken_over(in_parts(**options), "credits").credits == Credits()


def as_utf_8(data, text):
    """The file with this text of its EXIF declared as UTF-8 (EXIF 3.0: type 129)."""
    size = len(text.encode()) + 1
    for order in ("<", ">"):
        for tag in (TAG.Artist, TAG.Copyright):
            entry = struct.pack(order + "HHI", tag, 2, size)
            data = data.replace(entry, struct.pack(order + "HHI", tag, 129, size))
    return data


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_texts_that_are_declared_as_utf_8_are_read(format_name, order):
    text, exif = "© 2026 Müller, 山田", Image.Exif()
    exif.endian = order
    exif[TAG.Copyright] = text.encode()
    declared = as_utf_8(saved(format_name, exif=exif), text)
    assert declared != saved(format_name, exif=exif)
    found = taken_over(declared, "credits").credits
    assert found == Credits(rights=(("x-default", text),))


def test_exif_that_goes_on_in_the_next_segment_is_read():
    exif = Image.Exif()
    exif[TAG.Artist], exif[TAG.Copyright] = AUTHOR.encode(), RIGHTS.encode()
    block = exif.tobytes()
    cut = block.index("Müller".encode()) + 2
    assert taken_over(jpeg_with(block[:cut], b"Exif\0\0" + block[cut:]), "credits").credits == (
        Credits(creators=(AUTHOR,), rights=(("x-default", RIGHTS),))
    )
    other = Image.Exif()
    other[TAG.Artist] = "Other"
    found = taken_over(jpeg_with(block, other.tobytes()), "credits").credits
    assert found.creators == (AUTHOR,)


@pytest.mark.parametrize("carrier", XMP_CARRIERS)
def test_rights_are_read_from_xmp(carrier):
    assert taken_over(XMP_CARRIERS[carrier], "credits").credits == IN_XMP


def test_a_psd_has_all_three():
    exif = Image.Exif()
    exif[TAG.Artist] = AUTHOR.encode()
    blocks = (resource(1028, iptc("utf-8")), resource(1058, exif.tobytes()), resource(1060, XMP))
    assert taken_over(psd_with(*blocks), "credits").credits == IN_XMP
    assert taken_over(psd_with(blocks[0]), "credits").credits == IN_IPTC
    assert taken_over(psd_with(blocks[1]), "credits").credits == Credits(creators=(AUTHOR,))


JP2_EXIF = {
    "exiftool's": b"JpgTiffExif->JP2",
    "Photoshop's": bytes.fromhex("0537cdab9d0c4431a72afa561f2a113e"),
}
JP2_IPTC = {
    "exiftool's": bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"),
    "Photoshop's": bytes.fromhex("09a14e97c0b442e0bebf36df6f0ce36f"),
}
JP2_RESOURCES = bytes.fromhex("2c4c0100850440b9a03e562148d6dfeb")


@pytest.mark.parametrize("kind", JP2_EXIF)
@pytest.mark.parametrize("head", [b"", b"Exif\0\0"])
def test_rights_are_read_from_exif_in_a_jpeg_2000(kind, head):
    exif = Image.Exif()
    exif[TAG.Artist], exif[TAG.Copyright] = AUTHOR.encode(), RIGHTS.encode()
    block = head + exif.tobytes().removeprefix(b"Exif\0\0")
    found = taken_over(jp2_with((b"x" * 16, b"other"), (JP2_EXIF[kind], block)), "credits").credits
    assert found == Credits(creators=(AUTHOR,), rights=(("x-default", RIGHTS),))


@pytest.mark.parametrize("kind", JP2_IPTC)
def test_rights_are_read_from_iptc_in_a_jpeg_2000(kind):
    data = jp2_with((JP2_IPTC[kind], iptc("utf-8")))
    assert taken_over(data, "credits").credits == IN_IPTC
    data = jp2_with((JP2_RESOURCES, resource(1028, iptc("utf-8"))))
    assert taken_over(data, "credits").credits == IN_IPTC


def test_a_jpeg_2000_may_have_all_three():
    exif = Image.Exif()
    exif[TAG.Make] = "Camera works"
    data = jp2_with(
        (JP2_EXIF["exiftool's"], exif.tobytes()),
        (JP2_IPTC["exiftool's"], iptc("utf-8")),
        (bytes.fromhex("be7acfcb97a942e89c71999491e3afac"), XMP),
    )
    taken = taken_over(data, "capture")
    assert taken.credits == IN_XMP
    assert taken.capture.make == "Camera works"
    assert taken_over(data[: len(data) - len(XMP) - 24], "credits").credits == IN_IPTC


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_texts_of_a_png_are_read_whatever_their_encoding(encoding):
    body = b"Author\0" + AUTHOR.encode(encoding)
    assert taken_over(png_with((b"tEXt", body)), "credits").credits.creators == (AUTHOR,)


@pytest.mark.parametrize("carrier", IPTC_CARRIERS)
def test_rights_are_read_from_iptc(carrier):
    assert taken_over(IPTC_CARRIERS[carrier], "credits").credits == IN_IPTC


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_rights_are_read_from_exif_whatever_their_encoding(format_name, encoding):
    exif = Image.Exif()
    exif[TAG.Artist] = f"{AUTHOR}; Zoë Ångström".encode(encoding)
    exif[TAG.Copyright] = RIGHTS.encode(encoding)
    exif[TAG.ImageDescription] = CAPTION.encode(encoding)
    found = taken_over(saved(format_name, exif=exif), "credits").credits
    assert found == Credits(
        creators=(AUTHOR, "Zoë Ångström"),
        rights=(("x-default", RIGHTS),),
        description=(("x-default", CAPTION),),
    )


def test_photographer_and_editor_both_have_rights():
    exif = Image.Exif()
    exif[TAG.Copyright] = "© Müller\0© Verlag".encode()
    found = taken_over(saved("JPEG", exif=exif), "credits").credits
    assert found.rights == (("x-default", "© Müller; © Verlag"),)


def test_a_png_says_it_in_words():
    texts = [(b"tEXt", b"Author\0" + AUTHOR.encode("latin-1"))]
    texts.append((b"iTXt", b"Copyright\0\0\0\0\0" + RIGHTS.encode()))
    found = taken_over(png_with(*texts), "credits").credits
    assert found == Credits(creators=(AUTHOR,), rights=(("x-default", RIGHTS),))


@pytest.mark.parametrize("author", ["Author", "author", "Artist", "ARTIST"])
def test_keywords_of_a_png_are_read_in_any_case(author):
    texts = [(author, AUTHOR), ("copyright", RIGHTS), ("description", CAPTION)]
    texts += [("Software", "Secret 1.0"), ("comment", "Secret"), ("Source", "Secret")]
    chunks = [(b"iTXt", name.encode() + b"\0\0\0\0\0" + text.encode()) for name, text in texts]
    assert taken_over(png_with(*chunks), "credits").credits == Credits(
        creators=(AUTHOR,),
        rights=(("x-default", RIGHTS),),
        description=(("x-default", CAPTION),),
    )


def test_what_one_place_does_not_say_another_may():
    exif = Image.Exif()
    exif[TAG.Artist] = b"E. Xif"
    taken = taken_over(saved("JPEG", exif=exif, xmp=XMP), "credits")
    assert taken.credits == IN_XMP
    assert taken.exif_credits.creators == ("E. Xif",)
    assert taken.exif_credits.rights == IN_XMP.rights
    only_rights = XMP.replace(b"dc:creator>", b"dc:other>")
    assert taken_over(saved("JPEG", exif=exif, xmp=only_rights), "credits").credits.creators == (
        "E. Xif",
    )


@pytest.mark.parametrize("format_", list(OutputFormat))
@pytest.mark.parametrize("carrier", ["xmp", "iptc", "exif"])
def test_every_format_says_it_in_exif_and_xmp(format_, carrier):
    exif = Image.Exif()
    exif[TAG.Artist], exif[TAG.Copyright] = AUTHOR.encode(), RIGHTS.encode()
    photograph = {
        "xmp": XMP_CARRIERS["JPEG"],
        "iptc": IPTC_CARRIERS["JPEG"],
        "exif": saved("JPEG", exif=exif),
    }[carrier]
    taken = taken_over(photograph, "credits")
    file = encode(
        RGB,
        format=format_,
        quality=90,
        exif=exif_block(taken),
        xmp=xmp_packet(None, taken.credits),
    )
    found = carriers_of(file)
    assert rights_of(found.xmp) == taken.credits
    assert found.exif[TAG.Copyright].encode("latin-1").decode() == RIGHTS
    authors = AUTHOR if carrier == "exif" else f"{AUTHOR}; Zoë Ångström"
    assert found.exif[TAG.Artist].encode("latin-1").decode() == authors


def test_exiftool_does_not_take_a_block_for_a_part_of_a_signature():
    """It counts from where a PNG's chunk begins: boxes of a manifest are at 8 and 16."""
    block = exif_block(taken_over(XMP_CARRIERS["JPEG"], "credits"))
    assert block.startswith(b"Exif\0\0MM\0*")
    (directory,) = struct.unpack(">I", block[10:14])
    assert directory not in (8, 16)
    assert block[6 + directory : 8 + directory] == struct.pack(">H", 3)


@pytest.fixture(scope="module")
def photograph():
    exif = Image.Exif()
    exif[TAG.Artist] = "A. Photographer"
    exif[TAG.Copyright] = "(c) Acme"
    exif[TAG.Make] = "Camera works"
    exif[TAG.Orientation] = 6
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (52.0, 30.0, 0.0)
    return saved("JPEG", exif=exif, xmp=XMP)


@pytest.mark.parametrize("format_", list(OutputFormat))
@pytest.mark.parametrize(
    ("policy", "kept"),
    [
        ("none", set()),
        ("credits", {TAG.Artist, TAG.Copyright, TAG.ImageDescription}),
        ("capture", {TAG.Artist, TAG.Copyright, TAG.ImageDescription, TAG.Make}),
    ],
)
def test_a_policy_takes_over_its_fields_and_never_place_or_turn(photograph, format_, policy, kept):
    taken = taken_over(photograph, policy)
    packet = xmp_packet(None, taken.credits)
    file = encode(RGB, format=format_, quality=90, exif=exif_block(taken), xmp=packet)
    found = Image.open(BytesIO(file)).getexif()
    assert set(found) == kept
    assert not found.get_ifd(ExifTags.IFD.GPSInfo)
    assert b"GPS" not in file
    assert b"52,31" not in file
    if policy == "none":
        assert rights_of(carriers_of(file).xmp) == Credits()


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"\xff\xd8\xff\xe1 torn",
        saved("JPEG", xmp=XMP[:-40]),
        saved("JPEG", xmp=b"no XML at all"),
        saved("JPEG", exif=b"Exif\0\0no header of a TIFF"),
        png_with((b"zTXt", b"Raw profile type exif\0\0no zlib"), (b"iTXt", b"XML:com.adobe.xmp")),
        png_with(raw_profile("iptc", b"8BIM\4\4")),
        psd_with(b"8BIM"),
        XMP_CARRIERS["JPEG 2000"][:-700],
    ],
)
def test_what_cannot_be_read_is_not_taken_over(damaged):
    taken = taken_over(damaged, "capture")
    assert not taken.credits
    assert exif_block(taken) == b""


@pytest.mark.parametrize("format_", list(OutputFormat))
def test_a_field_that_no_file_has_room_for_is_cut(format_):
    exif = Image.Exif()
    for tag in (TAG.Artist, TAG.Copyright, TAG.ImageDescription):
        exif[tag] = "A. Photographer" + "x" * 70_000
    taken = taken_over(saved("PNG", exif=exif), "credits")
    file = encode(RGB, format=format_, quality=90, exif=exif_block(taken))
    found = Image.open(BytesIO(file)).getexif()
    assert found[TAG.Artist].startswith("A. Photographerx")
    # As Pillow reads them, a letter for each byte: an ellipsis has three.
    assert len(found[TAG.Copyright]) == len(found[TAG.Artist]) == MOST_CHARACTERS + 2
    assert found[TAG.ImageDescription].startswith("A. Photographerx")


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=3000)


@settings(max_examples=30)
@given(TEXT, st.lists(TEXT, max_size=25), TEXT)
def test_any_credits_fit_into_any_file_and_come_back(rights, creators, web_statement):
    said = Credits(
        creators=tuple(creators),
        rights=(("x-default", rights), ("de", rights)),
        description=(("x-default", "<&>" * 700),),
        usage_terms=(("x-default", "\U0001f600" * 2000),),
        owners=tuple(creators),
        copyright_owners=tuple(creators),
        web_statement=web_statement,
        licensors=(Licensor(name=rights, url=web_statement),) * 30,
    ).bounded()
    packet = xmp_packet(None, said)
    assert len(packet) < 42_000  # a prompt takes 20 kB more
    rights_of(packet)


@pytest.mark.parametrize("format_", list(OutputFormat))
def test_the_profile_can_be_left_out(format_):
    with_it, without = (encode(RGB, format=format_, quality=90, icc=icc) for icc in (True, False))
    assert "icc_profile" in Image.open(BytesIO(with_it)).info
    assert not Image.open(BytesIO(without)).info.get("icc_profile")


@pytest.mark.parametrize("format_", list(OutputFormat))
def test_a_resolution_is_stated_where_readers_look_for_it(format_):
    taken, dpi = taken_over(b"", "none"), (300.0, 240.0)
    block = exif_block(taken, dpi=None if format_.has_resolution else dpi)
    image = Image.open(BytesIO(encode(RGB, format=format_, quality=90, exif=block, dpi=dpi)))
    if format_.has_resolution:
        assert image.info["dpi"] == pytest.approx(dpi, abs=0.02)
    else:
        exif = image.getexif()
        assert (exif[TAG.XResolution], exif[TAG.YResolution]) == dpi
        assert exif[TAG.ResolutionUnit] == 2


@pytest.mark.parametrize("dpi", [(0.001, 0.3), (1e9, 1e12)])
@pytest.mark.parametrize("format_", list(OutputFormat))
def test_a_resolution_that_makes_no_sense_costs_nothing(format_, dpi):
    block = exif_block(taken_over(b"", "none"), dpi=None if format_.has_resolution else dpi)
    Image.open(BytesIO(encode(RGB, format=format_, quality=90, exif=block, dpi=dpi))).load()


@pytest.mark.parametrize("carrier", [*XMP_CARRIERS, *(f"IPTC, {name}" for name in IPTC_CARRIERS)])
def test_no_damage_costs_more_than_what_is_damaged(carrier):
    whole = (XMP_CARRIERS | {f"IPTC, {name}": file for name, file in IPTC_CARRIERS.items()})[
        carrier
    ]
    rng = np.random.default_rng(0)
    for number in range(80):
        torn = bytearray(whole[: rng.integers(1, len(whole) + 1)] if number % 3 == 0 else whole)
        within = len(torn) if number % 2 else min(len(torn), 500)  # where the headers are
        for at in rng.integers(0, within, 8):
            torn[at] = rng.choice([0, 1, 255, rng.integers(256)])
        taken = taken_over(bytes(torn), "capture")
        exif_block(taken)
        xmp_packet(None, taken.credits)
        manifest_store(bytes(torn))
