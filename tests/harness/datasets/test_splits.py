"""Splits: disjoint, exhaustive, stratified, from their own stream."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from selbench.harness.datasets.splits import allocate, rank_in_class, split, subset
from selbench.harness.streams import permutation
from selbench.strategies import UsageError

LABELS = st.lists(st.integers(0, 5), min_size=8, max_size=120).map(torch.tensor)


@given(counts=st.lists(st.integers(0, 40), min_size=1, max_size=8), share=st.floats(0, 1), least=st.integers(0, 2))
def test_allocate_sums_up_and_keeps_to_the_quota(counts: list[int], share: float, least: int) -> None:
    have = torch.tensor(counts)
    total = round(share * sum(counts))
    assume(total >= int(have.clamp(max=least).sum()))
    given_out = allocate(have, total, least)
    assert int(given_out.sum()) == total
    assert (given_out <= have).all() and (given_out >= have.clamp(max=least)).all()
    if least == 0 and sum(counts):
        assert ((given_out - have * total / sum(counts)).abs() < 1).all(), "largest remainders stay within one"


def test_allocate_by_hand() -> None:
    # Quotas 2.5, 2.5, 5: the one left over goes to the lower of the two classes that tie.
    assert allocate(torch.tensor([5, 5, 10]), 10).tolist() == [3, 2, 5]
    assert allocate(torch.tensor([100, 1, 0]), 10, least=1).tolist() == [9, 1, 0]


@given(labels=LABELS, seed=st.integers(0, 10**6), holdout=st.floats(0, 0.45), val=st.floats(0, 0.45))
def test_split_is_disjoint_exhaustive_and_stratified(
    labels: torch.Tensor, seed: int, holdout: float, val: float
) -> None:
    try:
        parts = split(labels, seed, holdout, val)
    except UsageError as error:
        assert "nothing in the pool" in str(error) or "leave no image to select from" in str(error)
        return
    everything = torch.cat([parts.pool, parts.holdout, parts.val])
    assert torch.equal(everything.sort().values, torch.arange(len(labels)))
    assert len(parts.holdout) == round(holdout * len(labels)) and len(parts.val) == round(val * len(labels))
    counts = torch.bincount(labels, minlength=6)
    held = torch.bincount(labels[parts.holdout], minlength=6)
    assert ((held - counts * len(parts.holdout) / len(labels)).abs() < 1).all()
    assert (torch.bincount(labels[parts.pool], minlength=6)[counts > 0] > 0).all()
    again = split(labels, seed, holdout, val)
    assert torch.equal(parts.pool, again.pool) and torch.equal(parts.val, again.val)
    assert all((part.diff() > 0).all() for part in (parts.pool, parts.holdout, parts.val))


def test_seeds_differ_and_numbers_count_images() -> None:
    labels = torch.arange(1020) % 102
    one, two = split(labels, 1, 306, 102), split(labels, 2, 306, 102)
    assert (len(one.pool), len(one.holdout), len(one.val)) == (612, 306, 102)
    assert torch.equal(torch.bincount(labels[one.val]), torch.ones(102, dtype=torch.int64))
    assert not torch.equal(one.pool, two.pool)
    assert len(split(labels, 1, 0, 0.1).holdout) == 0


def test_images_of_a_class_are_equally_likely_in_each_part() -> None:
    labels = torch.arange(40) % 2
    hits = sum(torch.bincount(split(labels, seed, 0.25, 0.25).pool, minlength=40) for seed in range(400))
    assert (hits / 400 - 0.5).abs().max() < 0.12


def test_a_class_without_pool_images_is_named() -> None:
    labels = torch.tensor([0] * 9 + [1])
    with pytest.raises(UsageError, match=r"class 1 \(1 images\) nothing in the pool"):
        split(labels, 0, 0.9, 0)


@pytest.mark.parametrize("amount", [-0.1, 1.0, 10, -1, 1.5])
def test_amounts_out_of_range(amount: float) -> None:
    with pytest.raises(UsageError, match="holdout"):
        split(torch.arange(10) % 2, 0, amount, 0)
    with pytest.raises(UsageError, match="val"):
        split(torch.arange(10) % 2, 0, 0, amount)


def test_nothing_left_over() -> None:
    with pytest.raises(UsageError, match="leave no image"):
        split(torch.arange(10) % 2, 0, 5, 5)


def test_rank_counts_within_each_class_along_the_permutation() -> None:
    labels = torch.tensor([1, 0, 1, 1, 0, 2, 0])
    order = permutation(7, 3, "x")
    seen: dict[int, int] = {}
    expected = torch.empty(7, dtype=torch.int64)
    for i in order.tolist():
        expected[i] = seen.get(int(labels[i]), 0)
        seen[int(labels[i])] = int(expected[i]) + 1
    assert torch.equal(rank_in_class(labels, order), expected)


def test_subsets_are_fixed_stratified_and_nested() -> None:
    labels = torch.arange(300) % 3
    small, large = subset(labels, 30, "limit"), subset(labels, 90, "limit")
    assert torch.bincount(labels[small]).tolist() == [10, 10, 10]
    assert set(small.tolist()) < set(large.tolist())
    assert torch.equal(small, subset(labels, 30, "limit"))
    assert not torch.equal(small, subset(labels, 30, "other"))
