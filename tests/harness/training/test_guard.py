from __future__ import annotations

import pytest
import torch

from selbench.harness.training.guard import Guard, at_fault
from selbench.strategies import Selection, UsageError
from selbench.strategies.errors import StrategyFault
from selbench.strategies.interface import MissingSignal

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


def test_picks_are_the_runs_own_whatever_the_rule_does_with_its():
    given = ids(3, 0)
    picks, _ = Guard(CPU).check(given, 4, 2)
    given.zero_()
    assert picks.tolist() == [3, 0]


def test_a_count_that_depends_on_the_data_is_accepted_where_declared():
    picks, _ = Guard(CPU).check(ids(1, 2, 3), 8, None)
    assert len(picks) == 3
    with pytest.raises(StrategyFault):
        Guard(CPU).check(torch.empty(0, dtype=torch.int64), 8, None)


@pytest.mark.parametrize(
    "write",
    [
        lambda t: t.add_(1),
        lambda t: t.__setitem__(0, 7.0),
        lambda t: t.detach().zero_(),
        lambda t: t.view(2, 2).mul_(2),
        lambda t: torch.neg(t, out=t),
    ],
)
def test_writing_into_what_was_given_is_a_fault_that_names_it(write):
    given, other = torch.rand(4), torch.rand(4)
    caught = pytest.raises(StrategyFault, match="select writes into learner")
    with caught as fault, torch.no_grad(), at_fault("select", {"reference": other, "learner": given}):
        write(given)
    assert fault.value.law == "inputs"


def test_reading_and_copying_are_no_fault():
    given = torch.rand(4)
    with at_fault("select", {"learner": given}), torch.no_grad():
        copy = given.clone()
        copy.mul_(2)
        given.sort(), given.topk(2), given[given.argsort()], given.numpy().sum()


@pytest.mark.parametrize(
    ("raised", "law", "says"),
    [
        (ValueError("boom"), "runs", "begin raised ValueError: boom"),
        (SystemExit(3), "runs", "begin raised SystemExit: 3"),
        (MissingSignal("this batch carries no 'age'"), "needs", "no 'age'"),
    ],
)
def test_what_a_strategy_raises_is_its_own_fault(raised, law, says):
    with pytest.raises(StrategyFault, match=says) as caught, at_fault("begin", {}):
        raise raised
    assert caught.value.law == law


@pytest.mark.parametrize("raised", [UsageError("set it higher"), torch.OutOfMemoryError("GPU"), KeyboardInterrupt()])
def test_what_says_already_what_to_do_passes(raised):
    with pytest.raises(type(raised)) as caught, at_fault("begin", {}):
        raise raised
    assert caught.value is raised
