from __future__ import annotations

from pathlib import Path

import pytest

from tests.manifests.made import MADE, Made
from tests.manifests.outcome import planned, wrong


@pytest.mark.parametrize("made", MADE, ids=lambda made: f"{made.tool}: {made.what}")
def test_manifests_as_tools_make_them_are_read_or_refused_with_the_fix(
    tmp_path: Path, made: Made
) -> None:
    if made.version is None:
        pytest.skip(f"{made.package} is not installed")
    if made.refused is None:
        assert wrong(made, planned(made, tmp_path)) is None
        return
    with pytest.raises(ValueError, match=r"\S") as caught:
        planned(made, tmp_path)
    assert made.refused in str(caught.value)
    assert "\n" not in str(caught.value)
