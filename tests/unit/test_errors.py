from __future__ import annotations

import ast
import pickle
from pathlib import Path

import pytest

from pipeline.errors import ErrorCode, FatalError, RowError, TransientError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("kind", "retryable"), [(RowError, False), (TransientError, True)])
def test_row_errors_survive_the_way_between_processes(
    kind: type[RowError], *, retryable: bool
) -> None:
    error = pickle.loads(pickle.dumps(kind(ErrorCode.CORRUPT_IMAGE, "torn in the middle")))
    assert type(error) is kind
    assert (error.code, error.message) == (ErrorCode.CORRUPT_IMAGE, "torn in the middle")
    assert error.retryable is retryable
    assert str(error) == "corrupt_image: torn in the middle"


def test_fatal_errors_survive_the_way_between_processes() -> None:
    assert str(pickle.loads(pickle.dumps(FatalError("weights missing")))) == "weights missing"


def test_there_is_exactly_one_blind_except() -> None:
    found = [
        path.relative_to(ROOT).as_posix()
        for folder in ("pipeline", "jobs")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler) and _is_blind(node)
    ]
    assert found == ["pipeline/engine/isolation.py"]


def _is_blind(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    if isinstance(last, ast.Raise) and last.exc is None:
        return False  # it cleans up and lets everything through
    if handler.type is None:
        return True
    names = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)}
    return bool(names & {"Exception", "BaseException"})
