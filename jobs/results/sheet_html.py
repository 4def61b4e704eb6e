"""The contact sheet as one HTML file that needs no network, no server and no script.

What the manifest says is hostile until shown otherwise: everything is escaped, control characters
are made visible, and the page's own policy forbids any script but the one it ships.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from jobs.results.sheet_cards import Card, cut


def render_html(
    summary: Mapping[str, Any], cards: Sequence[Card], *, kept: Sequence[str] = ()
) -> str:
    """The sheet, to be written as UTF-8 into the run's folder, where its links start.

    Args:
        summary: the run's `report.json`.
        cards: what `cards()` returned.
        kept: the manifest's columns to name on every card, in this order.
    """
    template = _environment().get_template("report.html.j2")
    return template.render(
        run=summary,
        finished=[card for card in cards if card.error is None],
        failed=[card for card in cards if card.error is not None],
        on_sheet=Counter(card.stratum for card in cards),
        kept=kept,
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("jobs.results"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": _count,
        "duration": _duration,
        "href": _href,
        "limit": _limit,
        "moment": _moment,
        "percent": _percent,
        "policy_hash": _policy_hash,
        "ratio": _ratio,
        "told": _told,
        "webp": _webp,
        "words": words,
    }
    return environment


# Explicit directional embeddings, overrides and isolates can reorder what stands around them, and
# C0 controls can cut a line short. Marks that a Hebrew or Arabic prompt needs (200E, 200F) stay.
_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def _visible(value: object) -> object:
    """Runs over every value the template prints, before escaping."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return _INVISIBLE.sub(lambda match: f"[U+{ord(match[0]):04X}]", value)
    return value


_SMALL_WORDS = frozenset(
    ("a", "an", "and", "at", "by", "for", "from", "in", "into", "its", "near", "of", "on", "onto",
     "or", "over", "the", "to", "under", "with")
)  # fmt: skip


def words(text: str, understood: Sequence[str]) -> list[tuple[str, str]]:
    """Cut a prompt into runs and say of each word whether it had an effect.

    Returns:
        Pairs of text and 'understood', 'ignored' or '' (spaces, small words; every word when
        `understood` is empty, for then the generator could not tell). Joined they are the text.

    >>> words("on wet slate", ["slate"])
    [('on', ''), (' ', ''), ('wet', 'ignored'), (' ', ''), ('slate', 'understood')]
    """
    known = {word for phrase in understood for word in re.findall(r"[\w'-]+", phrase.casefold())}
    runs = [run for run in re.split(r"([\w'-]+)", text) if run]
    return [(run, _effect(run.casefold(), known)) for run in runs]


def _effect(run: str, known: set[str]) -> str:
    if not known or not re.match(r"[\w'-]", run):
        return ""
    if run in known:
        return "understood"
    return "" if run in _SMALL_WORDS else "ignored"


def _count(number: float) -> str:
    return f"{number:,.0f}"


def _percent(share: float) -> str:
    """Three significant digits at most, and never 100 % for less than all."""
    percent = 100 * share
    if percent == 0 or percent >= 100:
        return f"{percent:.0f} %"
    if percent < 0.1:
        return "under 0.1 %"
    return f"{min(percent, 99.9):.1f} %"


def _limit(value: float) -> str:
    """A budget: a share when it is a float, a number of rows when it is an integer."""
    return _percent(value) if isinstance(value, float) else _count(value)


def _duration(seconds: float) -> str:
    """Two units at most, the smaller one dropped when it says nothing.

    >>> _duration(0.0421), _duration(9.94), _duration(75), _duration(15_120)
    ('0.04 s', '9.9 s', '1 min 15 s', '4 h 12 min')
    """
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours:,} h {minutes} min"


def _moment(iso: str) -> str:
    """An ISO instant for people, in UTC.

    >>> _moment("2025-03-09T02:00:00+01:00")
    '9 March 2025, 01:00:00 UTC'
    """
    instant = datetime.fromisoformat(iso).astimezone(UTC)
    return f"{instant.day} {instant:%B %Y, %H:%M:%S} UTC"


def _ratio(card: Card) -> str:
    """Width over height of a card's frames, within limits: very tall or wide pictures get air."""
    if not card.width or not card.height:
        return "1"
    return f"{min(max(card.width / card.height, 0.8), 3.0):.4f}"


def _told(card: Card, kept: Sequence[str]) -> list[tuple[str, str]]:
    """The manifest's columns that say something about this row."""
    said = [(name, str(card.kept[name])) for name in kept if card.kept.get(name) is not None]
    return [(name, cut(value)) for name, value in said]


def _href(path: str) -> str:
    """A link below the sheet's own folder: neither a scheme nor a host can hide in it."""
    return "./" + quote(path, safe="/")


def _webp(data: bytes) -> str:
    return "data:image/webp;base64," + b64encode(data).decode("ascii")


def _policy_hash(script: str) -> str:
    """Source expression that allows exactly this inline script (Content Security Policy 3)."""
    return f"sha256-{b64encode(sha256(script.encode()).digest()).decode('ascii')}"
