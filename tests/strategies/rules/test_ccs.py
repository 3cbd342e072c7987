"""Coverage-centric selection against its published loop over strata."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from selbench.strategies import BatchLosses, load

from .._inputs import begun, make, replaced


def difficulty(trace, labels, score):
    """Higher is harder: minus the mean margin of probabilities, or EL2N."""
    values = []
    for rows, label in zip(trace.double().numpy(), labels.tolist(), strict=True):
        if score == "aum":
            values.append(-np.mean([row[label] - np.delete(row, label).max() for row in rows]))
        else:
            values.append(np.mean([np.linalg.norm(row - np.eye(len(row))[label]) for row in rows]))
    return np.array(values)


def strata_of(hard, beta, strata, wrong=None):
    """Positions of each stratum after the hardest are gone, the way the published loop walks the range."""
    order = np.argsort(-(hard if wrong is None else wrong))
    kept = order[int(beta * len(hard)) :]
    low, high = hard[kept].min(), hard[kept].max()
    edges = low + (high - low) / strata * np.arange(strata + 1)
    edges[-1] = np.inf
    return [[i for i in kept if edges[s] <= hard[i] < edges[s + 1]] for s in range(strata)]


def budgets(sizes, budget):
    """Counts that the published loop gives, from the smallest stratum up."""
    counts = {}
    for done, s in enumerate(sorted(range(len(sizes)), key=lambda s: sizes[s])):
        counts[s] = min(sizes[s], budget // (len(sizes) - done))
        budget -= counts[s]
    assert budget == 0
    return [counts[s] for s in range(len(sizes))]


@pytest.mark.parametrize("score", ["aum", "el2n"])
@pytest.mark.parametrize(("beta", "strata", "ratio"), [(0.3, 50, 0.1), (0.0, 7, 0.5), (0.2, 10, 0.7), (0.5, 1, 0.4)])
def test_counts_are_those_of_the_published_loop(score, beta, strata, ratio):
    feats, losses = make(300)
    hard = difficulty(losses.trace, losses.labels, score)
    groups = strata_of(hard, beta, strata, difficulty(losses.trace, losses.labels, "aum"))
    picks = set(begun("ccs", {"score": score, "beta": beta, "strata": strata}).select(feats, losses, ratio).tolist())
    taken = [len(picks & set(group)) for group in groups]
    assert sum(taken) == len(picks) == round(ratio * 300)  # nothing of what was dropped
    sizes = [len(group) for group in groups]
    # Strata of one size may share an odd pick either way.
    expected = Counter(zip(sizes, budgets(sizes, len(picks)), strict=True))
    assert Counter(zip(sizes, taken, strict=True)) == expected


@pytest.mark.parametrize("score", ["aum", "el2n"])
def test_what_is_dropped_may_be_told_by_the_score_of_the_strata(score):
    feats, losses = make(300)
    hard = difficulty(losses.trace, losses.labels, score)
    picks = begun("ccs", {"score": score, "drop": "score", "beta": 0.5}).select(feats, losses, 0.4)
    assert set(np.argsort(-hard)[:150].tolist()).isdisjoint(picks.tolist())


def test_the_share_dropped_goes_with_the_share_pruned():
    rule = load("ccs")
    shares = {kept: rule.dropped(50_000, round(50_000 * kept)) / 50_000 for kept in (0.9, 0.5, 0.4, 0.3, 0.2, 0.1)}
    assert shares == {0.9: 0.0, 0.5: 0.0, 0.4: 0.0, 0.3: 0.1, 0.2: 0.2, 0.1: 0.3} and rule.dropped(1000, 10) == 300
    assert load("ccs", beta=0.1).dropped(1000, 200) == 100


def test_uniform_inside_a_stratum():
    feats, losses = make(60)
    groups = strata_of(difficulty(losses.trace, losses.labels, "aum"), 0.2, 3)
    strategy, counts = begun("ccs", {"strata": 3}), np.zeros(60)
    for _ in range(400):
        counts[strategy.select(feats, losses, 0.2).numpy()] += 1
    for group in groups:
        mean = counts[group].mean()
        assert mean > 0 and (np.abs(counts[group] - mean) < 5 * mean**0.5).all()
    assert counts.sum() == sum(counts[group].sum() for group in groups)


def test_what_was_dropped_comes_last():
    feats, losses = make(50)
    hard = difficulty(losses.trace, losses.labels, "aum")
    easy = set(np.argsort(hard)[:10].tolist())
    picks = begun("ccs", {"beta": 0.8}).select(feats, losses, 0.4).tolist()
    assert set(picks[:10]) == easy and len(set(picks)) == 20


def test_within_classes():
    feats, losses = make(400)
    labels = torch.arange(400) % 2
    losses = replaced(losses, labels=labels)
    picks = begun("ccs", {"class_balanced": True, "strata": 6, "beta": 0.2}).select(feats, losses, 0.25)
    hard = difficulty(losses.trace, labels, "aum")
    dropped = set()
    for c in range(2):
        own = np.flatnonzero(labels.numpy() == c)
        dropped |= set(own[np.argsort(-hard[own])][:40].tolist())
    assert labels[picks].bincount().tolist() == [50, 50] and not set(picks.tolist()) & dropped
    kept = np.array(sorted(set(range(400)) - dropped))
    width = (hard[kept].max() - hard[kept].min()) / 6
    strata = np.minimum((hard[kept] - hard[kept].min()) // width, 5)
    for c in range(2):
        mine = labels.numpy()[kept] == c
        sizes = [int((strata[mine] == s).sum()) for s in range(6)]
        taken = [sum(int(i) in set(picks.tolist()) for i in kept[mine][strata[mine] == s]) for s in range(6)]
        assert Counter(zip(sizes, taken, strict=True)) == Counter(zip(sizes, budgets(sizes, 50), strict=True))


def test_equal_and_broken_scores_are_drawn():
    labels = torch.zeros(30, dtype=torch.int64)
    for fill in (0.25, float("nan")):
        losses = BatchLosses(trace=torch.full((30, 3, 4), fill), labels=labels)
        strategy, counts = load("ccs"), np.zeros(30)
        for _ in range(200):
            counts[strategy.select(None, losses, 0.2).numpy()] += 1
        assert (np.abs(counts - 40) < 5 * (200 * 0.2 * 0.8) ** 0.5).all()
