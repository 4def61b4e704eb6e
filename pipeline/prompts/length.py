"""Length: how much of a prompt a text encoder reads, and where to cut the rest off."""

from __future__ import annotations

import re

CLIP_TOKENS = 75
"""What CLIP's 77 positions leave beside the marks of start and end; it drops the rest unsaid."""

# CLIP's own pieces (Radford et al., arXiv 2103.00020): contractions, words, single digits, and runs
# of anything else.
_PIECE = re.compile(r"'(?:s|t|re|ve|m|ll|d)\b|[^\W\d_]+|\d|(?:[^\w\s]|_)+", re.IGNORECASE)
# Fitted to CLIP's vocabulary on prompts for product photographs.
_ONE_TOKEN_LETTERS = 6
_LETTERS_PER_TOKEN = 2.6
_TOKENS_PER_FOREIGN_LETTER = 1.6
_CLAUSE = re.compile(r"[,;.]\s")


def estimate_tokens(text: str) -> int:
    """Estimate how many CLIP tokens a text takes, without CLIP's vocabulary; rather too many.

    English words of up to six letters are nearly all one token, longer ones seldom more than one
    for three letters more. An accent costs a token, and other scripts are spelled in bytes.

    >>> estimate_tokens("soft morning light on a marble counter, 50mm")
    11
    """
    return sum(_piece_tokens(piece) for piece in _PIECE.findall(text))


def fitted(text: str, *, max_characters: int, max_tokens: int | None) -> str:
    """The longest beginning of a prompt that fits, ending with a word, or better with a clause.

    A clause is preferred where it costs at most a quarter of what would fit.
    """
    end = len(text)
    ends = [match.start() for match in re.finditer(r"\s", text)] + [end]
    fits = [at for at in ends if _fits(text[:at], max_characters, max_tokens)]
    if end in fits:
        return text
    if not fits:  # one word too long: cut inside it
        cut = text[:max_characters]
        while cut and not _fits(cut, max_characters, max_tokens):
            cut = cut[:-1]
        return cut
    whole = text[: fits[-1]]
    clauses = [match.start() for match in _CLAUSE.finditer(f"{whole} ")]
    if clauses and clauses[-1] >= 0.75 * len(whole):
        return whole[: clauses[-1]]
    return whole.rstrip(" ,;:-")


def _fits(text: str, max_characters: int, max_tokens: int | None) -> bool:
    if len(text) > max_characters:
        return False
    return max_tokens is None or estimate_tokens(text) <= max_tokens


def _piece_tokens(piece: str) -> int:
    if not piece[0].isalpha():
        return 1 if piece.isascii() else 2 * len(piece)
    accents = sum(not character.isascii() for character in piece)
    if accents > len(piece) / 2:
        return round(_TOKENS_PER_FOREIGN_LETTER * len(piece))
    longer = max(0, len(piece) - _ONE_TOKEN_LETTERS)
    return 1 + round(longer / _LETTERS_PER_TOKEN) + accents
