"""OrderDP: how likely each rank of the loss is kept, by the published formula."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
import torch

from selbench.strategies import BatchLosses

from .._inputs import begun


def test_each_rank_is_kept_as_often_as_the_formula_says():
    n, k, draws = 10, 3, 4000
    rule, losses = begun("orderdp", {"share": 0.6}), torch.arange(n, 0, -1.0)
    counts = np.zeros(n)
    for _ in range(draws):
        counts[rule.select(None, losses, k / n).numpy()] += 1
    s = 5
    expected = [
        sum(comb(j - 1, i - 1) * comb(n - j, s - i) for i in range(1, k + 1) if s >= i) / comb(n, s)
        for j in range(1, n + 1)
    ]
    assert sum(expected) == pytest.approx(k)
    assert counts / draws == pytest.approx(expected, abs=0.04)


def test_what_was_never_seen_has_the_loss_it_starts_with():
    inf = float("inf")
    losses = BatchLosses(torch.tensor([2.0, inf, 4.0, 1.0, inf]))
    assert sorted(begun("orderdp", {"share": 0.4}).select(None, losses, 0.6).tolist()) == [1, 2, 4]
    assert begun("orderdp", {"share": 0.1, "start": 0.5}).select(None, losses, 0.4).tolist() == [2, 0]
