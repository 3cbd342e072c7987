"""One contrast over several data sets: the mean of its effects, its costs, and how often the strategy wins.

Data sets count alike and are fixed: what is found speaks of these data sets, not of others. It is exploratory
unless the contrast was declared as primary, and carries no verdict either way: verdicts are given data set by data
set, at margins of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import statistics
from ..records.folder import ACCOUNTS, COSTS, TIMED, Results
from .arm_facts import CONFIDENCE
from .contrasts import Contrast, Paid, ends

Row = Mapping[str, Any]
_Pair = tuple[Contrast, Row]


def pool(results: Results, found: Sequence[Contrast], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Each contrast that at least two data sets have, pooled over them.

    One data set under several settings is no sample of several: nothing is pooled over it.

    Parameters
    ----------
    results : Results
    found : sequence of Contrast
        All contrasts of the folder. Those with fewer than two pairs, and those at equal seconds of ordinary cells,
        are left out.
    rows : sequence of mappings
        Their rows of the summary, in the same order.
    """
    groups: dict[tuple[str | None, ...], list[_Pair]] = {}
    for pair in zip(found, rows, strict=True):
        row, asked = pair[0], pair[0].asked
        arm = row.arm
        key = (arm.reference, arm.label, arm.role, row.question, asked.account, asked.cost, asked.ladder)
        groups.setdefault(key, []).append(pair)
    costs = _Costs()
    return [
        _pooled(results, group, used, costs)
        for group in groups.values()
        if len(used := [pair for pair in group if _counts(pair[0])]) > 1
        and unlike(results, [contrast.arm.dataset for contrast, _ in used])
    ]


def unlike(results: Results, names: Sequence[str]) -> bool:
    """Whether all are data sets of their own, no two the same images under two settings."""
    prints = [results.matrix.datasets[name].fingerprint or name for name in names]
    return len(set(prints)) == len(prints)


def _counts(row: Contrast) -> bool:
    return len(row.seeds) > 1 and (row.asked.cost != "wall_clock" or row.source == TIMED)


def _pooled(results: Results, group: Sequence[_Pair], used: Sequence[_Pair], costs: _Costs) -> dict[str, Any]:
    contrasts = [contrast for contrast, _ in used]
    first, primary = contrasts[0], all(contrast.primary for contrast, _ in group)
    differences = [contrast.differences for contrast in contrasts]
    confidence = 1 - 2 * results.matrix.alpha
    effect = statistics.fixed_effect(differences, confidence)
    better = statistics.probability_of_improvement(differences, CONFIDENCE)
    named = {contrast.arm.dataset for contrast in contrasts}
    sources = {contrast.paid.source for contrast in contrasts}
    return {
        "reference": first.arm.reference,
        "strategy": first.arm.label,
        "question": first.question,
        "baseline": first.baseline,
        "account": first.asked.account,
        "cost": first.asked.cost,
        "ladder": first.asked.ladder,
        "primary": primary,
        "n_datasets": len(used),
        "datasets": [_effect(row) for _, row in used],
        "left_out": [name for name in results.matrix.datasets if name not in named],
        "collapsed": sum(contrast.collapsed for contrast in contrasts),
        "mean_difference": effect.estimate,
        "ci_low": effect.low,
        "ci_high": effect.high,
        "confidence": confidence,
        "df": effect.df,
        "p_superior": effect.p_superior,
        "probability_of_improvement": ends(better, "estimate"),
        # Against a ladder there is one contrast for each of its many prices: only the declared one is worth the time.
        "iqm": _iqm(contrasts) if primary or first.question != "pays" else None,
        "costs": costs.of(contrasts),
        "timing": {"source": sources.pop() if len(sources) == 1 else None, "blocks": min(c.blocks for c in contrasts)},
    }


def _effect(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in ("dataset", "n_pairs", "mean_difference", "ci_low", "ci_high", "verdict")}


def _iqm(contrasts: Sequence[Contrast]) -> dict[str, Any]:
    """Interquartile means of accuracy (percent) over all data sets and seeds together."""
    ours, theirs = [c.ours for c in contrasts], [c.theirs for c in contrasts]
    strategy, baseline, difference = statistics.iqm_interval(ours, theirs, CONFIDENCE)
    return {"strategy": strategy, "baseline": baseline, **(ends(difference, "difference") or {})}


class _Costs:
    """Geometric means over data sets of the ratios of cost; contrasts of the same arms share theirs."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, ...], dict[str, Any]] = {}

    def of(self, contrasts: Sequence[Contrast]) -> dict[str, Any]:
        paid = [contrast.paid for contrast in contrasts]
        key = tuple(map(id, paid))
        if key not in self._found:
            timed_alike = len({of.source for of in paid}) == 1
            self._found[key] = {
                account: {
                    cost: _mean_ratio(paid, account, cost) if cost != "wall_clock" or timed_alike else None
                    for cost in COSTS
                }
                for account in ACCOUNTS
            }
        return self._found[key]


def _mean_ratio(paid: Sequence[Paid], account: str, cost: str) -> dict[str, float] | None:
    """None where the ratio of one data set is unknown: a mean over the others would be of something else."""
    pairs = [prices for of in paid if (prices := of.prices[account][cost]) is not None]
    if len(pairs) < len(paid):
        return None
    return ends(statistics.geometric_ratio_interval([(ours, theirs) for ours, theirs in pairs], CONFIDENCE), "ratio")
