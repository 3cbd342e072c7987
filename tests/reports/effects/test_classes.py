"""Accuracy by class: worst-class numbers against a second implementation, and a rule that pays for its mean."""

from __future__ import annotations

import base64
import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
from scipy import stats
from synthetic import checksum, write_results

from selbench.reports.effects.classes import BEHIND, NOT_BY_CLASS
from selbench.reports.effects.estimand import Test, estimand
from selbench.reports.effects.measures import measure
from selbench.reports.effects.pairing import Pairs
from selbench.reports.records.folder import Results
from selbench.reports.records.matrix import pack_labels
from selbench.reports.summary import summarise

HARD = {"": {3: 6.0, 7: 2.0}, "gstds": {3: 16.0, 7: 2.0}}
"""Class 3 is the worst under full training, and worse by ten points under ``gstds``."""


def write(path: Path, **how: Any) -> Results:
    given = {"effects": {"gstds": 1.5, "rho": 0.5}, "seeds": 6, "full_accuracy": 85.0, "classes": HARD, **how}
    return Results.read(write_results(path, **given))


def row_of(summary: dict[str, Any], strategy: str, question: str) -> dict[str, Any]:
    return next(row for row in summary["contrasts"] if (row["strategy"], row["question"]) == (strategy, question))


def second_opinion(root: Path, ours: str, theirs: str, confidence: float) -> tuple[float, float, float, int]:
    """The difference on the worst class of ten, from the files by plain loops."""
    matrix = tomllib.loads((root / "matrix.toml").read_text())
    labels = np.frombuffer(base64.b64decode(matrix["datasets"][0]["test_labels"]), dtype=np.uint8)
    table: dict[str, dict[int, list[int]]] = {}
    for file in (root / "cells").iterdir():
        cell = json.loads(file.read_text())
        bits = np.unpackbits(np.frombuffer(base64.b64decode(cell["result"]["correct"]), dtype=np.uint8))
        right = bits[: cell["result"]["test_n"]]
        table.setdefault(cell["arm_label"], {})[cell["seed"]] = [int(right[labels == c].sum()) for c in range(10)]
    found = []
    for seed in table[ours]:
        others = [table["full"][other] for other in table["full"] if other != seed]
        worst = min(range(10), key=lambda c: sum(row[c] for row in others))
        found.append(100 * (table[ours][seed][worst] - table[theirs][seed][worst]) / np.count_nonzero(labels == worst))
    low, high = stats.t.interval(confidence, len(found) - 1, np.mean(found), stats.sem(found))
    return float(np.mean(found)), float(low), float(high), len(found)


def test_a_rule_ahead_on_the_mean_and_behind_on_the_worst_class(tmp_path: Path) -> None:
    summary = summarise(write(tmp_path))
    for question, rival in (("accuracy", "full"), ("picking", "uniform")):
        row = row_of(summary, "gstds", question)
        wanted = second_opinion(tmp_path, "gstds", rival, row["confidence"])
        assert tuple(row["worst_class"].values()) == pytest.approx(wanted, abs=1e-9)
        assert row["ci_low"] > 0 > row["worst_class"]["ci_high"] and BEHIND in row["note"]
    few = row_of(summarise(write(tmp_path / "few", seeds=4)), "gstds", "accuracy")
    assert few["ci_low"] > 0 > few["worst_class"]["ci_high"] and BEHIND not in few["note"], "no verdict, no remark"
    even = row_of(summary, "rho", "accuracy")
    assert abs(even["worst_class"]["mean_difference"] - 0.5) < 1 and BEHIND not in even["note"]
    pays = {row["baseline"]: row["worst_class"] for row in summary["contrasts"] if row["question"] == "pays"}
    assert pays["full ladder"] is None and pays["cost twin"], "a ladder has no run of its own"


def test_each_class_and_each_arms_own_worst(tmp_path: Path) -> None:
    (found,) = summarise(write(tmp_path, classes={"": {3: 6.0}, "gstds": {3: 6.0, 5: 12.0}}))["classes"]
    assert (found["worst"], found["images"]) == ([3], [200] * 10)
    row = next(r for r in found["contrasts"] if (r["strategy"], r["question"]) == ("gstds", "accuracy"))
    assert (row["own_worst"]["class"], row["baseline_worst"]["class"], row["n"]) == ("class 5", "class 3", 6)
    assert int(np.argmin(row["mean_difference"])) == 5 and row["ci_high"][5] < 0 < row["ci_low"][0]
    assert {r["question"] for r in found["contrasts"]} == {"accuracy", "picking", "pays"}


def test_worst_classes_are_chosen_on_other_seeds(tmp_path: Path) -> None:
    """Where all classes are alike, it is noise that chooses: never that of the seed itself."""
    row = row_of(summarise(write(tmp_path, classes={}, effects={"gstds": 0.0})), "gstds", "accuracy")
    wanted = second_opinion(tmp_path, "gstds", "full", row["confidence"])
    assert tuple(row["worst_class"].values()) == pytest.approx(wanted, abs=1e-9)


def test_folders_without_labels_say_nothing(tmp_path: Path) -> None:
    results = write(tmp_path, classes=None)
    summary = summarise(results)
    assert summary["classes"] == [] and all(row["worst_class"] is None for row in summary["contrasts"])
    assert measure(Pairs(results), asked(results)).missing == NOT_BY_CLASS


def asked(results: Results, **changes: Any) -> Any:
    plain = {"dataset": "digits", "strategy": {"name": "gstds"}, "metric": "worst class", "hypothesis": "superior"}
    return estimand(results, Test.model_validate({**plain, "baseline": "full", **changes}), [])


@pytest.mark.parametrize("interval", ["t", "sign-flip"])
def test_claims_may_name_it(tmp_path: Path, interval: str) -> None:
    results = write(tmp_path, interval=interval, primary=[])
    found, row = measure(Pairs(results), asked(results)), row_of(summarise(results), "gstds", "accuracy")
    low, high = found.bounds(0.05)
    assert (found.estimate, found.n) == (pytest.approx(row["worst_class"]["mean_difference"]), 6)
    assert low == pytest.approx(row["worst_class"]["ci_low"]) and high == pytest.approx(row["worst_class"]["ci_high"])
    assert high < 0 and found.sd is not None
    asked(results, hypothesis="at least", bound=-2.0)
    with pytest.raises(ValueError, match="gives an accuracy"):
        asked(results, baseline="full ladder", account="marginal", cost="total_flops")


def relabelled(path: Path, labels: list[int] | None = None, **changes: Any) -> Results:
    """The folder with other test labels, and as it is otherwise."""
    table = tomllib.loads((path / "matrix.toml").read_text())
    table["datasets"][0] |= changes
    if labels is not None:
        table["datasets"][0]["test_labels"] = base64.b64encode(bytes(labels)).decode()
    (path / "matrix.toml").write_text(tomli_w.dumps(table))
    return Results.read(path)


def test_edges(tmp_path: Path) -> None:
    write(tmp_path, test_n=200)
    halves = summarise(relabelled(tmp_path, [0] * 100 + [4] * 100))
    (found,) = halves["classes"]
    assert found["images"] == [100, 0, 0, 0, 100, 0, 0, 0, 0, 0] and found["full"][1] is None
    assert found["contrasts"][0]["mean_difference"][1] is None and found["worst"] in ([0], [4])
    alone = row_of(summarise(relabelled(tmp_path, [2] * 200)), "gstds", "accuracy")
    assert alone["worst_class"]["mean_difference"] == pytest.approx(alone["mean_difference"])
    # Runs on other test images than the labels are of are left out.
    cell = next(file for file in sorted((tmp_path / "cells").iterdir()) if '"arm_label": "gstds"' in file.read_text())
    record = json.loads(cell.read_text())
    bits = np.zeros(100, dtype=bool)
    record["result"] |= {"test_n": 100, "correct": base64.b64encode(np.packbits(bits).tobytes()).decode()}
    record["result"] |= {"test_accuracy": 0.0, "test_accuracy_recalibrated": 0.0}
    record["checksum"] = checksum(record)
    cell.write_text(json.dumps(record))
    row = row_of(summarise(Results.read(tmp_path)), "gstds", "accuracy")
    assert (row["n_pairs"], row["worst_class"]["n"]) == (6, 5)


@pytest.mark.parametrize("seeds", [1, 2])
def test_two_seeds_are_the_fewest(tmp_path: Path, seeds: int) -> None:
    row = row_of(summarise(write(tmp_path, seeds=seeds)), "gstds", "accuracy")
    assert (row["worst_class"] or {"n": 0})["n"] == (0 if seeds == 1 else 2)


def test_labels_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    write(tmp_path, test_n=200, seeds=1)
    for labels, said in (([0] * 199, "not those of 200 images"), ([0] * 199 + [10], "none of its 10 classes")):
        with pytest.raises(ValueError, match=said):
            relabelled(tmp_path, labels)
    with pytest.raises(ValueError, match="are not base64"):
        relabelled(tmp_path, test_labels="?")
    many = np.array([0, 299, 7])
    names = [f"class {i}" for i in range(300)]
    write(tmp_path / "many", test_n=200, seeds=1)
    known = relabelled(tmp_path / "many", classes=names, test=3, test_labels=pack_labels(many, 300))
    assert known.matrix.datasets["digits"].labels.tolist() == [0, 299, 7]  # type: ignore[union-attr]
