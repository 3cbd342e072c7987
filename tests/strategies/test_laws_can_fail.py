"""Deliberately wrong strategies: each breaks one law, and the law says so."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from selbench.harness.flops import count_selection
from selbench.strategies import Selection, Strategy

from . import _laws
from ._inputs import pool


class Wrong(Strategy):
    """Base of the gallery: right in everything until a subclass breaks one thing."""

    needs = frozenset({"learner"})

    def pick(self, feats, losses, k):
        return torch.topk(losses.learner.detach().nan_to_num(), k).indices

    def flops(self, n, d, k):
        return n + n * np.log2(max(2, n))


class OneTooFew(Wrong):
    def pick(self, feats, losses, k):
        return super().pick(feats, losses, k)[1:]


class WithReplacement(Wrong):
    def pick(self, feats, losses, k):
        return torch.randint(losses.size, (k,), generator=self.generator(torch.device("cpu")))


class OutOfRange(Wrong):
    def pick(self, feats, losses, k):
        return losses.index[super().pick(feats, losses, k)]


class Int32(Wrong):
    def pick(self, feats, losses, k):
        return super().pick(feats, losses, k).int()


class NegativeWeights(Wrong):
    def pick(self, feats, losses, k):
        return Selection(super().pick(feats, losses, k), -torch.ones(k))


class DropsAtRatioOne(Wrong):
    def pick(self, feats, losses, k):
        return super().pick(feats, losses, k).clamp(max=max(0, k - 2))


class NaNFirst(Wrong):
    def pick(self, feats, losses, k):
        good = (~losses.learner.isnan()).nonzero()[:, 0]
        return good[:k]


class WritesFeatures(Wrong):
    def pick(self, feats, losses, k):
        losses.learner.data.mul_(2)
        return super().pick(feats, losses, k)


class DrawsGlobally(Wrong):
    def pick(self, feats, losses, k):
        return torch.randperm(losses.size)[:k]


class DrawsGloballyInNumpy(Wrong):
    def pick(self, feats, losses, k):
        np.random.rand()  # noqa: NPY002
        return super().pick(feats, losses, k)


class FavoursPosition(Wrong):
    def pick(self, feats, losses, k):
        return torch.topk(losses.learner + torch.arange(losses.size), k).indices


class ReadsUndeclared(Wrong):
    def pick(self, feats, losses, k):
        return torch.topk(losses.learner * getattr(losses, "reference", 1.0), k).indices


class DeclaresTooMuch(Wrong):
    needs = frozenset({"learner", "trace"})


class ForgetsItsParameter(Wrong):
    def __init__(self, power: float = 1.0) -> None:
        self.power = power

    def __repr__(self) -> str:
        return "ForgetsItsParameter()"


class ForgetsItsState(Wrong):
    def pick(self, feats, losses, k):
        return torch.randperm(losses.size, generator=self.generator(torch.device("cpu")))[:k]

    def state_dict(self):
        return {}


class LooksFree(Wrong):
    def flops(self, n, d, k):
        return 0.0


def count(call):
    return count_selection(call).flops


GALLERY = [
    (OneTooFew, _laws.count_range_unique),
    (WithReplacement, _laws.count_range_unique),
    (OutOfRange, _laws.count_range_unique),
    (Int32, _laws.count_range_unique),
    (NegativeWeights, _laws.count_range_unique),
    (DropsAtRatioOne, _laws.ratio_one_keeps_all),
    (NaNFirst, _laws.odd_losses),
    (WritesFeatures, _laws.inputs_untouched),
    (DrawsGlobally, _laws.global_randomness_untouched),
    (DrawsGlobally, _laws.same_stream_same_picks),
    (DrawsGlobally, _laws.works_without_begin),
    (DrawsGloballyInNumpy, _laws.global_randomness_untouched),
    (FavoursPosition, _laws.equivariant),
    (ReadsUndeclared, _laws.needs_are_truthful),
    (DeclaresTooMuch, _laws.needs_are_used),
    (ForgetsItsState, _laws.state_round_trips),
]


def begun(kind):
    strategy = kind()
    strategy.begin(pool())
    return strategy


@pytest.mark.parametrize(("kind", "law"), GALLERY, ids=lambda x: x.__name__)
def test_wrong_strategy_breaks_its_law(kind, law):
    with pytest.raises(AssertionError):
        law(lambda: begun(kind))


def test_wrong_repr_breaks_its_law():
    with pytest.raises(AssertionError):
        _laws.repr_round_trips(lambda: ForgetsItsParameter(power=2.0))


def test_understated_cost_breaks_its_law():
    with pytest.raises(AssertionError, match="declares 0 operations"):
        _laws.flops_are_honest(lambda: begun(LooksFree), count)


@pytest.mark.parametrize("law", [law for _, law in GALLERY], ids=lambda x: x.__name__)
def test_the_right_one_keeps_every_law(law):
    law(lambda: begun(Wrong))
