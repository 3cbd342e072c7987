"""The draws that rules share: laws by property, chances by counting."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from selbench.strategies.maths.sampling import draw, oriented, top, weighted

CPU = torch.device("cpu")


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.lists(st.floats(width=32), min_size=1, max_size=40), st.data())
def test_top_takes_the_largest(values, data):
    k = data.draw(st.integers(1, len(values)))
    scores = torch.tensor(values, dtype=torch.float32)
    picks = top(scores, k, stream())
    assert picks.unique().numel() == k
    # NaN below everything, zeros of both signs alike.
    rank = [(not np.isnan(v), 0.0 if np.isnan(v) else v + 0.0) for v in scores.tolist()]
    assert [rank[i] for i in picks] == sorted(rank, reverse=True)[:k]


def test_ties_are_drawn_at_random():
    counts = np.zeros(6)
    source = stream()
    for _ in range(3000):
        counts[top(torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0, 2.0]), 3, source).numpy()] += 1
    assert counts[5] == 3000 and counts[4] == 0
    assert chisquare(counts[:4]).pvalue > 1e-3


def test_never_seen_losses_do_not_favour_low_positions():
    picks = top(torch.full((1000,), float("inf")), 200, stream())
    assert 400 < float(picks.float().mean()) < 600


def test_taken_ones_never_come_back():
    for scores in (torch.full((10,), float("nan")), torch.full((10,), -float("inf")), torch.arange(10.0)):
        taken = torch.tensor([9, 0, 4])
        for pick in (top, weighted):
            rest = pick(scores, 7, stream(), taken)
            assert sorted([*rest.tolist(), *taken.tolist()]) == list(range(10))


def test_float64_and_half_scores():
    for dtype in (torch.float64, torch.float16, torch.bfloat16):
        assert top(torch.tensor([1.0, 3.0, 2.0], dtype=dtype), 2, stream()).tolist() == [1, 2]


def test_draw_is_uniform_over_subsets():
    source = stream(1)
    subsets = {subset: 0 for subset in itertools.combinations(range(5), 2)}
    for _ in range(4000):
        subsets[tuple(sorted(draw(5, 2, source, CPU).tolist()))] += 1
    assert chisquare(list(subsets.values())).pvalue > 1e-3


def test_weighted_has_the_law_of_successive_draws():
    weights = np.array([5.0, 3.0, 1.0, 1.0])
    expected = {}
    for i, j in itertools.permutations(range(4), 2):
        expected[i, j] = weights[i] / weights.sum() * weights[j] / (weights.sum() - weights[i])
    counts = dict.fromkeys(expected, 0)
    source, logs = stream(2), torch.tensor(weights).log()
    for _ in range(6000):
        counts[tuple(weighted(logs, 2, source).tolist())] += 1
    assert chisquare(list(counts.values()), [6000 * expected[pair] for pair in counts]).pvalue > 1e-3


def test_weighted_with_certain_and_impossible_candidates():
    logs = torch.tensor([0.0, float("inf"), -float("inf"), float("nan"), 1.0, float("inf")])
    order = weighted(logs, 6, stream()).tolist()
    assert set(order[:2]) == {1, 5} and set(order[2:4]) == {0, 4} and order[4:] == [2, 3]


def test_oriented():
    assert oriented(torch.tensor([1.0]), "high", "high").item() == 1.0
    assert oriented(torch.tensor([1.0]), "low", "high").item() == -1.0


@pytest.mark.parametrize("pick", [top, weighted])
def test_stream_decides(pick):
    scores = torch.zeros(50)
    assert torch.equal(pick(scores, 9, stream(3)), pick(scores, 9, stream(3)))
    assert not torch.equal(pick(scores, 9, stream(3)), pick(scores, 9, stream(4)))
