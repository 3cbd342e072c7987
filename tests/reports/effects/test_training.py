"""Training that failed is said, and said first: runs that diverged, and full training far from its plateau."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from synthetic import checksum, write_results

from selbench.reports.document.panels import Report
from selbench.reports.document.sections import short
from selbench.reports.records.folder import Results
from selbench.reports.render import markdown
from selbench.reports.summary import summarise

FULL = "ull training diverged in 2 of 4 runs: there is nothing sound to judge by."


def told(path: Path, **truth: Any) -> dict[str, Any]:
    return summarise(Results.read(write_results(path, seeds=4, test_n=500, **truth)))


def lose(path: Path, label: str, seed: int) -> None:
    """Write down a run of ``label`` as one whose loss was not finite: JSON has no such number."""
    for file in (path / "cells").glob("*.json"):
        record = json.loads(file.read_text())
        if (record["arm_label"], record["seed"]) == (label, seed):
            record["result"]["train_loss"] = None
            file.write_text(json.dumps({**record, "checksum": checksum(record)}))


def test_sound_training_is_not_talked_about(tmp_path: Path) -> None:
    summary = told(tmp_path, halving=0.5)
    assert summary["training"]["said"] == [] == summary["training"]["diverged"]
    (gain,) = summary["training"]["gains"]
    assert gain["plateau"] and gain["points"] == pytest.approx(0.5, abs=0.3) and gain["n"] == 4


def test_full_training_that_diverged_is_said_first(tmp_path: Path) -> None:
    summary = told(tmp_path, halving=9.0, collapse=[("full", 0), ("full", 3)])
    assert summary["training"]["said"] == [f"F{FULL}"]
    results = Results.read(tmp_path)
    assert short.blocks(summary)[0].text == f"F{FULL}"
    text = markdown.render(Report.of(summary, results), [])
    assert text.split("\n\n")[1] == f"**F{FULL}**"


def test_a_loss_that_is_not_finite_is_a_collapse_by_name(tmp_path: Path) -> None:
    write_results(tmp_path, seeds=4, test_n=500, halving=0.5, collapse=[("rho", 2)])
    lose(tmp_path, "gstds", 1)
    summary = summarise(Results.read(tmp_path))
    (said,) = summary["training"]["said"]
    assert said.endswith("count as collapsed: gstds, holdout (1 of 4), rho, holdout (1 of 4).")
    arms = {arm["label"]: arm for arm in summary["arms"]}
    assert [(arms[label]["collapsed"], arms[label]["diverged"]) for label in ("gstds", "full")] == [(1, 1), (0, 0)]
    rows = [row for row in summary["contrasts"] if row["strategy"] == "gstds" and not row["ladder"]]
    assert all(row["collapsed"] == 1 for row in rows)


def test_nets_far_from_their_plateau_are_said_first_on_the_data_set_it_is_of(tmp_path: Path) -> None:
    summary = told(tmp_path, halving=7.0, datasets=("digits", "flowers"), noise=0.05)
    first, second = summary["training"]["said"]
    words = r"full still gains [67]\.\d\d points in the second half of its budget: these nets are not trained enough .*"
    assert re.fullmatch(f"On Digits, {words}", first) and re.fullmatch(f"On Flowers-102, {words}", second)
