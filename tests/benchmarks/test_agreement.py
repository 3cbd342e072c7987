"""The page of agreement with published code is what the rules pick today."""

from __future__ import annotations

import re

import pytest

from selbench.benchmarks.agreement import PAGES, Row, table
from selbench.benchmarks.golden import provenance
from selbench.benchmarks.pages import DOCS, block

PERCENT = re.compile(r"(\d+)%")


def test_the_page_holds_what_the_command_draws() -> None:
    """Near ties in float32 may move a share by a point or two from machine to machine."""
    (name, _) = PAGES[DOCS / "agreement.md"]
    page, drawn = block((DOCS / "agreement.md").read_text(encoding="utf-8"), name), table()
    assert PERCENT.sub("%", page) == PERCENT.sub("%", drawn), "run python -m selbench.benchmarks.agreement --write"
    for old, new in zip(PERCENT.findall(page), PERCENT.findall(drawn), strict=True):
        assert abs(int(old) - int(new)) <= 2


def test_every_run_of_published_code_has_a_row() -> None:
    drawn = table()
    for name, run in provenance().items():
        assert f"{run['commit'][:7]}, {name.split('/')[1]}: " in drawn, name


def test_another_rule_does_not_agree() -> None:
    apart = Row("cal", "cal/pool", {"keep": "easy"}, "picks_mended@{}")
    assert max(apart.overlaps()) < 0.5
    assert apart.correlation() is None
    assert Row("rho", "rho/reducible", theirs="picks-pool@{}").overlaps() == pytest.approx([1, 1, 1])
