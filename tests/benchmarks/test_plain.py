"""The plain forms that the rules are timed beside are the same rules."""

from __future__ import annotations

import pytest
import torch

from selbench.benchmarks.plain import PLAIN
from selbench.strategies import load

from ..strategies._inputs import BUILTIN, make

DRAWN = {"uniform", "outlier", "gstds", "jest"}
"""Rules with chance in them."""


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", sorted(set(PLAIN) - DRAWN))
@pytest.mark.parametrize("seed", range(3))
def test_same_picks(name, seed):
    feats, losses = make(90, seed=seed)
    assert set(PLAIN[name](feats, losses, 30, stream()).tolist()) == set(
        load(name).select(feats, losses, 1 / 3).tolist()
    )


@pytest.mark.parametrize("name", sorted(DRAWN))
@pytest.mark.parametrize("k", [1, 2, 30, 90])
def test_as_many_picks_no_two_alike(name, k):
    feats, losses = make(90)
    picks = PLAIN[name](feats, losses, k, stream())
    assert picks.shape == (k,) and picks.unique().numel() == k and picks.min() >= 0 and picks.max() < 90


def test_parts_without_chance_agree():
    feats, losses = make(90)
    assert PLAIN["outlier"](feats, losses, 9, stream())[0] == load("outlier").select(feats, losses, 0.1)[0]
    halves = [load("gstds").select(feats, losses, 1 / 3)[:15], PLAIN["gstds"](feats, losses, 30, stream())[:15]]
    assert set(halves[0].tolist()) == set(halves[1].tolist())


def test_every_name_is_a_built_in():
    assert set(PLAIN) <= set(BUILTIN)
