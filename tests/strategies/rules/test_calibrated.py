"""Calibration: nothing of it is plain random picks, all of it the score, and the sum stays unbiased between."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from selbench.strategies import Selection, load
from selbench.strategies.rules.calibrated import SCORES

from .._inputs import BUILTIN, begun, make, replaced


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("weighted", [True, False])
def test_alpha_0_is_plain_random(score, weighted):
    feats, losses = make(64)
    ours = begun("calibrated", {"score": score, "alpha": 0.0, "weighted": weighted})
    twins = [begun("uniform", {"cadence": "run"}), begun("static", {"keep": "random"})]
    for ratio in (0.1, 0.5, 1.0):
        picks = ours.select(feats, replaced(losses, trace=None), ratio)
        assert isinstance(picks, torch.Tensor)
        for twin in twins:
            assert torch.equal(picks, twin.select(feats, losses, ratio))
    assert ours.needs == frozenset() and ours.flops(64, 0, 32) == twins[0].flops(64, 0, 32)


@pytest.mark.parametrize("keep", ["hard", "easy"])
@pytest.mark.parametrize("score", SCORES)
def test_alpha_1_is_the_score(score, keep):
    feats, losses = make(64)
    ours = begun("calibrated", {"score": score, "alpha": 1.0, "keep": keep})
    picks = ours.select(feats, losses, 0.3)
    assert isinstance(picks, torch.Tensor)
    assert torch.equal(picks, begun(score, {"keep": keep}).select(feats, losses, 0.3))


def test_every_score_is_a_strategy():
    assert set(SCORES) <= set(BUILTIN)
    assert all(type(load(name)) is rule for name, rule in SCORES.items())


@pytest.mark.parametrize("alpha", [0.2, 0.5, 0.9])
def test_counts_and_weights(alpha):
    feats, losses = make(200)
    given = begun("calibrated", {"score": "aum", "alpha": alpha}).select(feats, losses, 0.25)
    assert isinstance(given, Selection)
    k, a = 50, round(alpha * 50)
    hardest = begun("aum", {}).select(feats, losses, a / 200)
    assert torch.equal(given.indices[:a], hardest)
    assert not set(given.indices[a:].tolist()) & set(hardest.tolist())
    ratio = k / 200
    expected = (1 - alpha * ratio) / ((1 - alpha) * ratio)
    assert given.weights.tolist() == pytest.approx([1.0] * a + [expected] * (k - a))
    assert float(given.weights.sum()) == pytest.approx(200)
    plain = begun("calibrated", {"score": "aum", "alpha": alpha, "weighted": False}).select(feats, losses, 0.25)
    assert torch.equal(plain, given.indices)


def test_weighted_sum_is_unbiased_and_the_unweighted_one_is_not():
    feats, losses = make(40)
    values = begun("el2n", {}).difficulty(losses).double()  # what the score prefers is what is summed
    strategy = begun("calibrated", {"alpha": 0.5})
    weighted, plain = [], []
    for _ in range(600):
        given = strategy.select(feats, losses, 0.25)
        weighted.append(float((given.weights * values[given.indices]).sum()) / 40)
        plain.append(float(values[given.indices].mean()))
    error = np.std(weighted) / math.sqrt(600)
    assert abs(np.mean(weighted) - float(values.mean())) < 4 * error
    assert np.mean(plain) - float(values.mean()) > 20 * error


def test_random_part_is_uniform():
    feats, losses = make(40)
    strategy, counts = begun("calibrated", {"score": "aum"}), np.zeros(40)
    first = strategy.select(feats, losses, 0.25).indices[:5]
    for _ in range(600):
        counts[strategy.select(feats, losses, 0.25).indices[5:].numpy()] += 1
    assert counts[first.numpy()].sum() == 0
    others = np.delete(counts, first.numpy())
    assert (np.abs(others - 600 * 5 / 35) < 5 * (600 * 5 / 35) ** 0.5).all()


def test_balanced_part_by_score():
    feats, losses = make(120)
    losses = replaced(losses, labels=torch.arange(120) % 4)
    given = begun("calibrated", {"class_balanced": True}).select(feats, losses, 0.4)
    assert (given.indices[:24] % 4).bincount().tolist() == [6, 6, 6, 6]
