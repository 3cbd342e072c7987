"""Over several data sets: each contrast's mean effect, costs, and how often the strategy wins; and the ranks of arms.

Data sets count alike and are fixed: what is found speaks of these data sets, not of others. It is exploratory
unless the contrast was declared as primary, and carries no verdict either way: verdicts are given data set by data
set, at margins of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import statistics
from ..records.folder import ACCOUNTS, COSTS, Results
from ..records.matrix import same_data
from .arm_facts import CONFIDENCE
from .contrasts import Contrast, Paid, ends
from .pairing import Pairs

Row = Mapping[str, Any]
_Pair = tuple[Contrast, Row]


def pool(results: Results, found: Sequence[Contrast], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Each contrast that at least two data sets have, pooled over them.

    One data set under several settings is no sample of several: nothing is pooled over it.
    """
    groups: dict[tuple[str | None, ...], list[_Pair]] = {}
    for pair in zip(found, rows, strict=True):
        row, asked = pair[0], pair[0].asked
        arm = row.arm
        key = (arm.reference, arm.label, arm.role, row.question, asked.account, asked.cost, asked.ladder, asked.equal)
        groups.setdefault(key, []).append(pair)
    costs: dict[tuple[int, ...], dict[str, Any]] = {}
    return [
        _pooled(results, group, used, costs)
        for group in groups.values()
        if len(used := [(of, row) for of, row in group if len(of.seeds) > 1 and not of.indication]) > 1
        and unlike(results, [contrast.arm.dataset for contrast, _ in used])
    ]


def unlike(results: Results, names: Sequence[str]) -> bool:
    """Whether all are data sets of their own, no two the same images under two settings."""
    return all(len({*group} & {*names}) <= 1 for group in same_data(results.matrix))


def _pooled(
    results: Results, group: Sequence[_Pair], used: Sequence[_Pair], costs: dict[tuple[int, ...], dict[str, Any]]
) -> dict[str, Any]:
    contrasts = [contrast for contrast, _ in used]
    shown = ("dataset", "n_pairs", "mean_difference", "ci_low", "ci_high", "verdict")
    paid = [contrast.paid for contrast in contrasts]
    if (key := tuple(map(id, paid))) not in costs:  # contrasts of the same arms share theirs
        costs[key] = _costs(paid)
    first, primary = contrasts[0], all(contrast.primary for contrast, _ in group)
    differences = [contrast.differences for contrast in contrasts]
    confidence = 1 - 2 * results.matrix.alpha
    effect = statistics.fixed_effect(differences, confidence)
    better = statistics.probability_of_improvement(differences, CONFIDENCE)
    named = {contrast.arm.dataset for contrast in contrasts}
    sources = {of.source for of in paid}
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
        "datasets": [{name: row[name] for name in shown} for _, row in used],
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
        "costs": costs[key],
        "timing": {"source": sources.pop() if len(sources) == 1 else None, "blocks": min(c.blocks for c in contrasts)},
    }


def _iqm(contrasts: Sequence[Contrast]) -> dict[str, Any]:
    """Interquartile means over seeds of accuracy (percent) and of paired differences, averaged over data sets."""
    ours, theirs = [c.ours for c in contrasts], [c.theirs for c in contrasts]
    strategy, baseline, difference = statistics.iqm_interval(ours, theirs, CONFIDENCE)
    return {"strategy": strategy, "baseline": baseline, **(ends(difference, "difference") or {})}


def _costs(paid: Sequence[Paid]) -> dict[str, dict[str, dict[str, float] | None]]:
    """Geometric means over data sets of the ratios of cost.

    None where the ratio of one data set is unknown: a mean over the others would be of something else.
    """
    timed_alike = len({of.source for of in paid}) == 1

    def ratio(account: str, cost: str) -> dict[str, float] | None:
        pairs = [(prices[0], prices[1]) for of in paid if (prices := of.prices[account][cost]) is not None]
        if len(pairs) < len(paid) or (cost == "wall_clock" and not timed_alike):
            return None
        return ends(statistics.geometric_ratio_interval(pairs, CONFIDENCE), "ratio")

    return {account: {cost: ratio(account, cost) for cost in COSTS} for account in ACCOUNTS}


FEWEST_ARMS = 3
"""Two arms are a contrast, and have a verdict of their own."""


def ranks(pairs: Pairs) -> dict[str, Any] | None:
    """Mean ranks of the main arms over the data sets, best first; None with fewer than two data sets or three arms.

    None as well where one data set stands under several settings, which is no sample of data sets.

    Every strategy and reference that all data sets have takes part, with ``full`` and ``uniform`` at the whole
    budget. The score on a data set is the mean accuracy over the seeds that all of them have there. Friedman's
    test and Nemenyi's critical distance are given from :data:`statistics.FEWEST_DATASETS` data sets on.
    """
    results = pairs.results
    datasets = list(results.matrix.datasets)
    if not unlike(results, datasets):
        return None
    roles = ("strategy", "full", "uniform")
    names = [
        {
            (arm.label, arm.reference): arm
            for arm in results.arms(dataset=dataset)
            if arm.rung == 1.0 and arm.role in roles and results.of(arm)
        }
        for dataset in datasets
    ]
    common = [name for name in names[0] if all(name in of for of in names)]
    if len(common) < FEWEST_ARMS:
        return None
    runs = [pairs.cells(*(of[name] for name in common)).values() for of in names]
    scores = [
        [float(np.mean([run.accuracy for run in of])) for of in zip(*cells, strict=True)] for cells in runs if cells
    ]
    if len(scores) < 2:
        return None
    alpha = results.matrix.alpha
    found = statistics.friedman(scores, alpha)
    order = np.argsort(found.mean_ranks, kind="stable").tolist()
    enough = len(scores) >= statistics.FEWEST_DATASETS
    best_first = found.mean_ranks[order]
    return {
        "datasets": len(scores),
        "needed": statistics.FEWEST_DATASETS,
        "statistic": found.statistic if enough else None,
        "p": found.p if enough else None,
        "critical_distance": found.critical_distance if enough else None,
        "alpha": alpha,
        "arms": [
            {"label": common[at][0], "reference": common[at][1], "mean_rank": rank}
            for at, rank in zip(order, best_first.tolist(), strict=True)
        ],
        "cliques": statistics.cliques(best_first, found.critical_distance) if enough else [],
    }
