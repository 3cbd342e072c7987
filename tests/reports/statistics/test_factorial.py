"""Factorial designs against a published example, and against differences of means."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from selbench.reports.statistics.factorial import blocked_effects, effects_within, terms

FULL = np.array(list(product([-1, 1], repeat=3)))
HALF = np.array([[a, b, c, a * b * c] for a, b, c in FULL])
NAMES = ("a", "b", "c", "d")

# Pilot plant, Box, Hunter & Hunter (1978), table 10.3: temperature, concentration, catalyst; yields by run.
PILOT = np.array([[t, c, k] for k, c, t in product([-1, 1], repeat=3)])
YIELDS = np.array([60, 72, 54, 68, 52, 83, 45, 80])
PUBLISHED = {"T": 23.0, "C": -5.0, "K": 1.5, "T \u00d7 C": 1.5, "T \u00d7 K": 10.0, "C \u00d7 K": 0.0}


def test_the_published_effects_of_the_pilot_plant():
    design = terms(PILOT, ("T", "C", "K"))
    fit = blocked_effects(np.stack([YIELDS + 1.0, YIELDS - 1.0]), design)
    assert {term.name: effect.estimate for term, effect in zip(design, fit.effects, strict=True)} == pytest.approx(
        PUBLISHED
    )
    # What is left is the interaction of all three, .5, in both blocks: 16 x .25^2 on 16 - 2 - 6 degrees of freedom.
    assert (fit.df, fit.sd) == (8, pytest.approx((16 * 0.25**2 / 8) ** 0.5))


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.integers(2, 5), st.sampled_from([0.8, 0.95]), st.sampled_from([FULL, HALF]))
def test_agrees_with_differences_of_means(seed: int, blocks: int, confidence: float, levels: np.ndarray):
    values = np.random.default_rng(seed).normal(size=(blocks, len(levels)))
    design = terms(levels, NAMES[: levels.shape[1]])
    fit = blocked_effects(values, design, confidence)
    left = values - values.mean(axis=1, keepdims=True)
    sizes = []
    for term in design:  # balanced and orthogonal: each is a difference of means, and what is left loses it
        size = values[:, term.signs > 0].mean() - values[:, term.signs < 0].mean()
        left = left - size * term.signs / 2
        sizes.append(size)
    df = values.size - blocks - len(design)
    half = stats.t.ppf(0.5 + confidence / 2, df) * 2 * np.sqrt((left**2).sum() / df / values.size)
    assert fit.df == df
    for effect, size in zip(fit.effects, sizes, strict=True):
        assert (effect.estimate, effect.low, effect.high) == pytest.approx((size, size - half, size + half), abs=1e-9)


def test_within_blocks_it_is_the_mean_of_the_blocks_own_effects():
    values = np.random.default_rng(0).normal(size=(5, 8))
    main = effects_within(values, terms(FULL, NAMES[:3]))[0]
    own = values[:, FULL[:, 0] > 0].mean(axis=1) - values[:, FULL[:, 0] < 0].mean(axis=1)
    assert main.estimate == pytest.approx(own.mean())
    assert main.high - main.estimate == pytest.approx(2.776445 * own.std(ddof=1) / 5**0.5, rel=1e-6)


def test_what_arms_of_one_level_share_widens_the_interval_within_blocks_alone():
    """Noise common to half of a block's arms, as of a baseline that half of them have, is not noise of each."""
    draw = np.random.default_rng(1)
    low, high = draw.normal(size=(2, 2000, 6))
    shared = np.where(FULL[:, 0] > 0, high[..., None], low[..., None])
    design = terms(FULL, NAMES[:3])
    within = [effects_within(values, design)[0] for values in shared]
    pooled = [blocked_effects(values, design).effects[0] for values in shared[:500]]
    assert np.mean([e.low <= 0 <= e.high for e in within]) == pytest.approx(0.95, abs=0.015)
    assert np.mean([e.low <= 0 <= e.high for e in pooled]) < 0.6


def test_aliased_interactions_stand_together_with_their_signs():
    assert [term.name for term in terms(HALF, NAMES)] == [
        *NAMES, "a \u00d7 b + c \u00d7 d", "a \u00d7 c + b \u00d7 d", "a \u00d7 d + b \u00d7 c",
    ]  # fmt: skip
    other = HALF * [1, 1, 1, -1]
    named = terms(other, NAMES)
    assert named[4].name == "a \u00d7 b \u2212 c \u00d7 d"
    truth = 2.0 * other[:, 0] * other[:, 1] + 0.5 * other[:, 2] * other[:, 3]
    assert blocked_effects(np.stack([truth, truth]), named).effects[4].estimate == pytest.approx(2 * (2.0 - 0.5))


@pytest.mark.parametrize(
    ("levels", "names", "message"),
    [
        ([[-1, -1], [1, 1]], "ab", "'b' is confounded with 'a'"),
        ([[-1, 1], [1, -1]], "ab", "'b' is confounded with 'a'"),
        ([[a, b, a * b] for a, b in product([-1, 1], repeat=2)], "abc", "'a . b' is confounded with 'c'"),
        ([[-1, 1], [1, 1]], "ab", "'b' is confounded with the mean"),
        ([[-1, -1], [1, -1], [-1, 1]], "ab", "'a' is in part confounded with the mean"),
        ([[-1, -1], [-1, 1], [1, 1], [1, 1]], "ab", "'b' is in part confounded with the mean"),
        (np.delete(FULL, [0, 7], axis=0), "abc", "'b' is in part confounded with 'a'"),
    ],
)
def test_designs_that_cannot_tell_a_main_effect_are_refused(levels, names, message):
    with pytest.raises(ValueError, match=message):
        terms(levels, list(names))


def test_what_cannot_be_fitted_is_refused():
    design = terms(PILOT, ("T", "C", "K"))
    square = terms(np.array(list(product([-1, 1], repeat=2))), "ab")
    with pytest.raises(ValueError, match="no residual"):
        blocked_effects(np.zeros((1, 4)), square)
    with pytest.raises(ValueError, match="8 arms"):
        blocked_effects(np.zeros((2, 4)), design)
    with pytest.raises(ValueError, match="finite"):
        effects_within(np.full((2, 8), np.nan), design)
