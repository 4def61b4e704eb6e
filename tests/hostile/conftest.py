"""A catalogue for hostile inputs to lie in, and the count of what became of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import pytest

from tests.hostile.damaged import healthy
from tests.hostile.line import Line


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a supplier: one healthy photograph, and room for others."""
    folder = tmp_path_factory.mktemp("hostile") / "catalogue"
    folder.mkdir()
    (folder / "healthy.jpg").write_bytes(healthy()["jpeg"])
    (folder.parent / "secret.jpg").write_bytes(healthy()["jpeg"])
    return folder


@pytest.fixture(scope="session")
def line(catalogue: Path) -> Line:
    """All stages, in this process."""
    return Line(catalogue)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the inputs came to, by group."""
    ends: dict[str, Counter[str]] = defaultdict(Counter)
    inputs: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    for report in terminalreporter.stats.get("passed", []):
        for group, end in getattr(report, "user_properties", ()):
            inputs[group] += report.when == "call"
            ends[group][end] += 1
            seconds[group] += report.duration
    if not inputs:
        return
    terminalreporter.section("hostile inputs")
    for group, number in sorted(inputs.items()):
        counted = ", ".join(f"{end} {count}" for end, count in sorted(ends[group].items()))
        terminalreporter.write_line(f"{group:<12} {number:>4}  {seconds[group]:6.1f} s  {counted}")
    total = sum(ends.values(), Counter())
    terminalreporter.write_line(
        f"{'all':<12} {inputs.total():>4}  {seconds.total():6.1f} s  "
        + ", ".join(f"{end} {count}" for end, count in sorted(total.items()))
    )
