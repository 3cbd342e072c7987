"""``selbench list strategies``: a line a rule, by group, with when each is asked and whose outputs it reads."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from selbench.harness.cli import costs, listing
from selbench.strategies.descriptions import GROUPS, all_described
from selbench.strategies.interface import Traits
from selbench.strategies.registry import registry


@pytest.fixture(scope="module")
def rows():
    return {row.name: row for row in all_described()}


def printed(width):
    console = Console(file=io.StringIO(), width=width)
    listing.print_strategies(console)
    return console.file.getvalue()


def cost(name):
    rule = registry("strategies").load(name)
    return costs.cost(rule, Traits.of(rule))


def test_every_rule_of_ours_has_a_group_a_cadence_and_a_line(rows):
    assert rows.keys() == registry("strategies").found().keys()
    for row in rows.values():
        assert row.group in GROUPS and row.cadence and row.summary and not row.error, row.name
        assert {"Formula", "Source", "Cost"} <= set(row.sections), row.name
        assert [option.name for option in row.options if not option.about] == [], row.name
    assert [row.group for row in rows.values()] == sorted((r.group for r in rows.values()), key=GROUPS.index)
    assert rows["glister"].reads == ("learner", "val") and rows["craig"].reads == ("proxy",)
    assert rows["cal"].reads == ("proxy", "reference") and rows["full"].reads == ()
    assert rows["el2n"].papers == ["arXiv 2107.07075 (2021)"]
    assert rows["uncertainty"].papers[0] == "arXiv cmp-lg/9407020 (1994)"


def test_costs_by_hand():
    n, d, k, c = 256, 512, 128, 10
    order = 8 * n + n * 8  # eight operations each, and n log2 n
    assert cost("full") == "0"
    assert cost("uniform") == costs.shown(order)
    assert cost("rho") == f"scoring + reference + {costs.shown(order + n)}"
    assert cost("uncertainty") == f"scoring + {costs.shown(order + n * c * 4)}", "the classes are known"
    assert cost("static").startswith("proxy + ") and cost("entropy").startswith("proxy + ")
    assert cost("at").split()[0] not in ("scoring", "proxy"), "at an epoch it reads what training left"
    assert cost("k-center") == f"reference + {costs.shown(3 * n * d + 4 * n + order + k * (3 * n * d + 3 * n))}"
    assert cost("glister").startswith("scoring + val + "), "fresh scores are a pass of the learner"


@pytest.mark.parametrize(
    ("count", "says"),
    [(0, "0"), (994, "994"), (996, "1.0 k"), (4352, "4.4 k"), (9960, "10 k"), (19.4e6, "19 M"), (2.55e9, "2.5 G")],
)
def test_two_digits(count, says):
    assert costs.shown(count) == says


@pytest.mark.parametrize("width", [80, 120])
def test_each_rule_has_one_line_no_wider_than_the_terminal(width):
    lines = printed(width).splitlines()
    assert max(map(len, lines)) <= width
    for name in registry("strategies").found():
        (line,) = [line for line in lines if re.match(rf"{re.escape(name)}  +(batch|epoch|run) ", line)]
        assert len(line.split()) > 4, line
    assert len(lines) < len(registry("strategies").found()) + len(GROUPS) + 10


def test_broken_plugins_are_said_and_stop_no_other(installed_plugin):
    rows = {row.name: row for row in all_described()}
    assert "ImportError: this module always fails" in rows["broken-import"].error
    assert rows["every-other"].cadence and not rows["every-other"].error
    assert not rows["uniform"].error
    assert cost("every-other"), "it states nothing: it was counted"
    text = " ".join(printed(80).split())
    assert "selbench-tests-plugin 1.2" in text and "this module always fails" in text
