"""The process that signs. The only file to import c2pa: `content_credentials.py` has the rest.

python -m pipeline.stages.rendering.signer CERTIFICATES PRIVATE_KEY ALGORITHM
"""

from __future__ import annotations

import json
import sys
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import c2pa

from pipeline.processes.companion import Message, serve
from pipeline.text.printable import of_error

_SETTINGS = {
    # No pictures of the picture: they are enlarged to 1024 px, and in WebP and PNG lossless.
    "builder": {"thumbnail": {"enabled": False}},
    # Files do not choose what we call.
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
}
"""The settings of a Context: `c2pa.load_settings` has no effect on a Builder in 0.38.1."""


class Signer:
    """Signs with one key, which this process alone reads."""

    def __init__(self, certificates: str, private_key: str, algorithm: str) -> None:
        self._certificates = Path(certificates)
        self._private_key = Path(private_key)
        self._algorithm = algorithm

    def __call__(self, asked: dict[str, Any], picture: bytes) -> Message:
        """The signed picture, or as `error` why it is not to be had."""
        try:
            return {}, self._signed(asked["manifest"], picture)
        except OSError as error:
            return {"error": of_error(error)}, b""
        except c2pa.C2paError as error:
            return {"error": str(error)}, b""

    @cached_property
    def _info(self) -> c2pa.C2paSignerInfo:
        # No time-stamping authority: that would be a network call for every picture.
        certificates, key = self._certificates.read_bytes(), self._private_key.read_bytes()
        return c2pa.C2paSignerInfo(self._algorithm, certificates, key, None)

    def _signed(self, manifest: dict[str, Any], picture: bytes) -> bytes:
        signed = BytesIO()
        with (
            c2pa.Context(c2pa.Settings.from_dict(_SETTINGS)) as context,
            c2pa.Builder.from_json(json.dumps(manifest), context) as builder,
            c2pa.Signer.from_info(self._info) as signer,
        ):
            builder.set_intent(c2pa.C2paBuilderIntent.EDIT)  # adds c2pa.opened for the parent
            builder.sign(signer, manifest["format"], BytesIO(picture), signed)
        return signed.getvalue()


if __name__ == "__main__":
    serve(Signer(*sys.argv[1:]))
