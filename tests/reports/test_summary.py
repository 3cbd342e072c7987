"""The summary: the truth comes out, nothing in it is not JSON, and it keeps its contract."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from synthetic import write_results

from selbench.reports.records.folder import Results
from selbench.reports.summary import summarise

CONTRAST = {
    *("dataset", "reference", "strategy", "arm", "question", "baseline", "baseline_arm", "primary", "metric"),
    *("account", "cost", "ladder", "n_pairs", "mean_difference", "confidence", "ci_low", "ci_high", "sd"),
    *("correlation", "unpaired", "p_noninferior", "p_superior", "p_adjusted", "margin", "verdict", "note"),
    *("worst_seed", "worst_class", "collapsed", "beyond_ladder", "costs", "ceiling"),
    *("interval", "p_equivalent", "p_wilcoxon", "mcnemar", "seeds_needed", "seeds_needed_measured"),
    *("smallest_margin", "both_errors"),
}
ARM = {
    *("key", "label", "role", "dataset", "reference", "strategy", "origin", "cadence", "signal", "schedule", "rung"),
    *(
        "twin",
        "settings",
        "n",
        "accuracy",
        "accuracy_recalibrated",
        "collapsed",
        "diverged",
        "mean_ratio",
        "trained_samples",
    ),
    *("ceiling", "memory_bytes", "learner_flops", "total_flops", "seconds", "phases", "artefacts", "break_even_runs"),
}


def summary_of(folder: Path, **truth: Any) -> dict[str, Any]:
    return summarise(Results.read(write_results(folder, **truth)))


def verdict_of(summary: dict[str, Any], strategy: str, question: str, **more: str) -> str:
    (row,) = [
        row
        for row in summary["contrasts"]
        if (row["strategy"], row["question"]) == (strategy, question)
        and all(row[name] == value for name, value in more.items())
    ]
    return row["verdict"]


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return summary_of(
        tmp_path_factory.mktemp("results"),
        seeds=12,
        datasets=("digits", "cifar10"),
        references=("holdout", "resnet50"),
        missing=[("rho", 2)],
        failed=[("loss", 3)],
    )


def test_the_known_truth_comes_out(tmp_path: Path) -> None:
    effects = {"better": 2.0, "equal": 0.0, "little worse": -0.6, "worse": -3.0}
    primary = ["better:accuracy", "equal:accuracy"]
    summary = summary_of(tmp_path, seeds=12, effects=effects, primary=primary, cost_twins="all")
    expected = {
        "better": "superior",
        "equal": "non-inferior",
        "little worse": "measurably worse, within the margin",
        "worse": "inferior",
    }
    assert {label: verdict_of(summary, label, "accuracy") for label in effects} == expected
    assert verdict_of(summary, "little worse", "picking") == "non-inferior"
    declared = {"account": "amortised", "cost": "total_flops", "baseline": "cost twin"}
    assert verdict_of(summary, "equal", "pays", **declared) == "superior"
    assert verdict_of(summary, "worse", "pays", **declared) == "inferior"
    on_ladder = {**declared, "baseline": "full ladder"}
    assert verdict_of(summary, "equal", "pays", **on_ladder) == "no verdict: read off a ladder"
    assert verdict_of(summary, "worse", "pays", **on_ladder) == "inferior"


def test_noise_as_large_as_the_margin_is_inconclusive(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, seeds=6, effects={"equal": -0.8}, noise=1.5)
    assert verdict_of(summary, "equal", "accuracy") == "inconclusive"


def test_a_collapsed_run_withholds_the_verdict_and_is_shown(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, seeds=8, effects={"equal": 0.0, "other": 0.0}, collapse=[("equal", 5)])
    row = summary["contrasts"][2]
    assert (row["strategy"], row["verdict"], row["collapsed"]) == ("equal", "withheld: collapsed runs", 1)
    assert row["worst_seed"]["seed"] == 5 and row["worst_seed"]["difference"] < -80
    assert verdict_of(summary, "other", "accuracy") == "non-inferior"
    assert "1 seed had a collapsed run" in summary["headline"]


def test_too_few_seeds_give_no_verdict(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, seeds=4, effects={"better": 5.0, "other": 5.0})
    assert verdict_of(summary, "better", "accuracy") == "no verdict: 2 more seeds needed"  # a family of three
    assert verdict_of(summary, "other", "accuracy") == "no verdict: 1 more seed needed"


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_run_with_hardly_a_seed_is_summarised(tmp_path: Path, seeds: int) -> None:
    summary = summary_of(tmp_path, seeds=seeds, test_n=100)
    json.dumps(summary, allow_nan=False)
    assert all(row["verdict"].startswith("no verdict") for row in summary["contrasts"])


def test_a_folder_without_a_finished_run_is_summarised(tmp_path: Path) -> None:
    write_results(tmp_path, seeds=2, test_n=100)
    for file in (tmp_path / "cells").glob("*.json"):
        file.unlink()
    summary = summarise(Results.read(tmp_path))
    json.dumps(summary, allow_nan=False)
    assert summary["cells"]["missing"] == summary["cells"]["planned"]
    assert {row["primary"] for row in summary["contrasts"]} == {True}
    assert all(arm["accuracy"] is None for arm in summary["arms"])


def test_the_contract(summary: dict[str, Any]) -> None:
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert {"selbench", "matrix", "environment", "cells", "arms", "contrasts", "claims", "failures"} <= set(summary)
    assert all(set(row) >= CONTRAST for row in summary["contrasts"])
    assert all(set(arm) >= ARM for arm in summary["arms"])
    for row in summary["contrasts"]:
        assert set(row["costs"]) == {"marginal", "amortised", "standalone"}
        for account in row["costs"].values():
            assert set(account) == {"learner_flops", "total_flops", "wall_clock"}
            assert all(set(ratio) == {"ratio", "ci_low", "ci_high"} for ratio in account.values())
        assert (row["p_adjusted"] is not None) == row["primary"]


def test_what_is_missing_is_counted(summary: dict[str, Any]) -> None:
    cells = summary["cells"]
    assert (cells["failed"], cells["missing"]) == (4, 4)  # two data sets with two references each
    assert cells["planned"] == cells["done"] + cells["failed"] + cells["missing"]
    assert {(item["label"], item["seed"]) for item in summary["failures"]} == {("loss", 3)}


def test_a_failure_that_was_made_good_is_none(tmp_path: Path) -> None:
    write_results(tmp_path, seeds=2, test_n=100, failed=[("gstds", 1)])
    summary = summary_of(tmp_path, seeds=2, test_n=100)
    assert summary["failures"] == [] and summary["cells"]["failed"] == 0


def test_an_unreadable_record_is_missing_and_named(tmp_path: Path) -> None:
    write_results(tmp_path, seeds=2, test_n=100)
    file = sorted((tmp_path / "cells").glob("*.json"))[0]
    file.write_text(file.read_text().replace('"seed": ', '"seed": 1', 1))
    summary = summarise(Results.read(tmp_path))
    assert summary["cells"]["missing"] == summary["cells"]["unreadable"] == 1
    assert summary["unreadable"][0]["file"] == f"cells/{file.name}"


def test_the_same_results_give_the_same_summary(tmp_path: Path, summary: dict[str, Any]) -> None:
    again = summary_of(
        tmp_path,
        seeds=12,
        datasets=("digits", "cifar10"),
        references=("holdout", "resnet50"),
        missing=[("rho", 2)],
        failed=[("loss", 3)],
    )
    assert again == summary


def test_arms_are_described(summary: dict[str, Any]) -> None:
    gstds = next(arm for arm in summary["arms"] if arm["label"] == "gstds")
    assert gstds["n"] == 12 and gstds["collapsed"] == 0
    assert gstds["accuracy"]["ci_low"] < gstds["accuracy"]["mean"] < gstds["accuracy"]["ci_high"]
    assert gstds["accuracy"]["worst"] <= gstds["accuracy"]["mean"]
    assert gstds["ceiling"] == pytest.approx(2.0)
    assert len(gstds["artefacts"]) == 2
    marginal, full = gstds["total_flops"]["marginal"], 3e6 * 20_000
    assert gstds["break_even_runs"]["total_flops"] == -int(-(full / 2 + 1e9) // (full - marginal))
    assert next(arm for arm in summary["arms"] if arm["label"] == "full")["break_even_runs"] is None


def test_pairs_that_are_not_related_show_the_unpaired_interval(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, seeds=10, seed_effect=0.0, noise=0.5)
    rows = [row for row in summary["contrasts"] if row["correlation"] is not None]
    unrelated = [row for row in rows if abs(row["correlation"]) < 0.1]
    assert unrelated and len(unrelated) < len(rows)
    assert all((row["unpaired"] is not None) == (row in unrelated) for row in rows)


def test_the_bootstrap_is_shown_from_twenty_pairs_on(tmp_path: Path, summary: dict[str, Any]) -> None:
    assert all(row["bca"] is None for row in summary["contrasts"])
    row = summary_of(tmp_path, seeds=20, effects={"equal": 0.0}, test_n=400)["contrasts"][2]
    assert row["bca"]["ci_low"] == pytest.approx(row["ci_low"], abs=0.1)


def test_sampling_error_is_the_test_sets_own(summary: dict[str, Any]) -> None:
    error = summary["sampling_error"]["digits"]
    p = error["accuracy"] / 100
    assert error["points"] == pytest.approx(100 * (p * (1 - p) / 2000) ** 0.5)
    row = next(row for row in summary["contrasts"] if row["question"] == "picking")
    assert 0 < row["sampling_error"] < error["points"]


def test_the_command_that_reproduces(tmp_path: Path, summary: dict[str, Any]) -> None:
    assert summary["reproduce"] == "selbench run synthetic"
    write_results(tmp_path, seeds=3, test_n=100)
    file = tmp_path / "matrix.toml"
    text = file.read_text().replace('spec = "digits"', 'spec = "imagefolder"')
    text = _requested(text, '"gstds", "loss", "static"', "0, 1, 2")
    file.write_text(text)
    command = (
        "selbench run synthetic --dataset digits=imagefolder:PATH --strategy gstds --strategy loss --strategy static"
    )
    assert summarise(Results.read(tmp_path))["reproduce"] == command
    file.write_text(
        text.replace("[requested]", '[requested]\nmatrix = "mine.toml"\nset = ["budget.passes=3", "title=A b"]')
    )
    changed = command.replace("synthetic", "mine.toml --set budget.passes=3 --set 'title=A b'")
    assert summarise(Results.read(tmp_path))["reproduce"] == changed


def test_the_command_asks_for_what_was_asked_for(tmp_path: Path) -> None:
    """Whether fewer strategies, fewer seeds, or both; what is the whole matrix is not repeated."""
    write_results(tmp_path, seeds=3, effects={"one": 0.0}, test_n=100)
    file = tmp_path / "matrix.toml"
    text = file.read_text()
    for strategies, seeds, command in (
        ('"one"', "0, 1, 2", "selbench run synthetic"),
        ('"one"', "0, 1", "selbench run synthetic --seeds 2"),
        ("", "0, 1, 2", "selbench run synthetic --strategy full"),
        ("", "0, 1, 2, 3", "selbench run synthetic --strategy full --seeds 4"),
    ):
        file.write_text(_requested(text, strategies, seeds))
        assert summarise(Results.read(tmp_path))["reproduce"] == command
    file.write_text(f'sources = ["a", "b"]\n{text}')
    assert summarise(Results.read(tmp_path))["reproduce"] == "selbench run synthetic"


def _requested(matrix: str, strategies: str, seeds: str) -> str:
    """The matrix with what was asked for changed, and what it declares as it was asked for before."""
    head, requested, rest = re.split(r"(?ms)^\[requested\]\n(.*?)^(?=\[)", matrix, maxsplit=1)
    return f"{head}[declared]\n{requested}[requested]\nstrategies = [{strategies}]\nseeds = [{seeds}]\n{rest}"


def test_a_contrast_says_which_images_changed(summary: dict[str, Any]) -> None:
    """McNemar's counts are of the bits: their difference is the difference of accuracies."""
    for row in summary["contrasts"]:
        assert (row["mcnemar"] is None) == (row["baseline_arm"] == "")
        for test in row["mcnemar"] or []:
            assert 0 <= test["p"] <= 1
    row = next(row for row in summary["contrasts"] if row["question"] == "accuracy" and row["strategy"] == "rho")
    net = [(test["gained"] - test["lost"]) / 2000 * 100 for test in row["mcnemar"]]
    assert len(net) == row["n_pairs"] == 11, "one run is missing"
    assert sum(net) / len(net) == pytest.approx(row["mean_difference"])
    assert min(net) == pytest.approx(row["worst_seed"]["difference"])


def test_unlike_test_sets_are_not_compared_image_by_image(tmp_path: Path) -> None:
    write_results(tmp_path / "a", seeds=2, effects={"one": 0.0}, test_n=100)
    write_results(tmp_path / "b", seeds=2, effects={"one": 0.0}, test_n=110)
    for file in (tmp_path / "b" / "cells").glob("*.json"):
        if json.loads(file.read_text())["arm_label"] == "one":
            (tmp_path / "a" / "cells" / file.name).write_bytes(file.read_bytes())
    rows = [row for row in summarise(Results.read(tmp_path / "a"))["contrasts"] if row["strategy"] == "one"]
    assert rows and all(row["mcnemar"] is None and row["sampling_error"] is None for row in rows)


@pytest.mark.parametrize("interval", ["t", "sign-flip"])
def test_the_declared_interval_is_the_one_shown(tmp_path: Path, interval: str) -> None:
    summary = summary_of(tmp_path, seeds=7, effects={"better": 2.0, "open": -0.9}, test_n=500, interval=interval)
    for row in summary["contrasts"]:
        assert row["interval"] == interval
        level = (1 - row["confidence"]) / 2
        if row["cost"] != "wall_clock" and not row["verdict"].startswith("no verdict"):
            assert (row["p_noninferior"] == row["p_sign_flip"]) == (interval == "sign-flip")
            assert (row["ci_low"] > -row["margin"]) == (row["p_noninferior"] <= level)
    assert verdict_of(summary, "better", "accuracy") == "superior"


def test_an_interval_that_so_few_pairs_cannot_have_is_none(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, seeds=4, effects={"one": 0.0}, test_n=200, interval="sign-flip")
    row = next(row for row in summary["contrasts"] if row["strategy"] == "one")
    assert row["verdict"].startswith("no verdict") and row["mean_difference"] is not None
    assert row["ci_low"] is row["ci_high"] is None
    assert "no verdict" in summary["headline"]
