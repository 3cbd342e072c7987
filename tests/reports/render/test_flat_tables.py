"""The CSV files hold what the summary holds, and no spreadsheet runs what they hold."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import write_results
from timed import write_timing

from selbench.reports.records.folder import Results
from selbench.reports.render.flat_tables import (
    claim_rows,
    contrast_row,
    pooled_row,
    safe,
    tuning_rows,
    write_csv,
    write_tables,
)
from selbench.reports.summary import summarise


def written_csv(paths: list[Path]) -> list[Path]:
    return [path for path in paths if path.suffix == ".csv"]


@pytest.fixture(scope="module")
def written(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Results, dict[str, Any], dict[str, Any]]:
    folder = write_results(tmp_path_factory.mktemp("results"), seeds=3, test_n=200, effects={"gstds": 0.0, "=1+1": 1.0})
    results = Results.read(folder)
    summary = summarise(results)
    tables = {}
    for path in written_csv(write_tables(results, summary, folder / "report")):
        with path.open(newline="", encoding="utf-8") as file:
            tables[path.name] = list(csv.DictReader(file))
    return results, summary, tables


def test_one_line_for_each_run(written) -> None:
    results, _, tables = written
    rows = tables["cells.csv"]
    assert {row["id"] for row in rows} == {cell.id for cell in results.cells} and len(rows) == len(results.cells)
    by_id = {cell.id: cell for cell in results.cells}
    for row in rows:
        cell = by_id[row["id"]]
        assert float(row["test_accuracy"]) == cell.accuracy
        assert float(row["learner_flops"]) == cell.ledger["train"].flops
        assert float(row["standalone_total_flops"]) >= float(row["amortised_total_flops"])


def test_one_line_for_each_contrast(written) -> None:
    _, summary, tables = written
    assert len(tables["contrasts.csv"]) == len(summary["contrasts"])
    for row, contrast in zip(tables["contrasts.csv"], summary["contrasts"], strict=True):
        assert float(row["mean_difference"]) == contrast["mean_difference"]
        assert row["verdict"] == contrast["verdict"]
        assert float(row["worst_difference"]) == contrast["worst_seed"]["difference"]
        ratio = contrast["costs"]["amortised"]["total_flops"]["ratio"]
        assert float(row["amortised_total_flops_ratio"]) == ratio
        assert not any("{" in value for value in row.values())


def test_one_line_for_each_timed_run(tmp_path: Path) -> None:
    folder = write_timing(write_results(tmp_path, seeds=2, test_n=50, effects={"gstds": 0.0}), blocks=2)
    results = Results.read(folder)
    files = written_csv(write_tables(results, summarise(results), tmp_path / "t"))
    path = next(path for path in files if path.stem == "timing")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [timed.id for timed in results.timings]
    for row, timed in zip(rows, results.timings, strict=True):
        assert float(row["seconds"]) == timed.seconds and int(row["block"]) == timed.block
        assert row["label"] == (timed.arm_label or timed.reference), "artefacts by their names"
        assert float(row["select_seconds"]) == (timed.ledger["select"].seconds if timed.kind == "cell" else 0.0)


def test_a_strategy_named_as_a_formula_stays_text(written) -> None:
    _, _, tables = written
    assert {row["label"] for row in tables["cells.csv"]} >= {"'=1+1", "gstds"}
    assert {row["strategy"] for row in tables["contrasts.csv"]} >= {"'=1+1", "gstds"}


@given(st.text())
def test_no_text_starts_a_formula_and_none_is_lost(text: str) -> None:
    assert not safe(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert safe(text).removeprefix("'") == text.removeprefix("'") or safe(text) == f"'{text}"


@pytest.mark.parametrize(("value", "field"), [(-1.5, -1.5), (None, None), (math.nan, None), (math.inf, None), (3, 3)])
def test_numbers_stay_numbers(value: float | None, field: float | None) -> None:
    assert safe(value) == field


def test_fields_with_commas_quotes_and_lines_survive(tmp_path: Path) -> None:
    text = 'a, "b"\nc \u2211'
    write_csv(tmp_path / "t.csv", [{"x": text, "y": 1}])
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.DictReader(file)) == [{"x": text, "y": "1"}]


def test_what_has_no_line_has_no_file_but_the_two_that_scripts_count_on(tmp_path: Path) -> None:
    folder = write_results(tmp_path / "r", seeds=2, test_n=50, effects={"gstds": 0.0})
    for record in (folder / "cells").glob("*.json"):
        record.unlink()
    results = Results.read(folder)
    names = {path.name for path in written_csv(write_tables(results, summarise(results), tmp_path / "t"))}
    assert {"cells.csv", "contrasts.csv"} <= names <= {"cells.csv", "contrasts.csv", "claims.csv"}
    assert {path.stem for path in (tmp_path / "t").glob("*.csv")} == {name.removesuffix(".csv") for name in names}


def test_text_that_is_no_unicode_is_written_all_the_same(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", [{"x": "a\ud800b"}])
    assert (tmp_path / "t.csv").read_text(encoding="utf-8").splitlines()[1] == "a\\ud800b"


def test_a_nested_field_that_is_absent_keeps_its_columns() -> None:
    whole = {
        "speedup": {"median": 2.0, "ci_low": 1.0, "ci_high": 3.0},
        "mcnemar": [{"seed": 0, "gained": 3, "lost": 1, "p": 0.6}, {"seed": 1, "gained": 2, "lost": 2, "p": 1.0}],
        "bca": {"ci_low": -1.0, "ci_high": 1.0},
    }
    full, empty = contrast_row(whole), contrast_row(dict.fromkeys(whole))
    assert list(full) == list(empty) and set(empty.values()) == {None}
    assert full["speedup_median"] == 2.0 and (full["mcnemar_gained"], full["mcnemar_lost"]) == (5, 3)


POOLED = {
    "reference": "holdout",
    "strategy": "rho",
    "question": "pays",
    "n_datasets": 2,
    "left_out": ["cifar10", "pets"],
    "datasets": [{"dataset": "digits", "n_pairs": 3}, {"dataset": "flowers", "n_pairs": 3}],
    "mean_difference": 0.5,
    "probability_of_improvement": {"estimate": 0.9, "ci_low": 0.6, "ci_high": 1.0},
    "iqm": None,
    "costs": {"marginal": {"total_flops": {"ratio": 0.5, "ci_low": 0.4, "ci_high": 0.6}, "wall_clock": None}},
}


def test_an_effect_over_data_sets_names_them_and_is_not_nested() -> None:
    row = pooled_row(POOLED)
    assert (row["datasets"], row["left_out"]) == ("digits; flowers", "cifar10; pets")
    assert row["probability_of_improvement_estimate"] == 0.9
    assert row["marginal_total_flops_ratio"] == 0.5 and row["marginal_wall_clock_ratio"] is None
    assert {"iqm_strategy", "iqm_ci_low", "standalone_learner_flops_ci_high"} <= row.keys()
    assert not any(isinstance(value, dict | list) for value in row.values())


def tuned(**changed: Any) -> dict[str, Any]:
    arm = {name: name for name in ("arm", "base", "label", "role", "dataset", "reference")}
    scores = [
        {"factor": factor, "lr": factor / 10, "n": 2, "mean": 90.0, "values": {"8": 90.0 + factor, "9": 90.0 - factor}}
        for factor in (0.5, 1.0)
    ]
    return {**arm, "rung": 1.0, "factor": 0.5, "lr": 0.05, "lr_from": "val", "edge": True, "scores": scores, **changed}


def test_one_line_for_each_tuning_run() -> None:
    rows = list(tuning_rows({"arms": [tuned(), tuned(lr_from="full", scores=[])]}))
    assert [(row["factor"], row["seed"], row["val_accuracy"]) for row in rows] == [
        (0.5, 8, 90.5),
        (0.5, 9, 89.5),
        (1.0, 8, 91.0),
        (1.0, 9, 89.0),
        (None, None, None),
    ]
    assert {row["chosen_lr"] for row in rows} == {0.05} and len({tuple(row) for row in rows}) == 1
    assert list(tuning_rows(None)) == []


def claim(**changed: Any) -> dict[str, Any]:
    test = dict.fromkeys(("text", "case", "dataset", "strategy", "baseline", "metric", "hypothesis", "note"), "x")
    numbers = dict.fromkeys(("bound", "estimate", "low", "high", "confidence"), 1.0)
    texts = {name: name for name in ("id", "title", "statement", "said", "kind", "verdict", "reason", "matrix")}
    return {
        **texts,
        "source": {"paper": "=paper", "section": "3"},
        "conditions": [{"name": "width", "met": False}, {"name": "data", "met": True}],
        "tests": [
            {**test, **numbers, "n": 8, "collapsed": 0, "account": None, "cost": None, "verdict": "supported"},
            {**test, **numbers, "n": 8, "verdict": "x"},
        ],
        "indication": None,
        "to_decide": None,
        **changed,
    }


def test_one_line_for_each_test_of_a_claim_and_one_where_there_is_none() -> None:
    rows = [*claim_rows(claim()), *claim_rows(claim(tests=[], indication={"verdict": "supported", "text": "t"}))]
    assert [row["test_verdict"] for row in rows] == ["supported", "x", None]
    assert [row["indication_text"] for row in rows] == [None, None, "t"]
    assert {row["conditions_unmet"] for row in rows} == {"width"} and {row["verdict"] for row in rows} == {"verdict"}
    assert len({tuple(row) for row in rows}) == 1
