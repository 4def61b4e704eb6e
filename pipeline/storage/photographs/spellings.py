r"""Other ways to write the same path or key, for where nothing has the name as it is written.

A Mac hands out the names of files decomposed (NFD: `u` and two dots), most other programs write
them composed (NFC); cells have blanks around them, Windows writes `images\1.jpg`, and HTML `&amp;`;
`./1.jpg` and `a//1.jpg` are paths, and keys that nobody means. Each of these is the same name to
whoever wrote it, so it is taken where the name itself is not there; nothing that could be another
file (case, accents left out, another ending) is.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Literal

from pipeline.storage.photographs.addresses import BLANK, numbered

_MOST = 12
"""Each is a request on an object store. One or two are usual."""
_NAMED = re.compile(r"&(?:amp|apos|gt|lt|quot);", re.IGNORECASE)
"""The characters that XML has names for; those that it has numbers for are any."""
# Apple's file systems leave these as they are, and so do programs that convert its names (TN1150).
_AS_IT_IS = re.compile("([\u2000-\u2fff\uf900-\ufaff\U0002f800-\U0002faff]+)")

_Form = Callable[[str], str]


def respelled(name: str) -> tuple[str, ...]:
    r"""Other spellings of a key, the likeliest first, and without itself; mostly there are none.

    >>> respelled("shoes/red 42.jpg")
    ()
    >>> respelled("shoes\\red.jpg ")
    ('shoes\\red.jpg', 'shoes/red.jpg ', 'shoes/red.jpg')
    """
    texts = (name, *rewritten(name))
    found = dict.fromkeys(chain(texts, *map(_forms, texts)))
    return tuple(islice((one for one in found if one not in ("", name)), _MOST))


def rewritten(name: str) -> tuple[str, ...]:
    """Other spellings of a name, as `respelled` has them, with letters composed as they are."""
    found = [name]
    for change in (_trimmed, _trimmed_throughout, _slashed, _unquoted, unescaped, _walked):
        found += [change(one) for one in found]
    return tuple(one for one in dict.fromkeys(found) if one not in ("", name))


def unescaped(name: str) -> str:
    """The name with HTML and XML entities resolved: `&` for `&amp;`, `'` for `&#39;` and so on."""
    return numbered(_NAMED.sub(lambda found: html.unescape(found[0].lower()), name))


def composed(name: str) -> str:
    """The one spelling that all spellings of the letters of a name come down to."""
    return unicodedata.normalize("NFC", name)


def _trimmed(name: str) -> str:
    return name.rstrip(BLANK)


def _trimmed_throughout(name: str) -> str:
    parts = [part.strip(BLANK) for part in name.split("/")]
    return "/".join(parts) if all(parts) else name


def _slashed(name: str) -> str:
    return name.replace("\\", "/")


def _unquoted(name: str) -> str:
    r"""The name without quotes around it, or around what stands behind the last of its slashes.

    >>> _unquoted("'red.jpg'"), _unquoted('shoes/"a/b.jpg"')
    ('red.jpg', 'shoes/a/b.jpg')
    """
    quote, inner = name[-1:], name[:-1]
    if quote not in ("'", '"'):
        return name
    opens = inner.rfind(f"/{quote}", 0, len(inner) - 1) + 1
    if opens or (inner.startswith(quote) and len(inner) > 1):
        return inner[:opens] + inner[opens + 1 :]
    return name


def _walked(name: str) -> str:
    """The path without the steps that a key does not have: `.`, `..` and empty ones."""
    parts: list[str] = []
    for part in name.split("/"):
        if part == ".." and not parts:
            return name
        if part == "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def _forms(name: str) -> Iterator[str]:
    """Composed, decomposed, and a folder the one way with what is below it the other way."""
    if name.isascii():
        return
    nfc, nfd = _normalised("NFC"), _normalised("NFD")
    for form in (nfc, nfd, composed, lambda text: unicodedata.normalize("NFD", text)):
        yield form(name)
    parts = name.split("/")
    pairs: tuple[tuple[_Form, _Form], ...] = ((str, nfd), (str, nfc), (nfc, nfd), (nfd, nfc))
    for place in range(len(parts) - 1, 0, -1):
        before, after = "/".join(parts[:place]), "/".join(parts[place:])
        if not before.isascii():
            for above, below in pairs:
                yield f"{above(before)}/{below(after)}"


def _normalised(form: Literal["NFC", "NFD"]) -> _Form:
    def normalise(text: str) -> str:
        return "".join(
            part if _AS_IT_IS.match(part) else unicodedata.normalize(form, part)
            for part in _AS_IT_IS.split(text)
        )

    return normalise
