"""What several data sets say together: which pooled effects are drawn, and what the page says of ranks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..numbers import COST_WORDS, NONE, interval, level, points, ratio, share
from ..panels import Report, Row

_DRAWN = 60
"""Most rows of a pooled forest."""

_UNDECLARED = 6
"""Most strategies drawn for a question on which nothing was declared."""


def pooled_asked(report: Report, question: str) -> list[Row]:
    """The pooled contrasts of one question, at equal cost the declared one: declared first, then the best."""
    rows = [row for row in report.summary["pooled"] if row["question"] == question]
    if question == "pays":
        rows = [row for row in rows if (row["account"], row["cost"], row["ladder"]) == report.pays]
    infinite = float("inf")

    def place(row: Row) -> tuple[bool, float]:
        mean = row["mean_difference"]
        return (not row["primary"], infinite if mean is None else -mean)

    return sorted(rows, key=place)


def pooled_drawn(report: Report, question: str) -> list[Row]:
    """Those of them that the figure shows: the declared ones, or the best few where none was declared."""
    known = [row for row in pooled_asked(report, question) if row["mean_difference"] is not None]
    chosen = [row for row in known if row["primary"]] or known[:_UNDECLARED]
    kept: list[Row] = []
    for row in chosen:
        if sum(len(other["datasets"]) + 1 for other in (*kept, row)) <= _DRAWN:
            kept.append(row)
    return kept


def pooled_cells(report: Report, row: Row) -> Mapping[str, Any]:
    """The numbers of a pooled contrast as a table shows them."""
    chance, quartile = row["probability_of_improvement"], row["iqm"]
    account = report.pays[0]
    spent = (row["costs"] or {}).get(account) or {}
    return {
        "pooled": points(row["mean_difference"]),
        "interval": interval(row["ci_low"], row["ci_high"]),
        "level": NONE if row["confidence"] is None else level(row),
        "chance": share(chance and chance["estimate"]),
        "chance_interval": _ends(chance, share),
        "iqm": points(quartile and quartile["difference"]),
        "iqm_interval": interval(*(quartile and quartile[end] for end in ("ci_low", "ci_high"))),
        "costs": {cost: ratio((spent.get(cost) or {}).get("ratio")) for cost in COST_WORDS},
    }


def _ends(value: Row | None, shown: Any) -> str:
    if not value or value["ci_low"] is None or value["ci_high"] is None:
        return NONE
    return f"{shown(value['ci_low'])} to {shown(value['ci_high'])}"


def ranks_words(report: Report) -> str:
    """What the page says of ranks: how many data sets they would need, or what Friedman's test found."""
    ranks = report.summary["ranks"]
    if not ranks:
        return ""
    if ranks["critical_distance"] is None:
        return f"Ranks are tested from {ranks['needed']} data sets on; this report has {ranks['datasets']}."
    different = ranks["p"] is not None and ranks["p"] < ranks["alpha"]
    found = "the strategies differ" if different else "no difference between the strategies was shown"
    return f"Friedman's test over {ranks['datasets']} data sets: {found}."
