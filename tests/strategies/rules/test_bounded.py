"""The bounded static rule: probabilities within their bounds, drawn as said, and a spectrum that they cannot bend."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from selbench.strategies import BatchLosses, load
from selbench.strategies.interface import Traits
from selbench.strategies.maths.sampling import systematic
from selbench.strategies.rules.bounded import inclusion

from .._inputs import begun, make, pool


@settings(max_examples=80)
@given(st.data())
def test_probabilities_keep_their_bounds_and_sum_to_k(data):
    size = data.draw(st.integers(1, 60))
    k = data.draw(st.integers(1, size))
    lower = data.draw(st.floats(1e-3, 1.0))
    upper = data.draw(st.floats(1.0, 50.0))
    score = st.one_of(st.floats(-10, 10), st.sampled_from([0.0, -1.0, 1e-20, 1e20]))
    scores = torch.tensor(data.draw(st.lists(score, min_size=size, max_size=size)))
    chances = inclusion(scores, k, lower, upper).numpy()
    even = k / size
    assert chances.min() >= lower * even * (1 - 1e-12)
    assert chances.max() <= min(1.0, upper * even) * (1 + 1e-12)
    assert abs(chances.sum() - k) < 1e-9 * size
    ordered = chances[np.argsort(scores.numpy(), kind="stable")]
    assert (np.diff(ordered) >= -1e-12).all()
    picks = systematic(torch.from_numpy(chances), k, torch.Generator().manual_seed(1)).tolist()
    assert len(set(picks)) == k and set(picks) <= set(range(size))


@pytest.mark.parametrize(("k", "lower", "upper"), [(5, 0.5, 2.0), (20, 0.1, 8.0), (30, 0.9, 1.2), (39, 0.2, 3.0)])
def test_probabilities_by_root_finding(k, lower, upper):
    scores = make(40)[1].learner - 1.0
    s = np.maximum(scores.double().numpy(), 0)
    s = s / s.mean() + 1e-6

    def clipped(factor):
        return np.clip(np.exp(factor) * s, lower * k / 40, min(1.0, upper * k / 40))

    # Where a bound leaves nothing between (all at either), the sum has a jump no root lies in: none of these does.
    factor = brentq(lambda f: clipped(f).sum() - k, -40, 40, xtol=1e-14)
    assert np.allclose(inclusion(scores, k, lower, upper), clipped(factor), rtol=1e-9, atol=1e-12)


def test_each_is_drawn_as_often_as_its_probability_says():
    rule = begun("bounded", {"lower": 0.3, "upper": 3.0})
    told = pool()
    losses = BatchLosses(reference=told.reference, labels=told.labels)
    chances = inclusion(rule.scores(told.features, losses), 16, 0.3, 3.0).numpy()
    counts, times = np.zeros(64), 500
    for _ in range(times):
        counts[rule.select(told.features, losses, 0.25).numpy()] += 1
    assert counts.min() > 0
    assert chances.max() > 4 * chances.min()
    off = (counts - times * chances) / np.sqrt(times * chances * (1 - chances) + 1e-9)
    assert abs(off[chances < 1 - 1e-9]).max() < 4.5
    assert (counts[chances >= 1 - 1e-9] == times).all()


def test_scores_by_their_definition():
    told = pool()
    feats, loss = told.features.double().numpy(), told.reference.double().numpy()
    centred = feats - feats.mean(0)
    values, vectors = np.linalg.eigh(np.cov(feats.T, bias=True))
    white = centred @ vectors[:, ::-1][:, :3] / np.sqrt(values[::-1][:3])
    wrong = loss[:, None] * np.eye(4)[told.labels.numpy()]
    coefficients = np.einsum("nk,nc->kc", white, wrong) / 64
    slow = np.array([sum(white[i] @ coefficients[:, c] * wrong[i, c] for c in range(4)) for i in range(64)])
    losses = BatchLosses(reference=told.reference, labels=told.labels)
    ours = begun("bounded", {"rank": 3}).scores(told.features, losses).numpy()
    assert np.allclose(ours, slow / np.abs(coefficients).max(), rtol=1e-3, atol=1e-4)
    picks = begun("bounded", {"rank": 3, "mode": "hard"}).select(told.features, losses, 0.25)
    assert set(picks.tolist()) == set(np.argsort(-slow)[:16])


def test_leverage_is_the_squared_distance_of_mahalanobis():
    told = pool()
    feats = told.features.double().numpy()
    centred = feats - feats.mean(0)
    slow = np.einsum("nd,nd->n", centred @ np.linalg.inv(np.cov(feats.T, bias=True)), centred)
    ours = begun("bounded", {"score": "features"}).scores(told.features, BatchLosses(labels=told.labels))
    assert np.allclose(ours, slow, rtol=1e-3)


def power_law(size: int = 4000, width: int = 40, exponent: float = 1.5) -> torch.Tensor:
    stream = torch.Generator().manual_seed(5)
    return torch.randn(size, width, generator=stream) * torch.arange(1, width + 1).pow(-exponent / 2)


def slope(values: np.ndarray) -> float:
    ranks = np.arange(5, 35)
    return float(np.polyfit(np.log(ranks), np.log(values[ranks - 1]), 1)[0])


def test_soft_weights_cannot_bend_the_tail():
    """c·λ_k <= μ_k <= C·λ_k for the reweighted second moments, so that the exponent stays; a hard cut is not held."""
    feats, k = power_law(), 400
    rule = load("bounded", score="features")
    scores = rule.scores(feats, BatchLosses(labels=torch.zeros(len(feats), dtype=torch.int64)))
    weights = inclusion(scores, k, 0.5, 2.0).numpy() / k
    rows = (feats - feats.mean(0)).double().numpy()
    before = np.linalg.eigvalsh(rows.T @ rows / len(rows))[::-1]
    after = np.linalg.eigvalsh(rows.T @ (weights[:, None] * rows))[::-1]
    assert (after >= 0.5 * before * (1 - 1e-9)).all() and (after <= 2.0 * before * (1 + 1e-9)).all()
    assert abs(slope(after) - slope(before)) < 0.05
    # Keeping the small end of one tail direction empties it: no bound holds that.
    cut = rows[np.argsort(np.abs(rows[:, 30]))[:k]]
    assert np.var(cut[:, 30]) < 0.5 * before[30] / 5


def test_traits():
    assert Traits.of(load("bounded")).signal == "frozen"
    assert load("bounded").needs == {"features", "reference"}
    assert load("bounded", score="features").needs == {"features"}
    assert load("bounded").cadence == "run"
