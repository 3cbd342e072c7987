"""JEST's temperature: by counting, at its ends, and absent by default."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import chi2_contingency, chisquare

from selbench.harness.training.flops import count_selection
from selbench.strategies import BatchLosses

from .._inputs import begun, make

WARM = {"chunks": 2, "temperature": 2.5}


@pytest.mark.parametrize("normalize", [False, True])
def test_chances_against_the_slow_loop(normalize):
    """Two chunks of two: logits of the second are (|A| + 1) times the first's, over 2|A| + 1 where normalised."""
    gain, rng = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0]), np.random.default_rng(0)
    losses = BatchLosses(torch.tensor(gain), torch.zeros(7))
    rule = begun("jest", {**WARM, "normalize": normalize})
    ours, theirs = np.zeros((4, 7)), np.zeros((4, 7))
    for _ in range(400):
        ours[range(4), rule.select(None, losses, 4 / 7).numpy()] += 1
        picks: list[int] = []
        for place in range(4):
            terms = 2 * (place // 2)
            logits = gain * (terms + 1) / (2 * terms + 1 if normalize else 1) / 2.5
            chances = np.where(np.isin(np.arange(7), picks), 0.0, np.exp(logits))
            picks.append(int(rng.choice(7, p=chances / chances.sum())))
        theirs[range(4), picks] += 1
    for place in range(4):
        table = np.stack([ours[place], theirs[place]])
        assert chi2_contingency(table[:, table.sum(0) >= 10]).pvalue > 1e-4, (place, table)


@pytest.mark.parametrize(
    ("first", "weights"),
    [("softmax", np.exp([0.0, 0.5, 1.0, 3.0])), ("uniform", np.ones(4)), ("shifted", np.array([0.0, 0.5, 1.0, 3.0]))],
)
def test_the_first_chunk_as_published_and_as_in_two_ports(first, weights):
    losses = BatchLosses(torch.tensor([1.0, 1.5, 2.0, 4.0]), torch.ones(4))
    rule, counts = begun("jest", {} if first == "softmax" else {"first": first}), np.zeros(4)
    for _ in range(600):
        counts[int(rule.select(None, losses, 0.25))] += 1
    expected = 600 * weights / weights.sum()
    assert (counts[expected == 0] == 0).all()
    assert chisquare(counts[expected > 0], expected[expected > 0]).pvalue > 1e-4


def test_cold_is_the_top_and_hot_is_even():
    losses = BatchLosses(torch.arange(10.0), torch.zeros(10))
    cold = begun("jest", {**WARM, "temperature": 1e-3})
    assert cold.select(None, losses, 0.4).tolist() == [9, 8, 7, 6]
    hot, counts = begun("jest", {**WARM, "temperature": 1e6}), np.zeros(10)
    for _ in range(400):
        counts[hot.select(None, losses, 0.4).numpy()] += 1
    assert abs(counts - 160).max() < 5 * math.sqrt(400 * 0.4 * 0.6)


@pytest.mark.parametrize("options", [{}, {"first": "uniform", "normalize": True}, {"form": "joint-softmax"}], ids=str)
def test_the_default_divides_nothing(options):
    """Not one operation more than there was before there was a temperature; twice the temperature differs."""
    feats, losses = make(60)
    plain, one, two = (
        begun("jest", {**options, **more}).select(feats, losses, 0.5).tolist()
        for more in ({}, {"temperature": 1.0}, {"temperature": 20.0})
    )
    assert plain == one != two
    costs = [
        count_selection(lambda t=t: begun("jest", {**options, "temperature": t}).select(feats, losses, 0.5)).flops
        for t in (1.0, 2.0)
    ]
    # The logits of all 16 chunks are divided at once, even where the first chunk has none.
    assert costs[1] - costs[0] == 16 * 60
