"""Which strategies can resume, and which say that they cannot."""

from __future__ import annotations

import pytest
import torch

from selbench.harness.store.checkpoint_file import Checkpoint
from selbench.harness.training.strategy_state import StateNotGiven, StrategyState
from selbench.strategies import BatchLosses, Pool, Strategy
from selbench.strategies.registry import registry
from selbench.strategies.rules.wrapper import Wrapper


def pool():
    labels = torch.arange(8) % 2
    return Pool(8, 2, labels, torch.device("cpu"), torch.Generator().manual_seed(3))


class Plain:
    """No state but the stream, its parameters, and what the pool told it."""

    needs = frozenset()

    def __init__(self):
        self.share, self.names, self.table = 0.5, ["a"], {"x": (1, None)}

    def begin(self, pool):
        self.stream, self.labels, self.seen = pool.generator, pool.labels, {1, 2}

    def select(self, feats, losses, ratio):
        return torch.randperm(losses.size, generator=self.stream)[: losses.k]


class Counting(Plain):
    calls = 0

    def select(self, feats, losses, ratio):
        self.calls += 1
        return super().select(feats, losses, ratio)


class Remembering(Plain):
    """Changes a tensor in place."""

    def begin(self, pool):
        super().begin(pool)
        self.past = torch.zeros(8)

    def select(self, feats, losses, ratio):
        self.past += 1
        return super().select(feats, losses, ratio)


class Replacing(Remembering):
    """Puts an equal tensor in another's place."""

    def select(self, feats, losses, ratio):
        self.past = self.past.clone()
        return Plain.select(self, feats, losses, ratio)


class Listing(Plain):
    def select(self, feats, losses, ratio):
        self.names.append("b")
        return super().select(feats, losses, ratio)


class Odd(Plain):
    """Holds what nobody can look into."""

    def begin(self, pool):
        super().begin(pool)
        self.net = torch.nn.Linear(1, 1)


class Own(Plain):
    """A stream that is not the one it was given."""

    def begin(self, pool):
        super().begin(pool)
        self.stream = torch.Generator().manual_seed(1)


class Slotted:
    __slots__ = ("past",)
    needs = frozenset()

    def select(self, feats, losses, ratio):
        return torch.arange(losses.k)


class Inherits(Strategy):
    """Has a state that the base class knows nothing of."""

    def pick(self, feats, losses, k):
        self.past = getattr(self, "past", 0) + 1
        return torch.arange(k)


class Says(Counting):
    """Counts, and hands its count out."""

    def state_dict(self):
        return {"calls": self.calls}

    def load_state_dict(self, state):
        self.calls = state["calls"]


class Raises(Says):
    def state_dict(self):
        raise KeyError("no")


def called(rule, times=2):
    """A rule that has begun and was asked, and its state."""
    given = pool()
    if hasattr(rule, "begin"):
        rule.begin(given)
    state = StrategyState(rule, given)
    picks = [rule.select(None, BatchLosses(index=torch.arange(8), k=4), 0.5) for _ in range(times)]
    return state, picks


@pytest.mark.parametrize("rule", [Counting, Remembering, Replacing, Listing, Odd, Own, Slotted, Inherits, Raises])
def test_a_rule_that_changes_unseen_cannot_be_gone_on_with(rule):
    state, _ = called(rule())
    with pytest.raises(StateNotGiven, match=r"changes from call to call|state_dict raised KeyError"):
        state.state_dict()


@pytest.mark.parametrize("rule", [Plain, Says])
def test_one_that_has_nothing_but_its_stream_or_says_all_goes_on(rule, tmp_path):
    first, _ = called(rule())
    Checkpoint(tmp_path, "0").write(first.state_dict(), {})
    kept = Checkpoint(tmp_path, "0").read({}, torch.device("cpu"))
    second, _ = called(rule(), times=0)
    second.load_state_dict(kept)
    ask = BatchLosses(index=torch.arange(8), k=4)
    for _ in range(3):
        assert torch.equal(first.strategy.select(None, ask, 0.5), second.strategy.select(None, ask, 0.5))
    assert getattr(first.strategy, "calls", 0) == getattr(second.strategy, "calls", 0)


def test_the_rules_inside_a_rule_are_looked_at():
    class Around(Wrapper):
        def __init__(self, rule):
            self.wrap(rule)

        def pick(self, feats, losses, k):
            return self.ask(self._rules[0], feats, losses, k).indices

    state, _ = called(Around(Plain()))
    state.state_dict()
    state, _ = called(Around(Counting()))
    with pytest.raises(StateNotGiven, match="Counting changes"):
        state.state_dict()


def test_without_a_strategy_there_is_no_state():
    state = StrategyState(None, None)
    state.load_state_dict(state.state_dict())


def test_every_rule_of_ours_is_taken_at_its_word():
    ours = [row["name"] for row in registry("strategies").describe() if row["origin"].startswith("selbench ")]
    assert len(ours) > 30
    for name in ours:
        assert not StrategyState(registry("strategies").load(name), None)._watched, name
