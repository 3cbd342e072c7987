"""Facility location against a plain greedy in NumPy, two published libraries, and the best subset there is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from selbench.harness.training.flops import count_selection
from selbench.strategies import UsageError, load
from selbench.strategies.rules import facility_location

from .._inputs import begun, make


def similarities(feats):
    rows = feats.double().numpy()
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return rows @ rows.T


def gains_of(similar, picks):
    """What each pick adds to F, and the most that any candidate left could have added in its place."""
    served, added, best = np.full(len(similar), -1.0), [], []
    for step, pick in enumerate(picks):
        left = [i for i in range(len(similar)) if i not in picks[:step]]
        gains = np.maximum(similar - served[:, None], 0).sum(0)
        added.append(gains[pick])
        best.append(gains[left].max())
        served = np.maximum(served, similar[:, pick])
    return np.array(added), np.array(best)


@pytest.mark.parametrize(("size", "width", "ratio"), [(40, 3, 0.4), (150, 20, 0.2), (30, 8, 1.0)])
def test_each_pick_gains_the_most(size, width, ratio):
    """Compared by gains: candidates that serve nobody but each other tie, and either may be picked."""
    feats, losses = make(size, width=width)
    strategy = begun("facility-location", {})
    picks = strategy.select(feats, losses, ratio).tolist()
    similar = similarities(feats)
    added, best = gains_of(similar, picks)
    assert np.allclose(added, best, atol=1e-4)
    assert (np.diff(added) < 1e-4).all()
    assert float(strategy.diagnostics()["coverage"]) == pytest.approx(similar[:, picks].max(1).mean(), abs=1e-5)


def test_against_submodlib_and_apricot():
    """Picks of submodlib 0.0.3 and apricot 0.6.1 (naive greedy, the same matrix), and the gains that both report."""
    i, j = np.mgrid[:40, :6]
    feats = torch.from_numpy(((7919 * i + 104729 * j + 31 * i * i + 17 * i * j) % 997) / 997)
    submodlib = [4, 24, 14, 12, 36, 11, 34, 38, 28, 1, 23, 13]
    apricot = [4, 24, 14, 12, 36, 11, 30, 33, 28, 1, 20, 6]
    gains = [33.6332, 1.3972, 0.9940, 0.7433, 0.4895, 0.2996, 0.2451, 0.2217, 0.2153, 0.2047, 0.2002, 0.1640]
    picks = begun("facility-location", {}).select(feats, torch.zeros(40), 0.3).tolist()
    assert all(pick in either for pick, *either in zip(picks, submodlib, apricot, strict=True))
    added, _ = gains_of(similarities(feats), picks)
    added[0] -= 40  # they start from similarity 0 instead of -1
    assert added == pytest.approx(gains, abs=1e-4)


@settings(max_examples=25)
@given(st.integers(3, 9), st.integers(1, 4), st.integers(0, 10_000))
def test_at_least_the_promised_share_of_the_best(size, k, seed):
    k = min(k, size)
    feats = torch.randn(size, 3, generator=torch.Generator().manual_seed(seed))
    similar = similarities(feats) + 1
    best = max(similar[:, list(subset)].max(1).sum() for subset in itertools.combinations(range(size), k))
    picks = begun("facility-location", {}, seed=seed).select(feats, torch.zeros(size), k / size).tolist()
    assert similar[:, picks].max(1).sum() >= (1 - 1 / np.e) * best - 1e-5


def test_one_of_each_cluster():
    centres = torch.eye(4)
    noise = 0.05 * torch.rand(40, 4, generator=torch.Generator().manual_seed(0))
    feats = centres[torch.arange(40) % 4] + noise
    picks = begun("facility-location", {}).select(feats, torch.zeros(40), 0.1)
    assert sorted((picks % 4).tolist()) == [0, 1, 2, 3]


def test_among_equals_the_stream_decides():
    strategy, counts = begun("facility-location", {}), np.zeros(20)
    for _ in range(400):
        counts[strategy.select(torch.eye(20), torch.zeros(20), 0.25).numpy()] += 1
    assert abs(counts - 100).max() < 5 * (400 * 0.25 * 0.75) ** 0.5


def test_diagnostics_are_empty_before_a_pick():
    assert load("facility-location").diagnostics() == {}


@pytest.mark.parametrize(("size", "width", "ratio"), [(40, 3, 1.0), (300, 8, 0.3), (300, 64, 0.1)])
def test_a_large_pool_gets_the_same_picks_from_a_few_rows_at_a_time(size, width, ratio, monkeypatch):
    feats, losses = make(size, width=width)
    dense = begun("facility-location", {})
    expected = dense.select(feats, losses, ratio)
    monkeypatch.setattr(facility_location, "DENSE", 0)
    lazy = begun("facility-location", {})
    picks = lazy.select(feats, losses, ratio)
    assert float(lazy.diagnostics()["coverage"]) == pytest.approx(float(dense.diagnostics()["coverage"]), abs=1e-6)
    added, best = gains_of(similarities(feats), picks.tolist())
    assert np.allclose(added, best, atol=1e-4)
    first = size // 10  # later on, those that serve but themselves tie
    assert picks[:first].tolist() == expected[:first].tolist()


def test_a_large_pool_is_not_searched_through_at_every_pick(monkeypatch):
    monkeypatch.setattr(facility_location, "DENSE", 0)
    feats = torch.randn(2000, 16, generator=torch.Generator().manual_seed(0))
    rule = begun("facility-location", {})
    rule.select(feats, torch.zeros(2000), 0.05)
    assert 2000 < rule._gains < 2000 + 100 * 500, "at most a quarter of the candidates at each of 100 picks"


@pytest.mark.parametrize(
    "feats", [torch.ones(50, 4), torch.zeros(50, 4), torch.eye(50), torch.full((50, 4), torch.nan)]
)
def test_a_large_pool_of_equals(feats, monkeypatch):
    monkeypatch.setattr(facility_location, "DENSE", 0)
    picks = begun("facility-location", {}).select(feats, torch.zeros(50), 0.5)
    assert len(picks.unique()) == 25


@pytest.mark.parametrize(("size", "ratio"), [(100, 0.2), (400, 0.1), (400, 0.5)])
def test_operations_of_a_large_pool_are_stated(size, ratio, monkeypatch):
    monkeypatch.setattr(facility_location, "DENSE", 0)
    feats, losses = make(size, width=32)
    rule = begun("facility-location", {})
    counted = count_selection(lambda: rule.select(feats, losses, ratio)).flops
    assert 0.5 < rule.flops(size, 32, round(ratio * size)) / counted < 2


def test_a_batch_too_large_for_memory_is_refused_before_it_is_tried():
    feats = torch.zeros(1, 1).expand(40_000, 1)
    with pytest.raises(UsageError, match=r"40,000 candidates take 13 GB; take batches of 32,768 at most"):
        load("facility-location", cadence="batch").select(feats, torch.zeros(40_000), 0.5)
