"""Cost to a target against numbers worked out by hand and against second implementations."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from editing import replace
from hypothesis import given
from hypothesis import strategies as st
from synthetic import PASSES, POOL, TRAIN, write_results
from timed import RATE, write_timing

from selbench.reports.effects.pairing import LadderCurve, Pairs
from selbench.reports.effects.targets import targets
from selbench.reports.records.folder import Results
from selbench.reports.summary import summarise

WHOLE = TRAIN * POOL * PASSES
"""FLOPs of full training."""

costs = st.lists(st.floats(1.0, 1e12), min_size=1, max_size=7, unique=True)
levels = st.integers(0, 100).map(lambda percent: percent / 100)


@st.composite
def ladders(draw: st.DrawFn) -> tuple[list[float], list[float]]:
    prices = draw(costs)
    return prices, draw(st.lists(levels, min_size=len(prices), max_size=len(prices)))


@given(ladders(), levels)
def test_reach_is_where_the_raw_ladder_first_arrives(ladder: tuple[list[float], list[float]], goal: float) -> None:
    order = np.argsort(ladder[0])
    x, y = (np.array(side)[order] for side in ladder)
    goal += 1e-6  # off the rungs, where two implementations may round apart
    found = LadderCurve(*ladder).reach(goal)
    if goal > y.max():
        assert found == math.inf
    elif goal <= y[0]:
        assert found == x[0]
    else:
        at = int(np.argmax(y >= goal))
        share = (goal - y[at - 1]) / (y[at] - y[at - 1])
        assert found == pytest.approx(x[at - 1] ** (1 - share) * x[at] ** share, rel=1e-6)


@given(ladders(), levels)
def test_reach_undoes_read(ladder: tuple[list[float], list[float]], goal: float) -> None:
    curve = LadderCurve(*ladder)
    cost = curve.reach(goal)
    if math.isfinite(cost):
        accuracy = curve.read(cost).accuracy
        assert accuracy >= goal - 1e-6
        assert cost == min(ladder[0]) or accuracy == pytest.approx(goal, abs=1e-6)


@given(ladders(), levels, levels)
def test_a_higher_target_never_costs_less(ladder: tuple[list[float], list[float]], one: float, other: float) -> None:
    curve = LadderCurve(*ladder)
    assert curve.reach(min(one, other)) <= curve.reach(max(one, other))


@given(st.lists(st.floats(1.0, 1e12), min_size=1, max_size=7, unique=True))
def test_a_rung_that_just_reaches_costs_what_it_cost(prices: list[float]) -> None:
    rising = [0.1 * rung for rung in range(len(prices))]
    curve = LadderCurve(sorted(prices), rising)
    assert [curve.reach(goal) for goal in rising] == sorted(prices)


def test_a_ladder_worked_by_hand() -> None:
    curve = LadderCurve([4.0, 1.0, 2.0], [0.9, 0.5, 0.7])
    assert curve.reach(0.6) == pytest.approx(math.sqrt(2.0))
    assert [curve.reach(goal) for goal in (0.1, 0.5, 0.7, 0.9, 0.91)] == [1.0, 1.0, 2.0, 4.0, math.inf]
    dented = LadderCurve([1.0, 2.0, 4.0], [0.5, 0.8, 0.6])
    assert dented.reach(0.8) == 2.0 and dented.reach(0.65) == pytest.approx(math.sqrt(2.0))
    assert dented.reach(0.81) == math.inf


def rows_of(results: Results, label: str = "", **wanted: Any) -> list[dict[str, Any]]:
    rows = targets(Pairs(results))
    wanted = {"account": "marginal", "cost": "total_flops", **({"strategy": label} if label else {}), **wanted}
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def row_of(results: Results, label: str, **wanted: Any) -> dict[str, Any]:
    (row,) = rows_of(results, label, **wanted)
    return row


def read(root: Path, **how: Any) -> Results:
    quiet = {"noise": 0.0, "seed_effect": 0.0, "test_n": 10_000, "effects": {"gstds": 0.0}, "ladders": ["gstds"]}
    return Results.read(write_results(root / "r", **{**quiet, **how}), strict=True)


def test_without_noise_costs_are_those_of_the_truth(tmp_path: Path) -> None:
    """A point for each halving and a margin of half a point: full gets there at 2^-1/2 of its cost."""
    results = read(tmp_path, margin=0.5, ratios={"gstds": 0.25}, twin_effect=-0.2)
    full, uniform, ours = (row_of(results, label) for label in ("full", "uniform", "gstds"))
    assert full["target"] == pytest.approx(94.5)
    assert full["median"] == pytest.approx(WHOLE / math.sqrt(2), rel=1e-3)
    assert full["speedup"] is None and full["ladder"] and (full["n"], full["misses"], full["at_lowest"]) == (8, 0, 0)
    assert uniform["median"] == pytest.approx(0.5 * WHOLE * 2**-0.3, rel=1e-3)
    assert ours["ladder"] and ours["role"] == "strategy" and ours["reference"] == "holdout"
    select = 1e3 * POOL * PASSES
    assert ours["median"] == pytest.approx((0.25 * WHOLE + select) / math.sqrt(2), rel=1e-3)
    learner = row_of(results, "gstds", cost="learner_flops")
    assert learner["speedup"]["median"] == pytest.approx(4.0, rel=1e-3)
    assert learner["speedup"]["ci_low"] == pytest.approx(4.0, rel=1e-3)


def test_accounts_charge_the_artefacts(tmp_path: Path) -> None:
    results = read(tmp_path, effects={"gstds": 0.0}, ladders=[], margin=0.0, test_n=1000)
    artefacts = 0.5 * WHOLE + 1e6 * POOL
    own = row_of(results, "gstds")["median"]
    assert row_of(results, "gstds", account="amortised")["median"] == pytest.approx(own + artefacts / 20)
    assert row_of(results, "gstds", account="standalone")["median"] == pytest.approx(own + artefacts)


def test_a_strategy_without_a_ladder_costs_its_run_or_nothing_reaches(tmp_path: Path) -> None:
    results = read(tmp_path, effects={"gstds": 0.0, "loss": -3.0}, ladders=[], margin=1.0, test_n=1000)
    ours, lost = row_of(results, "gstds"), row_of(results, "loss")
    assert not ours["ladder"] and ours["median"] == pytest.approx(0.5 * WHOLE + 1e3 * POOL * PASSES, rel=1e-9)
    assert (ours["misses"], ours["at_lowest"]) == (0, 8)
    assert (lost["misses"], lost["n"], lost["median"], lost["ci_low"]) == (8, 8, math.inf, math.inf)
    assert lost["speedup"] == {"median": 0.0, "ci_low": 0.0, "ci_high": 0.0}


def test_a_lowest_rung_that_is_good_enough_is_an_upper_bound(tmp_path: Path) -> None:
    results = read(tmp_path, margin=5.0, test_n=1000)
    full = row_of(results, "full")
    assert full["median"] == pytest.approx(0.25 * WHOLE) and full["at_lowest"] == full["n"] == 8


def set_accuracies(results: Results, label: str, values: dict[int, float], rung: float = 1.0) -> Results:
    arms = results.matrix.arms
    cells = tuple(
        replace(cell, accuracy=values[cell.seed])
        if (cell.arm_label, arms[cell.arm].rung) == (label, rung) and cell.seed in values
        else cell
        for cell in results.cells
    )
    return replace(results, cells=cells)


def test_the_target_of_a_seed_is_from_the_other_seeds(tmp_path: Path) -> None:
    """One lucky run of full raises the bar of every seed but its own."""
    results = read(tmp_path, seeds=6, margin=0.0, ladders=[], test_n=1000, twin_effect=0.0)
    lucky = {**dict.fromkeys(range(6), 0.90), 3: 0.95}
    results = set_accuracies(set_accuracies(results, "full", lucky), "gstds", dict.fromkeys(range(6), 0.905))
    ours = row_of(results, "gstds")
    assert ours["target"] == pytest.approx(100 * (5 * 0.91 + 0.90) / 6)
    assert ours["misses"] == 5  # 0.905 reaches 0.90 at seed 3 and misses 0.91 elsewhere


def test_speedups_of_misses(tmp_path: Path) -> None:
    """A miss of the arm is 0, a miss of full alone is infinite, and a miss of both is the arm's."""
    results = read(tmp_path, seeds=6, margin=0.0, ladders=[], effects={"gstds": 0.0}, halving=5.0, test_n=1000)
    full = {0: 0.90, 1: 0.90, 2: 0.96, 3: 0.96, 4: 0.96, 5: 0.96}
    ours = {0: 0.99, 1: 0.10, 2: 0.99, 3: 0.10, 4: 0.99, 5: 0.99}
    results = set_accuracies(set_accuracies(results, "full", full), "gstds", ours)
    row = row_of(results, "gstds")
    goal = (2 * 0.90 + 3 * 0.96) / 5
    share = (goal - 0.90) / (0.96 - 0.90)  # between the half rung, 0.90 without noise, and the top
    finite = WHOLE * 0.5 ** (1 - share) / (0.5 * WHOLE + 1e3 * POOL * PASSES)
    assert (row["n"], row["misses"]) == (6, 2)
    assert row_of(results, "full")["misses"] == 2
    # 0, 0, three finite ones, infinite
    assert row["speedup"]["median"] == pytest.approx(finite, rel=1e-6)
    assert (row["speedup"]["ci_low"], row["speedup"]["ci_high"]) == (0.0, math.inf)


def test_too_few_seeds_give_a_median_and_no_interval(tmp_path: Path) -> None:
    row = row_of(read(tmp_path, seeds=5, test_n=200), "gstds")
    assert row["n"] == 5 and row["median"] > 0 and (row["ci_low"], row["ci_high"]) == (None, None)


def test_one_seed_has_no_other_to_take_its_target_from(tmp_path: Path) -> None:
    assert rows_of(read(tmp_path, seeds=1, test_n=200)) == []


def test_seeds_without_the_whole_ladder_are_left_out(tmp_path: Path) -> None:
    results = read(tmp_path, missing=[("gstds 0.5", 2), ("full 0.25", 4), ("full", 5)], test_n=200)
    ours = row_of(results, "gstds")
    assert ours["n"] == 7 and row_of(results, "full")["n"] == 6


def test_the_median_is_that_of_a_noisy_folder_read_seed_by_seed(tmp_path: Path) -> None:
    """A second implementation, seed by seed, from the records alone."""
    noisy = {"seeds": 7, "noise": 0.4, "seed_effect": 0.4, "test_n": 500, "margin": 0.7}
    results = read(tmp_path, **noisy)
    accuracy: dict[tuple[float, int], float] = {}
    flops: dict[tuple[float, int], float] = {}
    for file in (tmp_path / "r" / "cells").glob("*.json"):
        record = json.loads(file.read_text())
        if record["arm_label"] in ("full", "full 0.25", "full 0.5"):
            rung = float(record["arm_label"].removeprefix("full") or 1)
            accuracy[rung, record["seed"]] = record["result"]["test_accuracy"]
            flops[rung, record["seed"]] = record["ledger"]["train"]["flops"]
    spent = []
    for seed in range(7):
        goal = np.mean([accuracy[1.0, other] for other in range(7) if other != seed]) - 0.007
        x, y = ([of[q, seed] for q in (0.25, 0.5, 1.0)] for of in (flops, accuracy))
        grid = np.geomspace(x[0], x[-1], 200_001)
        reached = np.interp(np.log(grid), np.log(x), y) >= goal
        spent.append(grid[np.argmax(reached)] if reached.any() else np.inf)
    row = row_of(results, "full")
    assert row["median"] == pytest.approx(sorted(spent)[3], rel=1e-4)
    assert row["misses"] == np.isinf(spent).sum()


def test_seconds_are_of_the_timing_pass_or_of_nothing(tmp_path: Path) -> None:
    results = read(tmp_path, margin=0.5)
    assert rows_of(results, cost="wall_clock") == []
    write_timing(tmp_path / "r", drift=0.0, noise=0.0)
    row = row_of(Results.read(tmp_path / "r"), "full", cost="wall_clock")
    assert row["median"] == pytest.approx(WHOLE / RATE / math.sqrt(2), rel=1e-3)
    assert row["timing"] == {"source": "timing pass", "blocks": 3}
    assert row_of(Results.read(tmp_path / "r"), "full")["timing"] == {"source": None, "blocks": 0}


def test_speedups_in_seconds_are_of_one_machine(tmp_path: Path) -> None:
    """Full is there at 2^-1/2 of its seconds, the strategy at the end of its run, which takes 0.55 of them."""
    read(tmp_path, margin=0.5, ladders=[])
    machines = {0: "aa", 1: "aa", 2: "bb"}
    write_timing(tmp_path / "r", slowness={"gstds": 0.55}, drift=0.0, noise=0.0, machines=machines)
    row = row_of(Results.read(tmp_path / "r"), "gstds", cost="wall_clock")
    assert row["median"] == pytest.approx(0.55 * WHOLE / RATE) and row["timing"]["blocks"] == 2
    assert row["speedup"]["median"] == pytest.approx(1 / math.sqrt(2) / 0.55, rel=1e-3)


def test_an_arm_whose_rungs_were_not_timed_has_no_seconds(tmp_path: Path) -> None:
    folder = write_results(tmp_path / "r", seeds=3, effects={"gstds": 0.0, "rho": 0.0}, ladders=["gstds"], test_n=100)
    write_timing(folder)
    results = Results.read(folder)
    rung = next(arm.key for arm in results.arms(role="rung"))
    kept = replace(results, timings=tuple(timed for timed in results.timings if timed.of != rung))
    assert {row["strategy"] for row in rows_of(kept, cost="wall_clock")} == {"full", "uniform", "rho"}


def test_every_arm_is_there_in_each_account_and_cost(tmp_path: Path) -> None:
    results = read(tmp_path, effects={"gstds": 0.0, "static": 0.0}, datasets=("digits", "flowers"), test_n=200)
    rows = rows_of(results)
    assert [(row["dataset"], row["strategy"]) for row in rows] == [
        (dataset, label) for dataset in ("digits", "flowers") for label in ("full", "uniform", "gstds", "static")
    ]
    said = summarise(results)["targets"]
    assert len(said) == len(rows) * 3 * 2  # no timing pass: no seconds
    assert json.loads(json.dumps(said, allow_nan=False)) == said
