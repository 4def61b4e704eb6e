"""Every hostile row by itself, through planner, stages and writer: it ends in its own code."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.asked import rows
from tests.hostile.cases import PICTURE, Row, manifest, parameters, put
from tests.hostile.damaged import masks, pictures
from tests.hostile.line import Line

pytestmark = pytest.mark.timeout(60, func_only=True)

_HEALTHY = {"id": "hostile", "image_uri": "healthy.jpg", "prompt": "oak table"}
_LONGEST_MESSAGE = 1000


def end_of(row: Mapping[str, Any]) -> str:
    """What became of a result row."""
    error = row["error"]
    if error is None:
        assert row["image"]["bytes"]
        return PICTURE
    assert row["image"] is None
    message = error["message"]
    assert 0 < len(message) <= _LONGEST_MESSAGE
    assert not any(unicodedata.category(letter) == "Cc" for letter in message), message
    return str(error["code"])


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("case", parameters(chain(pictures(), masks(), rows())))
def test_a_hostile_row_ends_in_a_code_of_its_own(
    case: Row,
    catalogue: Path,
    line: Line,
    record_property: Any,
    capfd: pytest.CaptureFixture[str],
) -> None:
    put(catalogue, case.files)
    found = line.results(manifest([{**_HEALTHY, **case.columns}]))
    ends = {end_of(row) for row in found}
    assert ends <= case.ends, [row["error"] for row in found]
    assert "Traceback" not in capfd.readouterr().err
    record_property(case.group, " and ".join(sorted(ends)))
