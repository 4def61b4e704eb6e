"""Every hostile request through the command line: one line and exit code 2, nothing left behind."""

from __future__ import annotations

import unicodedata
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.cli import main
from tests.hostile.arrow_types import tables
from tests.hostile.broken import broken
from tests.hostile.cases import Request, parameters, put
from tests.hostile.commands import MANIFEST, commands
from tests.hostile.damaged import healthy
from tests.hostile.words import words

pytestmark = pytest.mark.timeout(60, func_only=True)

_LONGEST_LINE = 1500
_SUPPLIER = pa.table(
    {
        "id": ["a", "b", "c"],
        "image_uri": ["healthy.jpg"] * 3,
        "prompt": ["oak table"] * 3,
        "n": [1, 2, 3],
        "brand": ["A", "B", None],
    }
)


@pytest.mark.parametrize("case", parameters(chain(commands(), words(), broken(), tables())))
def test_a_hostile_request_is_one_line_and_exit_code_2(
    case: Request, tmp_path: Path, record_property: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, {MANIFEST: b"", "supplier/healthy.jpg": healthy()["jpeg"], **case.files})
    pq.write_table(_SUPPLIER, tmp_path / MANIFEST)
    before = sorted(tmp_path.rglob("*"))
    code = main(list(case.arguments(tmp_path)))
    said = capfd.readouterr()
    assert code in case.codes, said.err
    assert "Traceback" not in said.err
    steering = {letter for letter in said.out + said.err if unicodedata.category(letter) == "Cc"}
    assert steering <= {"\n"}, steering
    if code == 2 or (code and said.err):
        assert said.out == ""
        line, newline, rest = said.err.partition("\n")
        assert (newline, rest) == ("\n", "")
        assert line.startswith("backlot: error: ")
        assert case.says in line
        assert len(line) <= _LONGEST_LINE, f"{len(line)} characters"
        assert sorted(tmp_path.rglob("*")) == before
    record_property(case.group, f"exit {code}")
