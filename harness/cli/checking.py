"""``selbench check``: the conformance kit with a counter of operations, as a table."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ...strategies import UsageError
from ...strategies.registry import registry
from ...strategies.testing import Result, check
from ..training.flops import count_selection

COLOURS = {"pass": "green", "fail": "bold red", "skip": "dim"}


def _checked(strategy: str, hyper_parameters: dict[str, Any]) -> list[Result]:
    return check(strategy, count=lambda call: count_selection(call).flops, **hyper_parameters)


def check_one(strategy: str, hyper_parameters: dict[str, Any], console: Console) -> bool:
    results = _checked(strategy, hyper_parameters)
    table = Table("law", "", "what to change, or why it was not judged", box=None, pad_edge=False)
    for result in results:
        table.add_row(result.law, f"[{COLOURS[result.verdict]}]{result.verdict}[/]", escape(result.message))
    console.print(table, "")
    console.print(f"{escape(strategy)}: {_totals(results)}", highlight=False)
    return not _broken(results)


def check_all(console: Console) -> bool:
    """Print one row for each registered strategy and one for each law that it breaks; True if there is none."""
    table = Table("strategy", "laws", "what to change", box=None, pad_edge=False)
    whole = True
    for name in registry("strategies").found():
        try:
            results = _checked(name, {})
        except UsageError as error:
            whole = False
            table.add_row(escape(name), "[bold red]not checked[/]", escape(str(error)))
            continue
        broken = _broken(results)
        whole = whole and not broken
        table.add_row(escape(name), _totals(results), "")
        for result in broken:
            table.add_row("", f"[bold red]fail[/] {result.law}", escape(result.message))
    console.print(table)
    return whole


def _broken(results: list[Result]) -> list[Result]:
    return [result for result in results if result.verdict == "fail"]


def _totals(results: list[Result]) -> str:
    verdicts = [result.verdict for result in results]
    told = (("pass", "hold"), ("fail", "broken"), ("skip", "not judged"))
    return ", ".join(f"{verdicts.count(verdict)} {word}" for verdict, word in told if verdict in verdicts)
