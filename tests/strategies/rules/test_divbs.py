"""Diversified batch selection against its definition with the gradients formed, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chi2_contingency

from selbench.strategies import BatchLosses, load

from .._inputs import CLASSES, begun, make


def gradients(losses: BatchLosses) -> np.ndarray:
    """The last layer's gradients ``[B, C * h]``."""
    error = losses.learner_probs.double().numpy() - np.eye(losses.learner_probs.shape[1])[losses.labels.numpy()]
    return np.einsum("bc,bh->bch", error, losses.learner_features.double().numpy()).reshape(len(error), -1)


def slow(vectors: np.ndarray, k: int, rng: np.random.Generator | None) -> list[int]:
    """The published loop on explicit vectors; greedy without a generator."""
    lacking, basis, picks = vectors.mean(0), np.zeros((0, vectors.shape[1])), []
    for _ in range(k):
        chances = np.abs(vectors @ lacking)
        chances[picks] = 0
        at = int(chances.argmax() if rng is None else rng.choice(len(vectors), p=chances / chances.sum()))
        picks.append(at)
        fresh = vectors[at] - basis.T @ (basis @ vectors[at])
        fresh /= np.linalg.norm(fresh)
        basis = np.vstack([basis, fresh])
        lacking = lacking - (fresh @ lacking) * fresh
    return picks


def test_products_are_those_of_the_gradients():
    losses = make(30)[1]
    vectors = gradients(losses)
    assert np.allclose(load("divbs").products(losses), vectors @ vectors.T, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_greedy_against_the_loop_on_explicit_gradients(seed):
    # Fifteen picks span all there is: three free directions of the error times five of the features.
    losses = make(60, seed=seed)[1]
    picks = begun("divbs", {}).select(None, losses, 0.2).tolist()
    assert picks == slow(gradients(losses), 12, None)


def test_proportional_against_the_loop():
    losses, rng = make(8, seed=2)[1], np.random.default_rng(0)
    rule, vectors = begun("divbs", {"draw": "proportional"}), gradients(losses)
    ours, theirs = np.zeros((4, 8)), np.zeros((4, 8))
    for _ in range(400):
        ours[range(4), rule.select(None, losses, 0.5).numpy()] += 1
        theirs[range(4), slow(vectors, 4, rng)] += 1
    for place in range(4):
        table = np.stack([ours[place], theirs[place]])
        assert chi2_contingency(table[:, table.sum(0) >= 10]).pvalue > 1e-4, (place, table)


def candidates(*features: tuple[float, float]) -> BatchLosses:
    """Candidates of class 0 with the same even probabilities, so that the gradients differ as the features do."""
    size = len(features)
    return BatchLosses(
        labels=torch.zeros(size, dtype=torch.int64),
        learner_probs=torch.full((size, 2), 0.5),
        learner_features=torch.tensor(features),
    )


def test_redundant_candidates_by_hand():
    # Mean (1.1, 0.25): the third has the largest product; its near copies then add (almost) nothing, the last does.
    losses = candidates((1.0, 0.0), (1.0, 0.0), (1.4, 0.0), (1.0, 0.5), (0.0, 0.6))
    picks = load("divbs").select(None, losses, 0.4).tolist()
    assert picks == [2, 4]
    # Nothing to orthogonalise against with a single round: the two largest products.
    assert load("divbs", rounds=1).select(None, losses, 0.4).tolist() == [2, 3]


def test_a_spent_mean_leaves_a_random_rest():
    losses = candidates(*[(1.0, 0.0)] * 12)
    rule, counts = begun("divbs", {}), np.zeros(12)
    for _ in range(300):
        counts[rule.select(None, losses, 0.25).numpy()] += 1
    assert abs(counts - 75).max() < 5 * 75**0.5


def test_broken_features_and_probabilities_spoil_no_other_candidate():
    losses = candidates((1.0, 0.0), (float("nan"), float("inf")), (0.0, 1.0), (0.5, 0.5))
    losses.learner_probs[3] = float("nan")
    for draw in ("greedy", "proportional"):
        picks = load("divbs", draw=draw).select(None, losses, 0.5).tolist()
        assert sorted(picks) == [0, 2]


def test_of_its_cost_the_classes_are_known_before_the_first_pick_and_the_width_after_it():
    rule = begun("divbs", {})
    unknown, before = load("divbs").flops(64, 0, 32), rule.flops(64, 0, 32)
    rule.select(*make(64), 0.5)
    assert before - unknown == 2 * 64**2 * CLASSES
    assert rule.flops(64, 0, 32) - before == 2 * 64**2 * 5  # the width of the learner's features there
