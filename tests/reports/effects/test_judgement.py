"""Verdicts of claims against a second formulation: p-values, Holm's procedure on them, and set logic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from selbench.reports.effects.measures import Measure
from selbench.reports.effects.verdicts import (
    CONTRADICTED,
    INCONCLUSIVE,
    NOT_RUN,
    SUPPORTED,
    WITHHELD,
    Item,
    Threshold,
    holm_level,
    judge,
)
from selbench.reports.statistics import fewest_pairs, holm, mean_interval, t_test

ALPHA = 0.05


def measure(differences: np.ndarray | None, collapsed: int = 0) -> Measure:
    if differences is None:
        return Measure(missing="not there", collapsed=collapsed)
    return Measure(
        float(differences.mean()),
        differences.size,
        lambda level: mean_interval(differences, 1 - 2 * level)[1:3],
        mean_interval(differences).sd,
        collapsed=collapsed,
    )


def item(differences: np.ndarray | None, *, above: bool = True, threshold: float = 0.0, collapsed: int = 0) -> Item:
    return Item(Threshold(threshold, above), measure(differences, collapsed))


def drawn(seed: int, n: int, mean: float) -> np.ndarray:
    return mean + np.random.default_rng(seed).normal(size=n)


tests_of = st.lists(
    st.tuples(st.integers(0, 10_000), st.integers(2, 14), st.sampled_from([-2.0, -0.7, 0.0, 0.7, 2.0]), st.booleans()),
    min_size=1,
    max_size=6,
)


def p_values(specs: list[tuple[int, int, float, bool]]) -> tuple[list[float], list[float], list[int]]:
    """One-sided p of each test's claim and of its contrary, and its pairs."""
    support, against = [], []
    for seed, n, mean, above in specs:
        d = drawn(seed, n, mean) * (1 if above else -1)
        support.append(t_test(d, 0.0))
        against.append(t_test(-d, 0.0))
    return support, against, [n for _, n, _, _ in specs]


def holm_rejects(p: list[float], n: list[int]) -> np.ndarray:
    """Holm with the floor: a test of too few pairs for the level that it would be tested at cannot reject."""
    rejected = np.zeros(len(p), bool)
    while True:
        level = ALPHA / max(1, len(p) - int(rejected.sum()))
        found = np.array([p[i] < level and n[i] >= fewest_pairs(level) for i in range(len(p))])
        if found.sum() <= rejected.sum():
            return rejected
        rejected = found


@given(tests_of)
def test_all_is_intersection_union(specs: list[tuple[int, int, float, bool]]) -> None:
    support, against, n = p_values(specs)
    items = [item(drawn(seed, n, mean), above=above) for seed, n, mean, above in specs]
    found = judge(items, [range(len(items))], ALPHA).verdict
    if max(support) < ALPHA and min(n) >= fewest_pairs(ALPHA):
        assert found == SUPPORTED
    elif holm_rejects(against, n).any():
        assert found == CONTRADICTED
    else:
        assert found == INCONCLUSIVE


@given(tests_of)
def test_any_is_holm_and_falls_only_with_all(specs: list[tuple[int, int, float, bool]]) -> None:
    support, against, n = p_values(specs)
    items = [item(drawn(seed, n, mean), above=above) for seed, n, mean, above in specs]
    found = judge(items, [[i] for i in range(len(items))], ALPHA)
    rejected = holm_rejects(support, n)
    assert [reading.verdict == SUPPORTED for reading in found.readings] == rejected.tolist()
    if rejected.any():
        assert found.verdict == SUPPORTED
    elif max(against) < ALPHA and min(n) >= fewest_pairs(ALPHA):
        assert found.verdict == CONTRADICTED
    else:
        assert found.verdict == INCONCLUSIVE


@given(tests_of)
def test_a_claim_and_its_contrary_mirror_each_other(specs: list[tuple[int, int, float, bool]]) -> None:
    """Not (one of them) is (each of them not): the verdicts swap."""
    mirror = {SUPPORTED: CONTRADICTED, CONTRADICTED: SUPPORTED, INCONCLUSIVE: INCONCLUSIVE}
    items, contrary = (
        [item(drawn(seed, n, mean), above=above is sense) for seed, n, mean, above in specs] for sense in (True, False)
    )
    one = judge(items, [[i] for i in range(len(items))], ALPHA)
    none = judge(contrary, [range(len(items))], ALPHA)
    assert none.verdict == mirror[one.verdict]
    ends = [(reading.low, reading.high, reading.confidence) for reading in one.readings]
    assert ends == [(reading.low, reading.high, reading.confidence) for reading in none.readings]


@given(st.lists(st.floats(1e-9, 1.0), min_size=1, max_size=8))
def test_raising_the_level_is_holms_step_down(p: list[float]) -> None:
    adjusted = holm(p)
    assume(all(abs(value - ALPHA) > 1e-9 for value in adjusted))
    level = holm_level(len(p), ALPHA, lambda i, level: p[i] < level)
    assert [value < level for value in p] == (adjusted < ALPHA).tolist()
    assert level == pytest.approx(ALPHA / max(1, len(p) - int((adjusted < ALPHA).sum())))


@given(tests_of, st.integers(1, 3))
def test_a_verdict_is_that_of_the_interval_shown(specs: list[tuple[int, int, float, bool]], size: int) -> None:
    items = [item(drawn(seed, n, mean), above=above) for seed, n, mean, above in specs]
    cases = [range(at, min(at + size, len(items))) for at in range(0, len(items), size)]
    found = judge(items, cases, ALPHA)
    for one, reading in zip(items, found.readings, strict=True):
        assert reading.low is not None and reading.high is not None
        if reading.verdict == SUPPORTED:
            assert one.threshold.supported(reading.low, reading.high)
        elif reading.verdict == CONTRADICTED:
            assert one.threshold.contradicted(reading.low, reading.high)
        elif one.measure.n >= fewest_pairs(ALPHA / len(items)):
            assert not one.threshold.supported(reading.low, reading.high)
            assert not one.threshold.contradicted(reading.low, reading.high)
    standing = [[found.readings[i].verdict for i in case] for case in cases]
    assert (found.verdict == SUPPORTED) == any(set(of) == {SUPPORTED} for of in standing)
    assert (found.verdict == CONTRADICTED) == all(CONTRADICTED in of for of in standing)


def test_a_single_test_has_the_interval_of_its_one_sided_level() -> None:
    d = drawn(1, 10, 3.0)
    (reading,) = judge([item(d)], [[0]], ALPHA).readings
    assert reading.confidence == pytest.approx(0.9)
    assert (reading.low, reading.high) == pytest.approx(mean_interval(d, 0.9)[1:3])


def test_what_is_missing_counts_in_holm_and_cannot_contradict() -> None:
    d = drawn(2, 8, 0.0)
    d = d - d.mean() + 0.75 * d.std(ddof=1)  # p between .05/3 and .05
    assert ALPHA / 3 < t_test(d) < ALPHA
    assert judge([item(d)], [[0]], ALPHA).verdict == SUPPORTED
    assert judge([item(d), item(None), item(None)], [[0], [1], [2]], ALPHA).verdict == INCONCLUSIVE
    bad = item(drawn(3, 10, -5.0))
    assert judge([bad, item(None)], [[0], [1]], ALPHA).verdict == INCONCLUSIVE
    assert judge([bad, item(None)], [[0, 1]], ALPHA).verdict == CONTRADICTED
    assert judge([item(None), item(None)], [[0], [1]], ALPHA).verdict == NOT_RUN


@pytest.mark.parametrize(("above", "good", "bad"), [(True, WITHHELD, CONTRADICTED), (False, SUPPORTED, WITHHELD)])
def test_collapsed_runs_withhold_what_speaks_for_the_strategy(above: bool, good: str, bad: str) -> None:
    way = 1 if above else -1
    for mean, verdict in ((5.0, good), (-5.0, bad)):
        one = item(drawn(4, 10, way * mean), above=above, collapsed=1)
        assert judge([one], [[0]], ALPHA).readings[0].verdict == verdict


def test_collapsed_runs_spoil_spreads_altogether() -> None:
    for mean in (5.0, -5.0):
        one = Item(Threshold(0.0, above=False), measure(drawn(5, 10, mean), 1), collapse_spoils=True)
        assert judge([one], [[0]], ALPHA).verdict == INCONCLUSIVE


def test_too_few_pairs_carry_no_verdict_unless_nothing_varies() -> None:
    few = item(drawn(6, 4, 100.0))
    assert judge([few], [[0]], ALPHA).readings[0].verdict == "no verdict: 1 more seed needed"
    fixed = Item(Threshold(4.0, True, reached=True), Measure(4.0, 2, lambda level: (4.0, 4.0), fixed=True))
    assert judge([fixed], [[0]], ALPHA).verdict == SUPPORTED
