"""Where the photograph, the mask and the references of a row are: absolute addresses, or a refusal.

Cells are resolved against the manifest's folder. What a plan withholds of an address on its way to
the dataset is withheld here, of the whole planned row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from pipeline import storage
from pipeline.errors import ErrorCode, RowError
from pipeline.manifest.picture_columns import address_cells, photograph_bytes, photograph_path
from pipeline.planning.withheld_addresses import of_uris


def resolve_image_uri(row: Mapping[str, Any], root: str) -> str | None:
    """The absolute URI of a row's photograph; None when its bytes came with the manifest.

    A Hugging Face `Image` may be bytes, or the path of a file beside the manifest.

    Raises:
        RowError: `bad_request`, the row has neither, or nothing can be at the address.
    """
    if _is_filled(row.get("image_uri")):
        return resolve_address("image_uri", row["image_uri"], root)
    if photograph_bytes(row.get("image")) is not None:
        return None
    path = photograph_path(row.get("image"))
    if path is not None and _is_filled(path):
        return resolve_address("image.path", path, root)
    raise RowError(ErrorCode.BAD_REQUEST, "image_uri is empty, and so is image: fill one in")


def resolve_mask_uri(row: Mapping[str, Any], root: str) -> str | None:
    """The absolute URI of a row's mask; None when it has none. Raises as `resolve_image_uri`."""
    uri = row.get("mask_uri")
    return resolve_address("mask_uri", uri, root) if uri is not None and _is_filled(uri) else None


def resolve_address(column: str, cell: str, root: str) -> str:
    """The absolute URI that a cell stands for.

    Raises:
        RowError: `bad_request`, nothing can be at such an address; the message names `column`.
    """
    try:
        uri = storage.resolve(cell, against=root)
    except ValueError as error:
        raise RowError(ErrorCode.BAD_REQUEST, f"{column} {error}") from None
    fault = storage.address_fault(uri)
    if fault is not None:
        raise RowError(ErrorCode.BAD_REQUEST, f"{column} {fault}")
    return uri


def addresses_of_row(row: Mapping[str, Any], root: str) -> Iterator[str]:
    """The absolute URIs that a manifest row names, whatever else is wrong with the row."""
    for cell in address_cells(row):
        if _is_filled(cell):
            with suppress(RowError):
                yield resolve_address("image_uri", cell, root)


def check_bounds(planned: Mapping[str, Any], bounds: storage.Bounds | None) -> None:
    """Refuse objects that the manifest may not name.

    Refused here and not only where they are read: the plan looks no version of them up, and a row
    whose bucket is allowed later has another fingerprint by then, so that a night makes it.

    Raises:
        RowError: `uri_not_allowed`, with the entry of the recipe that would allow it.
    """
    if bounds is None:
        return
    addresses = [("image_uri", planned["image_uri"]), ("mask_uri", planned["mask_uri"])]
    addresses += [("reference_uri", uri) for uri in planned["reference_uris"]]
    for column, uri in addresses:
        refusal = bounds.refusal(uri) if uri and storage.scheme_of(uri) == "s3" else None
        if refusal is not None:
            raise RowError(ErrorCode.URI_NOT_ALLOWED, f"{column} {refusal}")


def with_addresses_withheld(planned: Mapping[str, Any]) -> dict[str, Any]:
    """A planned row as it is written, and the whole addresses beside it, in `addresses`."""
    photo, mask, references = planned["image_uri"], planned["mask_uri"], planned["reference_uris"]
    addresses = of_uris([photo, mask, *references])
    if not addresses:
        return {**planned, "addresses": None}
    return {
        **planned,
        "image_uri": None if photo is None else storage.withheld(photo),
        "mask_uri": None if mask is None else storage.withheld(mask),
        "reference_uris": [storage.withheld(uri) for uri in references],
        "shot": shot_with_addresses(planned, storage.withheld),
        "addresses": list(addresses.items()),
    }


def shot_with_addresses(
    planned: Mapping[str, Any], change: Callable[[str], str]
) -> Mapping[str, Any] | None:
    """The shot of a planned row, with `change` applied to the addresses of its references.

    The shot has them as they are written in the manifest. Those that `change` leaves alone stay so.
    """
    shot: Mapping[str, Any] | None = planned["shot"]
    if shot is None or not shot["reference_uri"]:
        return shot
    pairs = zip(shot["reference_uri"], planned["reference_uris"], strict=True)
    references = [cell if change(uri) == uri else change(uri) for cell, uri in pairs]
    return {**shot, "reference_uri": references}


def _is_filled(cell: str | None) -> bool:
    return cell is not None and bool(cell.strip(storage.BLANK))
