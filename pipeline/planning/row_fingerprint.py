"""The fingerprint of a planned row: the same again is the same picture, and need not be made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline import storage
from pipeline.manifest.shots import Wishes
from pipeline.planning.row_addresses import shot_with_addresses

_DEFAULT_SHOT = Wishes().model_dump(mode="json")


def fingerprint(planned: Mapping[str, Any], pixel_hash: str) -> str:
    """A hash of whose result it is and of all that decides its pixels.

    The photograph itself counts by its version on the storage, or by its bytes where the manifest
    holds them; its mask by its version. A link counts without its signature, which is another one
    each time that it is signed. The same fingerprint again is the same picture; a nightly
    run makes the new ones.
    """
    image = planned["image_input"]
    photo, mask = planned["image_uri"], planned["mask_uri"]
    shot = shot_with_addresses(planned, storage.unsigned)
    identity: Sequence[Any] = (
        planned["sample_id"],
        None if photo is None else storage.unsigned(photo),
        planned["image_version"],
        None if image is None else hashlib.sha256(image).hexdigest(),
        planned["prompt"],
        planned["seed"],
        None if shot is None else _without_defaults(shot),
        pixel_hash,
        *([storage.unsigned(mask), planned["mask_version"]] if mask else []),
        *([["clipping_path", planned["clipping_path"]]] if planned["clipping_path"] else []),
        *zip(
            map(storage.unsigned, planned["reference_uris"]),
            planned["reference_versions"],
            strict=True,
        ),
    )
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]


def _without_defaults(shot: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a shot that are not the default, so that a new field changes no fingerprint."""
    return {name: value for name, value in shot.items() if value != _DEFAULT_SHOT.get(name)}
