"""Class quotas by hand and by law; picks inside a class against published code that selects class by class."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given as examples
from hypothesis import settings
from hypothesis import strategies as st

from selbench.strategies import BatchLosses, UsageError, load
from selbench.strategies.rules.per_class import quotas

from .._golden import RATIOS, given, golden
from .._inputs import begun


def test_quotas_by_hand():
    assert quotas([1, 1, 1], [50, 30, 20], 9, [0.1, 0.2, 0.3]) == [3, 3, 3]
    assert quotas([50, 30, 20], [50, 30, 20], 10, [0.0] * 3) == [5, 3, 2]
    assert quotas([1, 1, 1], [50, 30, 2], 12, [0.0] * 3) == [5, 5, 2]  # a small class gives all that it has
    assert quotas([0, 0], [3, 9], 6, [0.0] * 2) == [3, 3]  # nobody has a loss
    assert quotas([1, 1, 1], [9, 9, 9], 4, [0.9, 0.1, 0.5]) == [1, 2, 1]
    assert quotas([1, 3, 0], [9, 9, 9], 8, [0.0] * 3) == [2, 6, 0]


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@examples(st.lists(st.tuples(st.floats(0, 1e6), st.integers(1, 40)), min_size=1, max_size=8), st.data())
def test_quotas_sum_to_k_and_fit(classes, data):
    weights, sizes = zip(*classes, strict=True)
    k = data.draw(st.integers(1, sum(sizes)))
    found = quotas(weights, sizes, k, [data.draw(st.floats(0, 1)) for _ in sizes])
    assert sum(found) == k and all(0 <= count <= size for count, size in zip(found, sizes, strict=True))


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("score", ["margin", "entropy"])
def test_the_picks_of_a_class_are_those_of_published_code(score, ratio):
    # Theirs are round(ratio * n_c) of a class, ours sum to k: one set holds the other.
    feats, losses = given()
    options = {"of": "uncertainty", "cadence": "run", "options": {"score": score}}
    ours = set(begun("per-class", {"of": "at", "options": options}, size=400).select(feats, losses, ratio).tolist())
    theirs = set(golden()[f"uncertainty/{score}-balanced/picks@{ratio}"].tolist())
    assert len(ours) == round(400 * ratio)
    for label in range(10):
        members = set((losses.labels == label).nonzero()[:, 0].tolist())
        one, other = ours & members, theirs & members
        assert abs(len(one) - len(other)) <= 1 and (one <= other or other <= one)


def test_a_class_of_high_loss_keeps_more_and_one_never_seen_counts_as_the_worst():
    labels = torch.arange(3).repeat(20)
    learner = torch.where(labels == 0, 1.0, torch.where(labels == 1, 3.0, torch.inf))
    rule = load("per-class", of="uniform", options={"cadence": "run"}, quota="loss")
    picks = rule.select(None, BatchLosses(learner, labels=labels), 28 / 60)
    assert torch.bincount(labels[picks]).tolist() == [4, 12, 12]


def test_a_class_of_low_recall_keeps_more():
    """Recall 1/2, 1/4 and 1 on four images each; the fourth class has none in val, and so the mean of the others."""
    truth = torch.arange(3).repeat_interleave(4)
    told = torch.tensor([0, 0, 1, 1, 1, 0, 0, 0, 2, 2, 2, 2])
    sizes = [40, 40, 40, 20]
    losses = BatchLosses(
        labels=torch.arange(4).repeat_interleave(torch.tensor(sizes)),
        val_probs=torch.eye(4)[told],
        val_labels=truth,
    )
    rule = load("per-class", of="uniform", options={"cadence": "epoch"}, quota="recall")
    expected = [40 * 0.5, 40 * 0.75, 0, 20 * (0.5 + 0.75 + 0) / 3]
    picks = rule.select(None, losses, 35 / 140)
    assert torch.bincount(losses.labels[picks], minlength=4).tolist() == [
        round(35 * e / sum(expected)) for e in expected
    ]
    assert rule.val_images >= 10_000 and "val_probs" in rule.needs


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"of": "uniform", "options": {"cadence": "run"}, "quota": "recall"}, "give 'uniform' the cadence 'epoch'"),
        ({"of": "rho"}, "name 'at'"),
        ({"of": "infobatch"}, "no quotas"),
        ({"of": "full"}, "share of its own"),
    ],
)
def test_rules_that_cannot_have_quotas_are_refused(options, says):
    with pytest.raises(UsageError, match=says):
        load("per-class", **options)
