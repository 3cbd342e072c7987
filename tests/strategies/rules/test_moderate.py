"""The moderate coreset against a plain NumPy version of its published protocol."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from selbench.strategies import BatchLosses, load

from .._inputs import begun, make


def slow_distances(feats, labels, centre):
    feats, labels = feats.double().numpy(), labels.numpy()
    middle = {"median": np.median, "mean": np.mean}[centre]
    return np.array(
        [np.linalg.norm(f - middle(feats[labels == y], axis=0)) for f, y in zip(feats, labels, strict=True)]
    )


def test_by_hand():
    # Class 7: 0, 1, 5 (median 1, mean 2); class 3: 10, 14 (median and mean 12).
    feats = torch.tensor([[0.0], [10.0], [1.0], [14.0], [5.0]])
    losses = BatchLosses(labels=torch.tensor([7, 3, 7, 3, 7]))
    # Distances to medians: 1, 2, 0, 2, 4 with median 2; to means: 2, 2, 1, 2, 3 with median 2.
    assert set(load("moderate").select(feats, losses, 0.2).tolist()) <= {1, 3}
    assert set(load("moderate", window="value").select(feats, losses, 0.4).tolist()) == {1, 3}
    assert set(load("moderate", window="value").select(feats, losses, 0.6).tolist()) == {0, 1, 3}
    for window in ("rank", "value"):
        assert set(load("moderate", centre="mean", window=window).select(feats, losses, 0.6).tolist()) == {0, 1, 3}


@pytest.mark.parametrize("centre", ["median", "mean"])
@pytest.mark.parametrize("size", [1, 2, 37, 150])
def test_distances_against_numpy(size, centre):
    feats, losses = make(size, width=5)
    distances = load("moderate", centre=centre).distances(feats, losses.labels)
    assert np.allclose(distances, slow_distances(feats, losses.labels, centre), atol=1e-5)


@pytest.mark.parametrize("centre", ["median", "mean"])
@pytest.mark.parametrize(("size", "k"), [(100, 30), (101, 31), (100, 31), (60, 60), (60, 1)])
def test_windows_against_numpy(size, k, centre):
    feats, losses = make(size)
    distances = slow_distances(feats, losses.labels, centre)
    rank = begun("moderate", {"centre": centre}).select(feats, losses, k / size)
    first = round((size - k) / 2)
    assert rank.tolist() == np.argsort(distances)[first : first + k].tolist()
    value = begun("moderate", {"centre": centre, "window": "value"}).select(feats, losses, k / size)
    assert set(value.tolist()) == set(np.argsort(abs(distances - np.median(distances)))[:k].tolist())


def test_the_window_is_the_published_one():
    """The authors keep the ranks round(n·(1 - r)/2) to round(n·(1 + r)/2)."""
    size = 100
    feats, losses = make(size)
    order = np.argsort(slow_distances(feats, losses.labels, "median"))
    for ratio in (0.2, 0.3, 0.5, 0.8):
        published = order[round(size * (0.5 - ratio / 2)) : round(size * (0.5 + ratio / 2))]
        assert begun("moderate", {}).select(feats, losses, ratio).tolist() == published.tolist()
