"""Mending: what is left of a sentence when words are taken out of it, as English.

"a mural by X" becomes "a mural", not "a mural by".
"""

from __future__ import annotations

import re

# What leads up to a name and cannot end a phrase.
_LEADING = re.compile(
    r"(?:^|(?<=[\s,;:(]))(?:"
    r"in the (?:style|manner|spirit) of|in style of|inspired by|as (?:worn|seen|used) (?:by|on)|"
    r"(?:designed|made|painted|photographed|shot|worn|directed) by|next to|in front of|close to|"
    r"à la|a la|"
    r"and|or|&|by|of|from|with|featuring|feat\.?|ft\.?|starring|like|for|as|a|an|the|is|"
    r"beside|near|behind|meets|vs\.?|versus|on|in|at|to|under|x|@"
    r")\s*$",
    re.IGNORECASE,
)
_LONGEST_END = 200
"""Characters of what is looked for at the end of a text, with the spaces behind it."""
# What follows a name and says nothing without it.
_TRAILING = re.compile(
    r"^[\s-]*(?:styled?|inspired|esque|themed|lookalikes?|look-alikes?|like)\b(?!\s+(?:of|by)\b)",
    re.IGNORECASE,
)
_MARK = re.compile(
    r"^\s+(?:logos?|logotypes?|emblems?|swoosh|branding|brand|branded|trademarks?)\b", re.IGNORECASE
)
# A word that begins a new phrase: what stood before it has ended.
_NEW_PHRASE = re.compile(
    r"^\s*(?:$|[^\w\s#'\"]|(?:and|or|on|in|at|by|with|from|under|over|beside|near|behind|against|"
    r"to|is|was|are|for|of|as|during|while|who)\b)",
    re.IGNORECASE,
)
# A noun, so that the name before it only says of what make it is. A participle counts only before
# another noun: "running shoes", but "parked outside" and "driving on".
_NOUN = re.compile(
    r"^\s+(?!(?:and|or|on|in|at|by|with|from|under|over|beside|near|behind|against|to|is|was|are|for|"
    r"of|as|during|while|who|that|which|next|inside|outside)\b)"
    r"(?:[^\W_]+(?:ing|ed)\s+(?=[^\W_]{3,}\b)(?!(?:from|with|into|over|under|inside|outside|down|"
    r"along|through|near|beside|against|flat)\b))*"
    r"(?![^\W_]+(?:ing|ed)\b)([^\W_]+)",
    re.IGNORECASE,
)
_CONJUNCTION = re.compile(r"^\s*(?:and|or|&)\s+", re.IGNORECASE)
_ARTICLE = re.compile(r"\b(an?)\s+$", re.IGNORECASE)
_ATTRIBUTED = re.compile(r"\b(?:by|from|@)\s*$", re.IGNORECASE)
_PLACE_BEFORE = re.compile(r"(?<!\s)\s+([,;:.!?)])")
_EMPTY = re.compile(r"\(\s*\)|\[\s*\]|\"\s*\"")
_COMMAS = re.compile(r"([,;:])(?:\s*[,;:])+")


def without(text: str, start: int, end: int) -> str:
    """Take a piece out of a text, with the words that only led up to it.

    >>> without("a mural by Banksy, brick wall", 11, 17)
    'a mural, brick wall'
    """
    left, right = text[:start], _TRAILING.sub("", text[end:])
    if _NEW_PHRASE.match(right):
        while (found := _LEADING.search(left, _near_end(left))) is not None:
            left = left[: found.start()]
        if not left.strip(" ,;:"):
            right = _CONJUNCTION.sub("", right)
    return tidy(_agreeing(left, right))


def instead(
    text: str, start: int, end: int, *, by: str, attributive: str = "", is_plural: bool = False
) -> str:
    """Put generic words in the place of a name.

    Args:
        text: the prompt.
        start: of the name.
        end: of the name.
        by: what to say where the name stands for a thing: "a phone".
        attributive: what to say before another noun; empty if that noun says enough.
        is_plural: whether the name was.

    >>> instead("a Nike sneaker on an oak table", 2, 6, by="sneakers")
    'a sneaker on an oak table'
    >>> instead("an iPhone on oak", 3, 9, by="smartphone")
    'a smartphone on oak'
    >>> instead("brick wall with a Pepsi logo", 18, 23, by="cola")
    'brick wall'
    """
    left, right = text[:start], text[end:]
    mark = _MARK.match(right)
    if mark:  # the name as a sign: there is nothing generic to show
        return without(text, start, end + mark.end())
    if _ATTRIBUTED.search(left, _near_end(left)):
        return without(text, start, end)
    noun = _NOUN.match(right)
    if noun is None:
        word = f"{by}s" if is_plural and not by.endswith("s") else by
    elif _stem(noun.group(1)) == _stem(attributive.rpartition(" ")[2]):
        word = attributive.rpartition(" ")[0]
    else:
        word = attributive
    return tidy(_agreeing(left, f"{word}{right}"))


def tidy(text: str) -> str:
    """Spaces and commas as one would type them; none at either end."""
    text = _COMMAS.sub(r"\1", _PLACE_BEFORE.sub(r"\1", _EMPTY.sub("", text)))
    return " ".join(text.split()).strip(" ,;:-").removeprefix(".").strip()


def _agreeing(left: str, right: str) -> str:
    """The two halves, "a" or "an" between them chosen by the letter that now follows."""
    article, letter = _ARTICLE.search(left, _near_end(left)), right.lstrip()[:1].lower()
    # A vowel letter is no vowel in "a uniform", nor a consonant in "an hour": those stay.
    if article and letter.isalpha() and letter not in "uho":
        fitting = "an" if letter in "aei" else "a"
        if article.group(1).lower() != fitting:
            written = fitting.capitalize() if article.group(1)[0].isupper() else fitting
            left = f"{left[: article.start()]}{written} "
    return f"{left} {right}"


def _near_end(text: str) -> int:
    """Where to begin to look for what ends a text: all of it again for each name would be long."""
    return max(len(text) - _LONGEST_END, 0)


def _stem(word: str) -> str:
    return word.lower().removesuffix("s")
