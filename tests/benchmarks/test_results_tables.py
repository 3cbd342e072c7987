"""The tables of sets without a study: held to their packs, and complete."""

from __future__ import annotations

import pytest

from selbench.benchmarks import results_tables
from selbench.benchmarks.pages import DOCS, PUBLISHED, block

PAGE = (DOCS / "results.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", results_tables.TABLES)
def test_the_page_holds_what_the_command_draws(name: str) -> None:
    drawn = results_tables.TABLES[name]()
    assert block(PAGE, name) == drawn, "run python -m selbench.benchmarks.results_tables --write"
    assert len({line.count("|") for line in drawn.splitlines()}) == 1


def test_a_pair_without_a_difference_says_why_and_a_rule_that_did_not_run_is_a_dash() -> None:
    absent = {"mean_difference": None, "verdict": "no verdict: no cost twin was trained", "primary": True}
    assert results_tables._difference(absent) == "no verdict"
    found = {**absent, "mean_difference": -1.5, "ci_low": -2.0, "ci_high": 0.25, "verdict": "inconclusive"}
    assert results_tables._difference({**found, "primary": False}) == "−1.50 [−2.00, +0.25] (inconclusive)"
    drawn = results_tables._beside({"A": {"loss": "+1"}, "B": {"loss": "0", "rho": "−1"}}).splitlines()
    assert drawn[0] == "|  | loss | rho |" and drawn[2:] == ["| A | +1 | – |", "| B | 0 | −1 |"]


def test_every_set_that_asks_is_published() -> None:
    assert all((PUBLISHED / folder / "report.md").is_file() for folder in results_tables.ASKED)
