"""Cost to a target: FLOPs beside seconds, infinity by its sign, speed-ups over full training."""

from __future__ import annotations

import math
from collections.abc import Callable

from ..blocks import Block, Cell, Grid, Line, Part, Prose, columns
from ..numbers import ACCOUNT_WORDS, INFINITE, NONE, flops, interval, percent, ratio, seconds
from ..panels import ACCOUNTS, Panel, Report, Row, target_rows
from .parts import Figures, baseline, by_panel, drawn, name, seconds_from

COSTS = {"total_flops": ("FLOPs", flops), "wall_clock": ("seconds", seconds)}


def target_cost(row: Row) -> str:
    """The cost of a target, infinity, or that it is never reached at all."""
    if row["misses"] == row["n"]:
        return "never"
    return INFINITE if row["median"] is None else COSTS[row["cost"]][1](row["median"])


def target_ends(row: Row) -> str:
    """The interval of a target's cost; empty where every seed misses, a dash where there are too few for one."""
    if row["misses"] == row["n"]:
        return ""
    if row["ci_low"] is None and row["ci_high"] is None and row["median"] is not None:
        return NONE
    return _open(row, COSTS[row["cost"]][1])


def _open(found: Row, shown: Callable[[float], str]) -> str:
    """An interval whose unknown end is infinite."""
    low, high = (math.inf if found[end] is None else found[end] for end in ("ci_low", "ci_high"))
    return interval(low, high, lambda end: INFINITE if math.isinf(end) else shown(end))


def speedup_words(row: Row) -> tuple[str, str]:
    """How many times sooner than full training, and the interval of that."""
    found = row["speedup"]
    if row["role"] == "full" or not found or row["misses"] == row["n"]:
        return NONE, ""
    return INFINITE if found["median"] is None else _times(found["median"]), _open(found, _times)


def _times(value: float) -> str:
    return ratio(value) if value else "0"


def reached_words(summary: Row, panel: Panel) -> str:
    """In the declared account, which strategies reach the target for fewer FLOPs than full training, and which miss."""
    account = summary["matrix"]["pays"]["account"]
    rows = [row for row in target_rows(summary, panel, account, "total_flops") if row["role"] == "strategy"]
    if not rows:
        return ""
    sooner = [row for row in rows if row["speedup"] and (row["speedup"]["median"] or 2) > 1 and row["median"]]
    some = sum(row["misses"] > 0 for row in rows)
    every = sum(row["misses"] == row["n"] for row in rows)
    if every == len(rows):
        return "No strategy reached the target at any seed."
    text = f"{len(sooner)} of {len(rows)} strategies reached the target for fewer FLOPs than full training"
    missed = f"{some} missed it at some seed, {every} of them at all" if some else "none missed it at any seed"
    return f"{text}; {missed}."


def read_from(row: Row) -> str:
    """Which runs the cost of a target was read from, and where it is only an upper bound."""
    if not row["ladder"]:
        return "its one run: at most"
    lowest = row.get("at_lowest") or 0
    return "its own ladder" + (f"; at its lowest rung already: {lowest} of {row['n']}" if lowest else "")


def section(report: Report, figures: Figures) -> Part:
    """What reaching the accuracy of full training less the margin costs, panel by panel."""
    captions = {
        "target-flops": "Median over seeds with its interval. Dashed: full training's own cost to the target. Hollow: "
        "an upper bound, since that arm ran at the whole budget only. Grey strip: never.",
        "target-seconds": f"The same in seconds ({seconds_from(report.summary)}).",
    }

    def blocks(panel: Panel) -> list[Block]:
        found = target_rows(report.summary, panel, report.pays[0], "total_flops")
        if not found:
            return []
        target = f"Target {percent(found[0]['target'])} % (mean over seeds; margin {panel.dataset['margin']:g})."
        tables = [table for account in ACCOUNTS for table in _table(report, panel, account)]
        words = Prose(reached_words(report.summary, panel))
        return [words, Prose(target, "sub"), drawn(figures, panel, captions), *tables]

    said = (
        "The target of a seed is the mean accuracy of full training at the other seeds, less the margin. Its cost is "
        "read from runs that ended at each budget. A seed that never gets there counts as infinite and stays in."
    )
    title = "Cost to the same accuracy"
    return Part(title, [Prose(said, "sub"), *by_panel(report, blocks)], key="targets", name=title)


def _table(report: Report, panel: Panel, account: str) -> list[Grid]:
    by_cost = [{row["arm"]: row for row in target_rows(report.summary, panel, account, cost)} for cost in COSTS]
    if not any(by_cost):
        return []
    spent = "".join(f"; count {word} / interval; ratio speed-up / interval" for word, _ in COSTS.values())
    lines = []
    for arm in dict.fromkeys(arm for rows in by_cost for arm in rows):
        found = [rows.get(arm) for rows in by_cost]
        first = next(filter(None, found))
        cells = [cell for row in found for cell in _reached(row)]
        missed = f"{first['misses']} of {first['n']}"
        lines.append(Line([name(report, first), read_from(first), missed, *cells], baseline(first)))
    label = f"Table of what the target costs, {panel.title}, {account}"
    note = f"{account}: {ACCOUNT_WORDS[account]}. Speed-ups are against full training's own ladder."
    return [
        Grid(
            label,
            columns(f"name arm; text read from; count seeds that miss{spent}"),
            lines,
            note=note,
            data={"account": account},
        )
    ]


def _reached(row: Row | None) -> list[Cell]:
    if row is None:
        return [Cell(NONE), Cell(NONE)]
    sooner, ends = speedup_words(row)
    return [Cell(target_cost(row), under=target_ends(row)), Cell(sooner, under=ends)]
