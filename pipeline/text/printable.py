"""Words of others, made fit to be shown to people: visible, in one line, no longer than is read."""

from __future__ import annotations

import re

# Controls that a terminal obeys, marks that turn text around (UAX 9) or end a line, and halves of
# pairs, which cannot be written down. The marks that Hebrew and Arabic need (200E, 200F) stay.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_GAP = " [...] "
MOST_CHARACTERS = 32_000
"""The most characters of any text of a manifest that is looked at or carried along: a long
description, in HTML."""
_CUT = MOST_CHARACTERS + len(f"...sha256-{'0' * 16}")
_GOES_ON = re.compile(r"\n\n|\n[^\S\n]+0: ")
"""The beginning of what a library says to its own authors, such as Rust's calls."""


def visible(text: str) -> str:
    r"""The text with what would not be seen, but obeyed, spelled out.

    >>> visible("\x1b[31mred")
    '[U+001B][31mred'
    """
    return _UNSEEN.sub(lambda match: f"[U+{ord(match[0]):04X}]", text)


def visible_lines(text: str) -> str:
    r"""The text visible, in the lines that it has, without colours that a program gave it.

    >>> visible_lines("\x1b[36m(pid=7)\x1b[0m a\x07\n")
    '(pid=7) a[U+0007]\n'
    """
    plain = _COLOURS.sub("", text).replace("\r\n", "\n")
    return "\n".join(visible(line.expandtabs()) for line in plain.split("\n"))


def visible_json(document: str) -> str:
    r"""JSON with what a terminal would obey as JSON's own escapes: to machines it is the same.

    >>> visible_json('{"name": "\u202egpj.exe"}')
    '{"name": "\\u202egpj.exe"}'
    """
    return "\n".join(
        _UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", line) for line in document.split("\n")
    )


def one_line(text: str, *, most: int) -> str:
    """The text visible and in one line; what is longer than `most` characters loses its middle.

    >>> one_line("nothing  at " + "x" * 100, most=30)
    'nothing at xxxx [...] xxxxxxxx'
    """
    line = visible(" ".join(text.split()))
    if len(line) <= most:
        return line
    before = 2 * (most - len(_GAP)) // 3
    return line[:before] + _GAP + line[len(line) - (most - len(_GAP) - before) :]


def counted(num: int) -> str:
    """A text's number of characters, for a message; of one that was cut it is not known any more.

    >>> counted(9000), counted(32_026)
    ('9,000', 'more than 32,000')
    """
    return f"more than {MOST_CHARACTERS:,}" if num == _CUT else f"{num:,}"


def first_line(error: Exception) -> str:
    """What a library says before it starts to quote and draw, or to list its calls: one line."""
    return " ".join(_GOES_ON.split(str(error).strip(), maxsplit=1)[0].split())


def of_error(error: BaseException) -> str:
    """What went wrong, and with what, without the number that the system gives it.

    >>> of_error(FileNotFoundError(2, "No such file or directory", "/catalog"))
    '/catalog: No such file or directory'
    """
    if isinstance(error, OSError) and error.strerror:
        message = str(error.strerror)
        return message if error.filename is None else f"{error.filename}: {message}"
    return str(error) or type(error).__name__
