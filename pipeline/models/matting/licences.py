"""What the published weights may be used for, said when they load. No legal advice.

Most of these networks were trained on DIS5K, whose own terms are for research; whether those reach
weights trained on it, their publishers do not say.
"""

from __future__ import annotations

import logging

logger = logging.getLogger(__name__)

_UNKNOWN = "a licence that Backlot does not know: read its model card"

_LICENCES = {
    "u2netp": "Apache-2.0",
    "u2net": "Apache-2.0",
    "isnet-general-use": "Apache-2.0; trained on DIS5K, a research data set",
    "rmbg-1.4": "bria-rmbg-1.4: NON-COMMERCIAL, other use needs an agreement with Bria",
    "rmbg-2.0": "CC BY-NC 4.0: NON-COMMERCIAL, other use needs an agreement with Bria",
    "bria-rmbg": "CC BY-NC 4.0: NON-COMMERCIAL, other use needs an agreement with Bria",
    "birefnet": "MIT; trained on DIS5K among others, a research data set",
    "vitmatte": "Apache-2.0; trained on Composition-1k or Distinctions-646, research data sets",
}
"""Licences by the start of a file's or a repository's name, lower case."""


def licence_of(name: str) -> str:
    """The licence of published weights, by the name of their file or repository.

    >>> licence_of("briaai/RMBG-2.0")
    'CC BY-NC 4.0: NON-COMMERCIAL, other use needs an agreement with Bria'
    """
    stem = name.rpartition("/")[2].lower()
    known = [key for key in _LICENCES if stem.startswith(key)]
    return _LICENCES[max(known, key=len)] if known else _UNKNOWN


def announce(name: str) -> None:
    """Log the licence of weights that are about to load; loudly where use is restricted."""
    licence = licence_of(name)
    restricted = "NON-COMMERCIAL" in licence or licence == _UNKNOWN
    logger.log(logging.WARNING if restricted else logging.INFO, "weights %s: %s", name, licence)
