from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pytest

from pipeline.runs.conservation import POSITIONS, Ids, compare, missing_rows, num_distinct

NONE = Ids(0, ())


def parts(*ids: Sequence[str]) -> list[pa.Array]:
    return [pa.array(some, pa.string()) for some in ids]


@pytest.mark.parametrize(
    ("planned", "counted", "expected"),
    [
        ([], [], (NONE, NONE, NONE)),
        ([["a", "b"], ["c"]], [["c", "b"], [], ["a"]], (NONE, NONE, NONE)),
        ([["a", "b"], ["c"]], [["b"]], (Ids(2, ("a", "c")), NONE, NONE)),
        ([["a", "b"]], [["a", "b"], ["b"]], (NONE, Ids(1, ("b",)), NONE)),
        ([["a"]], [["a", "x"], ["x"]], (NONE, Ids(1, ("x",)), Ids(2, ("x", "x")))),
        ([["a"]], [], (Ids(1, ("a",)), NONE, NONE)),
        ([], [["a"]], (NONE, NONE, Ids(1, ("a",)))),
    ],
)
def test_rows_are_lost_duplicated_or_unexpected(
    planned: list[list[str]], counted: list[list[str]], expected: tuple[Ids, Ids, Ids]
) -> None:
    compared = compare(parts(*planned), parts(*counted), num_examples=5)
    assert tuple(compared.by_kind().values()) == expected
    assert list(compared.by_kind()) == ["lost", "duplicated", "unexpected"]


def test_all_are_counted_and_the_first_are_named() -> None:
    names = [f"shoe-{number:05d}" for number in range(5000)]
    lost = compare(parts(names[::-1]), [], num_examples=3).lost
    assert lost == Ids(5000, ("shoe-00000", "shoe-00001", "shoe-00002"))


def test_missing_rows_are_told_by_plan_file_and_position() -> None:
    def planned() -> Iterator[pa.RecordBatch]:
        for file, ids in enumerate(parts(["a", "b", "c"], ["d"], ["e", "f"])):
            numbers = [[file] * len(ids), range(len(ids))]
            arrays = [pa.array(each, pa.int32()) for each in numbers]
            yield pa.record_batch([*arrays, ids], schema=POSITIONS)

    assert list(missing_rows(planned(), parts(["f", "b"], ["d"]))) == [(0, [0, 2]), (2, [0])]


def test_a_row_that_is_there_twice_is_one_sample() -> None:
    assert num_distinct(parts(["a", "b"], ["b", "c"])) == 3
    assert num_distinct([]) == 0
