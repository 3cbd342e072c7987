"""Whose seconds are compared: the timing pass before ordinary cells, paired by block, never unlike machines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from editing import replace
from hypothesis import given
from hypothesis import strategies as st
from synthetic import checksum, write_results
from timed import LOOP, RATE, SELECT_RATE, write_timing

from selbench.reports.effects.contrasts import Contrast, contrasts
from selbench.reports.effects.costs import Accounts, Clock
from selbench.reports.effects.pairing import Pairs
from selbench.reports.records.folder import Arm, Results
from selbench.reports.summary import summarise

FULL = 3e6 * 20_000 / RATE
"""Seconds of full training, but for drift and noise."""


def folder(root: Path, *, timing: dict[str, Any] | None = None, **how: Any) -> Path:
    how = {"seeds": 8, "effects": {"gstds": 0.0, "rho": 1.5}, "test_n": 400, "cost_twins": False, **how}
    return write_timing(write_results(root, **how), **(timing or {}))


def clock_of(results: Results) -> Clock:
    return Clock(results, Accounts(results))


def arm_of(results: Results, label: str) -> Arm:
    return next(arm for arm in results.matrix.arms.values() if arm.label == label)


def pays(results: Results, label: str, account: str = "marginal", ladder: str = "full") -> Contrast:
    rows = contrasts(Pairs(results))
    (row,) = (
        row
        for row in rows
        if (row.arm.label, row.asked.cost, row.asked.account, row.asked.ladder)
        == (label, "wall_clock", account, ladder)
    )
    return row


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    timing = {"slowness": {"gstds": 1.1}}
    return Results.read(folder(tmp_path_factory.mktemp("r"), ratios={"gstds": 0.6}, timing=timing), strict=True)


def test_everything_timed_is_read_in_the_order_it_was_run(results: Results) -> None:
    assert len([timed for timed in results.timings if timed.kind == "cell"]) == 3 * len(results.matrix.arms)
    assert [(timed.block, timed.position) for timed in results.timings] == sorted(
        (timed.block, timed.position) for timed in results.timings
    )
    assert results.matrix.timing.seeds == 3


def test_seconds_of_a_covered_arm_are_those_of_the_pass(results: Results) -> None:
    clock, arm = clock_of(results), arm_of(results, "gstds")
    found = clock.seconds([arm], "marginal")
    assert found is not None and found.timed and found.blocks == (0, 1, 2)
    timed = {item.block: item.seconds for item in results.timings if item.of == arm.key}
    assert found.values.tolist() == [[timed[block] for block in (0, 1, 2)]]
    assert found.values.mean() == pytest.approx(1.1 * FULL, rel=0.1)


def test_accounts_add_the_timed_seconds_of_artefacts(results: Results) -> None:
    """A reference that costs half of full training, and the features made with it, through what those need."""
    clock, arm = clock_of(results), arm_of(results, "gstds")
    by_account = {account: clock.seconds([arm], account) for account in ("marginal", "amortised", "standalone")}
    own, amortised, whole = (found.values[0] for found in by_account.values() if found is not None)
    made = {(item.kind, item.block): item.seconds for item in results.timings if item.kind != "cell"}
    artefacts = np.array([made["reference", block] + made["features", block] for block in (0, 1, 2)])
    assert whole - own == pytest.approx(artefacts)
    assert amortised - own == pytest.approx(artefacts / 20)


def test_ratios_are_paired_by_block(results: Results) -> None:
    """Blocks drift by 5 %, pairs within a block by 0.2 %: the ratio is as sharp as the pairs are."""
    row = next(row for row in contrasts(Pairs(results)) if (row.arm.label, row.question) == ("gstds", "accuracy"))
    ratio = row.paid.ratios["marginal"]["wall_clock"]
    assert (row.source, row.blocks) == ("timing pass", 3)
    assert ratio is not None and ratio.estimate == pytest.approx(1.1, abs=0.005)
    assert ratio.low < ratio.estimate < ratio.high and ratio.high - ratio.low < 0.02
    flops = row.paid.ratios["marginal"]["total_flops"]
    assert flops is not None and flops.estimate == pytest.approx(0.6, abs=0.001)


def test_a_ladder_read_at_seconds_beyond_its_top_has_no_verdict(results: Results) -> None:
    """Equal accuracy at 0.6 of the FLOPs beats training for less by 0.7 points; at 1.1 of the seconds by none."""
    rows = [row for row in summarise(results)["contrasts"] if row["strategy"] == "gstds" and row["question"] == "pays"]
    at = {(row["cost"], row["account"]): row for row in rows if row["ladder"] == "full"}
    assert at["total_flops", "marginal"]["verdict"] == "no verdict: read off a ladder"
    clocked = at["wall_clock", "marginal"]
    assert clocked["verdict"] == "no verdict: outside the ladder"
    assert clocked["above_ladder"] == clocked["n_pairs"] == 8
    assert "8 of 8 runs cost more than the ladder's top rung (by 9.7 % on average)" in clocked["note"]
    assert "mean seconds of 3 blocks of the timing pass" in clocked["note"]


def test_a_rule_slower_than_its_flops_loses_at_equal_seconds(tmp_path: Path) -> None:
    """0.5 of the FLOPs and a point of loss for each halving; at 0.95 of the seconds it loses what it lost."""
    how = {"effects": {"gstds": -0.9}, "noise": 0.05, "test_n": 2000}
    results = Results.read(folder(tmp_path, timing={"slowness": {"gstds": 0.95}}, **how))
    row = pays(results, "gstds")
    expected = -0.9 - np.log2(0.95)
    assert row.differences.mean() == pytest.approx(expected, abs=0.08)
    (said,) = (
        item
        for item in summarise(results)["contrasts"]
        if (item["cost"], item["account"], item["ladder"]) == ("wall_clock", "marginal", "full")
    )
    assert said["verdict"] == "worse" and not said["primary"], "how much is not read off a chord"


def test_prices_at_equal_seconds_are_means_over_blocks(results: Results) -> None:
    """All seeds of the grid take part, those that were not timed as well, each at the arm's mean."""
    row = pays(results, "rho")
    assert row.seeds == tuple(range(8)) and (row.source, row.blocks) == ("timing pass", 3)
    assert row.above == 0
    price = 0.5 + 1 / 3 + 1e3 * 20_000 / SELECT_RATE / FULL
    assert row.differences.mean() == pytest.approx(1.5 - np.log2(price), abs=0.3)


def test_without_a_pass_seconds_are_shown_and_carry_no_verdict(tmp_path: Path) -> None:
    root = write_results(tmp_path, seeds=8, test_n=400, effects={"gstds": 3.0})
    summary = summarise(Results.read(root))
    assert summary["timing"] == {
        **{"blocks": 0, "arms": 0, "asked": 0, "complete": False, "source": "ordinary cells", "machines": 0}
    }
    rows = [row for row in summary["contrasts"] if row["cost"] == "wall_clock"]
    assert rows and all(row["mean_difference"] is not None for row in rows)
    for row in rows:
        assert row["verdict"] == "no verdict: needs a timing pass (selbench run synthetic --timing 3)"
        assert (row["primary"], row["p_noninferior"], row["p_superior"], row["p_sign_flip"]) == (
            False,
            None,
            None,
            None,
        )
        assert row["timing"] == {"source": "ordinary cells", "blocks": 0}
        assert row["note"].startswith("indication: seconds of ordinary cells")
    assert all(arm["clock"]["source"] == "ordinary cells" for arm in summary["arms"])


@pytest.mark.parametrize("timed", [True, False])
def test_seconds_may_be_declared_and_then_need_the_pass(tmp_path: Path, timed: bool) -> None:
    declared = {"pays": {"cost": "wall_clock", "account": "marginal"}, "primary": ["gstds:accuracy", "gstds:pays"]}
    root = write_results(tmp_path, seeds=8, effects={"gstds": 0.5}, noise=0.05, **declared)
    twin = "full at the cost of gstds (holdout)"
    if timed:
        write_timing(root, slowness={"gstds": 0.7, twin: 0.52})
    summary = summarise(Results.read(root))
    row = next(row for row in summary["contrasts"] if row["primary"] and row["question"] == "pays")
    assert (row["cost"], row["account"]) == ("wall_clock", "marginal")
    if timed:
        assert row["verdict"] == "superior" and row["p_adjusted"] < 0.001
        # The twin has half the steps and took 0.52 of the seconds; at 0.7 it would have log2(0.7 / 0.52) points more.
        assert row["mean_difference"] == pytest.approx(0.5 + 1.0 - np.log2(0.7 / 0.52), abs=0.1)
        assert "it was better than full training of the same seconds (marginal)" in summary["headline"]
    else:
        assert row["verdict"].startswith("no verdict: needs a timing pass") and row["mean_difference"] is None
        assert "needs a timing pass" in summary["headline"]
    other = next(row for row in summary["contrasts"] if row["primary"] and row["question"] == "accuracy")
    assert other["confidence"] >= 0.9, "the family keeps both of its members"


def test_what_the_pass_lacks_falls_back_to_an_indication(tmp_path: Path) -> None:
    missing = [("full 0.25", block) for block in range(3)]
    results = Results.read(folder(tmp_path, timing={"missing": missing}))
    row = pays(results, "gstds")
    assert row.source == "ordinary cells" and "the timing pass lacks full 0.25" in row.notes
    assert pays(results, "gstds", ladder="uniform").source == "timing pass"
    summary = summarise(results)
    assert (summary["timing"]["complete"], summary["timing"]["blocks"]) == (False, 3)
    rung = next(arm for arm in summary["arms"] if arm["label"] == "full 0.25")
    assert rung["clock"]["source"] == "ordinary cells" and rung["overhead_seconds"] is None


def test_rungs_of_a_strategy_are_timed_with_it_and_are_no_rows_of_their_own(tmp_path: Path) -> None:
    whole = Results.read(folder(tmp_path, ladders=["gstds"]))
    summary = summarise(whole)
    assert summary["timing"]["complete"] and summary["timing"]["arms"] == len(whole.matrix.arms)
    rungs = {arm.key for arm in whole.arms(role="rung")}
    assert len(rungs) == 2
    assert not rungs & {row[name] for row in summary["contrasts"] for name in ("arm", "baseline_arm")}
    assert all(arm["break_even_runs"] is None for arm in summary["arms"] if arm["key"] in rungs)
    less = replace(whole, timings=tuple(timed for timed in whole.timings if timed.of not in rungs))
    assert not summarise(less)["timing"]["complete"]


def test_blocks_without_a_partner_are_left_out_of_ratios(tmp_path: Path) -> None:
    results = Results.read(folder(tmp_path, timing={"missing": [("gstds", 0), ("full", 2)], "blocks": 4}))
    row = next(row for row in contrasts(Pairs(results)) if (row.arm.label, row.question) == ("gstds", "accuracy"))
    assert (row.source, row.blocks) == ("timing pass", 2)
    assert not summarise(results)["timing"]["complete"]


@pytest.mark.parametrize(("kind", "known"), [("features", False), ("proxy", True)])
def test_an_artefact_that_was_not_timed_makes_its_account_unknown(tmp_path: Path, kind: str, known: bool) -> None:
    results = Results.read(folder(tmp_path, timing={"missing": [(kind, block) for block in range(3)]}))
    row = next(row for row in contrasts(Pairs(results)) if (row.arm.label, row.question) == ("gstds", "accuracy"))
    assert row.paid.ratios["marginal"]["wall_clock"] is not None and row.source == "timing pass"
    assert (row.paid.ratios["amortised"]["wall_clock"] is not None) is known, "never filled up from ordinary cells"
    assert bool(pays(results, "gstds", "amortised").seeds if known else 0) is known
    assert summarise(results)["timing"]["complete"] is known


def test_an_artefact_timed_in_one_block_counts_in_all(tmp_path: Path) -> None:
    results = Results.read(folder(tmp_path, timing={"missing": [("features", 0), ("features", 2)]}))
    clock, arm = clock_of(results), arm_of(results, "gstds")
    whole, own = (clock.seconds([arm], account) for account in ("standalone", "marginal"))
    made = {(item.kind, item.block): item.seconds for item in results.timings if item.kind != "cell"}
    assert whole is not None and own is not None
    extra = [made["reference", block] + made["features", 1] for block in (0, 1, 2)]
    assert (whole.values - own.values)[0] == pytest.approx(extra)


def test_a_pass_on_unlike_machines_uses_the_one_with_most_blocks(tmp_path: Path) -> None:
    results = Results.read(folder(tmp_path, timing={"blocks": 5, "machines": {1: "beef", 4: "beef"}}))
    found = clock_of(results).seconds([arm_of(results, "gstds"), arm_of(results, "full")], "standalone")
    assert found is not None and (found.blocks, found.machine[0]) == ((0, 2, 3), "00ff")
    assert summarise(results)["timing"]["machines"] == 2


@pytest.mark.parametrize("key", ["machine", "device", "threads"])
def test_arms_timed_on_unlike_machines_are_never_compared(results: Results, key: str) -> None:
    gstds = arm_of(results, "gstds")
    moved = tuple(
        replace(item, environment={**item.environment, key: "other"}) if item.of == gstds.key else item
        for item in results.timings
    )
    clock = clock_of(replace(results, timings=moved))
    found = clock.seconds([gstds, arm_of(results, "full")], "marginal")
    assert found is not None and found.source == "ordinary cells"
    alone = clock.seconds([gstds], "marginal")
    assert alone is not None and alone.timed


@pytest.mark.parametrize("key", ["machine", "device", "threads"])
def test_ordinary_seconds_belong_to_one_machine(results: Results, key: str) -> None:
    first, *rest = results.cells
    other = replace(first, environment={**first.environment, key: "other"})
    arm, full = results.matrix.arms[first.arm], arm_of(results, "full")
    clock = clock_of(replace(results, cells=(other, *rest), timings=()))
    assert clock.seconds([arm], "marginal") is None and clock.unlike([arm, full])
    assert clock_of(replace(results, timings=())).seconds([arm], "marginal") is not None


def test_selection_stands_apart(results: Results) -> None:
    arm = next(arm for arm in summarise(results)["arms"] if arm["label"] == "gstds")
    part = arm["selection"]
    seconds = 1.1 * FULL - 0.6 * FULL
    assert part["flops"] == 2e7 and part["flops_share"] == pytest.approx(2e7 / (0.6 * 6e10 + 2e7))
    assert part["seconds_share"] == pytest.approx((1 - LOOP) * seconds / (1.1 * FULL), rel=1e-6)
    assert part["train_flops_per_second"] / part["flops_per_second"] == pytest.approx(RATE * seconds / 2e7, rel=1e-6)
    assert arm["overhead_seconds"] == pytest.approx(LOOP * arm["seconds"]["marginal"], rel=1e-6)
    assert arm["break_even_runs"] == {"total_flops": 2, "wall_clock": None}


def test_a_failure_in_the_pass_is_told_apart(tmp_path: Path) -> None:
    root = folder(tmp_path, seeds=2, effects={"gstds": 0.0}, test_n=50, failed=[("gstds", 1)], timing={"blocks": 2})
    (file,) = (root / "failed").iterdir()
    assert [item["timing"] for item in summarise(Results.read(root))["failures"]] == [False]
    write_results(root, seeds=2, effects={"gstds": 0.0}, test_n=50)
    assert summarise(Results.read(root))["failures"] == [], "made good"
    record = {**json.loads(file.read_text()), "id": "f" * 16}
    (root / "failed" / f"{record['id']}.json").write_text(json.dumps(record))
    assert [item["timing"] for item in summarise(Results.read(root))["failures"]] == [True]
    write_timing(root, blocks=2)
    record["id"] = next(item.id for item in Results.read(root).timings if item.seed == 1 and item.kind == "cell")
    (root / "failed" / f"{'f' * 16}.json").write_text(json.dumps(record))
    assert summarise(Results.read(root))["failures"] == [], "timed since"


def test_the_command_asks_for_the_pass(results: Results) -> None:
    assert summarise(results)["reproduce"] == "selbench run synthetic --timing 3"


def timing_file(root: Path) -> Path:
    return sorted((root / "timing").glob("*.json"))[0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"kind": "cells"}, "field 'kind': Input should be 'cell'"),
        ({"seconds": -1.0}, "field 'seconds': Input should be greater than or equal to 0"),
        ({"seconds": float("inf")}, "field 'seconds': Input should be a finite number"),
        ({"kind": "cell", "of": "beef" * 4}, "belongs to another matrix"),
        ({"block": 99}, "seed 99 is not in matrix.toml"),
        ({"id": "beef" * 4}, "is the record of beefbeefbeefbeef, not of"),
        ({"version": 2}, "format version 2"),
        (
            {"ledger": {"train": {"flops": 1.0, "seconds": -1.0, "samples": 1}}},
            "field 'ledger.train.seconds': Input should be greater than or equal to 0",
        ),
        ({"environment": None}, "field 'environment': Input should be a valid dictionary"),
    ],
)
def test_a_damaged_timing_is_named_and_left_out(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    root = folder(tmp_path, seeds=1, effects={"gstds": 0.0}, test_n=50, timing={"blocks": 1})
    there = len(Results.read(root, strict=True).timings)
    record = {**json.loads(timing_file(root).read_text()), **change}
    record["checksum"] = checksum(record)
    timing_file(root).write_text(json.dumps(record))
    results = Results.read(root)
    assert len(results.timings) == there - 1
    assert reason in results.unreadable[0].reason and results.unreadable[0].file.startswith("timing/")


@given(st.binary(max_size=40))
def test_a_broken_timing_stops_nothing(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    root = tmp_path_factory.mktemp("r")
    write_results(root, seeds=1, effects={"gstds": 0.0}, test_n=20)
    (root / "timing").mkdir()
    (root / "timing" / "beef.json").write_bytes(content)
    assert [item.file for item in Results.read(root).unreadable] == ["timing/beef.json"]


def test_a_second_record_of_one_timed_run_is_named(tmp_path: Path) -> None:
    root = folder(tmp_path, seeds=1, effects={"gstds": 0.0}, test_n=50, timing={"blocks": 1})
    record = json.loads(timing_file(root).read_text())
    record["id"] = "f" * 16
    record["checksum"] = checksum(record)
    (root / "timing" / f"{record['id']}.json").write_text(json.dumps(record))
    (bad,) = Results.read(root).unreadable
    assert "a second record of" in bad.reason and "in block 0 of the timing pass" in bad.reason
