"""Files that are not read, called by their names."""

from __future__ import annotations

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"II\xbc", "JPEG XR"),
    (b"\0\0\1\0", "an icon (ICO)"),
    (b"\0\0\2\0", "a cursor (CUR)"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"#?RGBE", "Radiance HDR"),
    (b"qoif", "QOI"),
    (b"DDS ", "a texture (DDS)"),
    (b"gimp xcf", "a GIMP project (XCF)"),
    (b"BPG\xfb", "BPG"),
    (b"\x8aMNG", "MNG"),
    (b"\x8bJNG", "JNG"),
    (b"AT&TFORM", "DjVu"),
    (b"SIMPLE  =", "FITS"),
    (b"%PDF-", "PDF"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript (EPS)"),
    (b"\xd7\xcd\xc6\x9a", "a Windows metafile (WMF)"),
    (b"PK\3\4", "a ZIP archive"),
    (b"\x1f\x8b", "packed by gzip"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
    (b"RIFF", "a film or sound (RIFF)"),
    (b"\x1aE\xdf\xa3", "a film (Matroska)"),
)
_FILM_BRANDS = (b"qt  ", b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"M4V ")
_TGA_END = b"TRUEVISION-XFILE.\0"
_PCX_VERSIONS = b"\0\2\3\4\5"
_PNM = b"1234567fF"
_SPACE = b" \t\r\n"
_START = 1024
"""Bytes of a text in which its first element stands."""


def name_of(data: bytes) -> str:
    """The kind of a file that none of our decoders is for, for people; empty: nobody knows.

    >>> name_of(b"%PDF-1.7"), name_of(b"<!DOCTYPE html><html>")
    ('PDF', 'an HTML page')
    """
    if data[4:8] == b"ftyp" and data[8:12] in _FILM_BRANDS:
        return "a film (MP4 or QuickTime)"
    if data.endswith(_TGA_END):
        return "TGA"
    if data[:1] == b"\n" and data[1:2] and data[1] in _PCX_VERSIONS and data[2:3] == b"\1":
        return "PCX"
    if data[:1] == b"P" and data[1:2] and data[1] in _PNM and data[2:3] and data[2] in _SPACE:
        return "a Netpbm picture (PNM)"
    by_signature = next((name for magic, name in _SIGNATURES if data.startswith(magic)), "")
    return by_signature or _name_of_text(data[:_START].lstrip(b"\xef\xbb\xbf" + _SPACE).lower())


def _name_of_text(start: bytes) -> str:
    if start.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    if start.startswith(b"<svg") or (start.startswith((b"<?xml", b"<!--")) and b"<svg" in start):
        return "SVG"
    if start.startswith(b"<?xml"):
        return "an XML document"
    return "JSON" if start.startswith((b'{"', b"{\n", b"[{")) else ""
