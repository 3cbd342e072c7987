"""Numbers of claims against the summary's own, and against second formulations."""

from __future__ import annotations

import json
import math
import tomllib
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from synthetic import write_results
from timed import write_timing

from selbench.reports.effects.estimand import Estimand, Test, estimand
from selbench.reports.effects.measures import NEEDS_TIMING, _ratio_bounds, measure
from selbench.reports.effects.pairing import Pairs
from selbench.reports.effects.verdicts import CONTRADICTED, INCONCLUSIVE, SUPPORTED, Item, Threshold, judge
from selbench.reports.records.folder import Results
from selbench.reports.summary import summarise


def a_test(**changes: object) -> Test:
    plain = {
        "dataset": "digits",
        "strategy": {"name": "gstds"},
        "baseline": "full",
        "metric": "accuracy",
        "hypothesis": "non-inferior",
    }
    return Test.model_validate({key: value for key, value in (plain | changes).items() if value is not None})


def test_ratios_have_no_ends_where_the_baseline_may_be_nothing() -> None:
    bounds = _ratio_bounds(np.array([1.0, 2.0, 3.0]), np.array([-1.0, 0.1, 1.2]))
    assert bounds(0.05) == (-math.inf, math.inf)
    assert _ratio_bounds(np.ones(1), np.ones(1))(0.05) == (-math.inf, math.inf)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("results")
    write_results(path, effects={"gstds": 0.2, "rho": 1.5, "loss": -4.0, "static": -1.0}, ladders=["rho"], noise=0.4)
    return write_timing(path, blocks=5)


@pytest.mark.parametrize("interval", ["t", "sign-flip"])
def test_verdicts_are_those_of_the_contrasts(tmp_path: Path, interval: str) -> None:
    """A claim of one test says what the exploratory contrast says, by the same interval."""
    effects = {f"rule{i}": effect for i, effect in enumerate((-3.0, -1.2, -0.8, -0.3, 0.0, 0.4))}
    write_results(tmp_path, effects=effects, noise=0.5, primary=[], interval=interval, collapse=[("rule4", 2)])
    write_timing(tmp_path, blocks=5)
    results = Results.read(tmp_path)
    pairs, checked = Pairs(results), 0
    for row in summarise(results)["contrasts"]:
        if not row["strategy"].startswith("rule") or row["baseline"] == "best budget no dearer":
            continue
        if row["verdict"] == "no verdict: outside the ladder":
            continue
        test = a_test(
            strategy={"label": row["strategy"]},
            baseline={"accuracy": "full", "picking": "twin", "pays": row["baseline"]}[row["question"]],
            account=row["account"],
            cost=row["cost"],
        )
        sides = estimand(results, test, [])
        assert isinstance(sides, Estimand)
        found = measure(pairs, sides)
        verdicts = {
            hypothesis: judge([Item(Threshold.of(a_test(hypothesis=hypothesis), 1.0), found)], [[0]], 0.05)
            for hypothesis in ("non-inferior", "superior", "inferior")
        }
        reading, on_ladder = verdicts["non-inferior"].readings[0], row["question"] == "pays"
        low = (row["both_errors"] or row)["ci_low"]  # what speaks for a strategy holds for new test images
        assert reading.high == pytest.approx(row["ci_high"])
        assert reading.low == (None if on_ladder else pytest.approx(low))
        assert found.collapsed == row["collapsed"]
        named = {name: row[name] or "" for name in ("dataset", "reference", "strategy", "account", "cost")}
        assert reading.keys == {**named, "rival": row["baseline"]} and reading.quantity == "accuracy"
        if on_ladder:
            assert verdicts["non-inferior"].verdict != SUPPORTED != verdicts["superior"].verdict
            checked += 1
            continue
        good = row["verdict"] in ("superior", "non-inferior", "measurably worse, within the margin")
        assert (verdicts["non-inferior"].verdict == SUPPORTED) == good
        assert (verdicts["superior"].verdict == SUPPORTED) == (row["verdict"] == "superior")
        assert (verdicts["inferior"].verdict == SUPPORTED) == (row["verdict"] == "inferior")
        assert (verdicts["non-inferior"].verdict == CONTRADICTED) == (row["verdict"] == "inferior")
        checked += 1
    assert checked > 60


def test_cost_ratios_are_the_summarys_upside_down(folder: Path) -> None:
    results = Results.read(folder)
    pairs = Pairs(results)
    rows = [row for row in summarise(results)["contrasts"] if row["question"] == "accuracy" and row["reference"]]
    for row in rows:
        for account, costs in row["costs"].items():
            for cost, ratio in costs.items():
                test = a_test(
                    strategy={"label": row["strategy"]},
                    metric="cost ratio",
                    hypothesis="at least",
                    bound=1.0,
                    account=account,
                    cost=cost,
                )
                found = measure(pairs, estimand(results, test, []))
                assert found.estimate == pytest.approx(1 / ratio["ratio"])
                low, high = found.bounds(0.025)
                assert low == pytest.approx(1 / ratio["ci_high"], rel=0.01)
                assert high == pytest.approx(1 / ratio["ci_low"], rel=0.01)
                assert found.fixed == (cost != "wall_clock") and found.n == (5 if cost == "wall_clock" else 8)


def test_costs_to_the_target_are_the_summarys(folder: Path) -> None:
    results = Results.read(folder)
    pairs, checked = Pairs(results), 0
    for row in summarise(results)["targets"]:
        if row["role"] != "strategy" or row["speedup"] is None or row["speedup"]["median"] in (None, 0.0):
            continue
        test = a_test(
            strategy={"label": row["strategy"]},
            metric="cost to target",
            hypothesis="at least",
            bound=1.0,
            account=row["account"],
            cost=row["cost"],
        )
        found = measure(pairs, estimand(results, test, []))
        assert found.estimate == pytest.approx(row["speedup"]["median"])
        assert found.n == row["n"]
        low, high = found.bounds(0.025)
        assert low <= found.estimate <= high
        assert row["ladder"] or high == math.inf, "a single run bounds its cost from above alone"
        checked += 1
    assert checked > 6


def test_a_rule_that_never_arrives_is_contradicted_and_not_dropped(tmp_path: Path) -> None:
    write_results(tmp_path, effects={"loss": -9.0})
    results = Results.read(tmp_path)
    test = a_test(
        strategy={"name": "loss"}, metric="cost to target", hypothesis="at least", bound=1.0,
        account="marginal", cost="total_flops",
    )  # fmt: skip
    found = measure(Pairs(results), estimand(results, test, []))
    assert found.estimate == 0.0 and found.n == 8
    assert judge([Item(Threshold.of(test, 1.0), found)], [[0]], 0.05).verdict == CONTRADICTED


def test_two_rules_that_never_arrive_decide_nothing(tmp_path: Path) -> None:
    write_results(tmp_path, effects={"loss": -9.0, "rho": -9.0})
    results = Results.read(tmp_path)
    test = a_test(
        strategy={"name": "loss"}, baseline=None, rival={"name": "rho"}, metric="cost to target",
        hypothesis="at least", bound=1.0, account="marginal", cost="total_flops",
    )  # fmt: skip
    found = measure(Pairs(results), estimand(results, test, []))
    assert found.n == 8 and found.bounds(0.05) == (0.0, math.inf)
    assert judge([Item(Threshold.of(test, 1.0), found)], [[0]], 0.05).verdict == INCONCLUSIVE


def test_seconds_of_ordinary_cells_measure_nothing(tmp_path: Path) -> None:
    results = Results.read(write_results(tmp_path))
    for changes in (
        {"baseline": "full ladder"},
        {"metric": "cost ratio", "hypothesis": "at least", "bound": 1.0},
        {"metric": "cost to target", "hypothesis": "at least", "bound": 1.0},
    ):
        test = a_test(account="marginal", cost="wall_clock", **changes)
        found = measure(Pairs(results), estimand(results, test, []))
        assert found.estimate is None and found.missing == NEEDS_TIMING


def test_spread_and_ratio_of_accuracies(tmp_path: Path) -> None:
    write_results(
        tmp_path, seeds=16, effects={"gstds": -30.0, "rho": 0.0}, noises={"rho": 4.0, "gstds": 0.1}, seed_effect=0.1
    )
    results = Results.read(tmp_path)
    steadier = a_test(baseline=None, rival={"name": "rho"}, metric="spread ratio", hypothesis="steadier")
    found = measure(Pairs(results), estimand(results, steadier, []))
    assert found.estimate < 0.2
    assert judge([Item(Threshold.of(steadier, 1.0), found)], [[0]], 0.05).verdict == SUPPORTED
    share = a_test(metric="ratio of accuracies", hypothesis="at most", bound=0.7)
    found = measure(Pairs(results), estimand(results, share, []))
    assert found.estimate == pytest.approx(65 / 95, rel=0.01)
    assert judge([Item(Threshold.of(share, 1.0), found)], [[0]], 0.05).verdict == SUPPORTED


def test_the_arm_that_is_meant_is_found(folder: Path) -> None:
    results = Results.read(folder)
    rung = estimand(results, a_test(strategy={"name": "rho", "rung": 0.25}), [])
    assert rung.arm.role == "rung" and rung.rival.role == "full" and rung.rival.rung == 1.0
    assert estimand(results, a_test(strategy={"name": "rho"}, baseline="twin"), []).rival.label == "uniform"
    assert estimand(results, a_test(rival={"name": "full", "rung": 0.5}, baseline=None), []).rival.rung == 0.5
    assert (
        len(estimand(results, a_test(baseline="full ladder", account="marginal", cost="total_flops"), []).rivals) == 3
    )
    for missing in ({"name": "jest"}, {"name": "gstds", "rung": 0.25}, {"name": "gstds", "schedule": "sigmoid"}):
        assert "no runs of" in estimand(results, a_test(strategy=missing), [])
    assert "no runs of" in estimand(results, a_test(strategy={"name": "gstds", "options": {"share": 0.5}}), [])


def test_options_are_read_from_the_text_of_a_strategy(tmp_path: Path) -> None:
    write_results(tmp_path)
    file = tmp_path / "matrix.toml"
    table = tomllib.loads(file.read_text())
    for arm in table["arms"]:
        if arm["name"] == "gstds":
            arm |= {"strategy": "GSTDS(share=0.5, weighting='inverse')", "schedule": "fixed 0.3"}
        if arm["name"] == "loss":
            arm["strategy"] = "__import__('os').system('false')"  # untrusted text is never run
    file.write_text(tomli_w.dumps(table))
    results = Results.read(tmp_path)
    for options, schedule, found in (
        ({"share": 0.5}, "fixed", True),
        ({"weighting": "inverse", "cadence": "batch"}, "fixed 0.3", True),
        ({"share": 0.25}, "", False),
        ({"cadence": "run"}, "", False),
        ({}, "fixed 0.35", False),
        ({}, "fix", False),
    ):
        rule = {"name": "gstds", "options": options, "schedule": schedule}
        assert isinstance(estimand(results, a_test(strategy=rule), []), Estimand) == found
    assert isinstance(estimand(results, a_test(strategy={"name": "loss", "options": {"a": 1}}), []), str)
    assert json.dumps(summarise(results))
