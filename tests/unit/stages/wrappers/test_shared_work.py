"""Work that neighbouring rows share, around a mapper that remembers what it was given."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ErrorCode, RowError
from pipeline.stages.wrappers.shared_work import SharingMapper


class Digester:
    def __init__(self, seen):
        self._seen = seen

    def map_batch(self, rows):
        self._seen.extend(row["uri"] for row in rows)
        return [
            RowError(ErrorCode.NOT_FOUND, "nothing there")
            if row["uri"] == "lost"
            else {"digest": row["uri"].upper()}
            for row in rows
        ]


def sharing(seen):
    return SharingMapper(seen, mapper=Digester, by=("uri",))


def rows(uris):
    return [{"uri": uri, "n": n} for n, uri in enumerate(uris)]


def test_neighbours_share_within_a_batch_and_across_two():
    seen = []
    mapper = sharing(seen)
    first = mapper.map_batch(rows(["a", "a", "b"]))
    second = mapper.map_batch(rows(["b", "b", "c"]))
    assert seen == ["a", "b", "c"]
    assert [outcome["digest"] for outcome in [*first, *second]] == ["A", "A", "B", "B", "B", "C"]


def test_a_failure_is_shared_like_a_success():
    seen = []
    outcomes = sharing(seen).map_batch(rows(["lost", "lost", "a"]))
    assert [isinstance(outcome, RowError) for outcome in outcomes] == [True, True, False]
    assert seen == ["lost", "a"]


def test_only_the_last_source_is_remembered():
    seen = []
    mapper = sharing(seen)
    for uris in (["a", "b"], ["a"]):
        mapper.map_batch(rows(uris))
    assert seen == ["a", "b", "a"]


def test_a_batch_of_nothing_is_nothing():
    assert sharing([]).map_batch([]) == []


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=6), max_size=5))
def test_every_row_gets_the_outcome_it_would_get_alone(batches):
    mapper = sharing([])
    for uris in batches:
        outcomes = mapper.map_batch(rows(uris))
        assert [outcome["digest"] for outcome in outcomes] == [uri.upper() for uri in uris]
