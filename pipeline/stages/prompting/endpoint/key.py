"""The key of an endpoint: sent to the origin that the operator has named, and to no other.

A recipe names the endpoint, and may come from somebody else; key and origin are in the environment.
"""

from __future__ import annotations

import os
from ipaddress import ip_address

from yarl import URL

from pipeline.text.printable import visible

API_KEY_VARIABLE = "BACKLOT_ENDPOINT_API_KEY"
"""One name, fixed: a recipe that could choose it could send any secret of the machine away."""
ORIGIN_VARIABLE = "BACKLOT_ENDPOINT_ORIGIN"
"""Where the key may be sent: scheme, host and port, such as https://api.example.com."""

_FIELD = "prompt.enhancer.base_url"


def headers_for(base_url: str) -> dict[str, str]:
    """The headers that show the key to an endpoint; none where no key is set.

    Args:
        base_url: as the recipe has it, read here as the client that sends reads it.

    Raises:
        ValueError: a key is set, and must not be sent there; one line with the fix.
    """
    key = os.environ.get(API_KEY_VARIABLE)
    if not key:
        return {}
    asked = _origin(base_url)
    if asked is None:
        raise ValueError(f"{_FIELD}: it names no host that {API_KEY_VARIABLE} could be sent to")
    named = os.environ.get(ORIGIN_VARIABLE)
    if not named:
        raise ValueError(
            f"{_FIELD}: {API_KEY_VARIABLE} is set, and {ORIGIN_VARIABLE} does not say where it may "
            f"be sent: set it to {asked} if the key is that endpoint's, or unset the key"
        )
    allowed = _origin(named)
    if allowed is None or URL(named).raw_path not in ("", "/") or "?" in named or "#" in named:
        raise ValueError(
            f"{ORIGIN_VARIABLE} is no origin: write scheme, host and port alone, such as "
            "https://api.example.com or http://127.0.0.1:8000"
        )
    if asked != allowed:
        raise ValueError(
            f"{_FIELD}: the recipe asks {asked}, and {ORIGIN_VARIABLE} allows "
            f"{API_KEY_VARIABLE} to be sent to {allowed} alone: set it to {asked} if the key is "
            "that endpoint's, or unset the key"
        )
    if URL(base_url).scheme != "https" and not _is_loopback(URL(base_url).raw_host or ""):
        raise ValueError(
            f"{_FIELD}: {API_KEY_VARIABLE} would be sent unencrypted to {asked}: use https or a "
            "loopback address, or unset the key"
        )
    return {"Authorization": f"Bearer {key}"}


def _origin(url: str) -> str | None:
    """Scheme, host and port in one spelling; None if there are none, or a user beside them."""
    try:
        parsed = URL(url)
        if parsed.scheme not in ("http", "https") or not parsed.raw_host:
            return None
        if parsed.raw_user is not None or parsed.raw_password is not None:
            return None
        host = f"[{parsed.raw_host}]" if ":" in parsed.raw_host else parsed.raw_host
        return visible(f"{parsed.scheme}://{host.lower()}:{parsed.port}")
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
