"""``selbench check``: the conformance kit with a counter of operations, as a table."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ...strategies import UsageError
from ...strategies.registry import registry
from ...strategies.testing import Result, check
from ...strategies.testing.checks import FATAL, UNTIL, Checkup
from ...strategies.testing.subject import Subject
from ..plan.matrix import Matrix
from ..training.flops import count_selection

LIMIT = 120
"""Seconds for the check of a plugin before a run."""
OTHERS = ("learner", "reference", "dataset")
SOUND = "no law is broken"
COLOURS = {"pass": "green", "fail": "bold red", "skip": "dim"}


def _checked(strategy: str, hyper_parameters: dict[str, Any]) -> list[Result]:
    return check(strategy, count=lambda call: count_selection(call).flops, **hyper_parameters)


def check_one(name: str, parameters: dict[str, Any], console: Console) -> bool:
    """Print the laws of a strategy, or of ``learner:NAME``, ``reference:NAME``, ``dataset:NAME``; True if all hold."""
    kind, _, spec = name.partition(":")
    if kind in OTHERS:
        from ..execution.prepared import data_folder
        from ..testing import check as check_other

        results = check_other(kind, spec, data_dir=data_folder(None), **parameters)
    else:
        results = _checked(name, parameters)
    table = Table("law", "", "what to change, or why it was not judged", box=None, pad_edge=False)
    repeated = Counter(result.message for result in results if result.verdict == "skip")
    waiting: dict[str, list[str]] = {}
    for result in results:
        if result.message.startswith(UNTIL) or repeated[result.message] > 1:
            waiting.setdefault(result.message, []).append(result.law)
        else:
            table.add_row(result.law, f"[{COLOURS[result.verdict]}]{result.verdict}[/]", escape(result.message))
    for reason, laws in waiting.items():  # one fault, one row
        table.add_row(_many(laws), f"[{COLOURS['skip']}]skip[/]", escape(f"{reason}: {', '.join(laws)}"))
    console.print(table, "")
    console.print(f"{escape(name)}: {_totals(results)}", highlight=False)
    return not _broken(results)


def _many(laws: list[str]) -> str:
    return laws[0] if len(laws) == 1 else f"{len(laws)} laws"


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


def refuse_failing(matrix: Matrix) -> None:
    """Refuse a plugin whose every cell would fail, by the laws that the harness holds each selection to.

    The check has a process of its own, since the rule may end it, and a time limit.
    """
    for entry in matrix.strategies:
        owners = registry("strategies").found().get(entry.name, [])
        if all(owner.builtin for owner in owners):
            continue
        asked = json.dumps({"name": entry.name, "options": entry.options})
        code = "import sys; from selbench.harness.cli.checking import print_fatal; print_fatal(sys.stdin.read())"
        try:
            done = subprocess.run(
                [sys.executable, "-c", code], input=asked, capture_output=True, text=True, timeout=LIMIT, check=False
            )
        except subprocess.TimeoutExpired:
            said = f"its check was not done after {LIMIT} s"
        else:
            lines = done.stdout.splitlines()
            ended = f"the process of its check ended with exit code {done.returncode}"
            said = "" if lines and lines[-1] == SOUND else lines[-1] if lines and not done.returncode else ended
        if said:
            raise UsageError(
                f"strategy {entry.name!r} would fail in every run: {said}; see `selbench check {entry.name}`, leave it "
                "out, or pass --keep-going to run all that can be"
            )


def print_fatal(asked: str) -> None:
    """Print the first law broken of those that fail a cell, or that there is none; ``asked`` is JSON."""
    entry = json.loads(asked)
    checkup = Checkup(Subject.of(entry["name"], entry["options"], None))
    broken = (result for result in map(checkup.result, FATAL) if result.verdict == "fail")
    print(next((f"law broken: {result.law}: {result.message}" for result in broken), SOUND))


def _broken(results: list[Result]) -> list[Result]:
    return [result for result in results if result.verdict == "fail"]


def _totals(results: list[Result]) -> str:
    verdicts = [result.verdict for result in results]
    told = (("pass", "hold"), ("fail", "broken"), ("skip", "not judged"))
    return ", ".join(f"{verdicts.count(verdict)} {word}" for verdict, word in told if verdict in verdicts)
