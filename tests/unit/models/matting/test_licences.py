import logging

import pytest

from pipeline.models.matting.licences import announce, licence_of


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("briaai/RMBG-2.0@0123", "CC BY-NC 4.0"),
        ("bria-rmbg", "NON-COMMERCIAL"),
        ("ZhengPeng7/BiRefNet_lite", "MIT"),
        ("hustvl/vitmatte-small-composition-1k", "Apache-2.0"),
        ("mine", "does not know"),
    ],
)
def test_weights_are_known_by_the_start_of_their_name(name, part):
    assert part in licence_of(name)


@pytest.mark.parametrize(
    ("name", "level"),
    [("RMBG-1.4", "WARNING"), ("unheard-of", "WARNING"), ("birefnet-general", "INFO")],
)
def test_restrictions_are_said_loudly(caplog, name, level):
    with caplog.at_level(logging.INFO):
        announce(name)
    assert [(record.levelname, name in record.message) for record in caplog.records] == [
        (level, True)
    ]
