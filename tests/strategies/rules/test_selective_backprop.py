"""Percentiles against scipy over a deque; draws against the sequential law."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
import torch
from scipy.stats import chi2_contingency, chisquare, percentileofscore

from selbench.harness.training.flops import count_selection
from selbench.strategies import keep_count, load

from .._inputs import begun, make, pool
from ..test_no_sync import select_on_cuda

NAME, DRAWS = "selective-backprop", 1000


@pytest.mark.parametrize("history", [1, 7, 20, 64, 5000])
def test_percentiles_against_scipy_over_a_deque(history):
    rule, past = load(NAME, history=history), deque(maxlen=history)
    for step in range(9):
        losses = torch.rand(20, generator=torch.Generator().manual_seed(step)).mul(8).round()
        past.extend(losses.tolist())
        expected = percentileofscore(list(past), losses.numpy(), kind="weak") / 100
        # Losses that the history has no room for may stand below all that it holds.
        assert np.allclose(rule.percentiles(losses), expected, rtol=1e-5)


@pytest.mark.parametrize("beta", [0.0, 1.0, 3.0])
def test_chances_are_percentiles_to_the_power_of_beta(beta):
    losses = torch.tensor([4.0, 1.0, 3.0, 2.0])
    rule, counts = begun(NAME, {"beta": beta, "history": 4}), np.zeros(4)
    for _ in range(DRAWS):
        counts[int(rule.select(None, losses, 0.25))] += 1
    chances = np.array([1.0, 0.25, 0.75, 0.5]) ** beta
    assert chisquare(counts, DRAWS * chances / chances.sum()).pvalue > 1e-4


@pytest.mark.parametrize("k", [1, 2, 3])
def test_systematic_draws_have_chances_in_proportion_up_to_one(k):
    # Percentiles 1, .25, .75, .5: at k = 3 the first two are certain, and the others share what is left, 1.
    expected = {1: [0.4, 0.1, 0.3, 0.2], 2: [0.8, 0.2, 0.6, 0.4], 3: [1.0, 1 / 3, 1.0, 2 / 3]}[k]
    losses = torch.tensor([4.0, 1.0, 3.0, 2.0])
    rule, counts = begun(NAME, {"history": 4}), np.zeros(4)
    for _ in range(DRAWS):
        counts[rule.select(None, losses, k / 4).numpy()] += 1
    assert np.allclose(counts / DRAWS, expected, atol=4.5 * 0.5 / DRAWS**0.5)


def test_a_queue_fills_by_coins_again_and_again():
    """Against the loop: coins in random order, those left over asked again, until two are accepted."""
    losses, rng = torch.tensor([4.0, 1.0, 3.0, 2.0]), np.random.default_rng(1)
    rule, ours, theirs = begun(NAME, {"history": 4, "draw": "queue", "beta": 2.0}), np.zeros(4), np.zeros(4)
    chances = np.array([1.0, 0.25, 0.75, 0.5]) ** 2
    for _ in range(DRAWS):
        ours[rule.select(None, losses, 0.5).numpy()] += 1
        queue: list[int] = []
        while len(queue) < 2:
            accepted = [i for i in rng.permutation(4) if i not in queue and rng.random() < chances[i]]
            queue += accepted[: 2 - len(queue)]
        theirs[queue] += 1
    assert chi2_contingency([ours, theirs]).pvalue > 1e-4


def test_the_past_counts():
    """A loss that is middling in its batch is high after easy batches, and low after hard ones."""
    batch = torch.tensor([1.0, 2.0, 3.0])
    shares = []
    for before in (0.0, 9.0):
        rule = load(NAME)
        rule.percentiles(torch.full((97,), before))
        shares.append(rule.percentiles(batch)[1].item())
    assert shares == pytest.approx([0.99, 0.02])


def test_losses_that_are_not_finite():
    nan, inf = float("nan"), float("inf")
    losses = torch.tensor([nan, inf, 1.0, 2.0])
    shares = load(NAME, history=50).percentiles(losses)
    assert shares[1:].tolist() == [1.0, 0.25, 0.5] and shares[0].isnan()
    rule = load(NAME)
    for _ in range(20):
        assert 0 not in rule.select(None, losses, 0.75).tolist()


def test_begin_forgets():
    rule = begun(NAME, {})
    rule.percentiles(torch.zeros(50))
    rule.begin(pool())
    assert rule.percentiles(torch.tensor([5.0, 6.0])).tolist() == [0.5, 1.0]


def test_a_state_handed_out_does_not_move():
    rule = begun(NAME, {"history": 8})
    rule.select(*make(5), 0.5)
    state = rule.state_dict()
    before = state["past"].clone()
    rule.select(*make(6, seed=1), 0.5)
    assert torch.equal(state["past"], before)


@pytest.mark.parametrize("history", [16, 5000])
@pytest.mark.parametrize("size", [20, 400])
def test_cost(history, size):
    rule = begun(NAME, {"history": history})
    batch = make(size)
    counted = count_selection(lambda: rule.select(*batch, 0.25))
    declared = rule.flops(size, 8, keep_count(0.25, size))
    assert not counted.unknown and 0.5 <= declared / counted.flops <= 2


@pytest.mark.parametrize("history", [16, 5000])
def test_the_device_is_not_waited_for(history):
    assert select_on_cuda(load(NAME, history=history)).shape == (12,)
