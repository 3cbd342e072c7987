"""REDUCR beside a second implementation in plain numpy, over many steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from selbench.strategies import BatchLosses

from .._inputs import begun

CLASSES, SIZE, KEPT, GAMMA, ETA = 4, 40, 8, 9.0, 0.05


def made(seed: int) -> BatchLosses:
    stream = torch.Generator().manual_seed(seed)
    return BatchLosses(
        torch.rand(SIZE, generator=stream) * 3,
        torch.rand(SIZE, generator=stream) * 2,
        labels=torch.randint(CLASSES, (SIZE,), generator=stream),
        val_probs=torch.rand(20, CLASSES, generator=stream).softmax(1),
        val_labels=torch.randint(CLASSES, (20,), generator=stream),
    )


def by_hand(losses: BatchLosses, weights: np.ndarray, eta: float = ETA) -> tuple[set[int], np.ndarray]:
    """The picks and the next weights, from references tilted towards each class and the whole table of u_ic."""
    learner, reference, labels = (
        losses.signals()[name].double().numpy() for name in ("learner", "reference", "labels")
    )
    labels = labels.astype(int)
    table = np.empty((SIZE, CLASSES))
    for i in range(SIZE):
        likely = np.full(CLASSES, (1 - np.exp(-reference[i])) / (CLASSES - 1))
        likely[labels[i]] = np.exp(-reference[i])
        for c in range(CLASSES):
            tilted = likely * np.where(np.arange(CLASSES) == c, 1 + GAMMA, 1.0)
            table[i, c] = max(0.0, learner[i] + np.log(tilted[labels[i]] / tilted.sum()))
    picks = np.argsort(-(table @ weights))[:KEPT]
    held = losses.val_labels.numpy()
    loss = -np.log(losses.val_probs.double().numpy()[np.arange(len(held)), held])
    rise = table[picks].sum(0) - np.array([loss[held == c].mean() for c in range(CLASSES)])
    moved = weights * np.exp(-eta * rise)
    return set(picks.tolist()), moved / moved.sum()


def test_picks_and_weights_are_those_of_a_second_implementation():
    rule, weights = begun("reducr", {"eta": ETA}, size=SIZE), np.full(CLASSES, 1 / CLASSES)
    assert rule._classes == CLASSES
    for step in range(12):
        losses = made(step)
        picks, weights = by_hand(losses, weights)
        assert set(rule.select(None, losses, KEPT / SIZE).tolist()) == picks
        assert rule._log_weights.exp().tolist() == pytest.approx(weights.tolist(), rel=1e-4)
    assert weights.max() > 1.2 * weights.min()  # else the weights were not put to the test


def test_without_gamma_it_is_the_positive_reducible_loss():
    losses = made(1)
    picks = begun("reducr", {"gamma": 0.0}, size=SIZE).select(None, losses, KEPT / SIZE)
    assert set(picks.tolist()) == set(torch.topk(losses.learner - losses.reference, KEPT).indices.tolist())


def test_a_class_that_does_worse_on_val_gains_weight_and_picks():
    def after(bad: bool) -> tuple[float, int]:
        """Weight of class 2 after steps that see it so on val, and how often it was picked."""
        rule, hits = begun("reducr", {"eta": 0.2}, size=SIZE), 0
        for step in range(20):
            losses = made(step)
            losses.val_probs[losses.val_labels == 2] = torch.tensor([0.3, 0.3, 0.01, 0.39] if bad else [0.0, 0, 1, 0])
            picks = rule.select(None, losses, KEPT / SIZE)
            hits += int((losses.labels[picks] == 2).sum())
        return float(rule._log_weights[2].exp()), hits

    (high, often), (low, seldom) = after(True), after(False)
    assert high > 1.5 * low and often > 1.2 * seldom, (high, low, often, seldom)


def test_a_class_without_an_image_in_val_and_a_loss_that_is_no_number_leave_the_weights_sound():
    losses = made(3)
    losses.val_labels[losses.val_labels == 1] = 0
    losses.learner[0], losses.learner[1] = torch.inf, torch.nan
    rule = begun("reducr", {}, size=SIZE)
    assert 0 in rule.select(None, losses, KEPT / SIZE).tolist()
    assert rule._log_weights.isfinite().all() and rule._log_weights.exp().sum() == pytest.approx(1, abs=1e-5)
