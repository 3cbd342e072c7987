"""A verdict is what its interval says, at the level that Holm leaves to its family."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from selbench.reports.effects.verdicts import (
    INCONCLUSIVE,
    INFERIOR,
    NON_INFERIOR,
    ONLY_HERE,
    SUPERIOR,
    WITHHELD,
    WORSE,
    WORSE_WITHIN,
    Evidence,
    by_chance,
    decide,
    verdict,
)
from selbench.reports.statistics import holm, sign_flip_test, t_test

ALPHA = 0.05


def around(mean: float, sd: float = 0.2, n: int = 8) -> np.ndarray:
    """Differences of exactly this mean and SD."""
    z = np.linspace(-1, 1, n)
    return mean + sd * z / z.std(ddof=1)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.1, 0.9, SUPERIOR),
        (0.0, 0.9, NON_INFERIOR),
        (-0.9, 0.9, NON_INFERIOR),
        (-0.9, 0.0, NON_INFERIOR),
        (-0.9, -0.1, WORSE_WITHIN),
        (-1.0, -0.1, WORSE),
        (-1.0, 0.0, INCONCLUSIVE),
        (-1.1, 0.5, INCONCLUSIVE),
        (-2.0, -1.0, WORSE),
        (-2.0, -1.1, INFERIOR),
    ],
)
def test_the_definitions(low: float, high: float, expected: str) -> None:
    assert verdict(low, high, 1.0) == expected


@pytest.mark.parametrize("interval", [(0.1, 0.9), (-0.5, 0.5), (-0.9, -0.1), (-1.1, 0.5), (-30.0, 9.0)])
def test_a_collapsed_run_withholds_everything_but_inferiority(interval: tuple[float, float]) -> None:
    assert verdict(*interval, 1.0, collapsed=1) == WITHHELD
    assert verdict(-9.0, -2.0, 1.0, collapsed=1) == INFERIOR
    assert verdict(-9.0, -0.5, 1.0, collapsed=1) == WITHHELD


@pytest.mark.parametrize("interval", ["t", "sign-flip"])
@pytest.mark.parametrize("value", [-1.0, 0.0])
def test_a_difference_on_a_bound_up_to_rounding_is_on_it(value: float, interval: str) -> None:
    """As the tests have it, whose p is then 1: three tenths of a point and 0.1 + 0.2 are one difference."""
    for tie in (value - 1e-13, value, value + 1e-13):
        (decision,) = decide([Evidence(np.full(8, tie), 1.0)], ALPHA, interval=interval)
        assert decision.verdict == (WORSE if value else NON_INFERIOR)


@pytest.mark.parametrize(
    ("mean", "expected"),
    [(0.5, SUPERIOR), (0.0, NON_INFERIOR), (-0.5, WORSE_WITHIN), (-2.0, INFERIOR), (-1.0, WORSE)],
)
def test_one_contrast_alone(mean: float, expected: str) -> None:
    (decision,) = decide([Evidence(around(mean), 1.0)], ALPHA, primary=False)
    assert decision.verdict == expected
    assert decision.confidence == pytest.approx(0.90)
    assert decision.p_adjusted is None


@pytest.mark.parametrize(("n", "family", "short"), [(4, 1, 1), (5, 1, 0), (5, 3, 1), (2, 3, 4), (0, 1, 5), (1, 1, 4)])
def test_no_verdict_below_the_exact_tests_floor(n: int, family: int, short: int) -> None:
    item = Evidence(np.linspace(1.0, 2.0, n), 1.0)
    decisions = decide([item] * family, ALPHA)
    seeds = "seed" if short == 1 else "seeds"
    expected = f"no verdict: {short} more {seeds} needed" if short else SUPERIOR
    assert {decision.verdict for decision in decisions} == {expected}
    if n < 2:
        assert decisions[0].low is None and decisions[0].p_noninferior is None


def test_the_familys_intervals_are_at_the_level_where_holm_stopped() -> None:
    clear, open_ = Evidence(around(0.0, 0.1), 1.0), Evidence(around(-0.9, 1.0), 1.0)
    assert [d.confidence for d in decide([clear, clear, clear], ALPHA)] == pytest.approx([0.90] * 3)
    assert [d.confidence for d in decide([clear, clear, open_], ALPHA)] == pytest.approx([0.90] * 3)
    assert [d.confidence for d in decide([clear, open_, open_], ALPHA)] == pytest.approx([0.95] * 3)
    assert [d.confidence for d in decide([open_] * 3, ALPHA)] == pytest.approx([1 - 0.1 / 3] * 3)


def test_a_declared_contrast_without_data_still_counts_in_the_family() -> None:
    absent, borderline = Evidence(np.empty(0), 1.0), Evidence(around(-0.8, 0.25), 1.0)
    p = t_test(borderline.differences, -1.0)
    assert ALPHA / 2 < p < ALPHA
    assert decide([borderline], ALPHA)[0].verdict == WORSE_WITHIN
    assert decide([borderline, absent], ALPHA)[0].verdict == WORSE
    assert decide([borderline, absent], ALPHA)[0].p_adjusted == pytest.approx(2 * p)


def test_superiority_must_survive_holm_as_well() -> None:
    slight = Evidence(around(0.15, 0.2), 5.0)
    p = t_test(slight.differences)
    assert ALPHA / 3 < p < ALPHA
    assert decide([slight], ALPHA)[0].verdict == SUPERIOR
    none = Evidence(around(0.0, 0.2), 5.0)
    family = decide([slight, none, none], ALPHA)
    assert family[0].verdict == NON_INFERIOR
    assert family[0].p_superior == pytest.approx(p)


def test_equal_differences_are_judged_by_the_exact_tests_floor() -> None:
    for value, expected in ((0.3, SUPERIOR), (0.0, NON_INFERIOR), (-0.5, WORSE_WITHIN), (-1.5, INFERIOR)):
        (decision,) = decide([Evidence(np.full(8, value), 1.0)], ALPHA)
        assert decision.verdict == expected
        assert decision.low == decision.high == pytest.approx(value)


families = st.lists(
    st.tuples(
        arrays(np.float64, 8, elements=st.floats(-3, 3).map(lambda x: round(x, 2))), st.sampled_from([0.5, 1.0, 2.0])
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize(("interval", "test"), [("t", t_test), ("sign-flip", sign_flip_test)])
@settings(max_examples=100)
@given(family=families)
def test_no_verdict_contradicts_the_interval_beside_it_or_holm(family, interval: str, test) -> None:
    evidence = [Evidence(differences, margin) for differences, margin in family]
    decisions = decide(evidence, ALPHA, interval=interval)
    p = np.array([test(item.differences, -item.margin) for item in evidence])
    adjusted = holm(p)
    assume(np.abs(adjusted - ALPHA).min() > 1e-6)
    for item, decision, holms in zip(evidence, decisions, adjusted, strict=True):
        assert decision.p_adjusted == pytest.approx(holms)
        low, high, margin, text = decision.low, decision.high, item.margin, decision.verdict
        assert low is not None and high is not None
        assert (text in (SUPERIOR, NON_INFERIOR, WORSE_WITHIN)) == (low > -margin) == (holms <= ALPHA)
        assert text != SUPERIOR or low > 0
        assert (text == WORSE_WITHIN) == (-margin < low and high < -1e-12)  # equal but for rounding is equal
        assert (text == INFERIOR) == (high < -margin)
        assert (text == WORSE) == (low <= -margin <= high < -1e-12)


@pytest.mark.parametrize("interval", ["t", "sign-flip"])
@settings(max_examples=100)
@given(differences=arrays(np.float64, 8, elements=st.floats(-2, 2).map(lambda x: round(x, 2))))
def test_equivalence_is_an_interval_inside_the_margin(differences: np.ndarray, interval: str) -> None:
    (decision,) = decide([Evidence(differences, 1.0)], ALPHA, primary=False, interval=interval)
    p, low, high = decision.p_equivalent, decision.low, decision.high
    assert p is not None and low is not None and high is not None and decision.p_noninferior is not None
    assume(abs(p - ALPHA) > 1e-6)
    assert (p < ALPHA) == (low > -1.0 and high < 1.0)
    assert p >= decision.p_noninferior


@pytest.mark.parametrize(("n", "alpha", "family"), [(5, 1 / 32, 1), (4, 1 / 16, 1), (7, 1 / 32, 4), (10, 3 / 1024, 3)])
def test_at_the_exact_tests_floor_the_interval_and_holm_agree(n: int, alpha: float, family: int) -> None:
    """The p-value of so few pairs, all above the margin, is the level itself: both must reject."""
    evidence = [Evidence(np.linspace(0.1, 0.7, n), 1.0)] * family
    for decision in decide(evidence, alpha, interval="sign-flip"):
        assert decision.p_noninferior == 0.5**n and decision.verdict == SUPERIOR
        assert decision.low is not None and decision.low > -1
    tied = [Evidence(np.append(np.linspace(0.1, 0.7, n - 1), -1.0), 1.0)] * family  # at the margin: p is twice that
    assert {decision.verdict for decision in decide(tied, alpha, interval="sign-flip")} == {INCONCLUSIVE}


def test_second_opinions_are_of_the_same_null() -> None:
    differences = around(-0.2, 0.5)
    flips, ranks = sign_flip_test(differences, -1.0), stats.wilcoxon(differences + 1.0, alternative="greater").pvalue
    for interval, own in (("t", t_test(differences, -1.0)), ("sign-flip", flips)):
        (decision,) = decide([Evidence(differences, 1.0)], ALPHA, interval=interval)
        assert (decision.p_noninferior, decision.p_sign_flip) == (own, flips)
        assert decision.p_wilcoxon == pytest.approx(ranks)
        assert decision.p_superior == (t_test if interval == "t" else sign_flip_test)(differences, 0.0)


def test_what_carries_no_verdict_carries_no_test() -> None:
    (decision,) = decide([Evidence(around(0.0), 1.0)], ALPHA)
    withheld = decision.withheld("no verdict: needs a timing pass")
    assert (withheld.value, withheld.low, withheld.high) == (decision.value, decision.low, decision.high)
    numbers = vars(withheld)
    assert all(numbers[name] is None for name in numbers if name.startswith("p_"))


@pytest.mark.parametrize("interval", ["t", "sign-flip"])
def test_a_family_is_wrong_about_a_true_null_as_often_as_alpha_says(interval: str) -> None:
    """Three contrasts that are truly just inferior, and three that are truly equal: errors of the family."""
    rng, runs = np.random.default_rng(0), 1000 if interval == "t" else 250
    inferior = equal = 0
    for _ in range(runs):
        noise = rng.normal(0.0, 0.3, (3, 8))
        shown = {d.verdict for d in decide([Evidence(x - 1, 1.0) for x in noise], ALPHA, interval=interval)}
        inferior += bool(shown & {SUPERIOR, NON_INFERIOR, WORSE_WITHIN})
        equal += any(d.verdict == SUPERIOR for d in decide([Evidence(x, 1.0) for x in noise], ALPHA, interval=interval))
    allowed = ALPHA + 3 * np.sqrt(ALPHA * (1 - ALPHA) / runs)
    assert 0.02 < inferior / runs < allowed
    assert 0.02 < equal / runs < allowed


@pytest.mark.parametrize(
    ("mean", "error", "expected"),
    [
        (0.5, 0.1, SUPERIOR),
        (0.5, 0.4, NON_INFERIOR),
        (0.5, 1.0, ONLY_HERE),
        (-0.5, 0.1, WORSE_WITHIN),
        (-0.5, 0.4, ONLY_HERE),
        (-0.9, 9.0, WORSE),
        (-2.0, 9.0, INFERIOR),
    ],
)
def test_what_speaks_for_a_strategy_must_hold_for_new_images(mean: float, error: float, expected: str) -> None:
    item = Evidence(around(mean), 1.0, image_error=error)
    (decision,) = decide([item], ALPHA)
    (here,) = decide([item], ALPHA, scope="test-set")
    (alone,) = decide([Evidence(item.differences, 1.0)], ALPHA)
    assert (decision.verdict, here.verdict) == (expected, alone.verdict)
    assert decision.seen == ("" if expected == alone.verdict else alone.verdict) and not here.seen
    low, high = decision.both_errors or (None, None)
    assert low == here.both_errors[0] and alone.both_errors is None
    assert low < decision.low and decision.high < high and (decision.low, decision.high) == (alone.low, alone.high)


def test_exploratory_verdicts_are_held_against_chance() -> None:
    found = [SUPERIOR, SUPERIOR, INFERIOR, WORSE, WORSE_WITHIN, INCONCLUSIVE, ONLY_HERE]
    row = {"primary": False, "p_superior": 0.2, "confidence": 0.9}
    rows = [{**row, "verdict": verdict} for verdict in found]
    unjudged = [{**row, "verdict": WITHHELD}, {**row, "verdict": "no verdict: 1 more seed needed"}]
    unjudged += [{**row, "verdict": SUPERIOR, "primary": True}, {**row, "verdict": "no verdict", "p_superior": None}]
    told = by_chance([*rows, *unjudged])
    assert told == {"judged": 7, "expected": pytest.approx(7 * 0.05), "superior": 2, "worse": 3}


@pytest.mark.parametrize("scope", ["population", "test-set"])
def test_chance_alone_finds_as_many_as_it_says(scope: str) -> None:
    rng, rows = np.random.default_rng(3), []
    for _ in range(2000):
        (decision,) = decide([Evidence(rng.normal(0.0, 1.0, 8), 9.0)], ALPHA, primary=False, scope=scope)
        rows.append({**vars(decision), "primary": False})
    told = by_chance(rows)
    assert told["expected"] == pytest.approx(100)
    assert told["superior"] == pytest.approx(100, abs=30) and told["worse"] == pytest.approx(100, abs=30)


def test_a_matrix_may_declare_nothing():
    assert decide([], 0.05) == []
