"""The three questions that every strategy answers, each contrast with its verdict as a row of the summary.

- ``accuracy``: against full training at equal passes. What does it cost in accuracy?
- ``picking``: against its uniform twin, at equal trained samples. Does the picking matter?
- ``pays``: at equal cost. Does it pay? Declared, it is asked against the cost twin, full training of the strategy's
  own cost in the declared account. Read off a budget ladder, in each account and kind of cost, it is exploratory, and
  so it is against the best budget no dearer. Seconds have verdicts by the timing pass alone.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .. import statistics
from ..records.analysis import declares
from ..records.folder import ACCOUNTS, COSTS, LADDERS, TIMED, Arm, Cell, Results
from ..records.matrix import same_data
from ..statistics import Array, Interval, ratio_interval
from .arm_facts import mean
from .classes import ByClass, behind
from .costs import Prices, ceiling
from .estimand import Estimand
from .images import Bits, correctness
from .looks import Design, Look
from .pairing import NO_TWIN, Pairs, Sample, rounded
from .verdicts import (
    INCONCLUSIVE,
    ONLY_HERE,
    P_VALUES,
    TOO_FEW_BLOCKS,
    UNTRAINED,
    Evidence,
    Verdict,
    decide,
    needs_timing,
)

MATCHED = 0.01
"""Numbers of trained samples that differ by no more than this share count as equal."""
_ENDS = ("ci_low", "ci_high")
SECONDARY_FROM = 20
"""Pairs from which the bootstrap interval is shown as well."""


class Paid:
    """What two arms cost, in each account and kind of cost; worked out where it is shown, since no verdict needs it."""

    def __init__(self, pairs: Pairs, asked: Estimand) -> None:
        self._pairs, self._arms = pairs, (asked.arm, asked.rival)
        self._known = asked.rival != asked.arm  # else its twin was not trained
        timed = self._found("marginal", "wall_clock")
        self.source = timed.source if timed else None  # of the seconds
        self.blocks = len(timed.blocks) if timed and timed.timed else 0  # of the timing pass behind these

    @cached_property
    def prices(self) -> dict[str, dict[str, Array | None]]:
        """``[2, runs]``; of a ladder, its top rung's."""
        found = {of: {cost: self._found(of, cost) for cost in COSTS} for of in ACCOUNTS}
        return {of: {c: p.values if p and p.known else None for c, p in row.items()} for of, row in found.items()}

    @cached_property
    def ratios(self) -> dict[str, dict[str, Interval | None]]:
        """Of mean costs, strategy / baseline; None where a cost is unknown."""
        priced = self.prices.items()
        return {of: {c: None if p is None else ratio_interval(*p) for c, p in row.items()} for of, row in priced}

    def _found(self, account: str, cost: str) -> Prices | None:
        return self._pairs.prices(self._arms, account, cost) if self._known else None


@dataclass(frozen=True, eq=False, kw_only=True)
class Contrast(Sample):
    """One strategy (or, as context, ``uniform`` or ``full-all``) against one baseline, seed by seed."""

    question: str
    asked: Estimand
    primary: bool
    paid: Paid
    unequal: float = 0.0  # largest relative difference of trained samples, where they should be equal
    correct: tuple[Bits, Bits] | None  # which test images each side's runs have right, [seeds, images]
    undeclared: str  # why it is exploratory though it was declared
    look: Look | None  # that a primary contrast is judged at

    @property
    def arm(self) -> Arm:
        return self.asked.arm

    @property
    def indication(self) -> bool:
        """Whether it is at equal seconds of ordinary cells, which carry no verdict."""
        return self.asked.cost == "wall_clock" and self.source != TIMED

    @property
    def baseline(self) -> str:
        return self.asked.against


def contrasts(pairs: Pairs, wanted: Callable[[str, Estimand], bool] = lambda question, asked: True) -> list[Contrast]:
    """Every contrast of a results folder that is ``wanted``, in the order of data sets and arms.

    Exploratory contrasts without a single pair are left out; declared primary ones never are.
    """
    results, paid = pairs.results, dict[tuple[str, str], Paid]()
    design = Design(results)
    rows: list[Contrast] = []
    for dataset in results.matrix.datasets:
        for arm in results.arms(dataset=dataset):
            for question, asked in _asked(results, arm):
                if not wanted(question, asked):
                    continue
                declared = _primary(results, question, asked)
                why = design.exploratory(dataset, asked.arms) if declared else ""
                primary, look = declared and not why, design.look(dataset) if declared and not why else None
                sample, key = pairs.sample(asked, timed=declared), (arm.key, asked.rival.key)
                if key not in paid:
                    paid[key] = Paid(pairs, asked)
                known = dict(vars(sample))
                if sample.source is None:
                    known |= {"source": paid[key].source, "blocks": paid[key].blocks}
                if question == "picking":
                    known["unequal"] = _unequal_samples(pairs.cells(arm, asked.rival).values())
                    known["notes"] += (_unequal(known["unequal"]),) if known["unequal"] else ()
                known["correct"] = correctness(results, asked, sample.seeds)
                known["notes"] += _at_edge(results, asked) + ((why,) if why else ())
                known |= {"primary": primary, "undeclared": why, "look": look}
                rows.append(Contrast(**known, question=question, asked=asked, paid=paid[key]))
    return [row for row in rows if row.seeds or row.primary]


def _asked(results: Results, arm: Arm) -> Iterator[tuple[str, Estimand]]:
    whole = [rung for rung in results.ladder(arm.dataset, "full") if rung.rung == 1.0]
    if whole and (arm.role in ("strategy", "full-all") or (arm.role == "uniform" and arm.rung == 1.0)):
        yield "accuracy", Estimand("accuracy", arm, (whole[0],))
    if arm.role != "strategy":
        return
    if arm.twin:
        yield "picking", Estimand("accuracy", arm, (results.matrix.arms[arm.twin],))
    pays = results.matrix.pays
    for name in LADDERS:
        twin = results.cost_twin(arm, name)
        equal = "cost twin" if name == "full" else "uniform cost twin"
        if twin or (
            name == "full" and declares(results.matrix.analysis, arm.label, "pays", arm.dataset, arm.reference)
        ):
            # Where a declared twin is missing there are no pairs; the contrast counts in its family all the same.
            yield "pays", Estimand("accuracy", arm, (twin or arm,), pays.account, pays.cost, equal=equal)
    if (rungs := results.ladder(arm.dataset, "full")) and pays.cost != "wall_clock":
        yield "pays", Estimand("accuracy", arm, rungs, pays.account, pays.cost, "best")
    for ladder in LADDERS:
        if rungs := results.ladder(arm.dataset, ladder):
            for account in ACCOUNTS:
                for cost in COSTS:
                    yield "pays", Estimand("accuracy", arm, rungs, account, cost, ladder)


def _primary(results: Results, question: str, asked: Estimand) -> bool:
    if question == "pays" and asked.equal != "cost twin":
        return False
    arm = asked.arm
    declared = declares(results.matrix.analysis, arm.label, question, arm.dataset, arm.reference)
    return arm.role == "strategy" and declared


def _unequal_samples(pairs: Iterable[tuple[Cell, ...]]) -> float:
    """By what share trained samples differ at most from the twin's, which promises as many."""
    return max((abs(a.picks.trained_samples / b.picks.trained_samples - 1) for a, b in pairs), default=0.0)


def _unequal(share: float) -> str:
    return f"trained samples differ by up to {rounded(100 * share)} %"


def _at_edge(results: Results, asked: Estimand) -> tuple[str, ...]:
    """An arm that was best at an end of the learning rates tried may be better beyond: its side is then too low."""
    grid = results.matrix.grid
    labels = dict.fromkeys(arm.label for arm in asked.arms if grid is not None and grid.at_edge(arm))
    return (f"best at an end of the learning rates tried: {', '.join(labels)}",) if labels else ()


def verdicts(results: Results, found: Sequence[Contrast]) -> list[Verdict]:
    """The verdict on each contrast, in the order given.

    The primary contrasts on the same data are judged as one family, each other one alone.
    """
    alpha, interval = results.matrix.alpha, results.matrix.interval
    decisions: dict[int, Verdict] = {}
    families = [
        [i for i, row in enumerate(found) if row.primary and row.arm.dataset in names]
        for names in same_data(results.matrix)
    ]
    for family in [*families, *([i] for i, row in enumerate(found) if not row.primary)]:
        evidence = [
            Evidence(
                *(of.differences, results.matrix.datasets[of.arm.dataset].margin, of.collapsed),
                image_error=None if (bits := of.correct) is None else statistics.image_error(*bits),
                keys={**of.asked.keys, "question": of.question},
                price=of.price,
                outside=bool(of.above or of.below) if of.asked.ladder in LADDERS else None,
            )
            for of in (found[i] for i in family)
        ]
        look = found[family[0]].look if family else None
        primary, level = family in families, look.level if look else alpha
        judged = decide(evidence, level, primary=primary, interval=interval, scope=results.matrix.scope)
        decisions.update(zip(family, judged, strict=True))
    named = {dataset: request.source for request in results.matrix.requests for dataset in request.datasets}
    for i, row in enumerate(found):
        if NO_TWIN in row.notes:
            decisions[i] = decisions[i].withheld(UNTRAINED)
        elif row.indication:
            decisions[i] = decisions[i].withheld(needs_timing(shlex.quote(named[row.arm.dataset])))
        elif row.unequal > MATCHED:
            decisions[i] = decisions[i].withheld(f"no verdict: {_unequal(row.unequal)}")
        elif (
            row.price
            and decisions[i].verdict == INCONCLUSIVE
            and row.price.error > (decisions[i].sd or 0.0) / len(row.seeds) ** 0.5
        ):
            decisions[i] = decisions[i].withheld(TOO_FEW_BLOCKS)
    return [decisions[i] for i in range(len(found))]


def contrast_rows(results: Results, found: Sequence[Contrast]) -> list[dict[str, Any]]:
    ceilings = {key: mean([ceiling(cell) for cell in results.of(key).values()]) for key in results.matrix.arms}
    judged, by_class = zip(found, verdicts(results, found), strict=True), ByClass(results)
    return [_row(results, row, verdict, ceilings[row.arm.key], by_class) for row, verdict in judged]


def _row(results: Results, row: Contrast, decision: Verdict, ceiling: float | None, by: ByClass) -> dict[str, Any]:
    n, asked, worst_class = len(row.seeds), row.asked, by.difference(row.asked, decision.confidence)
    worst = int(np.argmin(row.differences)) if n else None
    return {
        "dataset": row.arm.dataset,
        "reference": row.arm.reference,
        "strategy": row.arm.label,
        "arm": row.arm.key,
        "question": row.question,
        "baseline": row.baseline,
        "baseline_arm": "" if asked.ladder or asked.rival == asked.arm else asked.rival.key,
        "primary": row.primary,
        **({"undeclared": row.undeclared} if row.undeclared else {}),
        **({} if row.look is None else {"looks": vars(row.look)}),
        "metric": "test_accuracy",
        "account": asked.account,
        "cost": asked.cost,
        "ladder": asked.ladder,
        "n_pairs": n,
        "mean_difference": decision.value,
        "confidence": decision.confidence,
        "interval": results.matrix.interval,
        "ci_low": decision.low,
        "ci_high": decision.high,
        "sd": decision.sd,
        **_second_opinions(results, row, decision),
        **_image_by_image(row),
        "both_errors": None if decision.both_errors is None else dict(zip(_ENDS, decision.both_errors, strict=True)),
        **{name: getattr(decision, name) for name in P_VALUES},
        "margin": results.matrix.datasets[row.arm.dataset].margin,
        "verdict": decision.verdict,
        "note": "; ".join(
            (
                *row.notes,
                *((f"{decision.seen} {ONLY_HERE}",) if decision.seen else ()),
                *behind(decision.verdict, decision.low, worst_class),
            )
        ),
        "worst_seed": None if worst is None else {"seed": row.seeds[worst], "difference": row.differences[worst]},
        "worst_class": worst_class,
        "collapsed": row.collapsed,
        "beyond_ladder": (row.above + row.below) / n if asked.ladder in LADDERS and n else None,
        "above_ladder": row.above,
        "timing": {"source": row.source, "blocks": row.blocks},
        "costs": {
            account: {cost: ends(value, "ratio") for cost, value in of.items()}
            for account, of in row.paid.ratios.items()
        },
        "ceiling": ceiling,
    }


def _second_opinions(results: Results, row: Contrast, decision: Verdict) -> dict[str, Any]:
    """What stands beside the paired interval: how well pairing worked, the other intervals, the power."""
    n, confidence = len(row.seeds), decision.confidence
    related = statistics.correlation(row.ours, row.theirs) if n else None
    unpaired = bootstrap = needed = measured = smallest = None
    if related is not None and abs(related) < 0.1:
        unpaired = statistics.welch_interval(row.ours, row.theirs, confidence)
    if n >= SECONDARY_FROM:
        bootstrap = statistics.bca_interval((row.differences,), statistics.mean_of, confidence)
    if decision.sd is not None:
        level, margin = (1 - confidence) / 2, results.matrix.datasets[row.arm.dataset].margin
        needed = statistics.pairs_needed(decision.sd, margin, alpha=level)
        measured = statistics.pairs_needed(decision.sd, abs(float(row.differences.mean()) + margin), alpha=level)
        smallest = statistics.smallest_margin(decision.sd, n, alpha=level)
    return {
        "correlation": related,
        "unpaired": ends(unpaired),
        "bca": ends(bootstrap),
        "seeds_needed": needed,  # where there is no true difference
        "seeds_needed_measured": measured,  # to tell on which side of the margin it lies, where it is the measured one
        "smallest_margin": smallest,
    }


def _image_by_image(row: Contrast) -> dict[str, Any]:
    """The error that the test images give (in points), and each seed's McNemar test; None where they are not known."""
    if row.correct is None:
        return {"sampling_error": None, "mcnemar": None}
    ours, theirs = row.correct
    tests = zip(row.seeds, statistics.mcnemar(ours, theirs), strict=True)
    return {
        "sampling_error": statistics.sampling_error(list(ours), list(theirs)),
        "mcnemar": [{"seed": seed, **test._asdict()} for seed, test in tests],
    }


def ends(value: Interval | None, name: str = "") -> dict[str, float] | None:
    """The ends of an interval as the summary has them, after the estimate where that has a ``name``."""
    if value is None:
        return None
    return {**({name: value.estimate} if name else {}), **dict(zip(_ENDS, (value.low, value.high), strict=True))}
