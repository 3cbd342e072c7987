"""Random picks that have another rule's class counts and nothing else of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from selbench.strategies import BatchLosses, MissingSignal, load

from .._doubles import register
from .._inputs import CLASSES, begun, make


def counts(labels, picks):
    return torch.bincount(labels[picks], minlength=CLASSES).tolist()


@pytest.mark.parametrize("of", ["loss", "rho", "degree", "gstds"])
@settings(max_examples=15)
@given(size=st.integers(1, 60), ratio=st.floats(0.01, 1.0), seed=st.integers(0, 5))
def test_class_counts_are_those_of_the_rule(of, size, ratio, seed):
    feats, losses = make(size, seed=seed)
    # The rule draws first, so the same stream gives it the same picks.
    plain = begun(of, {}).select(feats, losses, ratio)
    assert counts(losses.labels, begun("marginal", {"of": of}).select(feats, losses, ratio)) == counts(
        losses.labels, plain
    )


def test_within_a_class_all_are_alike():
    labels = torch.tensor([0] * 10 + [1] * 10)[torch.randperm(20, generator=torch.Generator().manual_seed(1))]
    learner = torch.arange(20.0) + 100.0 * labels  # the six highest losses are all of class 1
    losses, calls, hits = BatchLosses(learner, labels=labels), 2000, np.zeros(20)
    strategy = begun("marginal", {"of": "loss"})
    for _ in range(calls):
        hits[strategy.select(None, losses, 0.3).numpy()] += 1
    inside = hits[labels.numpy() == 1]
    assert hits[labels.numpy() == 0].sum() == 0
    expected = calls * 6 / 10
    statistic = ((inside - expected) ** 2).sum() / expected * 9 / 4
    low, high = chi2.ppf([1e-3, 1 - 1e-3], 9)
    assert low < statistic < high


def test_one_class_is_uniform_and_classes_of_one_are_the_rule():
    learner = torch.rand(30, generator=torch.Generator().manual_seed(0))
    alone = begun("marginal", {"of": "loss"}).select(None, BatchLosses(learner, labels=torch.arange(30)), 0.3)
    plain = begun("loss", {}).select(None, learner, 0.3)
    assert alone.tolist() == plain.tolist()
    strategy, same = begun("marginal", {"of": "loss"}), BatchLosses(learner, labels=torch.zeros(30, dtype=torch.int64))
    assert len({frozenset(strategy.select(None, same, 0.3).tolist()) for _ in range(20)}) == 20


def test_weights_stay_with_their_class(monkeypatch):
    register(monkeypatch)
    _, losses = make(40)
    plain = load("weighing").select(None, losses, 0.4)
    chosen = begun("marginal", {"of": "weighing"}).select(None, losses, 0.4)
    assert torch.equal(losses.labels[chosen.indices], losses.labels[plain.indices])
    assert torch.equal(chosen.weights, plain.weights)
    assert not torch.equal(chosen.indices, plain.indices)


def test_labels_are_asked_for_by_name():
    with pytest.raises(MissingSignal, match="labels"):
        load("marginal").select(None, torch.rand(8), 0.5)
