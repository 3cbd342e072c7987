"""Uncertainty scores against scipy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import entropy

from selbench.strategies import BatchLosses, load

from .._inputs import begun, make

PROBS = torch.tensor([[0.5, 0.5, 0.0], [0.4, 0.3, 0.3], [0.9, 0.1, 0.0], [0.6, 0.2, 0.2]])


@pytest.mark.parametrize(
    ("score", "order"), [("margin", [0, 1, 3, 2]), ("least-confidence", [1, 0, 3, 2]), ("entropy", [1, 3, 0, 2])]
)
def test_by_hand(score, order):
    rule = load("uncertainty", score=score)
    assert rule.select(None, BatchLosses(learner_probs=PROBS), 1.0).tolist() == order


def test_the_default_is_the_margin():
    assert load("uncertainty").hyper_parameters() == {"score": "margin"}


def test_against_scipy_and_numpy():
    probs = make(80)[1].learner_probs
    rows = np.sort(probs.numpy(), axis=1)
    slow = {
        "entropy": entropy(probs.numpy(), axis=1),
        "margin": rows[:, -2] - rows[:, -1],
        "least-confidence": 1 - rows[:, -1],
    }
    for score, expected in slow.items():
        rule = load("uncertainty", score=score)
        assert np.allclose(rule.scores(probs), expected, rtol=1e-5, atol=1e-7)
        assert rule.select(None, BatchLosses(learner_probs=probs), 0.25).tolist() == np.argsort(-expected)[:20].tolist()


def test_broken_probabilities_come_last():
    probs = PROBS.clone()
    probs[1] = float("nan")
    for score in ("margin", "least-confidence", "entropy"):
        assert 1 not in load("uncertainty", score=score).select(None, BatchLosses(learner_probs=probs), 0.75).tolist()


@pytest.mark.parametrize("score", ["margin", "least-confidence", "entropy"])
def test_the_cost_is_known_before_the_first_pick(score):
    rule = begun("uncertainty", {"score": score})
    before = rule.flops(64, 0, 32)
    rule.select(*make(64), 0.5)
    assert before == rule.flops(64, 0, 32) > load("uncertainty", score=score).flops(64, 0, 32)
