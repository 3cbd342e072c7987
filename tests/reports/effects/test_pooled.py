"""What several data sets say together: pooled effects and costs, and ranks, against second implementations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from editing import replace
from scipy import stats
from synthetic import checksum, write_results
from timed import write_timing

from selbench.reports.effects.contrasts import Contrast, contrasts
from selbench.reports.effects.pairing import Pairs
from selbench.reports.records.folder import Results
from selbench.reports.summary import summarise

EFFECTS = {"better": 1.0, "equal": 0.0, "rho": 0.4}
SHAPE: dict[str, Any] = {"seeds": 6, "effects": EFFECTS, "test_n": 500}
FIELDS = {
    *("reference", "strategy", "question", "baseline", "account", "cost", "ladder", "primary", "n_datasets"),
    *("datasets", "mean_difference", "ci_low", "ci_high", "confidence", "df", "p_superior"),
    *("probability_of_improvement", "iqm", "costs"),
}


def folder(path: Path, **more: Any) -> Path:
    """Two data sets with unlike effects and noise."""
    shape = {"datasets": ("digits", "cifar10"), "effects_on": {"cifar10": {"better": 0.4}}, **SHAPE, **more}
    return write_results(path, **shape)


def remove(path: Path, label: str, dataset: str, seeds: set[int]) -> None:
    for file in (path / "cells").glob("*.json"):
        record = json.loads(file.read_text())
        if (record["arm_label"], record["dataset"]) == (label, dataset) and record["seed"] in seeds:
            file.unlink()


def pick(rows: list[dict[str, Any]], strategy: str, question: str, **more: Any) -> list[dict[str, Any]]:
    wanted = {"strategy": strategy, "question": question, **more}
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def parts(results: Results, strategy: str, question: str, **more: Any) -> list[Contrast]:
    return [
        row
        for row in contrasts(Pairs(results))
        if (row.arm.label, row.question) == (strategy, question)
        and all(getattr(row.asked, name) == value for name, value in more.items())
    ]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return Results.read(folder(tmp_path_factory.mktemp("pooled")))


@pytest.fixture(scope="module")
def summary(results: Results) -> dict[str, Any]:
    return summarise(results)


@pytest.mark.parametrize("question", ["accuracy", "picking"])
def test_the_effect_is_that_of_welchs_test(results: Results, summary: dict[str, Any], question: str) -> None:
    """The mean of two data sets' means is half of what Welch's test says of one sample and the other one's negative."""
    (row,) = pick(summary["pooled"], "better", question)
    a, b = (part.differences for part in parts(results, "better", question))
    theirs = stats.ttest_ind(a, -b, equal_var=False, alternative="greater")
    both = stats.ttest_ind(a, -b, equal_var=False).confidence_interval(row["confidence"])
    assert row["confidence"] == pytest.approx(0.9)
    assert row["mean_difference"] == pytest.approx((a.mean() + b.mean()) / 2)
    assert (row["ci_low"], row["ci_high"]) == (pytest.approx(both.low / 2), pytest.approx(both.high / 2))
    assert (row["df"], row["p_superior"]) == (pytest.approx(theirs.df), pytest.approx(theirs.pvalue))


def test_each_data_set_stands_beside_it_as_in_its_own_row(summary: dict[str, Any]) -> None:
    (row,) = pick(summary["pooled"], "rho", "accuracy")
    own = pick(summary["contrasts"], "rho", "accuracy")
    assert [item["dataset"] for item in row["datasets"]] == ["digits", "cifar10"]
    for item, of in zip(row["datasets"], own, strict=True):
        assert item == {name: of[name] for name in item} and item["n_pairs"] == 6


def test_every_contrast_on_two_data_sets_is_pooled_once(summary: dict[str, Any]) -> None:
    names = ("reference", "strategy", "question", "account", "cost", "baseline")
    keys = [tuple(row[name] for name in names) for row in summary["pooled"]]
    there = {tuple(row[name] for name in names) for row in summary["contrasts"] if row["cost"] != "wall_clock"}
    assert len(keys) == len(set(keys)) and set(keys) == there
    assert all(set(row) >= FIELDS for row in summary["pooled"])


def test_it_is_primary_where_declared_and_never_has_a_verdict(summary: dict[str, Any]) -> None:
    primary = [row for row in summary["pooled"] if row["primary"]]
    assert [(row["strategy"], row["question"]) for row in primary] == [
        ("better", "accuracy"), ("better", "picking"), ("better", "pays"),
    ]  # fmt: skip
    declared = (primary[2]["account"], primary[2]["cost"], primary[2]["baseline"])
    assert declared == ("amortised", "total_flops", "cost twin")
    assert all("verdict" not in row for row in summary["pooled"])


def test_middle_halves_and_wins_are_counted(results: Results, summary: dict[str, Any]) -> None:
    (row,) = pick(summary["pooled"], "rho", "accuracy")
    rows = parts(results, "rho", "accuracy")
    iqm = row["iqm"]
    for name, part in (("strategy", "ours"), ("baseline", "theirs"), ("difference", "differences")):
        within = [stats.trim_mean(getattr(contrast, part), 0.25) for contrast in rows]
        assert iqm[name] == pytest.approx(np.mean(within)), "data sets count alike, whatever their level"
    assert iqm["ci_low"] <= iqm["difference"] <= iqm["ci_high"]
    wins = [np.mean((r.differences > 0) + 0.5 * (r.differences == 0)) for r in rows]
    better = row["probability_of_improvement"]
    assert better["estimate"] == pytest.approx(np.mean(wins)) and better["ci_low"] <= better["estimate"]
    pays = pick(summary["pooled"], "rho", "pays")
    assert pays and all(row["iqm"] is None for row in pays), "exploratory prices have none"
    assert pick(summary["pooled"], "better", "pays", primary=True)[0]["iqm"] is not None


def test_costs_are_geometric_means_of_the_ratios(tmp_path: Path) -> None:
    path = folder(tmp_path)
    for file in (path / "cells").glob("*.json"):  # twice as dear on one data set, so that the mean has a say
        record = json.loads(file.read_text())
        if (record["arm_label"], record["dataset"]) == ("rho", "cifar10"):
            record["ledger"]["train"]["flops"] *= 2
            record["checksum"] = checksum(record)
            file.write_text(json.dumps(record))
    summary = summarise(Results.read(path))
    (row,) = pick(summary["pooled"], "rho", "accuracy")
    own = pick(summary["contrasts"], "rho", "accuracy")
    for account, costs in row["costs"].items():
        for cost, ratio in costs.items():
            each = [of["costs"][account][cost]["ratio"] for of in own]
            assert ratio["ratio"] == pytest.approx(stats.gmean(each))
    assert len(set(row["costs"]["marginal"]["learner_flops"].values())) == 1, "plans are fixed: a point"
    seconds = row["costs"]["marginal"]["wall_clock"]
    assert seconds["ci_low"] < seconds["ratio"] < seconds["ci_high"]
    assert row["timing"] == {"source": "ordinary cells", "blocks": 0}


def test_a_cost_that_one_data_set_does_not_know_is_none(tmp_path: Path) -> None:
    path = folder(tmp_path)
    for file in (path / "artefacts").glob("*/meta.json"):
        if json.loads(file.read_text())["dataset"] == "cifar10":
            file.unlink()
    (row,) = pick(summarise(Results.read(path))["pooled"], "rho", "accuracy")
    assert row["costs"]["amortised"]["total_flops"] is None
    assert row["costs"]["marginal"]["total_flops"] is not None


def test_equal_seconds_are_pooled_over_timed_rows_only(tmp_path: Path, summary: dict[str, Any]) -> None:
    assert not [row for row in summary["pooled"] if row["cost"] == "wall_clock"]
    path = write_timing(folder(tmp_path), blocks=2)
    rows = pick(summarise(Results.read(path))["pooled"], "better", "pays", cost="wall_clock")
    assert len(rows) == 6 and all(row["timing"] == {"source": "timing pass", "blocks": 2} for row in rows)
    for file in (path / "timing").glob("*.json"):
        if json.loads(file.read_text())["dataset"] == "cifar10":
            file.unlink()
    half = summarise(Results.read(path))["pooled"]
    assert not pick(half, "better", "pays", cost="wall_clock")
    (row,) = pick(half, "better", "accuracy")
    assert row["costs"]["marginal"]["wall_clock"] is None, "seconds of a timing pass and of ordinary cells do not mix"
    assert row["timing"]["source"] is None


def test_a_data_set_without_pairs_is_left_out_and_named(tmp_path: Path) -> None:
    path = folder(tmp_path, datasets=("digits", "cifar10", "flowers"))
    remove(path, "rho", "flowers", set(range(5)))  # one pair has no interval
    remove(path, "equal", "cifar10", set(range(6)))
    remove(path, "equal", "flowers", set(range(6)))
    summary = summarise(Results.read(path))
    (row,) = pick(summary["pooled"], "rho", "accuracy")
    assert (row["n_datasets"], row["left_out"]) == (2, ["flowers"])
    assert pick(summary["pooled"], "better", "accuracy")[0]["left_out"] == []
    assert not pick(summary["pooled"], "equal", "accuracy")


def test_one_data_set_has_nothing_to_pool_and_no_ranks(tmp_path: Path) -> None:
    summary = summarise(Results.read(write_results(tmp_path, seeds=3, test_n=100)))
    assert summary["pooled"] == [] and summary["ranks"] is None


def test_one_data_set_under_two_settings_is_no_sample_of_two(tmp_path: Path) -> None:
    path = folder(tmp_path)
    found = Results.read(path)
    assert summarise(found)["pooled"] and summarise(found)["ranks"]
    same = {name: replace(dataset, fingerprint="one") for name, dataset in found.matrix.datasets.items()}
    summary = summarise(replace(found, matrix=replace(found.matrix, datasets=same)))
    assert not summary["pooled"] and summary["ranks"] is None


def test_below_ten_data_sets_ranks_carry_no_test(summary: dict[str, Any]) -> None:
    ranks = summary["ranks"]
    assert (ranks["datasets"], ranks["needed"]) == (2, 10)
    assert (ranks["statistic"], ranks["p"], ranks["critical_distance"], ranks["cliques"]) == (None, None, None, [])
    labels = [arm["label"] for arm in ranks["arms"]]
    assert labels[:2] == ["better", "rho"] and labels[-1] == "uniform"
    means = [arm["mean_rank"] for arm in ranks["arms"]]
    assert means == sorted(means) and sum(means) == pytest.approx(15)


def test_from_ten_data_sets_on_friedman_and_nemenyi(tmp_path: Path) -> None:
    effects = {"better": 1.0, "twin": 1.0, "worse": -1.5}
    path = write_results(
        tmp_path, seeds=2, datasets=[f"set {i}" for i in range(10)], effects=effects, test_n=2000, noise=0.1
    )
    remove(path, "better", "set 3", {1})  # its partner runs of that seed must not count either
    results = Results.read(path)
    ranks = summarise(results)["ranks"]
    labels = [arm["label"] for arm in ranks["arms"]]
    assert ranks["datasets"] == 10 and set(labels) == {"full", "uniform", *effects}
    scores = np.array(
        [
            [np.mean([100 * results.of(arm)[seed].accuracy for seed in ((0,) if arm.dataset == "set 3" else (0, 1))])
             for label in labels for arm in results.arms(dataset=name) if arm.label == label]
            for name in results.matrix.datasets
        ]
    )  # fmt: skip
    theirs = stats.friedmanchisquare(*scores.T)
    assert (ranks["statistic"], ranks["p"]) == (pytest.approx(theirs.statistic), pytest.approx(theirs.pvalue))
    mean_ranks = stats.rankdata(-scores, axis=1).mean(axis=0)
    assert [arm["mean_rank"] for arm in ranks["arms"]] == pytest.approx(mean_ranks)
    assert ranks["critical_distance"] == pytest.approx(2.728 * np.sqrt(5 * 6 / 60), rel=1e-3)  # Demsar 2006, table 5
    alike = {frozenset(labels[at] for at in group) for group in ranks["cliques"]}
    assert any({"better", "twin"} <= group for group in alike)
    assert not any({"better", "worse"} <= group for group in alike)


def test_only_arms_that_every_data_set_has_are_ranked(tmp_path: Path) -> None:
    path = folder(tmp_path)
    remove(path, "rho", "cifar10", set(range(6)))
    ranks = summarise(Results.read(path))["ranks"]
    assert {arm["label"] for arm in ranks["arms"]} == {"better", "equal", "full", "uniform"}
    assert "full-all" not in {arm["label"] for arm in ranks["arms"]}
