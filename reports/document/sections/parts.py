"""What several sections share: cells of names and verdicts, the figures of a panel, a part for each panel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from ...effects.verdicts import by_chance
from ..blocks import Beside, Block, Cell, Figure, Fold, Part
from ..numbers import COST_WORDS, NONE, brief, budget_share, clock_words, interval, plural, points, tone
from ..panels import Panel, Report, Row

if TYPE_CHECKING:
    from ...figures.all import Placed  # which draws: sentences of a summary need no figures

Figures = Sequence["Placed"]


def by_panel(report: Report, of: Callable[[Panel], Sequence[Block]]) -> list[Block]:
    """The blocks of each panel under its title, folded where there are many; panels without a block are left out."""
    parts: list[Block] = []
    for place, panel in enumerate(report.panels):
        if blocks := of(panel):
            style = "" if len(report.panels) <= 2 else "folded" if place else "folded open"
            parts.append(Part(panel.title, blocks, note=panel.dataset["note"], style=style, data=report.keys(panel)))
    return parts


def figures_of(figures: Figures, kind: str, panel: Panel | None, caption: str = "") -> list[Block]:
    said = " ".join(filter(None, (caption, _left_out(panel))))
    mine = [placed for placed in figures if placed.kind == kind and placed.panel is panel]
    return [Figure(of.drawing, said, {"account": of.account} if of.account else {}) for of in mine]


def opening(summary: Row) -> list[Row]:
    """The study that the report opens on, if any: the first, but no sweep where contrasts are declared."""
    first = summary["studies"][:1]
    return [] if summary["matrix"]["primary"] and first and first[0]["analysis"] == "sweep" else first


def drawn(figures: Figures, panel: Panel | None, captions: Mapping[str, str], style: str = "pair") -> Beside:
    return Beside([figures_of(figures, kind, panel, caption) for kind, caption in captions.items()], style)


def _left_out(panel: Panel | None) -> str:
    if panel is None:
        return ""
    shown, there = (sum(arm["role"] == "strategy" and arm["n"] > 0 for arm in of) for of in (panel.drawn, panel.arms))
    if shown == there:
        return ""
    return f"Drawn are {shown} of {there} strategies: what was declared, then the most accurate. The tables hold all."


def name(report: Report, row: Row, *, declared: bool = False) -> Cell:
    """The strategy of a contrast or arm: its colour, the rung of a ladder and, where asked, that it was declared."""
    label = row.get("label") or row["strategy"]
    tags = ("declared",) if declared and row["primary"] else ()
    look = report.look(row)
    return Cell(label, under=budget_share(row.get("rung", 1.0)), tags=tags, colour=look.colour, shape=look.shape)


def baseline(row: Row, *own: str) -> str:
    """The style of an arm's line: what is no strategy, nor of the roles in ``own``, recedes."""
    return "" if row["role"] in ("strategy", *own) else "baseline"


def verdict(row: Row, *notes: str, text: str = "", tags: tuple[str, ...] = ()) -> Cell:
    """A verdict in its colour, declared ones bold, with why there is none and other remarks below."""
    found, strong = row["verdict"], bool(row.get("primary"))
    said = (found.partition(": ")[2] if text else "", *notes)
    return Cell(text or found, tone=tone(found), strong=strong, tags=tags, notes=tuple(filter(None, said)))


def short_verdict(row: Row, *notes: str, tags: tuple[str, ...] = ()) -> Cell:
    return verdict(row, *notes, text=brief(row["verdict"]), tags=tags)


def estimated(found: Row | None, field: str, shown: Callable[[float], str]) -> Cell:
    if not found:
        return Cell(NONE, "")
    value = found[field]
    ends = interval(found["ci_low"], found["ci_high"], shown)
    return Cell(NONE if value is None else shown(value), "" if value is None else value, ends)


def difference(row: Row) -> Cell:
    return estimated(row, "mean_difference", points)


def worst_seed(row: Row) -> Cell:
    worst = row["worst_seed"]
    return Cell(points(worst["difference"]), worst["difference"], f"seed {worst['seed']}") if worst else Cell(NONE, "")


def chance_words(rows: Sequence[Row]) -> str:
    """What chance alone would find among the exploratory verdicts of a table, beside what was found; empty for none."""
    told = by_chance(rows)
    if not told["judged"]:
        return ""
    return (
        f"Of {plural(told['judged'], 'exploratory verdict')}, {told['expected']:.2g} superior and as many worse are "
        f"expected by chance alone; found: {told['superior']} and {told['worse']}."
    )


def against(row: Row) -> str:
    """What a contrast compares with: ``full``, ``full ladder at equal seconds``."""
    return row["baseline"] + (f" at equal {COST_WORDS[row['cost']]}" if row["question"] == "pays" else "")


def seconds_from(summary: Row) -> str:
    return clock_words(summary["timing"]["source"], summary["timing"]["blocks"])


def page_only(*blocks: Block) -> Fold:
    return Fold("", blocks)
