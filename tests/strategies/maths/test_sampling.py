"""The draws that rules share: laws by property, chances by counting, class shares by the divisor method."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import chisquare

from selbench.strategies.maths.sampling import balanced, draw, grouped, oriented, proportional, top, weighted

from .._inputs import begun, make, replaced

SCORED = ("forgetting", "aum", "entropy", "el2n", "grand")

CPU = torch.device("cpu")


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


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


@pytest.mark.parametrize("k", [1, 7, 19, 20])
def test_proportional_chances_against_a_root_finder(k):
    sizes = np.random.default_rng(k).exponential(size=20) ** 3
    found = proportional(torch.tensor(sizes), k)
    sizes = sizes / sizes.mean() + 1e-6
    root = brentq(lambda factor: np.minimum(1, factor * sizes).sum() - k + 1e-9, 0, 1e9, rtol=1e-12)
    assert found.sum().item() == pytest.approx(k) and found.amax() <= 1
    assert np.allclose(found, np.minimum(1, root * sizes), atol=1e-6)


def test_those_of_no_size_share_what_the_certain_ones_leave():
    assert proportional(torch.tensor([1.0, 0.0, 0.0, 0.0]), 2).tolist() == pytest.approx([1, 1 / 3, 1 / 3, 1 / 3])
    assert proportional(torch.zeros(4), 2).tolist() == [0.5] * 4


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


def test_grouped_by_hand():
    members, rank, count = grouped(torch.tensor([4, 0, 3, 1, 2]), torch.tensor([7, -1, 7, 7, -1]))
    assert members.tolist() == [4, 1, 0, 3, 2]  # the group -1 first, each in the order given
    assert rank.tolist() == [0, 1, 0, 1, 2] and count.tolist() == [2, 2, 3, 3, 3]


def seats(sizes: np.ndarray, k: int) -> set[tuple[int, ...]]:
    """Every outcome of Sainte-Laguë with k seats: more than one where the last seats are tied."""
    quotients = np.array([[size / (2 * j + 1) if j < size else -1.0 for j in range(k)] for size in sizes])
    last = np.sort(quotients.ravel())[-k]
    certain = (quotients > last + 1e-9).sum(1)
    tied = np.flatnonzero((np.abs(quotients - last) <= 1e-9).any(1))
    assert (np.abs(quotients - last) <= 1e-9).sum(1).max() == 1
    outcomes = set()
    for chosen in range(2 ** len(tied)):
        extra = [tied[i] for i in range(len(tied)) if chosen >> i & 1]
        if certain.sum() + len(extra) == k:
            outcomes.add(tuple(int(certain[c]) + (c in extra) for c in range(len(sizes))))
    return outcomes


@given(st.lists(st.integers(1, 30), min_size=1, max_size=5), st.floats(0.01, 1.0), st.integers(0, 99))
def test_shares_are_those_of_the_divisor_method(sizes, ratio, seed):
    labels = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    labels = labels[torch.randperm(len(labels), generator=stream(seed))]
    k = max(1, round(ratio * len(labels)))
    scores = torch.rand(len(labels), generator=stream(seed + 1))
    picks = balanced(scores, labels, k, stream(seed))
    counts = tuple(labels[picks].bincount(minlength=len(sizes)).tolist())
    assert counts in seats(np.array(sizes), k)
    for c, count in enumerate(counts):
        own = torch.where(labels == c, scores, -1.0)
        best = own.topk(count).indices.tolist()
        assert {int(i) for i in picks if labels[i] == c} == set(best)


def test_equal_classes_give_as_many_each_and_the_odd_ones_are_anyones():
    labels, counts = torch.arange(12) % 3, np.zeros(3)
    for seed in range(300):
        taken = labels[balanced(torch.zeros(12), labels, 7, stream(seed))].bincount(minlength=3).numpy()
        assert sorted(taken) == [2, 2, 3]
        counts += taken == 3
    assert (np.abs(counts - 100) < 5 * (300 * 2 / 9) ** 0.5).all()


def test_every_rule_balances():
    feats, losses = make(120)
    labels = torch.arange(120) % 4
    for name in SCORED:
        losses = replaced(losses, labels=labels)
        picks = begun(name, {"class_balanced": True}, size=120).select(feats, losses, 0.3)
        assert labels[picks].bincount(minlength=4).tolist() == [9, 9, 9, 9]
        rule = begun(name, {}, size=120)
        hard = rule.difficulty(losses)
        for c in range(4):
            own, left = set(picks.tolist()), [i for i in range(c, 120, 4) if i not in set(picks.tolist())]
            assert min(hard[i] for i in own if i % 4 == c) >= max(hard[i] for i in left)
