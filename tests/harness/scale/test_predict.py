"""Hand-worked runs: every operation costs round numbers, so that totals can be added up on paper."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selbench.harness.scale.costs import MEASURED, Affine, Costs, Measured
from selbench.harness.scale.predict import (
    SAMPLED_ABOVE,
    Pace,
    Spent,
    Work,
    break_even,
    ceiling_flops,
    ceiling_seconds,
    crossings,
    joined,
    pace_of,
    predict,
    speed_up,
)
from selbench.harness.scale.rules import Rule
from selbench.harness.steps.pacer import Pacer
from selbench.harness.steps.schedules import Fixed, Linear, Sigmoid
from selbench.harness.steps.step_iterator import steps_of
from selbench.strategies import load

FREE = Affine(0.0, 0.0, MEASURED)
FORWARD, BACKWARD = 1.0, 2.0


def costs(select=FREE, **changes):
    """Training costs 3 s an image, a forward pass 1 s; everything else nothing unless it is changed."""
    table = dict.fromkeys(
        ("views", "gather", "gather_losses", "remember", "other", "other_plain"), FREE
    )  # fmt: skip
    table |= {
        "score": Affine(0.0, FORWARD, MEASURED),
        "train": Affine(0.0, FORWARD + BACKWARD, MEASURED),
        "reference": Affine(0.0, FORWARD, MEASURED),
    }
    return Costs(
        **(table | changes), select=dict.fromkeys(("loss", "rho", "uniform", "gstds", "static", "each"), select)
    )


def rule(name, ratio=0.25, label=None, **options):
    return Rule(label or name, load(name, **options), Fixed(ratio), 8)


WORK = Work(images=1000, forward=FORWARD, train=FORWARD + BACKWARD)
WHOLE = Pace({(100, 100): 20.0}, 2)


def paced(ratio):
    return Pace({(100, round(100 * ratio)): 20.0}, 2)


@pytest.mark.parametrize("ratio", [0.1, 0.25, 0.5, 1.0])
@pytest.mark.parametrize(
    ("name", "cached", "expected"),
    [
        ("loss", True, lambda r: 3 / (1 + 3 * r)),  # the learner scores
        ("rho", False, lambda r: 3 / (2 + 3 * r)),  # and a reference of its size as well
        ("rho", True, lambda r: 3 / (1 + 3 * r)),
        ("uniform", True, lambda r: 1 / r),  # scores are free
        ("gstds", True, lambda r: 1 / r),  # or cached
        ("gstds", False, lambda r: 3 / (1 + 3 * r)),
    ],
)
def test_ceilings_are_those_of_the_design(name, cached, expected, ratio):
    work = replace(WORK, reference=FORWARD, cached=cached, reference_is_learner=True)
    full = predict(None, WHOLE, work, costs())
    arm = predict(rule(name, ratio), paced(ratio), work, costs())
    assert ceiling_flops(full, arm) == pytest.approx(expected(ratio))
    assert ceiling_seconds(full, arm) == pytest.approx(expected(ratio))
    if cached:  # nothing else costs anything here but the artefact, so the ceiling is reached
        assert speed_up(full, arm, 0.0) == pytest.approx(expected(ratio))


def test_seconds_of_a_scoring_rule_by_hand():
    table = costs(
        select=Affine(7.0, 0.0, MEASURED),
        views=Affine(2.0, 0.1, MEASURED),
        gather_losses=Affine(0.5, 0.0, MEASURED),
        train=Affine(10.0, 3.0, MEASURED),
        score=Affine(4.0, 1.0, MEASURED),
        other=Affine(1.0, 0.0, MEASURED),
    )
    arm = predict(rule("rho"), Pace({(100, 25): 8.0}, 1), WORK, table)
    assert {phase: spent.seconds for phase, spent in arm.phases.items()} == pytest.approx(
        {"data": 8 * 12, "score": 8 * 104, "reference": 8 * 0.5, "select": 8 * 7, "train": 8 * 85, "other": 8}
    )
    assert arm.phases["score"].flops == 8 * 100 * FORWARD
    assert arm.phases["train"].flops == 8 * 25 * 3
    assert arm.phases["select"].flops == 8 * load("rho").flops(100, 0, 25)
    assert arm.select_share == pytest.approx(56 / (96 + 832 + 4 + 56 + 680 + 8))
    assert arm.learner == pytest.approx(8 * (25 * 3 + 100))


def test_a_rule_that_needs_no_learner_views_only_what_it_keeps():
    table = costs(views=Affine(0.0, 1.0, MEASURED))
    assert predict(rule("uniform"), paced(0.25), WORK, table).phases["data"].seconds == 20 * 25
    assert predict(rule("loss"), paced(0.25), WORK, table).phases["data"].seconds == 20 * 100


def test_pool_rules_are_called_on_the_pool_once_or_each_pass():
    table = costs(select=Affine(0.0, 1.0, MEASURED), remember=Affine(0.25, 0.0, MEASURED))
    pace = Pace({(100, 25): 30.0}, 3)
    once = predict(rule("static"), pace, WORK, table).phases["select"]
    assert once.seconds == pytest.approx(1000) and once.flops == pytest.approx(load("static").flops(1000, 0, 250))
    each = predict(rule("uniform", label="each", cadence="epoch"), pace, WORK, table).phases["select"]
    assert each.seconds == pytest.approx(3 * 1000 + 30 * 0.25)


def test_artefacts_are_the_proxy_the_features_and_a_reference_trained_here():
    static = predict(rule("static"), paced(0.25), replace(WORK, proxy_passes=5), costs())
    assert static.artefacts.seconds == pytest.approx(5 * 1000 * (3 + 1))
    work = replace(WORK, reference=FORWARD)
    assert predict(rule("rho"), paced(0.25), work, costs()).artefacts.seconds == pytest.approx(1000)
    assert predict(rule("loss"), paced(0.25), work, costs()).artefacts == Spent()
    assert predict(rule("rho"), paced(0.25), replace(work, cached=False), costs()).artefacts == Spent()
    trained = predict(rule("rho"), paced(0.25), replace(work, reference_passes=4, reference_images=50), costs())
    assert trained.artefacts.flops == pytest.approx(4 * 50 * 3 + 1000)


def test_accounts_differ_by_the_share_of_the_artefacts():
    arm = predict(rule("rho"), paced(0.25), replace(WORK, reference=FORWARD), costs())
    assert arm.seconds(0.0) == arm.own.seconds
    assert arm.seconds(1.0) - arm.seconds(0.0) == pytest.approx(1000)
    assert arm.seconds(0.05) - arm.seconds(0.0) == pytest.approx(50)


@given(
    name=st.sampled_from(["loss", "rho", "uniform", "gstds", "static"]),
    ratio=st.sampled_from([0.1, 0.25, 0.5, 0.9]),
    select=st.floats(0, 500),
    overhead=st.floats(0, 50),
    share=st.sampled_from([0.0, 0.05, 1.0]),
    same=st.booleans(),
)
def test_at_the_break_even_cost_both_runs_take_equally_long(name, ratio, select, overhead, share, same):
    table = costs(select=Affine(select, 0.01, MEASURED), other=Affine(overhead, 0.0, MEASURED))
    work = replace(WORK, reference=FORWARD, reference_is_learner=same, proxy_passes=2)
    full, arm = predict(None, WHOLE, work, table), predict(rule(name, ratio), paced(ratio), work, table)
    x = break_even(full, arm, share)
    if x is None:
        assert all(speed_up(full, arm, share, s) <= 1 + 1e-9 for s in (1e-3, 1.0, 1e6))
    elif x == 0:
        assert speed_up(full, arm, share, 1e-6) >= 1 - 1e-9
    else:
        assert speed_up(full, arm, share, x) == pytest.approx(1, rel=1e-6)
        assert speed_up(full, arm, share, 2 * x) > 1 > speed_up(full, arm, share, x / 2)


@given(ratio=st.sampled_from([0.1, 0.25, 0.5]), select=st.floats(0, 500), x=st.floats(1e-3, 1e6))
def test_no_learner_lifts_the_speed_up_over_its_ceiling(ratio, select, x):
    table = costs(select=Affine(select, 0.0, MEASURED))
    work = replace(WORK, reference=0.5, cached=False)
    full, arm = predict(None, WHOLE, work, table), predict(rule("rho", ratio), paced(ratio), work, table)
    assert speed_up(full, arm, 0.0, x) <= ceiling_seconds(full, arm, x) * (1 + 1e-9)


@given(st.lists(st.floats(0.01, 10), min_size=2, max_size=4), st.lists(st.floats(0.01, 10), min_size=2, max_size=4))
def test_noisy_readings_leave_every_learner_a_speed_up_above_zero(train, score):
    table = costs(
        train=Measured({8 << place: value for place, value in enumerate(train)}),
        score=Measured({8 << place: value for place, value in enumerate(score)}),
    )
    full, arm = predict(None, WHOLE, WORK, table), predict(rule("loss"), paced(0.25), WORK, table)
    for x in (1e-3, 1.0, 1e3):
        assert full.seconds_at(x, 0.0) > 0 and arm.seconds_at(x, 0.0) > 0
    assert full.seconds_at(1.0, 0.0) == pytest.approx(full.own.seconds)


def test_a_dear_learner_reaches_its_ceiling():
    table = costs(select=Affine(50.0, 0.0, MEASURED))
    full, arm = predict(None, WHOLE, WORK, table), predict(rule("loss"), paced(0.25), WORK, table)
    assert speed_up(full, arm, 0.0, 1e9) == pytest.approx(ceiling_seconds(full, arm))


def test_a_rule_that_scores_more_than_it_saves_never_pays():
    full, arm = predict(None, WHOLE, WORK, costs()), predict(rule("loss", 0.9), paced(0.9), WORK, costs())
    assert break_even(full, arm, 0.0) is None


@pytest.mark.parametrize("schedule", [Sigmoid(), Linear(), Fixed(0.3)])
@pytest.mark.parametrize("hold", [False, True])
def test_the_pace_is_the_pacers_own_and_its_ratio_the_schedules_mean(schedule, hold):
    pacer = Pacer(3200, 32, "fixed-candidates", schedule, passes=40, hold=hold)
    pace = pace_of(pacer)
    steps = list(steps_of(pacer))
    assert pace.number == len(steps) and pace.epochs == steps[-1].epoch + 1
    assert pace.trained == sum(step.keep for step in steps)
    assert pace.trained / pace.candidates == pytest.approx(schedule.mean(), abs=0.02)


@pytest.mark.parametrize("hold", [False, True])
def test_a_long_run_is_summed_over_points_of_its_schedule(hold):
    pacer = Pacer(50_000, 64, "fixed-candidates", Sigmoid(), passes=12, hold=hold)
    steps = list(steps_of(pacer))
    assert len(steps) > SAMPLED_ABOVE
    pace = pace_of(pacer)
    assert pace.number == pytest.approx(len(steps))
    assert pace.epochs == steps[-1].epoch + 1
    assert pace.trained == pytest.approx(sum(step.keep for step in steps), rel=2e-3)


def test_labels_are_joined_without_repeating_a_source():
    assert joined([MEASURED, MEASURED]) == MEASURED
    assert joined(f"extrapolated (from batch 8 of {name})" for name in ("train", "score")) == (
        "extrapolated (from batch 8 of score, train)"
    )
    both = joined(["extrapolated (from batch 8)", MEASURED, "extrapolated (from profile x)"])
    assert both == "extrapolated (from batch 8; from profile x)"


def test_one_extrapolated_operation_labels_the_whole_run():
    table = costs(train=Affine(0.0, 3.0, "extrapolated (from batch 4)"))
    arm = predict(rule("loss"), paced(0.25), WORK, table)
    assert arm.phases["score"].basis == MEASURED
    assert arm.phases["train"].basis == arm.basis == "extrapolated (from batch 4)"


def test_crossings_are_found_both_ways_in_log_batch():
    points = [(16, 0.05), (64, 0.01), (256, 0.01), (1024, 0.05)]
    (down, falls), (up, rises) = crossings(points, 0.03)
    assert (falls, rises) == ("falls", "rises")
    assert down == pytest.approx(math.sqrt(16 * 64)) and up == pytest.approx(math.sqrt(256 * 1024))
    assert crossings(points, 0.5) == []
