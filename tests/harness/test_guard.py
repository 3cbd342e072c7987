from __future__ import annotations

import pytest
import torch

from selbench.harness.guard import Guard, StrategyFault
from selbench.strategies import Selection

CPU = torch.device("cpu")


def ids(*values):
    return torch.tensor(values)


@pytest.mark.parametrize(
    ("returned", "law"),
    [
        ([0, 1], "type"),
        (None, "type"),
        (ids(0), "count"),
        (ids(0, 1, 2), "count"),
        (ids(0, 1)[None], "count"),
        (torch.tensor([0.0, 1.0]), "dtype"),
        (ids(0, 1).int(), "dtype"),
        (ids(0, 8), "range"),
        (ids(-1, 3), "range"),
        (ids(3, 3), "unique"),
        (Selection(ids(0, 1), torch.tensor([1.0, float("nan")])), "weights"),
        (Selection(ids(0, 1), torch.tensor([1.0, -1.0])), "weights"),
        (Selection(ids(0, 1), torch.ones(3)), "weights"),
    ],
)
def test_a_broken_law_is_named_at_once_on_the_first_calls(returned, law):
    with pytest.raises(StrategyFault) as caught:
        Guard(CPU).check(returned, 8, 2)
    assert caught.value.law == law and law in str(caught.value)


def test_later_faults_are_clamped_at_once_and_judged_at_the_end_of_the_epoch():
    guard = Guard(CPU, checked_at_once=1)
    guard.check(ids(0, 1), 8, 2)
    picks, _ = guard.check(ids(2, 99), 8, 2)
    assert picks.tolist() == [2, 7]  # inside the batch, so that no kernel reads outside memory
    with pytest.raises(StrategyFault, match="outside"):
        guard.judge()


def test_a_fault_is_not_forgotten_by_good_calls_after_it():
    guard = Guard(CPU, checked_at_once=0)
    guard.check(ids(4, 4), 8, 2)
    for _ in range(5):
        guard.check(ids(0, 1), 8, 2)
    with pytest.raises(StrategyFault, match="twice"):
        guard.judge()


def test_good_picks_pass_with_their_weights():
    picks, weights = Guard(CPU).check(Selection(ids(3, 0), torch.tensor([0.5, 2.0])), 4, 2)
    assert picks.tolist() == [3, 0] and weights.tolist() == [0.5, 2.0]


def test_a_count_that_depends_on_the_data_is_accepted_where_declared():
    picks, _ = Guard(CPU).check(ids(1, 2, 3), 8, None)
    assert len(picks) == 3
    with pytest.raises(StrategyFault):
        Guard(CPU).check(torch.empty(0, dtype=torch.int64), 8, None)
