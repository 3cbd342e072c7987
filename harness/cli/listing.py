"""``selbench list strategies``: one line a rule, by group: when it is asked and whose outputs it reads."""

from __future__ import annotations

from itertools import groupby

from rich.console import Console
from rich.text import Text

from ...strategies.descriptions import Description, all_described

LEGEND = (
    "learner: its outputs on each candidate, from a scoring pass at batch and as last seen in training at epoch. "
    "proxy: a run before training. ref: the reference model. val: the learner on held-out images. "
    "selbench show NAME has formula, options, cost, claims and matrices of one."
)

WIDEST = 31  # characters of a rule's signals, so that its line fits into 80 columns


def print_strategies(console: Console) -> None:
    """A heading for each group and a line for each rule, cut at the width of the console; errors in full below."""
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
