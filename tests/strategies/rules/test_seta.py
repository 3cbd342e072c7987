"""SeTa: its groups against scikit-learn's k-means, and which of them an epoch trains on."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.cluster import KMeans

from selbench.strategies import BatchLosses
from selbench.strategies.rules.seta import grouped_by_loss

from .._inputs import begun


def test_groups_are_those_of_k_means_in_one_dimension():
    values = torch.rand(500, generator=torch.Generator().manual_seed(2), dtype=torch.float64).pow(4) * 5
    ours = grouped_by_loss(values, 5)
    ordered = values.sort().values
    start = ordered[[50, 150, 250, 350, 450]].numpy()[:, None]
    theirs = KMeans(5, init=start, n_init=1, tol=0.0, max_iter=50).fit_predict(values.numpy()[:, None])
    assert (ours.numpy() == theirs).all() and len(set(theirs)) == 5


def test_even_epochs_leave_out_the_hardest_and_odd_ones_the_easiest():
    values = torch.tensor([0.1] * 50 + [1.0] * 20 + [2.0] * 15 + [3.0] * 10 + [5.0] * 5)
    groups = np.repeat([0, 1, 2, 3, 4], [50, 20, 15, 10, 5])

    def kept(epoch, progress=0.5, **options):
        picks = begun("seta", options).select(None, BatchLosses(values, epoch=epoch, progress=progress), 1.0)
        return set(groups[picks.numpy()]), len(picks)

    assert grouped_by_loss(values.double(), 5).tolist() == groups.tolist()
    assert kept(0) == ({0, 1, 2, 3, 4}, 100)
    assert kept(2) == ({0, 1, 2, 3}, 95) and kept(3) == ({1, 2, 3, 4}, 50)
    assert kept(3, progress=0.9) == ({0, 1, 2, 3, 4}, 100)
    assert kept(3, alpha=1.0)[1] == 100 and kept(3, groups=1)[1] == 100


def test_the_ratio_is_the_uniform_part():
    losses = BatchLosses(torch.full((200,), float("inf")), epoch=0)
    assert len(begun("seta", {}).select(None, losses, 0.9)) == 180
