"""Cost to a target as rows of a table: FLOPs beside seconds, infinity by its sign, speed-ups over full training."""

from __future__ import annotations

from collections.abc import Sequence

from ..numbers import NONE, flops, ratio, seconds
from ..panels import Panel, Row, target_rows

INFINITE = "\u221e"
COSTS = (("total_flops", "FLOPs", flops), ("wall_clock", "seconds", seconds))


def target_table(summary: Row, panel: Panel, account: str) -> list[Sequence[Row | None]]:
    """For each arm its target in FLOPs and in seconds, None where there is none."""
    by_cost = [{row["arm"]: row for row in target_rows(summary, panel, account, cost)} for cost, *_ in COSTS]
    arms = dict.fromkeys(arm for of in by_cost for arm in of)
    return [[of.get(arm) for of in by_cost] for arm in arms]


def first_known(rows: Sequence[Row | None]) -> Row:
    """The first of ``rows`` that is there."""
    return next(row for row in rows if row is not None)


def target_cost(row: Row, end: str = "median") -> str:
    """A cost of a target, infinity, or that it is never reached at all."""
    if row["misses"] == row["n"]:
        return "never" if end == "median" else ""
    shown = next(shown for cost, _, shown in COSTS if cost == row["cost"])
    return INFINITE if row[end] is None else shown(row[end])


def target_ends(row: Row) -> str:
    """The interval of a target's cost; empty where every seed misses, a dash where there are too few for one."""
    if row["misses"] == row["n"]:
        return ""
    if row["ci_low"] is None and row["ci_high"] is None and row["median"] is not None:
        return NONE
    return f"{target_cost(row, 'ci_low')} to {target_cost(row, 'ci_high')}"


def speedup_words(row: Row) -> tuple[str, str]:
    """How many times sooner than full training, and the interval of that."""
    found = row["speedup"]
    if row["role"] == "full" or not found or row["misses"] == row["n"]:
        return NONE, ""
    ends = [found[end] for end in ("median", "ci_low", "ci_high")]
    shown = [INFINITE if end is None else ratio(end) if end else "0" for end in ends]
    return shown[0], f"{shown[1]} to {shown[2]}"


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
