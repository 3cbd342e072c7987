"""Each claim with its verdict, from the results at hand.

Only runs that meet all of a claim's conditions have a say in its verdict; a test without such runs is "not run" and
still counts in Holm. Where no test has any, the claim is not run, and the runs there are, whatever their data set,
reference or scale, are judged in the same way to give an **indication**.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ...effects.estimand import Estimand, Studied, Test, estimand
from ...effects.measures import measure
from ...effects.pairing import Pairs
from ...effects.verdicts import INCONCLUSIVE, NOT_RUN, Item, Judgement, Threshold, Verdict, judge
from ...records.folder import Results
from . import wording
from .conditions import Condition, conditions
from .reading import Misread, read_claims
from .schema import Claim

OUT = "out of scope"
SHOWN = 3
"""Numbers that an indication quotes."""


def judge_claims(pairs: Pairs, studies: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """The ``claims`` of the summary: those of the package by id, then those in the results folder's ``claims/``.

    Parameters
    ----------
    pairs : Pairs
    studies : sequence of mappings
        The answers to the matrix's studies, as in the summary.

    Returns
    -------
    list of dict
        One for each claim, whatever the results hold.
    """
    judge_one = _Judge(pairs, studies)
    return [judge_one.row(claim) for claim in read_claims(pairs.results.path)[0]]


def unreadable_claims(results: Results) -> tuple[Misread, ...]:
    """Files in the results folder's ``claims/`` that :func:`judge_claims` left out, and why."""
    return tuple(read_claims(results.path)[1])


class _Judge:
    def __init__(self, pairs: Pairs, studies: Sequence[Mapping[str, Any]]) -> None:
        self.pairs, self.results, self.studies = pairs, pairs.results, studies
        self.accuracies = {name: _full_accuracy(pairs, name) for name in self.results.matrix.datasets}

    def row(self, claim: Claim) -> dict[str, Any]:
        """One entry of the summary."""
        if claim.scope == "out":
            return _row(claim, OUT, claim.reason)
        asked = [self.asked(claim, test) for test in claim.tests]
        arms = [arm for of in asked if not isinstance(of, str) for arm in of.arms if arm.reference]
        held = conditions(claim, self.results, {(arm.dataset, arm.reference) for arm in arms}, self.accuracies)
        unmet = {condition.dataset for condition in held if not condition.met}
        barred = bool(claim.needs) or "" in unmet
        items = [
            self.item(test, "not run at the claim's conditions" if barred or test.dataset in unmet else of)
            for test, of in zip(claim.tests, asked, strict=True)
        ]
        alpha = self.results.matrix.alpha
        found = judge(items, claim.cases, alpha)
        tests = [_test(*of) for of in zip(claim.tests, items, found.readings, strict=True)]
        if found.verdict == NOT_RUN:
            reason, lacking = _why_not(claim, asked, held), wording.run(claim, alpha)
            hint = self.indication(claim)
            return _row(claim, NOT_RUN, reason, conditions=held, tests=tests, indication=hint, to_decide=lacking)
        reason = wording.reason(claim, found.verdict, items, found.readings)
        lacking = wording.to_decide(claim, items, found.readings, alpha) if found.verdict == INCONCLUSIVE else ""
        return _row(claim, found.verdict, reason, conditions=held, tests=tests, to_decide=lacking)

    def asked(self, claim: Claim, test: Test) -> Estimand | Studied | str:
        if test.dataset not in self.results.matrix.datasets:
            return f"no runs on {test.dataset}"
        references = [test.reference] if test.reference else claim.conditions.references
        return estimand(self.results, test, references, self.studies)

    def item(self, test: Test, asked: Estimand | Studied | str) -> Item:
        """A test with its measure; ``asked`` may be the reason why there is none."""
        dataset = self.results.matrix.datasets.get(test.dataset)
        threshold = Threshold.of(test, dataset.margin if dataset else math.nan)
        return Item(threshold, measure(self.pairs, asked), collapse_spoils=test.metric == "spread ratio")

    def indication(self, claim: Claim) -> dict[str, str] | None:
        """What the runs at hand say of the claim, their conditions aside; None where they say nothing."""
        at_hand = list(self.results.matrix.datasets)
        if any(test.dataset in at_hand for test in claim.tests):
            return self._indication(claim)
        found = (self._indication(_moved(claim, name)) for name in at_hand)
        return next(filter(None, found), None)

    def _indication(self, claim: Claim) -> dict[str, str] | None:
        items = [self.item(test, self.asked(claim, test)) for test in claim.tests]
        found = judge(items, claim.cases, self.results.matrix.alpha)
        if found.verdict == NOT_RUN:
            return None
        return {"verdict": found.verdict, "text": self.told(claim, items, found)}

    def told(self, claim: Claim, items: Sequence[Item], found: Judgement) -> str:
        learner, datasets = self.results.matrix.learner, self.results.matrix.datasets
        parts = []
        for test, item, reading in zip(claim.tests, items, found.readings, strict=True):
            if item.measure.estimate is not None:
                named = test.model_copy(update={"dataset": datasets[test.dataset].title})
                claimed, measured = wording.sentence(named, item.threshold), wording.value(test, reading)
                parts.append(f"{claimed} claimed, {measured} measured")
        more = f"; and {len(parts) - SHOWN} more" if len(parts) > SHOWN else ""
        return f"With {learner.get('text', learner.get('name'))}: {'; '.join(parts[:SHOWN])}{more}"


def _full_accuracy(pairs: Pairs, dataset: str) -> float | None:
    """Mean test accuracy that full training reached, in percent."""
    ladder = pairs.results.ladder(dataset, "full")
    points = pairs.accuracy(ladder[-1]) if ladder else None
    return None if points is None or not points.size else float(points[0].mean())


def _why_not(claim: Claim, asked: Sequence[Estimand | Studied | str], held: Sequence[Condition]) -> str:
    if claim.needs:
        return f"this suite lacks: {claim.needs}"
    unmet = [f"{item.name}: {item.wanted} wanted, {item.found} found" for item in held if not item.met]
    parts = unmet or list(dict.fromkeys(of for of in asked if isinstance(of, str))) or ["no finished pair of runs"]
    return f"not run at the claim's conditions ({'; '.join(parts)})"


def _moved(claim: Claim, dataset: str) -> Claim:
    """The claim as if it were about another data set; tests that become the same count once."""
    tests: dict[str, Test] = {}
    for test in claim.tests:
        moved = test.model_copy(update={"dataset": dataset})
        tests.setdefault(repr(moved.model_copy(update={"case": ""})), moved)
    return claim.model_copy(update={"tests": list(tests.values())})


def _test(test: Test, item: Item, reading: Verdict) -> dict[str, Any]:
    return {
        "text": wording.sentence(test, item.threshold),
        **test.model_dump(include={"case", "dataset", "metric", "account", "cost", "hypothesis"}),
        "strategy": str(test.strategy),
        "baseline": test.against,
        "bound": item.threshold.value,
        "estimate": reading.value,
        **{name: getattr(reading, name) for name in ("low", "high", "confidence", "n", "verdict")},
        "collapsed": item.measure.collapsed,
        "note": item.measure.missing,
    }


def _row(
    claim: Claim,
    verdict: str,
    reason: str,
    *,
    conditions: Sequence[Condition] = (),
    tests: Sequence[dict[str, Any]] = (),
    indication: dict[str, str] | None = None,
    to_decide: str = "",
) -> dict[str, Any]:
    named = {"id", "title", "statement", "said", "kind", "matrix", "needs", "source", "unknown"}
    shown = ("name", "wanted", "found", "met")
    return {
        **claim.model_dump(include=named),
        "verdict": verdict,
        "reason": reason,
        "conditions": [{name: getattr(item, name) for name in shown} for item in conditions],
        "tests": list(tests),
        "indication": indication,
        "to_decide": to_decide,
    }
