"""DUAL and Dyn-Unc against numpy and scipy, window by window."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import beta, chi2_contingency

from selbench.strategies import UsageError, load

from .._golden import RATIOS, given, golden
from .._inputs import begun, make


def slow(losses, window, epochs):
    """D, U and m by the definition."""
    trace = losses.trace[:, :epochs].double().numpy()
    belief = trace[np.arange(len(trace)), :, losses.labels.numpy()]
    parts = [belief[:, t : t + window] for t in range(belief.shape[1] - window + 1)]
    spread = [part.std(1, ddof=1) for part in parts]
    dual = np.mean([sd * (1 - part.mean(1)) for sd, part in zip(spread, parts, strict=True)], 0)
    return dual, np.mean(spread, 0), belief.mean(1)


@pytest.mark.parametrize("window", [10, 5])
def test_dyn_unc_as_in_published_code(window):
    found, losses = golden(), given()[1]
    rule = load("dyn-unc", window=window)
    assert torch.allclose(rule.difficulty(losses), found[f"dyn-unc/window{window}/scores"] / 10, atol=1e-6)
    for ratio in RATIOS:
        assert set(rule.select(None, losses, ratio).tolist()) == set(
            found[f"dyn-unc/window{window}/picks@{ratio}"].tolist()
        )


@pytest.mark.parametrize(("window", "epochs"), [(10, 30), (4, 9)])
def test_scores_against_the_definition(window, epochs):
    losses = given()[1]
    dual, unc, belief = slow(losses, window, epochs)
    scores, mean = load("dual", window=window, epochs=epochs).scores(losses)
    assert np.allclose(scores, dual, atol=1e-6) and np.allclose(mean, belief, atol=1e-6)
    spread = unc if epochs >= 12 else slow(losses, window, 12)[1]
    assert np.allclose(load("dyn-unc", window=window).difficulty(losses), spread, atol=1e-6)
    top = begun("dual", {"draw": "top", "window": window, "epochs": epochs}).select(None, losses, 0.1)
    assert set(top.tolist()) == set(np.argsort(-dual)[:40].tolist())


@pytest.mark.parametrize("pruned", [0.3, 0.9])
def test_chances_are_scores_times_a_beta_density(pruned):
    losses = given()[1]
    rule = load("dual", c=5.5)
    scores, belief = rule.scores(losses)
    dual, _, mean = slow(losses, 10, 30)
    start = mean[np.argsort(-dual)[:10]].mean()
    b = 15 * (1 - start) * (1 - pruned**5.5)
    expected = beta.pdf(mean, 16 - b, b) * dual
    ours = rule.log_chances(scores, belief, pruned).double().exp().numpy()
    assert np.allclose(ours / ours.sum(), expected / expected.sum(), rtol=2e-3, atol=1e-9)


def test_draws_follow_the_chances():
    losses, counts = make(12, seed=4)[1], np.zeros(12)
    rule, other = begun("dual", {}), np.random.default_rng(0)
    for _ in range(700):
        counts[rule.select(None, losses, 0.25).numpy()] += 1
    chances = rule.log_chances(*rule.scores(losses), 0.75).double().exp().numpy()
    theirs = np.zeros(12)
    for _ in range(700):
        theirs[other.choice(12, 3, replace=False, p=chances / chances.sum())] += 1
    table = np.stack([counts, theirs])
    assert chi2_contingency(table[:, table.sum(0) >= 10]).pvalue > 1e-4


def test_a_trace_too_short_for_its_window_is_refused():
    feats, losses = make(8)
    assert load("dyn-unc").difficulty(losses).shape == (8,)  # six epochs are one window
    for name in ("dyn-unc", "dual"):
        with pytest.raises(UsageError, match="6 epochs, too few for windows of 7"):
            load(name, window=7).select(feats, losses, 0.5)
