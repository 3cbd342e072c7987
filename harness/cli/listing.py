"""``selbench list``: what is registered; of strategies a line a rule, by group: when it is asked and what it reads."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ...strategies import UsageError
from ...strategies.errors import did_you_mean
from ...strategies.registry import registry

if TYPE_CHECKING:
    from ...strategies.descriptions import Description

GROUPS = ("strategies", "schedules", "datasets", "references", "learners", "executors", "trackers")
SHIPPED = ("matrices", "claims")

LEGEND = (
    "learner: its outputs on each candidate, from a scoring pass at batch and as last seen in training at epoch. "
    "proxy: a run before training. ref: the reference model. val: the learner on held-out images. "
    "selbench show NAME has formula, options, cost, claims and matrices of one."
)

WIDEST = 31  # characters of a rule's signals, so that its line fits into 80 columns


def print_strategies(console: Console) -> None:
    """A heading for each group and a line for each rule, cut at the width of the console; errors in full below."""
    from ...strategies.descriptions import all_described

    found = all_described()
    lines = [(row.name, row.cadence, _reads(row)) for row in found]
    head = ("name", "cadence", "reads")
    widths = [max(len(line[place]) for line in [head, *lines]) for place in range(len(head))]
    for group, rows in groupby(zip(found, lines, strict=True), key=lambda pair: pair[0].group):
        console.print(Text(f"-- {group}", style="italic"))
        for row, line in rows:
            text = Text(f"{row.name:<{widths[0]}}", style="bold")
            for cell, width in zip(line[1:], widths[1:], strict=True):
                text.append(f"  {cell:<{width}}", style="not bold")
            text.append(f"  {_about(row)}", style="dim not bold")
            text.rstrip()
            console.print(text, no_wrap=True, overflow="ellipsis")
            if row.error:
                console.print(Text(f"  {row.error}", style="red"))
    console.print("", Text(LEGEND, style="dim"), "", sep="\n")


def _reads(row: Description) -> str:
    return ", ".join(row.reads).replace("reference", "ref") or ("-" if row.traits else "")


def _about(row: Description) -> str:
    """What it is; of a plugin, where it comes from before that."""
    return row.summary if row.origin.startswith("selbench ") else " ".join((f"({row.origin})", row.summary)).strip()


def list_(
    group: Annotated[str, typer.Argument(help=f"One of {', '.join((*GROUPS, *SHIPPED))}; all by default.")] = "",
) -> None:
    """List what is registered: name, what it is, where it comes from; and the matrices and claims that are shipped."""
    if group not in ("", *GROUPS, *SHIPPED):
        raise UsageError(f"nothing called {group!r} is registered{did_you_mean(group, [*GROUPS, *SHIPPED])}")
    console = Console(emoji=False)
    if group in ("", "strategies"):
        print_strategies(console)
    for kind in GROUPS[1:] if not group else [g for g in GROUPS[1:] if g == group]:
        table = Table("name", "what it is", "from", title=kind, title_justify="left", box=None, pad_edge=False)
        for row in registry(kind).describe():
            about = f"[red]{escape(row['error'])}[/]" if row["error"] else escape(row["summary"])
            table.add_row(escape(row["name"]), about, escape(row["origin"]))
        console.print(table, "")
    if group in ("", "matrices"):
        from ..plan.matrix import shipped

        console.print("matrices\n" + escape(", ".join(sorted(shipped()))), "", sep="\n", highlight=False)
    if group in ("", "claims"):
        from ...reports.questions.claims.reading import shipped as claims

        table = Table("id", "claim", "run by", title="claims", title_justify="left", box=None, pad_edge=False)
        for claim in claims():
            ready = "out of scope" if claim.scope == "out" else "not yet" if claim.needs else claim.matrix
            table.add_row(claim.id, escape(claim.title), ready)
        console.print(table)
