"""The policies of the schedules that learn: Exp3 beside a second implementation, cases by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from selbench.harness.steps.learned import Adaptive, Bandit
from selbench.harness.streams import generator


def told(schedule, looks, seed=0):
    """The ratios that ``schedule`` comes to on these looks of (loss, FLOPs since the last)."""
    schedule.begin(seed)
    ratios, spent = [schedule.ratio(0.0)], 0.0
    for i, (loss, flops) in enumerate(looks):
        spent += flops
        schedule.feedback((i + 1) / (len(looks) + 1), loss, spent)
        ratios.append(schedule.ratio(0.5))
    return ratios


class SecondExp3:
    """Exp3 from its figure, with plain weights; rewards scaled by numpy's percentiles."""

    def __init__(self, arms, gamma, seed):
        self.w, self.gamma, self.seed, self.round, self.earned = np.ones(arms), gamma, seed, 0, []
        self.draw()

    def draw(self):
        self.p = (1 - self.gamma) * self.w / self.w.sum() + self.gamma / len(self.w)
        u = torch.rand((), generator=generator(self.seed, "schedule", self.round), dtype=torch.float64).item()
        self.arm = min(len(self.w) - 1, int(np.searchsorted(np.cumsum(self.p), u, side="right")))
        self.round += 1

    def pay(self, rate):
        self.earned.append(rate)
        low, high = np.percentile(self.earned, [20, 80])
        r = 0.5 if low == high else np.clip((rate - low) / (high - low), 0, 1)
        estimate = np.zeros(len(self.w))
        estimate[self.arm] = r / self.p[self.arm]
        self.w = self.w * np.exp(self.gamma * estimate / len(self.w))


@given(st.lists(st.tuples(st.floats(0.0, 10.0), st.floats(1.0, 9.0)), min_size=1, max_size=30), st.integers(0, 99))
def test_the_bandit_is_exp3(looks, seed):
    bandit, second = Bandit([0.2, 0.4, 0.6, 0.9], 0.3), SecondExp3(4, 0.3, seed)
    bandit.begin(seed)
    spent, before = 0.0, None
    for loss, flops in looks:
        assert bandit.at == second.arm
        spent += flops
        bandit.feedback(0.5, loss, spent)
        if before is not None:
            second.pay((before[0] - loss) / (spent - before[1]))
        second.draw()
        before = loss, spent
    assert bandit.probabilities() == pytest.approx(second.p.tolist(), abs=1e-9)


def test_a_case_by_hand():
    """Two ratios, even exploration of one half. The first interval is not judged; the second earns one half (it is the
    only one seen); so that its ratio's weight is exp(.5 * .5 / (2 * .5)) = exp(.25)."""
    bandit = Bandit([0.5, 1.0], 0.5)
    bandit.begin(0)
    bandit.feedback(0.1, 2.0, 10.0)
    assert bandit.probabilities() == [0.5, 0.5]
    held = bandit.at
    bandit.feedback(0.2, 1.0, 20.0)
    share = math.exp(0.25) / (1 + math.exp(0.25))
    assert bandit.probabilities()[held] == pytest.approx(0.5 * share + 0.25)
    # Worse than the last: the reward is 0, the weights stay. Better than both: it is 1.
    chances, held = bandit.probabilities(), bandit.at
    bandit.feedback(0.3, 1.5, 30.0)
    assert bandit.probabilities() == chances
    held, chance = bandit.at, bandit.probabilities()[bandit.at]
    weight = bandit.log_weights[held]
    bandit.feedback(0.4, 0.1, 35.0)
    assert bandit.log_weights[held] == pytest.approx(weight + 0.5 / (2 * chance))


def test_a_loss_that_is_not_finite_earns_nothing():
    bandit = Bandit([0.5, 1.0])
    told(bandit, [(2.0, 1.0), (1.0, 1.0)])
    weights = list(bandit.log_weights)
    bandit.feedback(0.5, math.nan, 3.0)
    bandit.feedback(0.6, 1.0, 4.0)
    assert bandit.log_weights == weights and bandit.probes[-2][1] is None


def test_the_bandit_learns_which_ratio_pays():
    """Where 0.25 buys twice the fall of the others for each FLOP, most draws end there."""
    bandit, loss, spent = Bandit([0.25, 0.5, 1.0], 0.2), 1000.0, 0.0
    bandit.begin(5)
    for _ in range(300):
        loss -= 2.0 if bandit.ratio(0) == 0.25 else 1.0
        spent += 1.0
        bandit.feedback(0.5, loss, spent)
    assert bandit.probabilities()[0] > 0.8


def test_adaptive_climbs_where_the_loss_is_flat_and_descends_where_it_falls():
    schedule = Adaptive(0.2, 1.0, rungs=5, flat=0.02, fast=0.1)
    falls = [2.0, 1.99, 1.985, 1.9, 1.5, 1.6, 1.61, math.nan, 1.0, 1.0, 1.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.02]
    ratios = told(schedule, [(loss, 1.0) for loss in falls])
    wanted = [0, 0, 1, 2, 2, 1, 2, 3, 3, 3, 4, 4, 4, 3, 2, 1, 0, 0]
    assert ratios == pytest.approx([0.2 + 0.2 * rung for rung in wanted])
