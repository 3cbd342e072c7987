"""CAL, SSP, D2, TDDS and MoSo against published scores, or a naive second implementation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from selbench.strategies import BatchLosses, UsageError, load
from selbench.strategies.maths.geometry import points

from .._golden import RATIOS, given, golden, overlap
from .._inputs import begun


@pytest.mark.parametrize("ratio", RATIOS)
def test_cal_is_the_reference_with_the_end_that_was_published(ratio):
    feats, losses = given()
    found = golden()
    scores = load("cal").divergences(points(feats, "euclidean"), losses.learner_probs)
    assert torch.allclose(scores, found["cal/pool/scores"].float(), rtol=1e-3, atol=1e-5)
    assert overlap(load("cal").select(feats, losses, ratio), found[f"cal/pool/picks_mended@{ratio}"]) == 1.0
    assert overlap(load("cal", keep="easy").select(feats, losses, ratio), found[f"cal/pool/picks@{ratio}"]) == 1.0


def test_cal_within_classes():
    feats, losses = given()
    theirs = golden()["cal/per-class/picks@0.3"]
    assert overlap(load("cal", keep="easy", class_balanced=True).select(feats, losses, 0.3), theirs) > 0.97


@pytest.mark.parametrize(("metric", "name"), [("euclidean", "features"), ("cosine", "unit-length")])
def test_ssp_from_the_centroids_of_the_reference(metric, name):
    feats, losses = given()
    found = golden()
    rule = begun("ssp", {"metric": metric})
    rows = points(feats, metric)
    scores = rule.distances(rows, found[f"ssp/{name}/centroids"].float())
    assert torch.allclose(scores, found[f"ssp/{name}/scores"].float(), rtol=1e-3, atol=1e-4)
    # Its own k-means: as tight as theirs, from another start.
    rule._centroids = 10
    ours = rule.distances(rows, rule._clustered(rows, torch.Generator().manual_seed(0)))
    assert ours.square().sum() < 1.05 * scores.square().sum()
    far = rule.select(feats, losses, 0.1)
    assert overlap(far, found[f"ssp/{name}/picks@0.1"]) > 0.5


def naive_d2(rows, hard, k, neighbours, gamma):
    apart = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    near = apart.argsort(1)[:, :neighbours]
    left = np.array([hard[i] + sum(np.exp(-apart[i, j]) * hard[j] for j in near[i]) for i in range(len(rows))])
    picks = []
    for _ in range(k):
        at = max((i for i in range(len(rows)) if i not in picks), key=lambda i: left[i])
        picks.append(at)
        for j in near[at]:
            left[j] -= np.exp(-gamma * apart[at, j]) * left[at]
    return picks


@pytest.mark.parametrize("gamma", [0.1, 2.0])
def test_d2_passes_messages_within_each_class(gamma):
    losses = given(200)[1]
    rule = load("d2", score="el2n", beta=0.0, metric="cosine", gamma=gamma)
    hard = load("el2n").difficulty(losses).double()
    hard = (hard - hard.min()).numpy()
    rows = points(losses.learner_features, "cosine").double().numpy()
    ours = rule.select(None, losses, 0.3)
    for label in range(10):
        members = (losses.labels == label).nonzero()[:, 0].numpy()
        own = [at for at in ours.tolist() if losses.labels[at] == label]
        expected = naive_d2(rows[members], hard[members], len(own), 5, gamma)
        assert own == members[expected].tolist()


def test_d2_drops_the_hardest_by_margin():
    losses = given()[1]
    margins = load("aum", margin="probabilities").difficulty(losses)
    picks = load("d2", beta=0.4).select(None, losses, 0.1)
    assert margins[picks].max() < margins.sort().values[-40]
    assert len(load("d2", beta=0.9).select(None, losses, 0.5)) == 200


def test_tdds():
    trace = given()[1].trace
    probs = trace.double().numpy()
    n, epochs, _ = probs.shape
    moved = np.array(
        [
            [np.abs(probs[i, t] * (np.log(probs[i, t]) - np.log(probs[i, t - 1]))).sum() for t in range(1, epochs)]
            for i in range(n)
        ]
    )
    window, alpha = 5, 0.9
    expected = np.zeros(n)
    count = epochs - window + 1
    for w in range(count):
        part = moved[:, w : w + window - 1]
        expected += alpha * (1 - alpha) ** (count - 1 - w) * np.linalg.norm(part - part.mean(1, keepdims=True), axis=1)
    losses = given()[1]
    assert np.allclose(load("tdds", window=5).difficulty(losses).numpy(), expected, rtol=1e-3, atol=1e-5)
    short = BatchLosses(trace=trace[:, :2], labels=losses.labels)
    with pytest.raises(UsageError, match="has 2 epochs, and a window of TDDS needs 3"):
        load("tdds").difficulty(short)


@pytest.mark.parametrize("gradient", ["last-layer", "bias"])
def test_moso(gradient):
    losses = given(90)[1]
    eye = np.eye(10)[losses.labels.numpy()]
    if gradient == "bias":
        checkpoints = [p - eye for p in losses.trace.double().numpy().transpose(1, 0, 2)]
    else:
        hidden = np.concatenate([losses.learner_features.double().numpy(), np.ones((90, 1))], 1)
        wrong = losses.learner_probs.double().numpy() - eye
        checkpoints = [np.einsum("nc,nh->nch", wrong, hidden).reshape(90, -1)]
    expected = np.mean([[(g.mean(0) - one / 90) @ one for one in g] for g in checkpoints], axis=0)
    ours = load("moso", gradient=gradient).difficulty(losses).numpy()
    assert np.allclose(ours, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())
