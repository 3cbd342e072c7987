"""Class-balanced picks against the divisor method, seat by seat."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from selbench.strategies.maths.sampling import balanced, grouped

from .._inputs import begun, make, replaced

SCORED = ("forgetting", "aum", "entropy", "el2n", "grand")


def stream(seed: int = 0) -> torch.Generator:
    """A stream of its own."""
    return torch.Generator().manual_seed(seed)


def test_within_by_hand():
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


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
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
