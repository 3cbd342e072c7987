"""Cost to a target as rows of a table: FLOPs beside seconds, infinity by its sign, speed-ups over full training."""

from __future__ import annotations

from collections.abc import Sequence

from .targetplot import target_rows
from .view import Panel, Report, Row
from .wording import NONE, flops, ratio, seconds

INFINITE = "\u221e"
COSTS = (("total_flops", "FLOPs", flops), ("wall_clock", "seconds", seconds))


def target_table(report: Report, panel: Panel, account: str) -> list[Sequence[Row | None]]:
    """For each arm its target in FLOPs and in seconds, None where there is none."""
    by_cost = [{row["arm"]: row for row in target_rows(report, panel, account, cost)} for cost, *_ in COSTS]
    arms = dict.fromkeys(arm for of in by_cost for arm in of)
    return [[of.get(arm) for of in by_cost] for arm in arms]


def first_known(rows: Sequence[Row | None]) -> Row:
    """The first of ``rows`` that is there."""
    return next(row for row in rows if row is not None)


def target_cost(row: Row, end: str = "median") -> str:
    """A cost of a target, or infinity."""
    shown = next(shown for cost, _, shown in COSTS if cost == row["cost"])
    return INFINITE if row[end] is None else shown(row[end])


def target_ends(row: Row) -> str:
    """The interval of a target's cost; a dash where there are too few seeds for one."""
    if row["ci_low"] is None and row["ci_high"] is None and row["median"] is not None:
        return NONE
    return f"{target_cost(row, 'ci_low')} to {target_cost(row, 'ci_high')}"


def speedup_words(row: Row) -> tuple[str, str]:
    """How many times sooner than full training, and the interval of that."""
    found = row["speedup"]
    if row["role"] == "full" or not found:
        return NONE, ""
    shown = [INFINITE if found[end] is None else ratio(found[end]) for end in ("median", "ci_low", "ci_high")]
    return shown[0], f"{shown[1]} to {shown[2]}"


def reached_words(report: Report, panel: Panel) -> str:
    """In the declared account, which strategies reach the target for fewer FLOPs than full training, and which miss."""
    rows = [row for row in target_rows(report, panel, report.pays[0], "total_flops") if row["role"] == "strategy"]
    if not rows:
        return ""
    sooner = [row for row in rows if row["speedup"] and (row["speedup"]["median"] or 2) > 1 and row["median"]]
    missing = [row for row in rows if row["misses"]]
    text = f"{len(sooner)} of {len(rows)} strategies reached the target for fewer FLOPs than full training"
    return f"{text}; {len(missing)} missed it at some seed."
