"""`--untrusted`: a manifest of strangers is held to the strictest limits, whatever a recipe allows.

The recipe stays what it is, and so do the identities of runs and rows: only what a row may do is
less. Which rows that costs depends on the recipe and on the mode alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline import storage
from pipeline.errors import ErrorCode
from pipeline.recipe import Recipe
from pipeline.storage.web.hosts import allowed_host


@dataclass(frozen=True, kw_only=True, slots=True)
class Strictest:
    """The most that a row of a stranger's manifest may take. A recipe may allow less."""

    max_bytes: int = 32 * 2**20
    """The most bytes of a photograph, mask or reference, in the manifest or behind an address."""
    max_megapixels: float = 40.0
    """The most megapixels of a photograph, and of the canvas that a row asks for."""
    max_row_seconds: float = 120.0
    """The most seconds that a row may take in any one stage."""
    max_results: int = 12
    """Pictures of one row: its results times its placements."""
    versions_http: int = 10_000
    """Requests to web servers while a run is planned."""
    versions_http_s: float = 300.0


STRICTEST = Strictest()


def reason(manifest: str, output: str) -> str | None:
    """Why a manifest counts as a stranger's where nobody says; None: it does not.

    >>> reason("s3://supplier/feed.csv", "s3://shop/dataset")
    'the manifest is of another bucket than the dataset'
    >>> reason("s3://shop/feed/m.csv", "s3://shop/dataset"), reason("/data/m.csv", "s3://shop/out")
    (None, None)
    """
    scheme = storage.scheme_of(manifest)
    if scheme == "file":
        return None
    if scheme != "s3":
        return f"the manifest comes over {scheme}"
    if storage.scheme_of(output) != "s3":
        return "the manifest is of a bucket, and the dataset is not"
    if _bucket(manifest) != _bucket(output):
        return "the manifest is of another bucket than the dataset"
    return None


def limited(recipe: Recipe) -> Recipe:
    """A recipe as it holds for the rows of strangers; its own hashes are those of another one."""
    fetch, most = recipe.fetch, STRICTEST
    schemes = tuple(scheme for scheme in fetch.allowed_schemes if scheme != "http")
    return recipe.model_copy(
        update={
            "fetch": fetch.model_copy(
                update={
                    "allowed_schemes": schemes,
                    "allowed_hosts": tuple(
                        host
                        for host in fetch.allowed_hosts
                        if allowed_host(host).port in (None, 443)
                    ),
                    "allow_private_addresses": False,
                    "max_bytes": min(fetch.max_bytes, most.max_bytes),
                    "versions_http": min(fetch.versions_http, most.versions_http),
                    "versions_http_s": min(fetch.versions_http_s, most.versions_http_s),
                }
            ),
            "budget": recipe.budget.model_copy(
                update={"max_row_seconds": min(recipe.budget.max_row_seconds, most.max_row_seconds)}
            ),
            "input": recipe.input.model_copy(
                update={
                    "max_bytes": min(recipe.input.max_bytes, most.max_bytes),
                    "max_megapixels": min(recipe.input.max_megapixels, most.max_megapixels),
                }
            ),
        }
    )


def refusing(recipe: Recipe) -> dict[ErrorCode, str]:
    """The codes with which rows fail for a limit that is stricter than the recipe's own.

    With each a word that such a message has in it.
    """
    held = limited(recipe)
    found = dict[ErrorCode, str]()
    if _of_places(held) != _of_places(recipe):
        found[ErrorCode.URI_NOT_ALLOWED] = ""
    if (held.fetch.max_bytes, held.input.max_bytes) != (
        recipe.fetch.max_bytes,
        recipe.input.max_bytes,
    ):
        found[ErrorCode.TOO_MANY_BYTES] = ""
    if held.input.max_megapixels != recipe.input.max_megapixels:
        found |= {ErrorCode.TOO_MANY_PIXELS: "", ErrorCode.BAD_REQUEST: "input.max_megapixels"}
    if held.budget.max_row_seconds != recipe.budget.max_row_seconds:
        found[ErrorCode.TOO_SLOW] = ""
    return found


def described(recipe: Recipe, why: str) -> str:
    """One line: which limits hold, and why."""
    held = limited(recipe)
    schemes = ", ".join(held.fetch.allowed_schemes)
    limits = [
        f"at most {min(held.fetch.max_bytes, held.input.max_bytes) / 2**20:g} MiB and "
        f"{held.input.max_megapixels:g} megapixels a photograph",
        f"{STRICTEST.max_results} pictures a row, {held.budget.max_row_seconds:g} s a stage",
        f"addresses of {schemes}",
        "objects of the manifest's folder and fetch.allowed_prefixes",
    ]
    if "https" in held.fetch.allowed_schemes:
        limits.append("hosts of fetch.allowed_hosts at port 443, no private addresses")
    return f"{why}: --untrusted holds, {'; '.join(limits)} (--trusted lifts it)"


def _of_places(recipe: Recipe) -> tuple[Any, ...]:
    fetch = recipe.fetch
    return fetch.allowed_schemes, fetch.allowed_hosts, fetch.allow_private_addresses


def _bucket(uri: str) -> str:
    return uri.partition("://")[2].partition("/")[0]
