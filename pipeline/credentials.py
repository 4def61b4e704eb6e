"""Content Credentials: a signed C2PA manifest in the file itself. The only file to import c2pa.

C2PA Technical Specification 2.2. Signing comes last: whatever is written into a file afterwards
breaks the signature.
"""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import ErrorCode, FatalError, RowError

_OFFLINE = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
"""A photograph can name a place where its own manifest is to be fetched: it does not choose what
we call."""

_PARENT = {"title": "photograph", "relationship": "parentOf"}


class SigningConfig(BaseModel):
    """With what pictures are signed. Keys stay in files: a recipe is stored with every run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    certificates: str = Field(
        description="PEM file of the signing certificate and those above it, on every node."
    )
    private_key: str = Field(description="PEM file of its key (PKCS #8), on every node.")
    algorithm: Literal["es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519"] = Field(
        "es256", description="The kind of that key."
    )


class Credentials:
    """Signs pictures; may be called from several threads."""

    def __init__(self, config: SigningConfig) -> None:
        """Read the certificates. Raises FatalError: they or the library are missing."""
        try:
            import c2pa
        except ImportError:
            raise FatalError(
                "render.provenance.sign needs the extra 'credentials': "
                "pip install 'backlot[credentials]'"
            ) from None
        self._c2pa = c2pa
        self._algorithm = config.algorithm
        self._certificates = _pem(config.certificates)
        self._key = _pem(config.private_key)
        self._signer().close()  # a key that does not work is found now, not at the first picture

    def sign(
        self,
        picture: bytes,
        *,
        media_type: str,
        title: str,
        parent: bytes,
        parent_type: str,
        source_uri: str,
    ) -> bytes:
        """The picture with a signed manifest: an edit of its photograph, and what kind of edit.

        Args:
            picture: the finished file, with everything it shall carry.
            media_type: of it.
            title: what the manifest calls it.
            parent: the file of the photograph it was made from, whose hash goes in.
            parent_type: media type of that.
            source_uri: IPTC digital source type of the edit.

        Raises:
            RowError: `unsupported_format`, the photograph is in one that cannot be an ingredient.
        """
        if parent_type not in self._c2pa.Builder.get_supported_mime_types():
            raise RowError(
                ErrorCode.UNSUPPORTED_FORMAT,
                f"a photograph in {parent_type} cannot be the parent of a signed picture",
            )
        c2pa, signed = self._c2pa, BytesIO()
        settings = c2pa.Settings.from_dict(_OFFLINE)
        manifest = json.dumps(_manifest(title, media_type))
        with (
            c2pa.Context(settings) as context,
            c2pa.Builder.from_json(manifest, context) as builder,
            self._signer() as signer,
        ):
            builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
            builder.add_ingredient(json.dumps(_PARENT), parent_type, BytesIO(parent))
            builder.add_action(
                {
                    "action": "c2pa.edited",
                    "digitalSourceType": source_uri,
                    "description": "Background replaced",
                }
            )
            builder.sign(signer, media_type, BytesIO(picture), signed)
        return signed.getvalue()

    def _signer(self) -> Any:
        # No time-stamping authority: that would be a network call for every picture.
        info = self._c2pa.C2paSignerInfo(self._algorithm, self._certificates, self._key, None)
        try:
            return self._c2pa.Signer.from_info(info)
        except self._c2pa.C2paError as error:
            raise FatalError(f"render.provenance.sign: {error}") from None


def _manifest(title: str, media_type: str) -> dict[str, Any]:
    return {
        "claim_generator_info": [{"name": "Backlot"}],
        "title": title,
        "format": media_type,
        "assertions": [],
    }


def _pem(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise FatalError(f"render.provenance.sign: {path} cannot be read: {error}") from None
