"""What is sent to a web server for a URL: its own bytes, and nothing normalised.

Links are signed over their text (imgproxy, thumbor, CloudFront, S3's presigned URLs), so `%28` must
not become `(`, nor `%c3` `%C3`. Only what no request can hold is encoded, as browsers do. The host
is another matter: whoever is connected to is read by one parser, once.
"""

from __future__ import annotations

import re

from yarl import URL

_SPLIT = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?://([^/?#]*))?(.*)", re.DOTALL)
_AUTHORITY = re.compile(
    r"(?:[^\x00-\x20\x7f\\/?#]*@)?"  # a user, which is refused where it can be said better
    r"(?:\[[0-9A-Fa-f:.]+\]|[^\x00-\x20\x7f\"#%/:<>?@\[\\\]^`{|}]+)"
    r"(?::[0-9]*)?"
)
_NOT_IN_A_PATH = re.compile(r'[^\x21-\x7e]|["<>\\^`{}]|%(?![0-9A-Fa-f]{2})')
_NOT_IN_A_QUERY = re.compile(r'[^\x21-\x7e]|["<>]|%(?![0-9A-Fa-f]{2})')
"""Characters that are percent-encoded in a query; the others among RFC 3986's unwise ones browsers
send as they are."""


def request_url(address: str) -> URL:
    """What a client is to ask for: path and query to the letter, no fragment.

    >>> request_url("https://Shop.example/l%27eau%2f(1) é.jpg?sig=a%2Fb#top")
    URL('https://shop.example/l%27eau%2f(1)%20%C3%A9.jpg?sig=a%2Fb')

    Raises:
        ValueError: it names no host, or what can be none.
    """
    scheme, authority, target = _split(address)
    if authority is None or not _AUTHORITY.fullmatch(authority):
        raise ValueError("the URL names no host, or what cannot be one")
    path, mark, query = target.partition("#")[0].partition("?")
    sent = f"{_encoded(path, _NOT_IN_A_PATH) or '/'}{mark}{_encoded(query, _NOT_IN_A_QUERY)}"
    # All of it as a path: a query of its own would lose a question mark with nothing after it.
    return URL(f"{scheme.lower()}://{authority}/").with_path(sent, encoded=True)


def scheme_in(address: str) -> str:
    """The scheme of a URL, with or without two slashes after it.

    Raises:
        ValueError: it has none.
    """
    return _split(address)[0].lower()


def redirected(address: str, location: str) -> str:
    """Where an answer sends us, by RFC 3986, section 5.2, with the bytes of both.

    Dot segments that a relative path begins with are taken out, for there they mean something.

    >>> redirected("https://a.example/go/1?x=1", "../p/%28b%29.jpg")
    'https://a.example/p/%28b%29.jpg'
    >>> redirected("https://a.example/go/1", "//b.example/l%27eau")
    'https://b.example/l%27eau'
    """
    location = location.strip(" \t")
    found = _SPLIT.fullmatch(location)
    if found is not None:
        return location
    scheme, authority, target = _split(address)
    if location.startswith("//"):
        return f"{scheme}:{location}"
    root = f"{scheme}://{authority}"
    path, mark, query = target.partition("#")[0].partition("?")
    if location.startswith("/"):
        return f"{root}{location}"
    if not location or location.startswith("#"):
        return f"{root}{path}{mark}{query}"
    if location.startswith("?"):
        return f"{root}{path or '/'}{location}"
    folders, further = path.split("/")[:-1] or [""], location.split("/")
    while further and further[0] in (".", ".."):
        step = further.pop(0)
        folders = folders if step == "." else folders[:-1] or [""]
    return f"{root}{'/'.join([*folders, *(further or [''])])}"


def _split(address: str) -> tuple[str, str | None, str]:
    """Scheme, authority and all that follows."""
    found = _SPLIT.fullmatch(address)
    if found is None:
        raise ValueError("the URL has no scheme")
    return found[1], found[2], found[3]


def _encoded(text: str, unsent: re.Pattern[str]) -> str:
    return unsent.sub(lambda found: "".join(f"%{byte:02X}" for byte in _bytes(found[0])), text)


def _bytes(character: str) -> bytes:
    # A header's bytes that are no UTF-8 arrive as surrogates and leave as they were.
    return character.encode("utf-8", "surrogateescape" if character >= "\udc80" else "strict")
