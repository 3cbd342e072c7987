"""What several data sets say together: the cells of pooled contrasts, and what the page says of ranks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..numbers import COST_WORDS, NONE, interval, level, points, ratio, share
from ..panels import Report, Row


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
