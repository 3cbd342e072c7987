"""epsilon-greedy and UCB by hand: running means from what was observed, who is kept, and for how long."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from selbench.strategies import BatchLosses, Pool, load

INF = float("inf")


def told(name, losses, **options):
    """A rule on a pool of as many samples as ``losses`` has rows, which observed those that are not None, in turn."""
    size = len(losses)
    rule = load(name, **options)
    labels = torch.zeros(size, dtype=torch.int64)
    rule.begin(Pool(size, 2, labels, torch.device("cpu"), torch.Generator().manual_seed(0)))
    for visit in zip(*losses, strict=True):
        index = [i for i, loss in enumerate(visit) if loss is not None]
        rule.observe(torch.tensor(index), torch.tensor([visit[i] for i in index]))
    return rule


def asked(rule, size, k, epoch=1, last=None):
    learner = torch.full((size,), INF) if last is None else torch.tensor(last)
    return rule.select(None, BatchLosses(learner, index=torch.arange(size), epoch=epoch), k / size).tolist()


def test_means_and_variances_by_hand():
    rule = told("ucb", [[1.0, 3.0], [2.0, 2.0], [4.0, None], [None, None]], rate=0.25)
    assert rule._mean.tolist() == [1.5, 2.0, 4.0, INF]
    assert rule._variance.tolist() == [1.0, 0.0, 0.0, 0.0]  # a quarter of (3 - 1)², by the mean before
    assert asked(rule, 4, 3) == [3, 2, 0]  # never seen; 4; 1.5 + 1 before 2
    assert asked(told("ucb", [[1.0, 3.0], [2.0, 2.0]], rate=0.25, confidence=0.0), 2, 1) == [1]
    deep = told("ucb", [[1.0, 3.0], [2.0, 2.0]], rate=0.25, confidence=0.6, spread="deviation")
    assert asked(deep, 2, 1) == [0]  # 1.5 + 0.6, and the variance is 1: the deviation alike
    assert asked(told("ucb", [[1.0, 5.0], [3.6, 3.6]], rate=0.25, spread="deviation"), 2, 1) == [0]  # 2 + √4
    assert asked(told("ucb", [[1.0, 5.0], [5.6, 5.6]], rate=0.25), 2, 1) == [0]  # 2 + 4


def test_a_pool_never_seen_goes_by_the_losses_last_seen():
    assert asked(told("epsilon-greedy", [[]] * 4, epsilon=0.0), 4, 2, last=[1.0, 4.0, INF, 2.0]) == [2, 1]


@pytest.mark.parametrize("epsilon", [0.0, 0.4, 1.0])
def test_the_greedy_share_is_the_worst_and_the_rest_is_even(epsilon):
    rule, counts = told("epsilon-greedy", [[float(i)] for i in range(20)], epsilon=epsilon), np.zeros(20)
    for _ in range(600):
        picks = asked(rule, 20, 5)
        assert len(set(picks)) == 5
        counts[picks] += 1
    greedy = 5 - round(5 * epsilon)
    assert (counts[20 - greedy :] == 600).all()
    chance = (5 - greedy) / (20 - greedy)
    assert abs(counts[: 20 - greedy] - 600 * chance).max() <= 5 * (600 * chance * (1 - chance)) ** 0.5


def test_a_subset_is_kept_for_as_many_passes_as_asked():
    rule = told("epsilon-greedy", [[float(i)] for i in range(40)], epsilon=0.5, every=3)
    picks = [sorted(asked(rule, 40, 10, epoch)) for epoch in range(6)]
    assert picks[0] == picks[1] == picks[2] != picks[3] == picks[4] == picks[5]
    assert sorted(asked(rule, 40, 8, 5)) != picks[5]  # another count is another subset
    half = BatchLosses(torch.rand(20), index=torch.arange(20) + 20, epoch=5)
    assert len(rule.select(None, half, 0.5)) == 10  # candidates of the pool are no pool


def test_what_a_state_handed_out_stays_as_it_was():
    rule = told("ucb", [[1.0], [2.0]])
    state = rule.state_dict()
    rule.observe(torch.tensor([0]), torch.tensor([9.0]))
    assert state["mean"].tolist() == [1.0, 2.0]
