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
    seconds: Counter[str] = Counter()
    for report in terminalreporter.stats.get("passed", []):
        came_to = getattr(report, "user_properties", ())
        for group, end in came_to:
            ends[group][end] += 1
            seconds[group] += report.duration / len(came_to)
    if not ends:
        return
    terminalreporter.section("hostile inputs")
    listed = sorted(ends.items())
    for group, counted in [*listed, ("all", sum(ends.values(), Counter()))]:
        said = ", ".join(f"{end} {count}" for end, count in sorted(counted.items()))
        spent = seconds.total() if group == "all" else seconds[group]
        terminalreporter.write_line(f"{group:<15} {counted.total():>5}  {spent:6.1f} s  {said}")
