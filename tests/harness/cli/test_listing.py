"""``selbench list strategies``: when each is asked, what it reads, what it costs."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from selbench.harness.cli import listing
from selbench.strategies.registry import registry


@pytest.fixture(scope="module")
def rows():
    return {row.name: row for row in listing.rows()}


def printed(width):
    console = Console(file=io.StringIO(), width=width)
    listing.print_strategies(console)
    return console.file.getvalue()


def test_every_strategy_has_a_cadence_a_cost_and_a_line(rows):
    assert rows.keys() == registry("strategies").found().keys()
    for row in rows.values():
        assert row.cadence in ("batch", "epoch", "run") and row.cost and row.summary and not row.error, row.name


def test_costs_by_hand(rows):
    n, d, k, c = 256, 512, 128, 10
    order = 8 * n + n * 8  # eight operations each, and n log2 n
    assert rows["full"].cost == "0"
    assert rows["uniform"].cost == listing.shown(order)
    assert rows["rho"].cost == f"scoring + {listing.shown(order + n)}"
    assert rows["uncertainty"].cost == f"scoring + {listing.shown(order + n * c * 4)}", "the classes are known"
    assert rows["static"].cost.startswith("proxy + ") and rows["entropy"].cost.startswith("proxy + ")
    assert rows["at"].cost.split()[0] not in ("scoring", "proxy"), "at an epoch it reads what training left"
    assert rows["k-center"].cost == listing.shown(3 * n * d + 4 * n + order + k * (3 * n * d + 3 * n))
    assert rows["gstds"].needs == ("features", "reference") and rows["gstds"].cadence == "batch"


@pytest.mark.parametrize(
    ("count", "says"),
    [(0, "0"), (994, "994"), (996, "1.0 k"), (4352, "4.4 k"), (9960, "10 k"), (19.4e6, "19 M"), (2.55e9, "2.5 G")],
)
def test_two_digits(count, says):
    assert listing.shown(count) == says


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal_and_each_rule_has_its_own(width):
    lines = printed(width).splitlines()
    assert max(map(len, lines)) <= width
    for name in registry("strategies").found():
        (at,) = [i for i, line in enumerate(lines) if re.match(rf"{re.escape(name)}  +(batch|epoch|run) ", line)]
        assert lines[at + 1].startswith("  ") and lines[at + 1].strip()


def test_broken_plugins_are_said_and_stop_no_other(installed_plugin):
    rows = {row.name: row for row in listing.rows()}
    assert "ImportError: this module always fails" in rows["broken-import"].error
    assert rows["raises-in-select"].error == "select: RuntimeError: this strategy always fails"
    assert rows["every-other"].cost and not rows["every-other"].error, "it states nothing: it was counted"
    assert not rows["uniform"].error
    text = " ".join(printed(80).split())
    assert "selbench-tests-plugin 1.2" in text and "this strategy always fails" in text
