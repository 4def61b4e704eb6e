"""Content Credentials: a signed C2PA manifest in the file itself, and all that it says.

C2PA Technical Specification 2.2. Signing comes last: whatever is written into a file afterwards
breaks the signature. It is done in a process beside ours (`signer.py`), which the signing library
may take down; the photograph never goes there.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import ErrorCode, FatalError, TransientError
from pipeline.processes.companion import Companion, LostError

_TRIES = 2
"""The most attempts at a picture whose signer is lost: the process may have ended for a reason of
its own."""

_DOT = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a4944415478"
    "9c636800000082008177cd72b60000000049454e44ae426082"
)
"""A PNG of one pixel, to try the key on."""
_ANY_SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeSynthetic"


class SigningConfig(BaseModel):
    """The signer of pictures. Keys stay in files, since a recipe is stored with every run."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    certificates: str = Field(
        description="PEM file of the signing certificate and those above it, on every node."
    )
    private_key: str = Field(description="PEM file of its key (PKCS #8), on every node.")
    algorithm: Literal["es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519"] = Field(
        "es256", description="The kind of that key."
    )
    timeout_s: float = Field(
        60.0,
        ge=1,
        le=3600,
        description="The longest that signing one picture may take; then it is tried once more.",
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Parent:
    """All that a signed picture says of the photograph it was made from."""

    media_type: str
    sha256: str
    """The SHA-256 of the photograph's file, in hexadecimal digits."""
    store_sha256: str | None = None
    """The SHA-256 of the manifest store in that file, its own Content Credentials; None: there is
    none."""

    @classmethod
    def of(cls, file: bytes, media_type: str, *, store: bytes = b"") -> Parent:
        """The parent that this file is, and the manifest store in it, if any."""
        return cls(
            media_type=media_type,
            sha256=hashlib.sha256(file).hexdigest(),
            store_sha256=hashlib.sha256(store).hexdigest() if store else None,
        )


class Credentials:
    """Signs pictures; may be called from several threads."""

    def __init__(self, config: SigningConfig, *, command: Sequence[str] | None = None) -> None:
        """Start the process that signs, and try the key: not first on a finished picture.

        Args:
            config: with what.
            command: what signs; None: `pipeline.stages.rendering.signer`.

        Raises:
            FatalError: the library is missing, or certificates and key do not sign.
        """
        if importlib.util.find_spec("c2pa") is None:
            raise FatalError(
                "render.provenance.sign needs the extra 'credentials': "
                "pip install 'backlot[credentials]'"
            )
        files = (config.certificates, config.private_key, config.algorithm)
        own = (sys.executable, "-P", "-m", "pipeline.stages.rendering.signer", *files)
        self._signer = Companion(command or own, patience_s=config.timeout_s)
        parent = Parent.of(_DOT, "image/png")
        trial = _manifest("trial", "image/png", parent, _ANY_SOURCE)
        try:
            said, _ = self._asked(trial, _DOT)
        except LostError as error:
            raise FatalError(f"render.provenance.sign: what signs {error}") from None
        if "error" in said:
            raise FatalError(f"render.provenance.sign: {said['error']}")

    def sign(
        self, picture: bytes, *, media_type: str, title: str, parent: Parent, source_uri: str
    ) -> bytes:
        """The picture with a signed manifest: an edit of its photograph, and what kind of edit.

        Args:
            picture: the finished file, with everything it shall carry.
            media_type: of it.
            title: what the manifest calls it.
            parent: the photograph it was made from.
            source_uri: IPTC digital source type of the edit.

        Raises:
            TransientError: `signing_failed`; the cause is the signer's, not the row's, so that a
                later run tries again.
        """
        manifest = _manifest(title, media_type, parent, source_uri)
        try:
            said, signed = self._asked(manifest, picture)
        except LostError as error:
            raise TransientError(
                ErrorCode.SIGNING_FAILED, f"what signs {error}, {_TRIES} times in succession"
            ) from None
        if "error" in said:
            raise TransientError(ErrorCode.SIGNING_FAILED, said["error"])
        return signed

    def _asked(self, manifest: dict[str, Any], picture: bytes) -> tuple[dict[str, Any], bytes]:
        for _ in range(_TRIES - 1):
            try:
                return self._signer.ask({"manifest": manifest}, picture)
            except LostError:
                continue
        return self._signer.ask({"manifest": manifest}, picture)


def _manifest(title: str, media_type: str, parent: Parent, source_uri: str) -> dict[str, Any]:
    """All that the signed file will say, as the library takes it; `c2pa.opened` it adds itself."""
    edited = {
        "action": "c2pa.edited",
        "digitalSourceType": source_uri,
        "description": "Background replaced",
    }
    return {
        "claim_generator_info": [{"name": "Backlot"}],
        "title": title,
        "format": media_type,
        "ingredients": [_ingredient(parent)],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [edited]}}],
    }


def _ingredient(parent: Parent) -> dict[str, Any]:
    """The photograph as C2PA's ingredient assertion (version 3), and nothing that it holds."""
    description = f"SHA-256 of the file: {parent.sha256}"
    if parent.store_sha256 is not None:
        description += (
            f"; SHA-256 of the Content Credentials in it, which are not carried on: "
            f"{parent.store_sha256}"
        )
    digest = urlsafe_b64encode(bytes.fromhex(parent.sha256)).decode().rstrip("=")
    return {
        "title": "photograph",
        "format": parent.media_type,
        "relationship": "parentOf",
        # RFC 6920, "Naming Things with Hashes": the name that its bytes alone give a file.
        "instance_id": f"ni:///sha-256;{digest}?ct={parent.media_type}",
        "description": description,
    }
