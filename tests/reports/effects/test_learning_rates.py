"""What tuning did and cost, against a folder whose best learning rates are known."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from editing import replace
from hypothesis import given
from hypothesis import strategies as st
from synthetic import FORWARD, PASSES, POOL, TRAIN, write_results
from timed import write_timing
from tuned import BASE_LR, FACTORS, TUNING_SEEDS, write_tuning

from selbench.reports.effects.learning_rates import effort, tuning
from selbench.reports.effects.pairing import Pairs
from selbench.reports.records.folder import Phase, Results
from selbench.reports.summary import summarise

WHOLE = TRAIN * POOL * PASSES
BEST = {"gstds": 2.0, "full": 0.5, "uniform": 1.0}
QUIET = {"noise": 0.0, "seed_effect": 0.0, "test_n": 1000, "effects": {"gstds": 0.0, "rho": 1.0}, "seeds": 3}
QUIET["cost_twins"] = False  # but where a test asks for them, the declared cost is read off the ladder


def folder(root: Path, *, tuned: Mapping[str, Any] | None = None, **how: Any) -> Path:
    return write_tuning(write_results(root / "r", **{**QUIET, **how}), **{"best": BEST, "noise": 0.0, **(tuned or {})})


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder(tmp_path_factory.mktemp("tuned"), tuned={"diverged": [("rho", 2.0)], "missing": [("rho", 0.5, 1001)]})


@pytest.fixture(scope="module")
def results(path: Path) -> Results:
    return Results.read(path, strict=True)


@pytest.fixture(scope="module")
def said(results: Results) -> dict[str, Any]:
    return summarise(results)


def arm_of(said: Mapping[str, Any], label: str) -> dict[str, Any]:
    return next(arm for arm in said["tuning"]["arms"] if arm["label"] == label)


def redrawn(said: Mapping[str, Any], question: str, label: str = "gstds") -> dict[str, Any]:
    (row,) = (row for row in said["tuning"]["sensitivity"] if (row["strategy"], row["question"]) == (label, question))
    return row


def test_without_tuning_there_is_no_such_part(tmp_path: Path) -> None:
    said = summarise(Results.read(write_results(tmp_path / "r", **QUIET)))
    assert said["tuning"] is None
    assert {(arm["lr_factor"], arm["lr_from"], arm["tuning_flops"]) for arm in said["arms"]} == {
        (1.0, "declared", None)
    }


def test_every_arm_says_what_it_was_tuned_to(said: dict[str, Any], results: Results) -> None:
    assert [arm["arm"] for arm in said["tuning"]["arms"]] == list(results.matrix.arms)
    assert said["tuning"]["base_lr"] == BASE_LR
    assert said["tuning"]["factors"] == list(FACTORS) and said["tuning"]["tuning_seeds"] == list(TUNING_SEEDS)
    assert said["tuning"]["seeds"] == 2
    found = {label: (arm_of(said, label)["factor"], arm_of(said, label)["lr"]) for label in BEST}
    assert found == {label: (factor, BASE_LR * factor) for label, factor in BEST.items()}
    assert [arm_of(said, label)["edge"] for label in ("gstds", "full", "uniform")] == [True, False, False]
    for arm in said["arms"]:
        other = next(of for of in said["tuning"]["arms"] if of["arm"] == arm["key"])
        assert (arm["lr"], arm["lr_factor"], arm["lr_from"]) == (other["lr"], other["factor"], other["lr_from"])


def test_what_takes_its_rate_from_full_has_no_scores_of_its_own(said: dict[str, Any]) -> None:
    every = arm_of(said, "full-all")
    assert (every["lr_from"], every["factor"], every["scores"], every["flops"]) == ("full", 0.5, [], 0.0)


def test_scores_are_means_over_the_tuning_seeds(said: dict[str, Any]) -> None:
    """Without noise an arm loses a point for each squared octave off its best."""
    scores = {score["factor"]: score for score in arm_of(said, "full")["scores"]}
    top = scores[0.5]["mean"]
    assert [top - scores[factor]["mean"] for factor in FACTORS] == pytest.approx([1.0, 0.0, 1.0, 4.0])
    assert {score["n"] for score in scores.values()} == {2}
    assert scores[2.0]["lr"] == 2 * BASE_LR
    assert scores[2.0]["values"] == {str(seed): pytest.approx(top - 4.0) for seed in TUNING_SEEDS}


def test_a_rate_with_a_diverged_run_has_no_mean_and_one_with_a_missing_run_has(said: dict[str, Any]) -> None:
    scores = {score["factor"]: score for score in arm_of(said, "rho")["scores"]}
    assert scores[2.0]["mean"] is None and set(scores[2.0]["values"].values()) == {None}
    assert scores[0.5]["n"] == 1 and set(scores[0.5]["values"]) == {"1000"}
    assert scores[0.5]["mean"] == scores[0.5]["values"]["1000"]


def test_one_diverged_seed_takes_its_rate_out(tmp_path: Path) -> None:
    """Not the other seed alone: its run would stand for a rate that may diverge."""
    results = Results.read(folder(tmp_path))
    arms = {arm.label: arm for arm in results.matrix.arms.values()}
    lost = {(arms["gstds"].base, 2.0, 1001), (arms["full 0.5"].base, 0.25, 1000)}
    runs = tuple(
        replace(run, val_accuracy=None) if (run.base, run.factor, run.seed) in lost else run for run in results.tunings
    )
    said = summarise(replace(results, tunings=runs))
    score = arm_of(said, "gstds")["scores"][-1]
    assert (score["factor"], score["n"], score["mean"], score["values"]["1001"]) == (2.0, 2, None, None)
    assert score["values"]["1000"] > 0
    accuracy, pays = redrawn(said, "accuracy")["grid"], redrawn(said, "pays")["grid"]
    assert [[value is None for value in line] for line in accuracy] == [[False] * 4] * 3 + [[True] * 4]
    assert [[value is None for value in line] for line in pays] == [[True, False, False, False]] * 3 + [[True] * 4]


def test_tuning_shows_what_it_cost(said: dict[str, Any], results: Results) -> None:
    """Eight runs for each arm (seven of rho's are there), three seeds reported, artefacts shared with these."""
    full = arm_of(said, "full")
    assert full["flops"] == pytest.approx(8 * WHOLE)
    assert next(arm["tuning_flops"] for arm in said["arms"] if arm["label"] == "full") == full["flops"]
    assert arm_of(said, "rho")["flops"] == pytest.approx(
        7 * (0.5 * WHOLE + FORWARD * PASSES * POOL + 1e3 * PASSES * POOL)
    )
    assert said["tuning"]["flops"] == pytest.approx(sum(arm["flops"] for arm in said["tuning"]["arms"]))
    reported = effort(results.cells)[0] + 0.5 * WHOLE + FORWARD * POOL
    assert said["tuning"]["share"] == pytest.approx(said["tuning"]["flops"] / reported)
    assert said["tuning"]["seconds"] == pytest.approx(sum(arm["seconds"] for arm in said["tuning"]["arms"]))


def test_artefacts_made_for_tuning_alone_are_charged_to_it_once(results: Results) -> None:
    extra = replace(
        next(iter(results.artefacts.values())),
        id="extra",
        needs=(),
        ledger={"train": Phase(flops=7e9, seconds=3.0, samples=1)},
    )
    runs = tuple(replace(run, artefacts=(*run.artefacts, "extra")) for run in results.tunings)
    more = replace(results, tunings=runs, artefacts={**results.artefacts, "extra": extra})
    before, after = (summarise(of)["tuning"] for of in (results, more))
    assert after["flops"] - before["flops"] == pytest.approx(7e9)
    assert after["seconds"] - before["seconds"] == pytest.approx(3.0)
    assert after["share"] > before["share"]
    unknown = summarise(replace(results, tunings=runs))["tuning"]
    assert (unknown["flops"], unknown["seconds"], unknown["share"]) == (None, None, None)


def losses(label: str) -> np.ndarray:
    best = BEST.get(label, 1.0)
    return np.array([np.log2(factor / best) ** 2 for factor in FACTORS])


@pytest.mark.parametrize(("question", "baseline", "truth"), [("accuracy", "full", 0.0), ("picking", "uniform", 0.5)])
def test_sensitivity_is_the_difference_at_each_pair_of_rates(
    said: dict[str, Any], question: str, baseline: str, truth: float
) -> None:
    row = redrawn(said, question)
    expected = truth - losses("gstds")[:, None] + losses(baseline)[None, :]
    assert np.array(row["grid"]) == pytest.approx(expected, abs=0.06)  # accuracies are whole test images
    assert row["chosen"] == [FACTORS.index(BEST["gstds"]), FACTORS.index(BEST[baseline])]
    assert row["primary"] and row["margin"] == 1.0 and row["baseline"] == baseline


def test_sensitivity_of_pays_reads_the_ladder_at_each_rate(tmp_path: Path) -> None:
    """Half the cost of full training with its artefacts: full loses a point for each halving at every rate."""
    best = {**BEST, "full 0.25": 0.5, "full 0.5": 0.5}
    said = summarise(Results.read(folder(tmp_path, tuned={"best": best}), strict=True))
    row = redrawn(said, "pays")
    assert (row["account"], row["cost"], row["ladder"], row["baseline"]) == (
        "amortised",
        "total_flops",
        "full",
        "full ladder",
    )
    share = 0.5 + 1e3 / TRAIN + (0.5 + FORWARD / TRAIN / PASSES) / 20
    expected = -np.log2(share) - losses("gstds")[:, None] + losses("full")[None, :]
    assert np.array(row["grid"]) == pytest.approx(expected, abs=0.06)
    assert row["chosen"] == [3, 1]
    declared = [row for row in said["tuning"]["sensitivity"] if row["question"] == "pays"]
    assert {(row["strategy"], row["primary"]) for row in declared} == {("gstds", False), ("rho", False)}


def test_sensitivity_of_pays_is_that_against_the_cost_twin_where_there_is_one(tmp_path: Path) -> None:
    best = {**BEST, "full at the cost of gstds (holdout)": 0.5}
    said = summarise(Results.read(folder(tmp_path, tuned={"best": best}, cost_twins=True), strict=True))
    (row,) = (row for row in said["tuning"]["sensitivity"] if row["baseline"] == "cost twin")
    share = 0.5 + 1e3 / TRAIN + (0.5 + FORWARD / TRAIN / PASSES) / 20
    expected = -np.log2(share) - losses("gstds")[:, None] + losses("full")[None, :]
    assert row["primary"] and np.array(row["grid"]) == pytest.approx(expected, abs=0.06)


def test_a_ladder_of_tuning_runs_is_read_as_it_is(tmp_path: Path) -> None:
    """Where the half rung beats the top at one rate, the strategy meets the top alone."""
    best = {"full": 2.0, "full 0.5": 0.25, "full 0.25": 0.25, "gstds": 1.0}
    how = {"effects": {"gstds": 0.0}, "halving": 0.0, "ratios": {"gstds": 1.0}, "full_accuracy": 90.0}
    said = summarise(Results.read(folder(tmp_path, tuned={"best": best}, **how), strict=True))
    grid = redrawn(said, "pays")["grid"]
    # At factor 1/4 the rungs lose 0, 0 and 9. At 2 they lose 9, 9 and 0.
    assert grid[2][0] == pytest.approx(9.0, abs=0.01) and grid[2][3] == pytest.approx(0.0, abs=0.01)


def test_a_number_without_runs_is_missing_and_a_contrast_without_any_is_not_redrawn(tmp_path: Path) -> None:
    lost = [("rho", factor, seed) for factor in FACTORS for seed in TUNING_SEEDS]
    gone = [*lost, ("full", 0.25, 1000), ("full", 0.25, 1001), ("full 0.5", 1.0, 1000), ("full 0.5", 1.0, 1001)]
    said = summarise(Results.read(folder(tmp_path, tuned={"missing": gone}), strict=True))
    assert {row["strategy"] for row in said["tuning"]["sensitivity"]} == {"uniform", "gstds"}
    accuracy, pays = redrawn(said, "accuracy")["grid"], redrawn(said, "pays")["grid"]
    assert [value is None for value in accuracy[0]] == [True, False, False, False]
    assert [value is None for value in pays[0]] == [True, False, True, False]
    assert arm_of(said, "rho")["scores"] == []


def test_seeds_are_paired(tmp_path: Path) -> None:
    """A seed that only one side has is in no difference."""
    how = {"missing": [("gstds", 1.0, 1000), ("full", 1.0, 1001)]}
    said = summarise(Results.read(folder(tmp_path, tuned=how), strict=True))
    grid = redrawn(said, "accuracy")["grid"]
    assert grid[2][2] is None and grid[2][1] is not None and grid[1][2] is not None


def test_pays_at_equal_seconds_takes_the_timing_pass_or_is_left_out(tmp_path: Path) -> None:
    where = folder(tmp_path, pays={"cost": "wall_clock", "account": "marginal"})
    questions = {row["question"] for row in summarise(Results.read(where))["tuning"]["sensitivity"]}
    assert questions == {"accuracy", "picking"}
    write_timing(where, slowness={"gstds": 0.5}, drift=0.0, noise=0.0)
    row = redrawn(summarise(Results.read(where)), "pays")
    assert row["cost"] == "wall_clock"
    # At the base rate the half rung, at half of the seconds, is at its best, a point below the whole budget.
    assert row["grid"][3][2] == pytest.approx(1.0, abs=0.06)
    assert row["grid"][2][2] == pytest.approx(0.0, abs=0.06)


def test_all_of_it_is_json(said: dict[str, Any]) -> None:
    assert json.loads(json.dumps(said["tuning"], allow_nan=False)) == said["tuning"]


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(FACTORS), st.sampled_from(TUNING_SEEDS)),
        st.one_of(st.none(), st.floats(0, 1)),
        min_size=1,
    ),
    st.dictionaries(
        st.tuples(st.sampled_from(FACTORS), st.sampled_from(TUNING_SEEDS)), st.one_of(st.none(), st.floats(0, 1))
    ),
)
def test_sensitivity_agrees_with_a_plain_loop(results: Results, ours: dict, theirs: dict) -> None:
    arms = {arm.label: arm for arm in results.matrix.arms.values()}
    template = results.tunings[0]
    runs = tuple(
        replace(template, id=f"{label}{at}", base=arms[label].base, factor=at[0], seed=at[1], val_accuracy=value)
        for label, table in (("gstds", ours), ("full", theirs))
        for at, value in table.items()
    )
    small = replace(results, tunings=runs)
    contrast = {
        **dict.fromkeys(("account", "cost", "ladder")),
        **{"dataset": "digits", "reference": "holdout", "strategy": "gstds", "question": "accuracy"},
        **{"arm": arms["gstds"].key, "baseline": "full", "baseline_arm": arms["full"].key},
        **{"primary": True, "margin": 1.0},
    }
    part = tuning(Pairs(small), [contrast])
    assert part is not None
    expected: list[float | None] = []
    for i, j in itertools.product(FACTORS, FACTORS):
        both = [seed for seed in TUNING_SEEDS if (i, seed) in ours and (j, seed) in theirs]
        used = [ours.get((i, seed), 0.0) for seed in TUNING_SEEDS] + [
            theirs.get((j, seed), 0.0) for seed in TUNING_SEEDS
        ]
        each = [] if None in used else [100 * (ours[i, seed] - theirs[j, seed]) for seed in both]
        expected.append(sum(each) / len(each) if each else None)
    if set(expected) == {None}:
        assert part["sensitivity"] == []
    else:
        flat = list(itertools.chain(*part["sensitivity"][0]["grid"]))
        assert flat == [None if value is None else pytest.approx(value, abs=1e-9) for value in expected]
