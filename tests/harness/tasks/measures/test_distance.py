"""Distances between picks, beside those of random ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from selbench.harness.plan.measures import DistanceOptions
from selbench.harness.tasks.measures import distance as module
from selbench.harness.tasks.measures.distance import distance, nearest

OPTIONS = DistanceOptions(reference="any", draws=40, samples=2, quantile=0.25)


@settings(max_examples=25)
@given(count=st.integers(2, 30), width=st.integers(1, 5), seed=st.integers(0, 99), offset=st.sampled_from([0.0, 1e3]))
def test_the_nearest_neighbour_is_the_trees(count, width, seed, offset):
    rows = torch.randn(count, width, generator=torch.Generator().manual_seed(seed)) + offset
    expected = cKDTree(rows.double().numpy()).query(rows.double().numpy(), k=2)[0][:, 1]
    assert np.allclose(nearest(rows), expected, atol=2e-3 if offset else 1e-5)


def test_chunks_make_no_difference(monkeypatch):
    rows = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    whole = nearest(rows)
    monkeypatch.setattr(module, "CHUNK", 7)
    assert torch.allclose(nearest(rows), whole)


def test_copies_lie_at_no_distance():
    rows = torch.randn(9, 4).repeat(2, 1) * 1e3
    assert not nearest(rows).any()


def test_a_grid_lies_farther_apart_than_random_points():
    rows = torch.rand(400, 2, generator=torch.Generator().manual_seed(0))
    rows[::20] = torch.cartesian_prod(torch.arange(5) / 4, torch.arange(4) / 3)
    found = distance(OPTIONS, rows, [(torch.arange(0, 400, 20), None)], 0)
    assert found["minimum"] == pytest.approx(0.25) and found["low"] == pytest.approx(0.25)
    assert found["random_minimum"] < 0.1 and found["random_low"] < 0.2
    assert (found["draws"], found["samples"], found["size"]) == (40, 1, 20)


def test_random_picks_of_a_batch_are_drawn_from_its_candidates():
    rows = torch.cat([torch.rand(20, 2), 1e3 * torch.rand(80, 2)])
    found = distance(OPTIONS, rows, [(torch.arange(5), torch.arange(20)), (torch.arange(5, 10), torch.arange(20))], 3)
    assert found["random_low"] < 2 and found["draws"] == 40


def test_the_same_seed_draws_the_same():
    rows = torch.rand(100, 3)
    first, second, other = (distance(OPTIONS, rows, [(torch.arange(9), None)], seed) for seed in (1, 1, 2))
    assert first == second != other


def test_nothing_selected_has_no_distances():
    assert distance(OPTIONS, torch.rand(5, 2), [], 0) is None
