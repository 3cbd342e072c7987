"""Each rule on the inputs that published selection code was run on: picks and scores of that code are the answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from selbench.strategies import load

from .._golden import RATIOS, given, golden, overlap
from .._inputs import begun


@pytest.mark.parametrize(("k", "size"), [(32, 320), (64, 128), (128, 256)])
def test_divbs(k, size):
    losses, found = given(size)[1], golden()
    rule = load("divbs")
    products = rule.products(losses)
    chances = products.mean(1).abs()
    assert torch.allclose(chances / chances.sum(), found[f"divbs/{k}-of-{size}/first_chances"], rtol=2e-3, atol=1e-6)
    ours, theirs = rule.select(None, losses, k / size), found[f"divbs/{k}-of-{size}/greedy"]
    assert ours.tolist() == theirs.tolist()
    # What the picks leave out of the mean gradient, and what a batch of 32 rounds would.
    left = found[f"divbs/{k}-of-{size}/left_out_greedy"].item()
    assert _left_out(products, ours) == pytest.approx(left, rel=1e-2)
    if k > 32:
        blocked = load("divbs", rounds=32).select(None, losses, k / size)
        assert _left_out(products, blocked) > 1.1 * left


def _left_out(products, picks):
    """Share of the mean gradient's length outside the span of the picks, from inner products alone."""
    gram, along = products[picks][:, picks].double().numpy(), products[picks].mean(1).double().numpy()
    inside = along @ np.linalg.lstsq(gram, along, rcond=1e-9)[0]
    return (1 - inside / products.double().mean().item()) ** 0.5


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("score", ["margin", "least-confidence", "entropy"])
def test_uncertainty(score, ratio):
    # The picks are those of the lowest certainty; theirs of the most certain ones are a fault of the code.
    losses, found = given()[1], golden()
    rule = load("uncertainty", score=score)
    name = "scores_on_probabilities" if score == "least-confidence" else "scores"
    certain = found[f"uncertainty/{score}/{name}"] - float(score == "least-confidence")
    # Their logarithm is of p + 1e-6, in each of ten classes.
    bound = 1.2e-5 if score == "entropy" else 1e-6
    assert torch.allclose(-rule.scores(losses.learner_probs), certain, rtol=0, atol=bound)
    if score != "least-confidence":  # theirs is of logits
        assert sorted(rule.select(None, losses, ratio).tolist()) == sorted(
            found[f"uncertainty/{score}/picks_mended@{ratio}"].tolist()
        )


@pytest.mark.parametrize("ratio", RATIOS)
def test_moderate(ratio):
    feats, losses = given()
    rule, found = load("moderate"), golden()
    assert torch.allclose(rule.distances(feats, losses.labels), found["moderate/median/scores"], rtol=1e-5)
    assert set(rule.select(feats, losses, ratio).tolist()) == set(found[f"moderate/median/picks@{ratio}"].tolist())


@pytest.mark.parametrize("ratio", RATIOS)
def test_facility_location(ratio):
    # Near ties are decided by rounding in float32.
    feats, losses = given()
    order = golden()[f"facility-location/features/order@{ratio}"]
    ours = load("facility-location").select(feats, losses, ratio)
    assert overlap(ours, order) >= 0.97
    assert ours[:20].tolist() == order[:20].tolist()


def test_rho():
    found, losses = golden(), given()[1]
    for ratio in RATIOS:
        assert load("rho").select(None, losses, ratio).tolist() == found[f"rho/reducible/picks-pool@{ratio}"].tolist()
    assert load("rho").select(None, given(320)[1], 0.1).tolist() == found["rho/reducible/picks-first320"].tolist()


def test_gradnorm():
    losses, found = given()[1], golden()
    norms = load("gradnorm").norms(losses)
    assert torch.allclose(norms, found["gradnorm/bound/scores"], atol=2e-6)
    for ratio in RATIOS:
        picks = norms.topk(round(400 * ratio)).indices
        assert overlap(picks, found[f"gradnorm/bound/top_picks@{ratio}"]) == 1


@pytest.mark.parametrize("ratio", RATIOS)
def test_infobatch(ratio):
    # Which of the low ones are kept is drawn: their number and every weight are theirs.
    found, losses = golden(), given()[1]
    low, kept = found[f"infobatch/keep{ratio}/low"], found[f"infobatch/keep{ratio}/kept"]
    chosen = begun("infobatch", {}, size=400).select(None, losses, ratio)
    ours, theirs = torch.zeros(400), torch.zeros(400)
    ours[chosen.indices] = chosen.weights
    theirs[kept] = found[f"infobatch/keep{ratio}/weights"]
    assert torch.equal(ours[~low], theirs[~low])
    assert torch.allclose(ours[low].sort().values, theirs[low].sort().values)
