"""GREATS, GLISTER, graph cut, CRAIG and GradMatch against published code's picks, or a naive second implementation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import nnls

from selbench.strategies import BatchLosses, load
from selbench.strategies.maths.coverage import densely, lazily
from selbench.strategies.maths.last_layer import LastLayer

from .._golden import RATIOS, by_class, given, golden, of_val, overlap, rows


def gradients(losses):
    """Each last-layer gradient written out, ``[n, C·(h + 1)]`` float64, as no rule has it."""
    probs, hidden = losses.learner_probs.double().numpy(), losses.learner_features.double().numpy()
    wrong = probs - np.eye(probs.shape[1])[losses.labels.numpy()]
    hidden = np.concatenate([hidden, np.ones((len(hidden), 1))], 1)
    return np.einsum("nc,nh->nch", wrong, hidden).reshape(len(hidden), -1)


def test_the_kernel_is_that_of_gradients_written_out():
    losses = of_val(given(60)[1])
    ours, written = LastLayer.of(losses.learner_probs, losses.learner_features, losses.labels), gradients(losses)
    norm = np.linalg.norm(written, axis=1)
    close = {"rtol": 1e-4, "atol": 1e-4 * norm.max() ** 2}
    assert np.allclose(ours.products().numpy(), written @ written.T, **close)
    assert np.allclose(ours.squares().numpy(), norm**2, rtol=1e-4)
    assert np.allclose(ours.mean().flatten().numpy(), written.mean(0), atol=1e-5)
    assert np.allclose(
        ours.along(losses.val_gradient), written @ losses.val_gradient.flatten().double().numpy(), **close
    )
    unit = written / norm[:, None]
    assert np.allclose(ours.unit().products().numpy(), unit @ unit.T, atol=1e-4)


@pytest.mark.parametrize("eta", [0.0, 0.01])
def test_greats(eta):
    losses = of_val(given(80)[1])
    written, goal = gradients(losses), losses.val_gradient.flatten().double().numpy()
    expected: list[int] = []
    for _ in range(24):
        gain = written @ (goal - eta * written[expected].sum(0))
        gain[expected] = -np.inf
        expected.append(int(gain.argmax()))
    assert load("greats", eta=eta).select(None, losses, 0.3).tolist() == expected


def test_greats_turns_away_from_what_is_picked_already():
    """Three alike and one other that help: with a step the other comes second, without it last."""
    probs = torch.tensor([[0.5, 0.5, 0.0]] * 3 + [[0.0, 0.5, 0.5]] + [[1.0, 0.0, 0.0]])
    goal = torch.zeros(3, 3)
    goal[:, 2] = torch.tensor([-0.6, 1.0, -0.5])
    losses = BatchLosses(
        learner_probs=probs,
        learner_features=torch.zeros(5, 2),
        labels=torch.tensor([0, 0, 0, 2, 0]),
        val_gradient=goal,
    )
    assert load("greats", eta=1.0).select(None, losses, 0.4).tolist()[1] == 3
    assert 3 not in load("greats", eta=0.0).select(None, losses, 0.6).tolist()


@pytest.mark.parametrize("ratio", RATIOS)
def test_glister_as_deepcore_has_it_once_its_update_is_called(ratio):
    losses, found = of_val(given()[1]), golden()
    rule = load("glister", rounds=400, step="mean", cadence="batch")
    assert overlap(rule.select(None, losses, ratio), found[f"glister/mended-naive/picks@{ratio}"]) == 1.0
    plain = load("glister", rounds=1, cadence="batch").select(None, losses, ratio)
    by_score = found["glister/as-is/scores"].argsort(descending=True)[: len(plain)]
    assert overlap(plain, by_score) == 1.0


def test_glister_moves_the_held_out_logits_by_the_sum_of_the_picks():
    losses = of_val(given(60)[1])
    probs, hidden = losses.val_probs.double().numpy(), losses.val_features.double().numpy()
    hidden = np.concatenate([hidden, np.ones((len(hidden), 1))], 1)
    truth, logits, written = np.eye(10)[losses.val_labels.numpy()], np.log(probs), gradients(losses)
    expected: list[int] = []
    for count in (6, 6, 6):
        goal = np.einsum("vc,vh->ch", probs - truth, hidden).ravel() / len(hidden)
        gain = written @ goal
        gain[expected] = -np.inf
        new = (-gain).argsort()[:count].tolist()
        expected += new
        logits = logits - 0.02 * hidden @ written[new].sum(0).reshape(10, -1).T
        probs = np.exp(logits - logits.max(1, keepdims=True))
        probs /= probs.sum(1, keepdims=True)
    assert load("glister", rounds=3, eta=0.02).select(None, losses, 0.3).tolist() == expected
    assert load("glister", rounds=3, eta=0.0).select(None, losses, 0.3).tolist() != expected


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("of", ["gradients", "features"])
def test_graph_cut(of, ratio):
    feats, losses = given()
    rule = load("graph-cut", of=of, class_balanced=False)
    ours = rule.select(feats, losses, ratio)
    assert ours.tolist() == golden()[f"graph-cut/{of}/order@{ratio}"].tolist()


@pytest.mark.parametrize("ratio", RATIOS)
def test_graph_cut_by_class(ratio):
    losses = given()[1]
    theirs = golden()[f"graph-cut/as-is-balanced/picks@{ratio}"]
    assert overlap(by_class(load("graph-cut", class_balanced=False), None, losses, ratio)[0], theirs) == 1.0


@pytest.mark.parametrize("ratio", RATIOS)
def test_craig(ratio):
    """Near ties in float32 cost the reference a few picks; its weights begin at one."""
    losses, found = given()[1], golden()
    picks, weights = by_class(load("craig", class_balanced=False), None, losses, ratio)
    theirs, served = found[f"craig/per-class/picks@{ratio}"], found[f"craig/per-class/weights@{ratio}"]
    assert overlap(picks, theirs) >= 0.95
    ours = dict(zip(picks.tolist(), weights.tolist(), strict=True))
    same = [abs(ours[at] - (w - 1)) < 0.5 for at, w in zip(theirs.tolist(), served.tolist(), strict=True) if at in ours]
    assert np.mean(same) >= 0.9 and sum(ours.values()) == 400


@pytest.mark.parametrize("ratio", RATIOS)
def test_craig_by_cosine_is_facility_location_of_gradients(ratio):
    rule = load("craig", similarity="cosine", weighted=False, class_balanced=False)
    theirs = golden()[f"facility-location/gradients/picks@{ratio}"]
    assert overlap(rule.select(None, given()[1], ratio), theirs) >= 0.95


def test_lazy_and_dense_covering_agree():
    points = torch.randn(150, 4, generator=torch.Generator().manual_seed(0))
    similar = -torch.cdist(points, points)
    whole = densely(similar, 20, -50.0, owners=True)
    few = lazily(lambda at: similar[at], 150, 20, -50.0, points.device, owners=True)
    assert all(torch.equal(a, b) for a, b in zip(whole[:3], few[:3], strict=True)) and few.gains < whole.gains
    assert torch.equal(whole.owner, similar[whole.picks].argmax(0))


def test_gradmatch():
    """Against pursuit with gradients written out; the weights against a ridge solution that may not be negative."""
    losses = given(70)[1]
    written, lam = gradients(losses), 0.5
    goal, expected = written.sum(0), []
    lacking = goal
    for _ in range(14):
        gain = written @ lacking
        gain[expected] = -np.inf
        expected.append(int(gain.argmax()))
        atoms = written[expected].T
        weights = np.linalg.solve(atoms.T @ atoms + lam * np.eye(len(expected)), atoms.T @ goal)
        lacking = goal - atoms @ weights
    found = load("gradmatch", class_balanced=False).select(None, losses, 0.2)
    assert found.indices.tolist() == expected
    stacked = np.concatenate([atoms, lam**0.5 * np.eye(14)])
    best = nnls(stacked, np.concatenate([goal, np.zeros(14)]))[0]
    ours = found.weights.double().numpy()
    assert np.allclose(ours, np.maximum(best, 0.01 * best.mean()), rtol=0.02, atol=0.02 * best.mean())
    # What it is for: the weighted picks come nearer to the whole gradient than equal weights of the same sum do.
    even = written[expected].sum(0) * ours.sum() / 14
    assert np.linalg.norm(goal - ours @ written[expected]) < 0.7 * np.linalg.norm(goal - even)


def test_gradmatch_by_class_takes_each_class_for_itself():
    losses = of_val(given()[1])
    whole = load("gradmatch").select(None, losses, 0.1)
    members = (losses.labels == 3).nonzero()[:, 0]
    inside = whole.indices[losses.labels[whole.indices] == 3]
    alone = load("gradmatch", class_balanced=False).select(None, rows(losses, members), len(inside) / len(members))
    assert members[alone.indices].tolist() == inside.tolist()
    val = load("gradmatch", target="val", cadence="epoch").select(None, losses, 0.1)
    assert len(set(val.indices.tolist()) & set(whole.indices.tolist())) < 40
    assert torch.bincount(losses.labels[val.indices]).tolist() == torch.bincount(losses.labels[whole.indices]).tolist()
