"""``selbench list strategies``: what each rule reads, when it is asked, and what asking costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from ...strategies.interface import HELD_OUT_SIGNALS, LEARNER_SIGNALS, Traits, keep_count
from ...strategies.registry import registry
from ..scale.madeup import Shape, begin, candidates
from ..training.flops import count_selection

SIZE, RATIO = 256, 0.5
SHAPE = Shape(features=512, hidden=512, classes=10, epochs=5)

LEGEND = (
    f"cost: operations of one select that keeps {keep_count(RATIO, SIZE)} of {SIZE} candidates, as the strategy states "
    f"them or else counted ({SHAPE.features} features, {SHAPE.classes} classes, a trace of {SHAPE.epochs} epochs). "
    "scoring: a forward pass of the learner for each candidate besides; proxy: a run before training; at epoch, "
    "learner signals are those last seen in training, but where scoring is named. val: the learner's outputs on images "
    "of val. features, reference: from the reference model, once for each image."
)

WIDEST = 31  # characters of a rule's signals, so that its line fits into 80 columns


@dataclass(frozen=True)
class Row:
    name: str
    origin: str
    cadence: str = ""
    needs: tuple[str, ...] = ()
    cost: str = ""
    summary: str = ""
    error: str = ""


def rows() -> list[Row]:
    """Every registered strategy. One that fails to import, to construct or to run gets a row with its error."""
    return [_row(**row) for row in registry("strategies").describe()]


def _row(name: str, origin: str, summary: str, error: str) -> Row:
    if error:
        return Row(name, origin, error=error)
    try:
        instance = registry("strategies").load(name)
        traits = Traits.of(instance)
    except Exception as broken:  # a stranger's constructor may raise anything
        return Row(name, origin, summary=summary, error=f"cannot be made: {type(broken).__name__}: {broken}")
    needs, learner = tuple(sorted(traits.needs)), bool(traits.needs & LEARNER_SIGNALS)
    besides = ["scoring"] if learner and traits.cadence == "batch" else []
    if traits.scores_pool:
        besides = ["scoring"]
    if traits.needs & HELD_OUT_SIGNALS:  # what it reads of val says so, where there is a scoring pass too
        besides = besides or ["val"]
    if traits.needs & {"trace", "picks"} or (learner and traits.cadence == "run"):
        besides = ["proxy"]
    try:
        cost = " + ".join([*besides, shown(operations(instance, traits))])
    except Exception as broken:
        return Row(name, origin, traits.cadence, needs, "", summary, f"select: {type(broken).__name__}: {broken}")
    return Row(name, origin, traits.cadence, needs, cost, summary)


def operations(instance: Any, traits: Traits) -> float:
    """Floating-point operations of one call on made-up candidates, after which a rule knows all its widths."""
    keep = keep_count(traits.ratio or RATIO, SIZE)
    feats, losses = candidates(SHAPE, traits.needs, SIZE, keep, torch.device("cpu"))
    begin(instance, SHAPE, feats, losses)
    stated = getattr(instance, "flops", None)
    with torch.no_grad():
        if not callable(stated):
            return count_selection(lambda: instance.select(feats, losses, keep / SIZE)).flops
        instance.select(feats, losses, keep / SIZE)
    return float(stated(SIZE, SHAPE.features if "features" in traits.needs else 0, keep))


def shown(count: float) -> str:
    """Operations in two digits: ``4.4 k``, ``19 M``."""
    for unit, scale in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= 0.995 * scale:
            return f"{count / scale:.{0 if count >= 9.95 * scale else 1}f} {unit}"
    return f"{count:.0f}"


def print_strategies(console: Console) -> None:
    """Each strategy in two lines: its name with cadence, needs and cost, and what it is; plugins with their origin."""
    found = rows()
    lines = [(row.name, row.cadence, _short(row.needs), row.cost) for row in found]
    head = ("name", "cadence", "needs", "cost in FLOPs")
    widths = [max(len(line[place]) for line in [head, *lines]) for place in range(len(head))]
    console.print("[italic]strategies[/]", Text(_line(head, widths), style="bold"), sep="\n")
    for row, line in zip(found, lines, strict=True):
        named = Text(row.name if row.error else _line(line, widths))
        named.stylize("bold", 0, len(row.name))
        console.print(named)
        about = Text(row.summary, style="dim")
        if not row.origin.startswith("selbench "):
            about.append(f" ({row.origin})" if row.summary else row.origin)
        if row.error:
            about.append(f"\n{row.error}", style="red")
        console.print(Padding(about, (0, 0, 0, 2)))
    console.print("", Text(LEGEND, style="dim"), "", sep="\n")


def _short(needs: tuple[str, ...]) -> str:
    """The signals in at most 31 characters where that can be: those of one source as ``learner_*`` or ``val_*``."""
    if len(whole := ", ".join(needs)) <= WIDEST:
        return whole or "-"
    sources = [f"{name.partition('_')[0]}_*" if name.startswith(("learner_", "val_")) else name for name in needs]
    short = [name if sources.count(source) == 1 else source for name, source in zip(needs, sources, strict=True)]
    return ", ".join(dict.fromkeys(short))


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
