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

from selbench.reports.results import Results
from selbench.reports.summary import summarise
from selbench.reports.tables import safe, write_csv, write_tables


@pytest.fixture(scope="module")
def written(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Results, dict[str, Any], dict[str, Any]]:
    folder = write_results(tmp_path_factory.mktemp("results"), seeds=3, test_n=200, effects={"gstds": 0.0, "=1+1": 1.0})
    results = Results.read(folder)
    summary = summarise(results)
    tables = {}
    for path in write_tables(results, summary, folder / "report"):
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
    path = next(path for path in write_tables(results, summarise(results), tmp_path / "t") if path.stem == "timing")
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
