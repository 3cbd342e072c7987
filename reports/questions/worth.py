"""Should I select my training images? The declared contrasts at equal cost, as one line of advice.

A difference counts where its whole interval lies on one side, at the level that its verdict was read at. Where full
training is not at its plateau, or diverged, there is no advice: training less would then lose for that reason alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..document.numbers import plural
from ..document.panels import Panel, Row, at_equal_cost, panels_of
from ..effects.estimate import Estimate, Estimates
from ..effects.looks import DECIDED
from ..effects.training import HALF
from ..effects.verdicts import INCONCLUSIVE, INFERIOR, SUPERIOR, WORSE, WORSE_WITHIN
from ..records.folder import Results
from .answer import Answer, Study, Summary

DIFFERENCE, SHARE = "accuracy difference at equal cost", "cost against full training"
LOSES = frozenset({INFERIOR, WORSE, WORSE_WITHIN})
MOST = 100  # seeds beyond which the message names no number: nobody would run them


class Worth(Study):
    """Whether the best rule is better than training for less on everything, on the matrix's first data set."""

    def answer(self, results: Results, summary: Summary) -> Answer:
        panel = next(panels_of(summary))
        rows = at_equal_cost(panel.contrasts, summary["matrix"]["pays"])
        judged = [row for row in rows if row["ci_low"] is not None]
        found = _estimates(summary, panel, judged)
        said, enough = _sentence(results, summary, panel, judged)
        columns = {"cost, full training = 1": SHARE, "points against training for the same cost": DIFFERENCE}
        table = found.table("Rules, the best first", ("strategy",), {**columns, "verdict": _verdict})
        return Answer(said, enough, found.quantities(), (table,) if judged else (), notes=tuple(_notes(summary)))


def _sentence(results: Results, summary: Summary, panel: Panel, rows: Sequence[Row]) -> tuple[str, bool]:
    """The advice, and whether there is any."""
    if trouble := untrained(summary):
        return f"No verdict: {trouble[0].lower()}{trouble[1:]}", False
    whole = [row for row in rows if row["primary"]]
    if not rows or len(whole) < len(rows):
        asked, done = len(results.matrix.seeds), min((row["n_pairs"] for row in rows), default=0)
        more = _minutes(results, max(1, asked - done))
        return f"No verdict yet: {done} of this look's {asked} seeds are done; the others take {more}.", False
    best, rules = rows[0], "the only rule" if len(rows) == 1 else f"the best of {len(rows)} rules"
    low, high = best["ci_low"], best["ci_high"]
    cut = f"training {_long(panel, best, summary)} on everything"
    if best["verdict"] == SUPERIOR:
        return f"Select with {best['strategy']}: it gains {_span(low, high)} points over {cut}.", True
    if all(row["verdict"] in LOSES for row in rows):
        return (
            f"Do not use selection here: {rules} ({best['strategy']}) loses {_span(-high, -low)} points against {cut}.",
            True,
        )
    between = f"{rules} ({best['strategy']}) lies between {_signed(low)} and {_signed(high)} points of {cut}"
    if all(row["verdict"] in DECIDED for row in rows):
        return f"Selection shows no gain here: {between}.", True
    return f"Open: {between}; {_to_settle(results, rows)}.", False


def untrained(summary: Summary) -> str:
    """What is wrong with full training itself; empty where nothing is."""
    gains = [gain for gain in summary["training"]["gains"] if not gain["plateau"]]
    fallen = [arm for arm in summary["training"]["diverged"] if (arm["role"], arm["rung"]) == ("full", 1.0)]
    return summary["training"]["said"][0] if gains or fallen else ""


def _to_settle(results: Results, rows: Sequence[Row]) -> str:
    """The seeds of the next look, or what the widest open interval would take, and their minutes."""
    n = rows[0]["n_pairs"]
    ahead = (rows[0].get("looks") or {}).get("next")
    if ahead is None:
        open_ = [row for row in rows if row["verdict"] in (INCONCLUSIVE, WORSE)]
        needed = [row["seeds_needed_measured"] or row["seeds_needed"] or math.inf for row in open_]
        ahead = max(needed, default=math.inf)
        if ahead > MOST:
            return f"more than {MOST} seeds would be needed to settle it"
        return f"{ahead} seeds in a new folder, {_minutes(results, int(ahead))}, should settle it"
    return f"{ahead - n} more seeds, {_minutes(results, ahead - n)}, may settle it"


def _minutes(results: Results, seeds: int) -> str:
    """Minutes of one worker that so many seeds take, by the mean run of each arm; artefacts are left out."""
    spent = 0.0
    for arm in results.matrix.arms.values():
        if cells := results.of(arm).values():
            spent += sum(phase.seconds for cell in cells for phase in cell.ledger.values()) / len(cells)
    return f"about {max(1, round(seeds * spent / 60))} minutes of one worker"


def _long(panel: Panel, row: Row, summary: Summary) -> str:
    share = _share(panel, row, summary)
    return (
        "for the same cost"
        if share is None
        else "half as long"
        if abs(share - HALF) < 0.05
        else f"{share:.2g} times as long"
    )


def _share(panel: Panel, row: Row, summary: Summary) -> float | None:
    arm = next(arm for arm in panel.arms if arm["key"] == row["arm"])
    pays = summary["matrix"]["pays"]
    return panel.relative_cost(arm, "total_flops", pays["account"]) if pays["cost"] == "total_flops" else None


def _span(low: float, high: float) -> str:
    """Two ends of one sign; 1 digit after the point below 10."""
    return f"{_digits(max(0.0, low))} to {_digits(high)}"


def _signed(value: float) -> str:
    return ("\u2212" if value < 0 else "+") + _digits(abs(value))


def _digits(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}".removesuffix(".0")


def _estimates(summary: Summary, panel: Panel, rows: Sequence[Row]) -> Estimates:
    found = Estimates()
    for row in rows:
        keys = {"dataset": row["dataset"], "strategy": row["strategy"], "rival": "full at equal cost"}
        ends = row["mean_difference"], row["ci_low"], row["ci_high"]
        one = Estimate(DIFFERENCE, keys, *ends, n=row["n_pairs"], confidence=row["confidence"], unit="points")
        found.append(one.noted(verdict=row["verdict"]))
        found.append(Estimate(SHARE, keys, _share(panel, row, summary)))
    return found


def _verdict(row: Estimates) -> str:
    found = row.one(DIFFERENCE)
    return "" if found is None else str(found.record["verdict"])


def _notes(summary: Summary) -> list[str]:
    """What training half as long costs by itself: the price of the simplest way to save."""
    gain = next(iter(summary["training"]["gains"]), None)
    if gain is None:
        return []
    ends = "" if gain["ci_low"] is None else f" (95 % interval {_signed(gain['ci_low'])} to {_signed(gain['ci_high'])})"
    seeds = plural(gain["n"], "seed")
    return [f"The second half of full training gains {_signed(gain['points'])} points{ends}, by {seeds}."]
