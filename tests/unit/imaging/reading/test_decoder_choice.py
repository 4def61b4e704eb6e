"""The table of decoders: complete, reachable, and as the documentation has it."""

import itertools
from pathlib import Path

import pytest

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.containers.identify import FORMATS
from pipeline.imaging.libraries.header import Header
from pipeline.imaging.reading.decoder_choice import READERS, chosen
from pipeline.imaging.reading.decoder_table import PILLOW, TABLE, as_markdown, packings_in_words

DOCUMENT = Path(__file__).parents[4] / "docs" / "pictures.md"


def headers_of(row):
    """What a row asks for in all combinations, and plain where it asks for nothing."""
    for depth, numbers, space, alpha, layout, packing in itertools.product(
        sorted(row.depths or [8]),
        sorted(row.numbers or ["unsigned"]),
        sorted(row.spaces or ["rgb"]),
        sorted(row.alphas or ["none", "straight", "premultiplied"]),
        sorted(row.layouts or [""]),
        sorted(row.packings or [""]),
    ):
        for num_selections in (0, 1):
            yield Header(
                kind=row.kind,
                width=40,
                height=40,
                depth=depth,
                numbers=numbers,
                space=space,
                alpha=alpha,
                layout=layout,
                packing=packing,
                num_selections=num_selections,
            )


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.kind} {row.words}")
def test_every_row_is_reached_and_has_its_decoder(row):
    firsts = [next(r for r in TABLE if r.fits(h)) for h in headers_of(row) if row.fits(h)]
    assert row in firsts
    assert row.decoder in ("", PILLOW) or (row.kind, row.decoder) in READERS
    assert row.why


def test_every_format_that_is_told_has_rows():
    assert {row.kind for row in TABLE} == FORMATS | {"MPO"}


def test_what_fits_no_row_is_refused_with_the_fix():
    odd = Header(kind="TIFF", width=40, height=40, space="palette", alpha="straight")
    with pytest.raises(RowError) as refused:
        chosen(odd)
    assert refused.value.code is ErrorCode.UNSUPPORTED_FORMAT
    assert refused.value.message.startswith(
        "TIFF, palette, 8 bits, straight alpha is not read. Save"
    )


def test_the_document_has_the_table():
    text = DOCUMENT.read_text()
    between = text.partition("<!-- table -->\n")[2].partition("<!-- /table -->")[0]
    assert between == as_markdown()
    between = text.partition("<!-- packings -->\n")[2].partition("\n<!-- /packings -->")[0]
    assert between == packings_in_words()
