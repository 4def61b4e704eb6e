"""Where a Ray cluster is said to be: what can be no address, and where nobody listens."""

from __future__ import annotations

import os
import socket
from contextlib import closing

from pipeline.engine.on_ray.forwarded_settings import forwarded
from pipeline.errors import FatalError

_ANSWERS_S = 10.0
_CLIENT = "ray://"
_CLIENT_PORT = 10001
"""Ray's own default."""


def check_address(address: str | None) -> None:
    """Say at once what Ray would say after minutes, or with a traceback.

    Args:
        address: as `--address` has it; None: there is none.

    Raises:
        ValueError: it can be no address, or a setting that its workers need too holds a password.
        FatalError: nobody listens there.
    """
    if address is None:
        return
    forwarded(os.environ)
    if address in ("auto", "local"):
        return
    host, port = _taken_apart(address)
    try:
        with closing(socket.create_connection((host, port), timeout=_ANSWERS_S)):
            return
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FatalError(
            f"--address {address}: no Ray cluster answers there ({reason}): is it up, and may this "
            "machine reach it?"
        ) from None


def _taken_apart(address: str) -> tuple[str, int]:
    place = address.removeprefix(_CLIENT)
    host, colon, port = place.partition("?")[0].rstrip("/").rpartition(":")
    if address.startswith(_CLIENT) and not colon:
        host, port = port, str(_CLIENT_PORT)
    is_port = port.isascii() and port.isdigit() and 0 < int(port[:6]) < 2**16
    if not host or not is_port or any(not 32 < ord(c) < 127 or c == "/" for c in host):
        raise ValueError(
            f"--address {address!r}: write host:port, ray://host:port, or leave it out to start a "
            "cluster on this machine"
        )
    return host.strip("[]"), int(port)
