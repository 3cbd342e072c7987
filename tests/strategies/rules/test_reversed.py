"""What a rule leaves when it is asked for the rest."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from selbench.strategies import keep_count, load

from .._doubles import register
from .._inputs import begun, make


def test_the_lowest_losses():
    losses = torch.tensor([0.1, 3.0, 2.0, float("inf"), 0.0, 1.0])
    assert load("reversed").select(None, losses, 0.5).sort().values.tolist() == [0, 4, 5]
    assert load("reversed", of="loss", options={"end": "smallest"}).select(
        None, losses, 0.5
    ).sort().values.tolist() == [1, 2, 3]


def test_what_is_put_last_comes_first():
    assert load("reversed").select(None, torch.tensor([1.0, float("nan"), 0.5, 2.0]), 0.25).tolist() == [1]


@pytest.mark.parametrize("of", ["loss", "rho", "degree", "fiedler"])
@settings(max_examples=15)
@given(size=st.integers(2, 60), ratio=st.floats(0.01, 0.99), seed=st.integers(0, 5))
def test_rule_and_reverse_part_the_candidates(of, size, ratio, seed):
    batch = make(size, seed=seed)
    kept = keep_count(ratio, size)
    reverse = begun("reversed", {"of": of}).select(*batch, ratio).tolist()
    rest = begun(of, {}).select(*batch, (size - kept) / size).tolist() if kept < size else []
    assert sorted(reverse + rest) == list(range(size))


def test_the_reverse_of_the_reverse_is_the_rule():
    batch = make(40)
    twice = begun("reversed", {"of": "reversed", "options": {"of": "rho"}}).select(*batch, 0.3)
    assert set(twice.tolist()) == set(begun("rho", {}).select(*batch, 0.3).tolist())


def test_weighted_draws_are_turned_round():
    """Of a draw that favours low reference losses the reverse favours high ones."""
    feats, losses = make(40)
    strategy, means = begun("reversed", {"of": "gstds", "options": {"share": 0.0}}), []
    for _ in range(50):
        means.append(float(losses.reference[strategy.select(feats, losses, 0.25)].mean()))
    assert sum(means) / len(means) > float(losses.reference.mean()) + 0.2


def test_weights_are_not_handed_to_those_left(monkeypatch):
    register(monkeypatch)
    picks = load("reversed", of="weighing").select(None, torch.arange(1.0, 9.0), 0.5)
    assert picks.sort().values.tolist() == [0, 1, 2, 3]


def test_counts_that_the_data_decide(monkeypatch):
    register(monkeypatch)
    reverse = load("reversed", of="deciding")
    assert reverse.exact_count
    losses = torch.tensor([2.0, 0.5, 3.0, 0.1, 0.2])
    more = {frozenset(reverse.select(None, losses, 0.4).tolist()) for _ in range(40)}
    assert more == {frozenset({1, 3}), frozenset({1, 4}), frozenset({3, 4})}
    fewer = {frozenset(reverse.select(None, losses, 0.8).tolist()) for _ in range(40)}
    assert fewer == {frozenset({1, 3, 4, 0}), frozenset({1, 3, 4, 2})}
    assert reverse.select(None, torch.full((5,), 2.0), 0.4).unique().numel() == 2
