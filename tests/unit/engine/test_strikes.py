from __future__ import annotations

from collections.abc import Sequence

import pytest

from pipeline.engine.strikes import Guard, Strikes
from pipeline.errors import Outcome, Row, RowError


class ProcessDied(BaseException):
    pass


def run_until_done(killers: set[str], ids: list[str], book: Strikes, max_strikes: int):
    """Plays the cluster: a batch whose process died is given to a new one."""
    deaths = 0

    def work(rows: Sequence[Row]) -> list[Outcome]:
        if any(row["id"] in killers for row in rows):
            raise ProcessDied
        return [{"done": row["id"]} for row in rows]

    while True:
        try:
            guard = Guard("render", book, max_strikes)
            outcomes = guard.run(work, [{"id": id_} for id_ in ids], ids)
        except ProcessDied:
            deaths += 1
            assert deaths < 50
        else:
            return dict(zip(ids, outcomes, strict=True)), deaths


@pytest.mark.parametrize("killers", [{"a"}, {"c"}, {"e"}, {"b", "d"}])
def test_only_the_rows_that_kill_are_given_up(killers):
    outcomes, deaths = run_until_done(killers, list("abcde"), Strikes(), max_strikes=3)
    for id_, outcome in outcomes.items():
        if id_ in killers:
            assert isinstance(outcome, RowError)
            assert outcome.code == "killed_worker"
        else:
            assert outcome == {"done": id_}
    # One death with company, then alone until the limit.
    assert deaths <= 1 + 2 * len(killers)


def test_a_row_is_given_up_only_after_its_strikes():
    _, deaths = run_until_done({"a"}, ["a"], Strikes(), max_strikes=4)
    assert deaths == 4


def test_a_row_that_was_only_near_a_death_is_cleared():
    book = Strikes()
    run_until_done({"a"}, list("ab"), book, max_strikes=3)
    assert book.begin("render", ["b"], suspects=False) == [0]


def test_strikes_of_one_stage_are_not_those_of_another():
    book = Strikes()
    book.begin("matte", ["a"], suspects=False)
    assert book.begin("render", ["a"], suspects=False) == [0]
    assert book.begin("matte", ["a"], suspects=False) == [1]
