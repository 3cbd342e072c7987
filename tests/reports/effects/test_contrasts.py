"""Which runs are compared: pairs, twins, ladders read at equal cost, and what a reader must be told."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import checksum, write_results

from selbench.reports.effects.contrasts import Contrast, contrast_rows, contrasts
from selbench.reports.effects.pairing import LadderCurve, Pairs
from selbench.reports.records.folder import Results


def find(rows: list[Contrast], strategy: str, question: str, **more: str) -> Contrast:
    (row,) = [
        row
        for row in rows
        if row.arm.label == strategy
        and row.question == question
        and all(getattr(row.asked, name) == value for name, value in more.items())
    ]
    return row


def change(folder: Path, label: str, seed: int | None, edit) -> None:
    """Rewrite the records of an arm, sealed anew."""
    for file in (folder / "cells").glob("*.json"):
        record = json.loads(file.read_text())
        if record["arm_label"] == label and seed in (None, record["seed"]):
            edit(record)
            record["checksum"] = checksum(record)
            file.write_text(json.dumps(record))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_results(tmp_path / "r", seeds=5, test_n=400)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Contrast]:
    return contrasts(Pairs(Results.read(write_results(tmp_path_factory.mktemp("results"), seeds=8))))


def test_a_ladder_is_linear_in_log_cost_and_flat_beyond_its_ends() -> None:
    curve = LadderCurve([4.0, 1.0, 2.0], [0.94, 0.90, 0.92])
    assert curve.read(math.sqrt(2)).accuracy == pytest.approx(0.91)
    assert curve.read(math.sqrt(2)).rungs == (1, 2)
    assert (curve.read(8.0).accuracy, curve.read(8.0).side) == (0.94, 1)
    assert curve.read(8.0).excess == pytest.approx(1.0)
    assert (curve.read(0.5).accuracy, curve.read(0.5).side) == (0.90, -1)
    assert (curve.read(2.0).accuracy, curve.read(2.0).side) == (0.92, 0)
    assert curve.read(4.0).rungs == (0,)
    assert curve.read(4.0 * (1 + 1e-12)).side == 0


def test_a_ladder_that_falls_is_read_as_it_is() -> None:
    curve = LadderCurve([1.0, 2.0, 4.0], [0.90, 0.95, 0.93])
    assert [curve.read(cost).accuracy for cost in (2.0, 4.0)] == [0.95, 0.93]


@given(
    st.lists(st.tuples(st.floats(0.1, 100), st.floats(0, 1)), min_size=1, max_size=6),
    st.lists(st.floats(0.01, 1000), min_size=2, max_size=6),
)
def test_a_ladder_agrees_with_numpy(rungs, prices) -> None:
    costs, accuracies = map(list, zip(*rungs, strict=True))
    curve = LadderCurve(costs, accuracies)
    read = [curve.read(price).accuracy for price in sorted(prices)]
    if len(set(np.log(costs))) == len(costs):
        theirs = np.interp(
            np.log(sorted(prices)), *zip(*sorted(zip(np.log(costs), accuracies, strict=True)), strict=True)
        )
        assert read == pytest.approx(theirs, abs=1e-9)


def test_the_three_questions_find_the_truth(rows: list[Contrast]) -> None:
    """Effects, the twin's -0.5 and a point for each halving are what the folder was written with."""
    for label, effect in (("gstds", 0.0), ("rho", 1.5), ("loss", -4.0), ("static", -0.4)):
        twin = -0.7 if label == "static" else -0.5
        assert find(rows, label, "accuracy").differences.mean() == pytest.approx(effect, abs=0.25)
        assert find(rows, label, "picking").differences.mean() == pytest.approx(effect - twin, abs=0.25)
        price = 0.5 + 1e3 / 3e6 + (1 / 3 if label in ("rho", "loss") else 0.0)
        on_full = find(rows, label, "pays", account="marginal", cost="total_flops", ladder="full")
        assert on_full.differences.mean() == pytest.approx(effect - math.log2(price), abs=0.25)
        assert on_full.above == on_full.below == 0


def test_every_strategy_answers_in_every_account_and_cost(rows: list[Contrast]) -> None:
    pays = [row for row in rows if row.arm.label == "gstds" and row.question == "pays"]
    assert len({(row.asked.account, row.asked.cost, row.baseline) for row in pays}) == len(pays) == 20
    assert {row.baseline for row in pays} == {"cost twin", "best budget no dearer", "full ladder", "uniform ladder"}


def test_baselines_give_context(rows: list[Contrast]) -> None:
    assert find(rows, "uniform", "accuracy").differences.mean() == pytest.approx(-0.5, abs=0.25)
    assert find(rows, "full-all", "accuracy").differences.mean() == pytest.approx(0.3, abs=0.25)


def test_only_declared_contrasts_are_primary_and_ordinary_seconds_never(tmp_path: Path) -> None:
    folder = write_results(tmp_path, seeds=3, primary=["rho:pays", "gstds:accuracy"])
    primary = [row for row in contrasts(Pairs(Results.read(folder))) if row.primary]
    assert {(row.arm.label, row.question, row.asked.account, row.asked.cost, row.baseline) for row in primary} == {
        ("rho", "pays", "amortised", "total_flops", "cost twin"),
        ("gstds", "accuracy", None, None, "full"),
    }
    folder = write_results(tmp_path, seeds=3, primary=["rho:pays"], pays={"cost": "wall_clock"})
    (row,) = (row for row in contrasts(Pairs(Results.read(folder))) if row.primary)
    assert (row.asked.cost, row.source, row.seeds) == ("wall_clock", "ordinary cells", ()), (
        "declared, and without evidence"
    )


def test_each_reference_has_contrasts_of_its_own(tmp_path: Path) -> None:
    rows = contrasts(
        Pairs(Results.read(write_results(tmp_path, seeds=2, references=("holdout", "resnet50"), test_n=200)))
    )
    assert {row.arm.reference for row in rows if row.arm.label == "gstds"} == {"holdout", "resnet50"}
    assert len([row for row in rows if row.primary]) == 6


def test_seeds_without_a_partner_are_dropped_and_counted(tmp_path: Path) -> None:
    folder = write_results(tmp_path, seeds=6, test_n=200, missing=[("gstds", 1), ("full", 3), ("full 0.25", 5)])
    rows = contrasts(Pairs(Results.read(folder)))
    row = find(rows, "gstds", "accuracy")
    assert row.seeds == (0, 2, 4, 5)
    assert "2 of 6 seeds without a partner left out" in row.notes
    assert find(rows, "gstds", "pays", account="marginal", cost="total_flops", ladder="full").seeds == (0, 2, 4)
    assert find(rows, "gstds", "picking").seeds == (0, 2, 3, 4, 5)


def test_pairs_are_of_one_seed(folder: Path) -> None:
    results = Results.read(folder)
    row = find(contrasts(Pairs(results)), "gstds", "accuracy")
    ours, theirs = results.of(row.arm), results.of(row.asked.rival)
    for seed, difference in zip(row.seeds, row.differences, strict=True):
        assert difference == pytest.approx(100 * (ours[seed].accuracy - theirs[seed].accuracy))


def test_a_collapsed_run_on_either_side_is_counted(tmp_path: Path) -> None:
    folder = write_results(tmp_path, seeds=4, test_n=200, collapse=[("gstds", 1), ("full", 2)])
    rows = contrasts(Pairs(Results.read(folder)))
    assert find(rows, "gstds", "accuracy").collapsed == 2
    assert find(rows, "gstds", "picking").collapsed == 1
    assert find(rows, "rho", "accuracy").collapsed == 1
    assert find(rows, "static", "picking").collapsed == 0
    assert find(rows, "gstds", "pays", account="marginal", cost="total_flops", ladder="full").collapsed == 2
    assert find(rows, "gstds", "pays", account="marginal", cost="total_flops", ladder="uniform").collapsed == 1


def test_a_collapsed_run_without_a_partner_is_counted_too(tmp_path: Path) -> None:
    folder = write_results(tmp_path, seeds=4, test_n=200, collapse=[("gstds", 1)], missing=[("full", 1)])
    assert find(contrasts(Pairs(Results.read(folder))), "gstds", "accuracy").collapsed == 1


def test_what_costs_more_than_the_whole_ladder_is_said(rows: list[Contrast]) -> None:
    row = find(rows, "rho", "pays", account="marginal", cost="total_flops", ladder="uniform")
    assert row.above == 8
    assert any("8 of 8 runs cost more than the ladder's top rung (by 67 % on average)" in note for note in row.notes)


def test_what_costs_less_than_the_whole_ladder_is_said(folder: Path) -> None:
    change(folder, "gstds", None, lambda record: record["ledger"]["train"].update(flops=1.0))
    row = find(
        contrasts(Pairs(Results.read(folder))), "gstds", "pays", account="marginal", cost="learner_flops", ladder="full"
    )
    assert row.below == 5 and "less than the ladder's lowest rung" in row.notes[0]


def test_unequal_samples_of_a_twin_are_said(folder: Path) -> None:
    assert find(contrasts(Pairs(Results.read(folder))), "gstds", "picking").notes == ()
    change(folder, "gstds", 2, lambda record: record["selection"].update(trained_samples=10_500))
    assert find(contrasts(Pairs(Results.read(folder))), "gstds", "picking").notes == (
        "trained samples differ by up to 5 %",
    )
    results = Results.read(folder)
    rows = contrast_rows(results, contrasts(Pairs(results)))
    (row,) = [row for row in rows if (row["strategy"], row["question"]) == ("gstds", "picking")]
    assert row["verdict"] == "no verdict: trained samples differ by up to 5 %" and row["p_noninferior"] is None


def test_seconds_are_an_indication_and_never_of_unlike_machines(folder: Path) -> None:
    row = find(
        contrasts(Pairs(Results.read(folder))), "gstds", "pays", account="marginal", cost="wall_clock", ladder="full"
    )
    assert row.notes[0] == "indication: seconds of ordinary cells"
    assert row.paid.ratios["marginal"]["wall_clock"] is not None
    change(folder, "gstds", 0, lambda record: record["environment"].update(machine="other"))
    rows = contrasts(Pairs(Results.read(folder)))
    assert not [row for row in rows if row.arm.label == "gstds" and row.asked.cost == "wall_clock"]
    assert find(rows, "gstds", "accuracy").paid.ratios["marginal"]["wall_clock"] is None
    assert find(rows, "gstds", "accuracy").paid.ratios["marginal"]["total_flops"] is not None
    assert find(rows, "rho", "accuracy").paid.ratios["marginal"]["wall_clock"] is not None


def test_costs_are_ratios_to_the_baseline(rows: list[Contrast]) -> None:
    costs = find(rows, "rho", "accuracy").paid.ratios
    ratio = costs["marginal"]["total_flops"]
    assert ratio is not None and ratio[:3] == pytest.approx([0.5 + 1 / 3 + 1e3 / 3e6] * 3)
    amortised = costs["amortised"]["total_flops"]
    assert amortised is not None and amortised.estimate == pytest.approx(ratio.estimate + (0.5 + 1 / 60) / 20)
    assert costs["standalone"]["learner_flops"] == costs["marginal"]["learner_flops"]


def test_costs_without_their_artefact_are_left_out_not_guessed(folder: Path) -> None:
    for file in (folder / "artefacts").glob("*/meta.json"):
        file.unlink()
    rows = contrasts(Pairs(Results.read(folder)))
    assert find(rows, "gstds", "accuracy").paid.ratios["amortised"]["total_flops"] is None
    assert find(rows, "gstds", "accuracy").paid.ratios["marginal"]["total_flops"] is not None
    on_ladder = [row.asked for row in rows if row.arm.label == "gstds" and row.asked.ladder == "full"]
    assert {asked.account for asked in on_ladder if asked.cost != "learner_flops"} == {"marginal"}


def test_a_declared_contrast_is_listed_even_without_runs(tmp_path: Path) -> None:
    folder = write_results(tmp_path, seeds=2, test_n=100, missing=[("gstds", 0), ("gstds", 1)])
    rows = [row for row in contrasts(Pairs(Results.read(folder))) if row.arm.label == "gstds"]
    assert [row.question for row in rows] == ["accuracy", "picking", "pays"]
    assert all(row.seeds == () for row in rows)


def test_ratios_are_of_the_prices_beside_them(rows: list[Contrast]) -> None:
    """Against a ladder the baseline is its top rung: the same prices as against full training."""
    row = find(rows, "rho", "accuracy")
    on_ladder = find(rows, "rho", "pays", account="amortised", cost="total_flops", ladder="full")
    assert row.paid.prices is on_ladder.paid.prices and row.paid.source == "ordinary cells"
    for account, costs in row.paid.ratios.items():
        for cost, ratio in costs.items():
            ours, theirs = row.paid.prices[account][cost]
            assert ratio.estimate == pytest.approx(ours.mean() / theirs.mean())
            assert ours.shape == theirs.shape == (8,)
