"""Every contrast with its verdict, as a row of the summary: the interval and what else a reader may want beside it."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import statistics
from ..records.folder import TIMED, Results
from .arm_facts import mean
from .costs import ceiling
from .estimates import Contrast
from .verdicts import Decision, Evidence, decide, needs_timing

SECONDARY_FROM = 20
"""Pairs from which the bootstrap interval is shown as well."""

P_VALUES = ("p_noninferior", "p_superior", "p_equivalent", "p_sign_flip", "p_wilcoxon", "p_adjusted")


def judge(results: Results, found: Sequence[Contrast]) -> list[dict[str, Any]]:
    """A row of the summary for each contrast found in ``results``, in the order given.

    The primary contrasts of a data set are judged as one family, each other one alone.
    """
    alpha, interval = results.matrix.alpha, results.matrix.interval
    decisions: dict[int, Decision] = {}
    for name in results.matrix.datasets:
        family = [i for i, row in enumerate(found) if row.primary and row.arm.dataset == name]
        evidence = [_evidence(results, found[i]) for i in family]
        decisions.update(zip(family, decide(evidence, alpha, interval=interval), strict=True))
    for i, row in enumerate(found):
        if not row.primary:
            decisions[i] = decide([_evidence(results, row)], alpha, primary=False, interval=interval)[0]
    named = {dataset: request.source for request in results.matrix.requests for dataset in request.datasets}
    for i, row in enumerate(found):
        if row.cost == "wall_clock" and row.source != TIMED:
            decisions[i] = decisions[i].withheld(needs_timing(shlex.quote(named[row.arm.dataset])))
    ceilings = {key: mean([ceiling(cell) for cell in results.of(key).values()]) for key in results.matrix.arms}
    return [_row(results, row, decisions[i], ceilings[row.arm.key]) for i, row in enumerate(found)]


def _evidence(results: Results, row: Contrast) -> Evidence:
    return Evidence(row.differences, results.matrix.datasets[row.arm.dataset].margin, row.collapsed)


def _row(results: Results, row: Contrast, decision: Decision, ceiling: float | None) -> dict[str, Any]:
    n, margin = len(row.seeds), results.matrix.datasets[row.arm.dataset].margin
    worst = int(np.argmin(row.differences)) if n else None
    return {
        "dataset": row.arm.dataset,
        "reference": row.arm.reference,
        "strategy": row.arm.label,
        "arm": row.arm.key,
        "question": row.question,
        "baseline": row.baseline,
        "baseline_arm": row.baseline_arm,
        "primary": row.primary,
        "metric": "test_accuracy",
        "account": row.account,
        "cost": row.cost,
        "ladder": row.ladder,
        "n_pairs": n,
        "mean_difference": decision.mean,
        "confidence": decision.confidence,
        "interval": results.matrix.interval,
        "ci_low": _finite(decision.low),
        "ci_high": _finite(decision.high),
        "sd": decision.sd,
        **_second_opinions(results, row, decision),
        **_image_by_image(results, row),
        **{name: getattr(decision, name) for name in P_VALUES},
        "margin": margin,
        "verdict": decision.verdict,
        "note": "; ".join(row.notes),
        "worst_seed": None if worst is None else {"seed": row.seeds[worst], "difference": row.differences[worst]},
        "collapsed": row.collapsed,
        "beyond_ladder": (row.above + row.below) / n if row.question == "pays" and n else None,
        "above_ladder": row.above,
        "timing": {"source": row.source, "blocks": row.blocks},
        "costs": {account: {cost: ratio(value) for cost, value in of.items()} for account, of in row.costs.items()},
        "ceiling": ceiling,
    }


def _second_opinions(results: Results, row: Contrast, decision: Decision) -> dict[str, Any]:
    """What stands beside the paired interval: how well pairing worked, the other intervals, the power."""
    n, a, b = len(row.seeds), row.strategy_points, row.baseline_points
    related = statistics.correlation(a, b) if n else None
    unpaired = bootstrap = None
    if related is not None and abs(related) < 0.1:
        unpaired = statistics.welch_interval(a, b, decision.confidence)
    if n >= SECONDARY_FROM:
        bootstrap = statistics.bca_interval((row.differences,), statistics.mean_of, decision.confidence)
    level = (1 - decision.confidence) / 2
    margin = results.matrix.datasets[row.arm.dataset].margin
    needed = smallest = None
    if decision.sd is not None:
        needed = statistics.pairs_needed(decision.sd, margin, alpha=level)
        smallest = statistics.smallest_margin(decision.sd, n, alpha=level)
    return {
        "correlation": related,
        "unpaired": _ends(unpaired),
        "bca": _ends(bootstrap),
        "seeds_needed": needed,
        "smallest_margin": smallest,
    }


def _image_by_image(results: Results, row: Contrast) -> dict[str, Any]:
    """The error that the test images give (in points), and each seed's McNemar test.

    None against a ladder, which has no run of its own at that cost, and where the test sets are unlike.
    """
    pairs = []
    if row.baseline_arm:
        ours, theirs = results.of(row.arm), results.of(row.baseline_arm)
        pairs = [(ours[seed].correct, theirs[seed].correct) for seed in row.seeds]
    if len({bits.size for pair in pairs for bits in pair}) != 1:
        return {"sampling_error": None, "mcnemar": None}
    tests = [statistics.mcnemar(*pair) for pair in pairs]
    return {
        "sampling_error": statistics.sampling_error(*zip(*pairs, strict=True)),
        "mcnemar": [{"seed": seed, **test._asdict()} for seed, test in zip(row.seeds, tests, strict=True)],
    }


def _finite(value: float | None) -> float | None:
    """None for an end that does not exist, since so few pairs can reject nothing."""
    return value if value is not None and math.isfinite(value) else None


def ratio(value: statistics.Interval | None) -> dict[str, float] | None:
    return None if value is None else {"ratio": value.estimate, "ci_low": value.low, "ci_high": value.high}


def _ends(value: statistics.Interval | None) -> dict[str, float] | None:
    return None if value is None else {"ci_low": value.low, "ci_high": value.high}
