"""Every damaged photograph as a finished file: `backlot validate` has a line for each."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from jobs.cli import main
from tests.hostile.asked import rows
from tests.hostile.cases import put
from tests.hostile.damaged import masks, pictures

pytestmark = [pytest.mark.hostile, pytest.mark.timeout(120, func_only=True)]


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_validate_has_a_line_for_every_file(
    tmp_path: Path, record_property: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    files: dict[str, Any] = {}
    for case in chain(pictures(), masks(), rows()):
        files |= case.files
    put(tmp_path, files)
    assert main(["validate", str(tmp_path), "--channel", "amazon_main", "--json"]) == 1
    said = capfd.readouterr()
    assert "Traceback" not in said.err
    found = [json.loads(line) for line in said.out.splitlines()]
    shown = {one["uri"] for one in found}
    assert len(found) == len(shown) > 300
    for one in found:
        end = "accepted" if one["accepted"] else "unreadable" if one["error"] else "refused"
        assert "unexpected" not in str(one["error"])
        record_property("validate", end)
