"""The token of a local Ray: on its ports, who does not know it is answered nothing that matters."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray._raylet

from pipeline.errors import FatalError
from pipeline.processes import interruption

_core: Any = ray._raylet
"""Ray's core module, whose types are not declared. Ray itself changes the mode of a process in this
way."""

_MODE = "RAY_AUTH_MODE"
_TOKEN = "RAY_AUTH_TOKEN"
_OF_CLUSTERS = (_MODE, _TOKEN, "RAY_AUTH_TOKEN_PATH")
_RANDOM_BYTES = 32


@contextmanager
def own_token() -> Iterator[None]:
    """Have a Ray that is started in this block ask everybody for a new random token.

    Ray listens on all interfaces and runs code for whoever it lets in. The token is in the
    environment of this process and of those that it starts, and nowhere else: only the same user,
    and root, can read it there. What the user has set in RAY_AUTH_MODE, RAY_AUTH_TOKEN and
    RAY_AUTH_TOKEN_PATH is meant for clusters: a local Ray neither takes that token, which others
    may know, nor goes without one. It is back when the block is left.

    Raises:
        FatalError: this version of Ray does not ask for a token.
    """
    before = {name: os.environ.pop(name, None) for name in _OF_CLUSTERS}
    os.environ |= {_MODE: "token", _TOKEN: secrets.token_hex(_RANDOM_BYTES)}
    try:
        _read_again()
        if _core.get_authentication_mode() != _core.AuthenticationMode.TOKEN:
            raise FatalError(
                f"this version of Ray takes no notice of {_MODE}=token, and would run code for "
                "whoever reaches this machine: install one that pyproject.toml allows"
            )
        yield
    finally:
        if not interruption.is_ending():  # Ray may still be at work, and nobody comes after it
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value
            _read_again()


def _read_again() -> None:
    """Have Ray's core read the variables: it did so when it was loaded.

    First the mode: a thread of Ray's that still asks for the token, while the mode says that there
    has to be one, would end the process if there was none.
    """
    _core.Config.initialize("")
    _core.AuthenticationTokenLoader.instance().reset_cache()
