"""The threat model in docs/security.md names each module of this folder, and no others."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent


def test_the_threat_model_names_every_module():
    text = (HERE.parents[1] / "docs" / "security.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", text.partition("\n## ")[2].partition("\n## ")[0]))
    there = {path.stem for path in HERE.glob("test_*.py")} - {Path(__file__).stem}
    assert named == there
