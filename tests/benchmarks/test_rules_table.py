"""The table of rules on its page and the count in the README are what the classes say."""

from __future__ import annotations

from selbench.benchmarks.pages import block
from selbench.benchmarks.rules_table import PAGES, table
from selbench.strategies.registry import registry


def test_the_pages_hold_what_the_command_draws() -> None:
    for page, (name, draw) in PAGES.items():
        drawn = block(page.read_text(encoding="utf-8"), name)
        assert drawn == draw(), "run python -m selbench.benchmarks.rules_table --write"


def test_every_rule_of_ours_has_a_row() -> None:
    drawn = table()
    for name, entries in registry("strategies").found().items():
        assert drawn.count(f"| `{name}` |") == entries[0].builtin
    assert "| losses | `epsilon-greedy` | epoch | learner | For each pass, what" in drawn
