"""What a cell of a manifest says, taken as the address of a picture. Nothing here is looked up.

A cell is somebody else's text: exported, copied, typed. What it means is taken where only one thing
can be meant; else the row gets one sentence with the fix. Where a file could bear the very name,
however odd, that is for the reader to find out.
"""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Mapping
from urllib.parse import unquote

from pipeline.storage.uris import absolute, join, scheme_of, shortened, without_secrets
from pipeline.text.printable import counted

MOST_CHARACTERS = 4_096
"""The longest signed links have 4,000; Linux takes paths of 4,096 bytes, S3 keys of 1,024."""

# Python's white space, and what is copied along unseen: zero width spaces and joiners, the byte
# order mark, marks of direction (Windows puts U+202A before a path that is copied from a dialog).
BLANK = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\xad\u034f\u061c\u1680\u180e"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b\u200c\u200d\u200e"
    "\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u202f\u205f\u2060\u2061\u2062\u2063\u2064"
    "\u2066\u2067\u2068\u2069\u3000\ufeff"
)
_CONTROLS = "".join(map(chr, [*range(1, 32), 127]))

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_KNOWN = r"(?:https?|s3[an]?)"
_BROKEN = re.compile(rf"({_KNOWN})(?::|%3a|;//|//)(.*)", re.IGNORECASE | re.DOTALL)
"""A known scheme without the colon and the two slashes that belong to it."""
_BARE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{1,11}):/")
_WITHIN = re.compile(rf"{_KNOWN}://[^\s\"'<>|,;()\[\]{{}}]+", re.IGNORECASE)
_NEXT = re.compile(rf"(?:(\s)\s*|([,;|])\s*)(?={_KNOWN}://)", re.IGNORECASE)
PICTURE = re.compile(
    r"\.(?:jpe?g|jfif|png|webp|gif|tiff?|bmp|avif|heic|heif|psd|jp2)$", re.IGNORECASE
)
"""The endings of names of pictures."""
_HOST = re.compile(r"(?:[\w-]+\.)+[A-Za-z][\w-]*(?::\d+)?(?:/|$)|\d+(?:\.\d+){3}|localhost\b")
_NUMBERED = re.compile(r"&#(?:[0-9]{1,7}|x[0-9A-F]{1,6});", re.IGNORECASE)
"""A character as HTML and XML write it: `&#038;` (WordPress), `w&#x3D;200` and `&#x2F;` (Mustache),
`caf&#233;` (XML). As a URL that would end at the `#`, and lead to another picture."""
_NUMBERED_SCHEME = re.compile(
    r"[\"'<]?https?(?::|&#(?:0*58|x0*3a);)(?:/|&#(?:0*47|x0*2f);){2}", re.IGNORECASE
)
_DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\")
_DATA = re.compile(r"data:[^,]{0,200},", re.IGNORECASE)
_FORMULA = re.compile(r"[=+@]\s*[A-Za-z.]+\s*\(")
_WRAPPED = tuple(("\"'`<“”„‘’«»"[place], "\"'`>””“’’»«"[place]) for place in range(11))

_OTHER_STORES: Mapping[str, str] = {
    **dict.fromkeys(
        ("gs", "gcs"),
        "Google's storage speaks S3: write s3://bucket/key, with "
        "AWS_ENDPOINT_URL=https://storage.googleapis.com and its HMAC keys",
    ),
    **dict.fromkeys(
        ("abfs", "abfss", "adl", "az", "azure", "wasb", "wasbs"),
        "write signed https:// links (SAS), or copy the pictures to an S3 store",
    ),
    **dict.fromkeys(
        ("b2", "cos", "cosn", "ks3", "minio", "obs", "oss", "r2", "swift", "tos"),
        "write s3://bucket/key, with AWS_ENDPOINT_URL as its address of S3",
    ),
    **dict.fromkeys(("gzip", "tar", "zip"), "pictures within archives are not read: unpack them"),
    "hf": "write https://huggingface.co/…/resolve/main/…, or copy the pictures to a store",
    "dbfs": "write the path that machines see it under, /dbfs/…, or copy the pictures to a store",
}
_FOREIGN = frozenset({*_OTHER_STORES, "ftp", "ftps", "hdfs", "sftp", "smb", "viewfs", "webhdfs"})
_ELSEWHERE = "copy the pictures to an S3 store or below the manifest's folder, and write that"


OF_WINDOWS = (
    "is a path of Windows: write where it lies below the manifest's folder, as images/shoes/1.jpg"
)
"""The refusal that follows an address with a drive letter."""


def resolve(cell: str, *, against: str) -> str:
    r"""The absolute URI that a cell means; a relative one is taken from the folder `against`.

    Blanks around it stay where a name may have them: whether it does is looked at later.

    >>> resolve("s3a://catalog/shoe.jpg\n", against="/data")
    's3://catalog/shoe.jpg'
    >>> resolve("<https://cdn.example.com/a.jpg>", against="/data")
    'https://cdn.example.com/a.jpg'

    Raises:
        ValueError: nothing can be at what it says, to follow the name of its column.
    """
    text = _numbered_url(cell.strip(BLANK))
    if not text:
        raise ValueError("is empty: fill it in")
    if _DATA.match(text):
        raise ValueError(
            f"holds a picture as text ({shortened(text.partition(',')[0])},…), "
            f"{counted(len(text))} characters: put its bytes into column image, or write where "
            "the file is"
        )
    if len(text) > MOST_CHARACTERS:
        raise ValueError(
            f"{quoted(text)} has {counted(len(text))} characters, an address at most "
            f"{MOST_CHARACTERS:,}: write where the file is; bytes of pictures go into column image"
        )
    if _FORMULA.match(text):
        inner = _WITHIN.search(text)
        alone = f": {shown(inner[0])}" if inner else ""
        raise ValueError(f"{quoted(text)} is a formula: write the address itself{alone}")
    alone = _unwrapped(text)
    after = cell[len(cell.rstrip(BLANK)) :] if alone == text else ""
    found = _SCHEME.match(alone)
    if found is None:
        before = cell[: len(cell) - len(cell.lstrip(BLANK))]
        return _without_scheme(before, text, after, against)
    text = alone
    scheme, rest = found[1].lower(), text[found.end() :]
    if scheme == "file":
        return _of_this_machine(text, rest)
    if scheme not in ("s3", "s3a", "s3n", "http", "https"):
        raise ValueError(_not_read(text, scheme))
    if _SCHEME.match(rest):
        raise ValueError(f"{quoted(text)} names a scheme twice: write {shown(rest)}")
    _refuse_several(text)
    if scheme in ("http", "https"):
        return numbered(text)
    # Hadoop's names for the same; a key may end in a blank, though not in the end of a line.
    return f"{found[1] if scheme == 's3' else 's3'}://{rest}{_in_a_key(after)}"


def _without_scheme(before: str, text: str, after: str, against: str) -> str:
    """Resolve an address without a scheme, given with the blanks around it. Raises as `resolve`."""
    _refuse_what_hides_a_url(text)
    if text[:5].lower() == "file:":
        return _of_this_machine(text, text[5:])
    if text.startswith("//"):
        if _is_below(text, against):
            text = f"/{text.lstrip('/')}"
        elif _HOST.match(text[2:].partition("/")[0].rpartition("@")[2]):
            raise ValueError(f"{quoted(text)} says no scheme: write {shown(f'https:{text}')}")
    if text.startswith("/"):
        return absolute(text + after)
    if scheme_of(against) != "file":
        before, after = _in_a_key(before), _in_a_key(after)
    return join(against, before + text + after)


def _refuse_what_hides_a_url(text: str) -> None:
    """A URL that is misspelled, or has words around it, is no name of a file."""
    if text.startswith("://"):
        raise ValueError(f"{quoted(text)} says no scheme: write {shown(f'https{text}')}")
    broken = _BROKEN.match(text)
    if broken:
        rest = unquote(broken[2]) if "%3a" in text[:9].lower() else broken[2]
        slashed = re.sub(r"\\?/|\\", "/", rest).lstrip("/")
        raise ValueError(
            f"{quoted(text)} is no URL: write {shown(f'{broken[1].lower()}://{slashed}')}"
        )
    other = _BARE.match(text)
    if other and other[1].lower() in _FOREIGN:
        raise ValueError(_not_read(text, other[1].lower()))
    inner = _WITHIN.findall(text)
    if len(inner) > 1:
        raise ValueError(_several(text, len(inner)))
    if inner:
        raise ValueError(f"{quoted(text)} holds more than an address: write {shown(inner[0])}")


def _of_this_machine(text: str, rest: str) -> str:
    """The local path of a `file:` URI (RFC 8089); `rest` is what follows `file://` or `file:`."""
    host, slash, path = rest.partition("/")
    if text[:7].lower() != "file://":
        if host:
            raise ValueError(
                f"{quoted(text)} is no URL: write the path alone, {shown(rest)}, or file:///…"
            )
    elif host.lower() not in ("", "localhost", "127.0.0.1"):
        named = host.rpartition("@")[2]
        raise ValueError(
            f"{quoted(text)} names a machine, {quoted(named)}: write a path with three slashes, as "
            f"{shown(f'file:///{named}{slash}{path}')}; one beside the manifest needs no scheme"
        )
    if _DRIVE.match(unquote(path)):
        raise ValueError(f"{quoted(text)} {OF_WINDOWS}")
    return absolute(f"file:///{path}")


def _not_read(text: str, scheme: str) -> str:
    advice = _OTHER_STORES.get(scheme, _ELSEWHERE)
    return f"{quoted(text)}: {shortened(scheme)!r} is no scheme that is read: {advice}"


def _refuse_several(text: str) -> None:
    parts, start = 1, 0
    for found in _NEXT.finditer(text):
        before = text[start : found.start()]
        # A URL may hold another; one that a picture's name comes before is the next.
        path = before.partition("?")[0]
        if (
            found[1] is None
            and text[:1] in "hH"
            and (path.count("://") != 1 or not PICTURE.search(path))
        ):
            continue
        parts, start = parts + 1, found.end()
    if parts > 1:
        raise ValueError(_several(text, parts))


def _several(text: str, num: int) -> str:
    return f"{quoted(text)} holds {num} addresses: write one, and a row for each further picture"


def _unwrapped(text: str) -> str:
    """The text without the quotes or angle brackets that URLs are set in (RFC 3986, appendix C)."""
    for before, after in _WRAPPED:
        inner = text[1:-1].strip(BLANK)
        if text[0] == before and text[-1] == after and len(text) > 1:
            is_one = after not in inner and _SCHEME.match(inner)
            return inner if is_one else text
    return text


def numbered(text: str) -> str:
    """Put characters in place of their HTML numbers, except for those that are no letters.

    >>> numbered("https://cdn.example.com/caf&#233;.jpg?w&#x3D;200&#038;h=1&#10;")
    'https://cdn.example.com/café.jpg?w=200&h=1&#10;'
    """
    return _NUMBERED.sub(_numbered, text)


def _numbered_url(text: str) -> str:
    """A URL whose very scheme has numbers in it, with the characters; anything else as it is."""
    return numbered(text) if _NUMBERED_SCHEME.match(text) else text


def _numbered(found: re.Match[str]) -> str:
    letter = html.unescape(found[0])
    return letter if letter.isprintable() and letter != "\ufffd" else found[0]


def _in_a_key(blanks: str) -> str:
    """The blanks that a key may have around it; ends and fillings of a line belong to the cell."""
    kept = blanks.strip(_CONTROLS)
    return "" if any(letter in _CONTROLS for letter in kept) else kept


def _is_below(path: str, root: str) -> bool:
    return posixpath.normpath(f"/{path.lstrip('/')}").startswith(root.rstrip("/") + "/")


def shown(address: str) -> str:
    """An address for people: short, and without what is secret in it."""
    return shortened(without_secrets(address))


def quoted(text: str) -> str:
    """A cell for a message: short, and without what is secret in the URLs in it."""
    plain = without_secrets(text)
    return repr(shortened(f"{plain}?…" if "?" in text and "?" not in plain else plain))
