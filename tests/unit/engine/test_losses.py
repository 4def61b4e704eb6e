from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.engine.losses import Losses, Roll, Worker
from pipeline.engine.row_clock import Overdue


def node(id_: str, *, alive: bool = True, reason: str = "UNEXPECTED_TERMINATION"):
    return {
        "NodeID": id_,
        "Alive": alive,
        "NodeManagerAddress": f"10.0.0.{id_}",
        "DeathReason": reason,
    }


def worker(key: str, node_id: str, pid: int = 7) -> Worker:
    return Worker(key=key, pool="matte", node_id=node_id, host=f"10.0.0.{node_id}", pid=pid)


@pytest.fixture
def roll() -> Roll:
    made = Roll()
    for key, node_id in (("a", "1"), ("b", "2"), ("c", "2")):
        made.took(worker(key, node_id), 0, is_first=False)
    made.took(worker("a", "1"), 16, is_first=True)
    made.took(worker("b", "2"), 16, is_first=True)
    made.took(worker("c", "2"), 5, is_first=True)
    return made


def said(losses: Losses, nodes, roll: Roll, finished: int = 0, **restarts: int) -> list[str]:
    return [loss.said for loss in losses.found(nodes, restarts, roll.snapshot(), finished)]


def test_nothing_is_said_while_all_are_there(roll):
    assert said(Losses(pools=1), [node("1"), node("2")], roll) == []


def test_a_lost_node_is_one_sentence_with_the_rows_its_workers_had(roll):
    losses = Losses(pools=1)
    said(losses, [node("1"), node("2")], roll)
    gone = [node("1"), node("2", alive=False)]
    assert said(losses, gone, roll) == ["lost node 10.0.0.2 with 2 workers: up to 21 rows go again"]
    assert said(losses, gone, roll) == []  # once


def test_workers_of_a_lost_node_that_are_back_elsewhere_are_no_second_loss(roll):
    losses = Losses(pools=1)
    said(losses, [node("1"), node("2")], roll)
    for key in ("b", "c"):
        roll.took(worker(key, "1", pid=8), 3, is_first=True)
    gone = [node("1"), node("2", alive=False)]
    assert said(losses, gone, roll) == ["lost node 10.0.0.2 with 2 workers: up to 21 rows go again"]


def test_a_lost_worker_is_one_sentence_whether_or_not_it_is_back_already(roll):
    losses, there = Losses(pools=1), [node("1"), node("2")]
    sentence = (
        "lost a worker of matte (pid 7 on 10.0.0.2), which is started again: up to 5 rows go again"
    )
    said(losses, there, roll)
    assert said(losses, there, roll, c=1) == [sentence]
    roll.took(worker("c", "2", pid=8), 0, is_first=False)
    assert said(losses, there, roll, c=1) == []
    roll.took(worker("c", "2", pid=8), 1, is_first=True)
    roll.took(worker("c", "2", pid=9), 0, is_first=False)
    assert said(losses, there, roll, c=2) == [
        "lost a worker of matte (pid 8 on 10.0.0.2), which is started again: up to 1 row goes again"
    ]


def test_what_waited_between_pools_on_a_lost_node_goes_again_as_well(roll):
    roll.took(worker("d", "1"), 8, is_first=False)
    losses = Losses(pools=2)
    said(losses, [node("1"), node("2")], roll)
    (sentence,) = said(losses, [node("1"), node("2", alive=False)], roll, finished=7)
    assert sentence.endswith("up to 30 rows go again")  # 37 were taken in, 7 are written


def test_a_roll_that_was_lost_with_the_node_changes_no_sentence(roll):
    losses = Losses(pools=1)
    said(losses, [node("1"), node("2")], roll)
    anew = Roll()
    anew.took(worker("a", "1"), 16, is_first=True)
    anew.took(worker("b", "1", pid=8), 0, is_first=False)
    gone = [node("1"), node("2", alive=False)]
    assert said(losses, gone, anew, b=1) == [
        "lost node 10.0.0.2 with 2 workers: up to 21 rows go again"
    ]
    anew.took(worker("c", "1", pid=9), 0, is_first=False)
    assert said(losses, gone, anew, b=1, c=1) == []


def test_a_worker_that_had_nothing_in_hand_costs_no_row(roll):
    losses, there = Losses(pools=1), [node("1"), node("2")]
    roll.took(worker("d", "1"), 0, is_first=False)
    said(losses, there, roll)
    (sentence,) = said(losses, there, roll, d=1)
    assert sentence.endswith("which is started again: no row goes again")


@pytest.mark.parametrize("reason", ["AUTOSCALER_DRAIN_IDLE", "EXPECTED_TERMINATION"])
def test_a_node_that_was_let_go_is_no_loss(reason):
    losses, roll = Losses(pools=1), Roll()
    said(losses, [node("1"), node("2")], roll)
    assert said(losses, [node("1"), node("2", alive=False, reason=reason)], roll) == []


def test_nodes_that_were_dead_before_are_not_ours_to_mourn(roll):
    assert said(Losses(pools=1), [node("1"), node("3", alive=False)], roll) == []


def test_a_row_that_was_too_slow_is_told_once_with_its_name(roll):
    losses, there = Losses(pools=1), [node("1"), node("2")]
    slow = Overdue(stage="matte", ids=("a\x1b[31m",), beside=("b",))
    seen = replace(roll.snapshot(), slow=[slow])
    (loss,) = losses.found(there, {}, seen, 0)
    assert loss.said == (
        "row a[U+001B][31m was too slow in matte (budget.max_row_seconds): its worker was ended"
    )
    assert losses.found(there, {}, seen, 0) == []
    many = Overdue(stage="render", ids=tuple("abcdefg"), beside=())
    (loss,) = losses.found(there, {}, replace(seen, slow=[slow, many]), 0)
    assert "one of the rows a, b, c, d, e and 2 more was too slow in render" in loss.said
