"""How much of what was trained on is spoiled stands beside the pool's own share, where a pool was spoiled."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from editing import a_cell, rewrite
from synthetic import write_results

from selbench.reports.document.panels import Report
from selbench.reports.records.folder import Results, ResultsError
from selbench.reports.render import html as page
from selbench.reports.summary import summarise

HEAD = "spoiled, of what was trained on"


def folder(root: Path) -> Path:
    return write_results(root / "r", seeds=2, effects={"gstds": 0.0, "rho": 0.0}, test_n=50)


def told(root: Path, spoiled: Any) -> Path:
    """A folder whose records of ``gstds`` say what ``spoiled(seed)`` gives, and all others nothing wrong."""
    made = folder(root)
    for file in (made / "cells").glob("*.json"):
        record = json.loads(file.read_text())
        if record["arm_label"] == "gstds":
            rewrite(file, lambda r: r["selection"].update(spoiled=spoiled(r["seed"])))
    return made


def section(made: Path) -> str:
    results = Results.read(made)
    text = page.render(Report.of(summarise(results), results), [])
    part = text[text.index('<section id="picks"') :]
    return part[: part.index("</section>")].replace("\u202f", " ")


def test_shares_are_means_over_runs_beside_the_pools_own(tmp_path):
    made = told(
        tmp_path,
        lambda seed: {"wrong": {"pool": 0.4, "trained": 0.2 + 0.1 * seed}, "copies": {"pool": 0.0, "trained": 0.0}},
    )
    shown = section(made)
    assert HEAD in shown and "<td>wrong labels 25 % (40 %)</td>" in shown and "copies" not in shown
    rows = re.findall(r"<tr.*?</tr>", shown[: shown.index("</table>")])
    assert {row.count("<t") for row in rows} == {rows[0].count("<t")}, "each row has a cell in each column"


def test_several_kinds_and_kinds_of_later_versions_are_named(tmp_path):
    shares = {"wrong": {"pool": 0.5, "trained": 0.0}, "copies": {"pool": 0.2, "trained": 0.1}}
    shown = section(told(tmp_path, lambda seed: {**shares, "<b>": {"pool": 1.0, "trained": 1.0}}))
    assert "wrong labels 0 % (50 %), copies 10 % (20 %), &lt;b&gt; 100 % (100 %)" in shown


def test_a_clean_pool_has_no_such_column(tmp_path):
    assert HEAD not in section(folder(tmp_path))


@pytest.mark.parametrize("spoiled", [{"wrong": {"pool": 0.4}}, {"wrong": 0.4}, {"wrong": {"pool": "x", "trained": 1}}])
def test_a_record_that_says_it_otherwise_is_unreadable(tmp_path, spoiled):
    made = folder(tmp_path)
    rewrite(a_cell(made), lambda record: record["selection"].update(spoiled=spoiled))
    try:
        skipped = Results.read(made)
    except ResultsError:
        return
    assert len(skipped.cells) == len(list((made / "cells").glob("*.json"))) - 1
