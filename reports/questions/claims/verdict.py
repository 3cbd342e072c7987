"""Each claim with its verdict, from the results at hand.

Only runs that meet all of a claim's conditions have a say in its verdict; a test without such runs is "not run" and
still counts in Holm. Where no test has any, the claim is not run, and the runs there are, whatever their data set,
reference or scale, are judged in the same way to give an **indication**.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...effects.estimand import Estimand, Studied, Test, estimand
from ...effects.measures import measure
from ...effects.pairing import Pairs
from ...effects.verdicts import INCONCLUSIVE, NOT_RUN, Item, Judgement, Threshold, Verdict, judge
from ...records.folder import Dataset, Results
from . import wording
from .reading import Misread, read_claims
from .schema import Claim, DatasetCondition, Learner, Scale

OUT = "out of scope"
SHOWN = 3
"""Numbers that an indication quotes."""


def judge_claims(pairs: Pairs, studies: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """The ``claims`` of the summary: those of the package by id, then those in the results folder's ``claims/``."""
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
            return _row(claim, NOT_RUN, reason, held, tests=tests, indication=hint, to_decide=lacking)
        reason = wording.reason(claim, found.verdict, items, found.readings)
        lacking = wording.to_decide(claim, items, found.readings, alpha) if found.verdict == INCONCLUSIVE else ""
        return _row(claim, found.verdict, reason, held, tests=tests, to_decide=lacking)

    def asked(self, claim: Claim, test: Test) -> Estimand | Studied | str:
        if test.dataset not in self.results.matrix.datasets:
            return f"no runs on {test.dataset}"
        references = [test.reference] if test.reference else claim.conditions.references
        return estimand(self.results, test, references, self.studies)

    def item(self, test: Test, asked: Estimand | Studied | str) -> Item:
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


def _row(claim: Claim, verdict: str, reason: str, held: Sequence[Condition] = (), **more: Any) -> dict[str, Any]:
    named = {"id", "title", "statement", "said", "kind", "matrix", "needs", "source", "unknown"}
    shown = ("name", "wanted", "found", "met")
    conditions = [{name: getattr(item, name) for name in shown} for item in held]
    found = {"verdict": verdict, "reason": reason, "conditions": conditions}
    return {**claim.model_dump(include=named), **found, "tests": [], "indication": None, "to_decide": "", **more}


STANDARD_WIDTH = 64
"""What a learner has where the matrix does not say."""


@dataclass(frozen=True)
class Condition:
    name: str
    wanted: str
    found: str
    met: bool
    dataset: str = ""  # empty where it binds every test of the claim


def conditions(
    claim: Claim, results: Results, references: Iterable[tuple[str, str]], accuracies: Mapping[str, float | None]
) -> list[Condition]:
    names, matrix = list(dict.fromkeys(test.dataset for test in claim.tests)), results.matrix
    there = [matrix.datasets[name] for name in names if name in matrix.datasets]
    found: list[Condition] = []
    for learner in _unlike([of.learner or matrix.learner for of in there] or [matrix.learner]):
        found += _learner(claim.conditions.learner, learner)
    for budget in _unlike([of.budget or matrix.budget for of in there] or [matrix.budget], "batching"):
        if claim.conditions.batching:
            wanted, at_hand = claim.conditions.batching, str(budget.get("batching", "not said"))
            found.append(Condition("batching", wanted, at_hand, at_hand == wanted))
    read = set(references)
    for name in names:
        dataset = results.matrix.datasets.get(name)
        if dataset is None:
            found.append(Condition("data set", name, "none", False, name))
            continue
        found += _data(claim.conditions.datasets.get(name, DatasetCondition()), dataset, accuracies.get(name))
        found += _scale(claim.conditions.budget, dataset.budget or results.matrix.budget, dataset)
        allowed, guides = claim.conditions.references, sorted(reference for of, reference in read if of == name)
        if allowed and guides:
            text = f"reference on {dataset.title}"
            found.append(Condition(text, " or ".join(allowed), ", ".join(guides), set(guides) <= set(allowed), name))
    return found


def _unlike(tables: Iterable[Mapping[str, Any]], key: str = "") -> list[Mapping[str, Any]]:
    """Each table once, or each value of one key."""
    return list({repr(table.get(key) if key else sorted(table.items())): table for table in tables}.values())


def _learner(wanted: Learner, found: Mapping[str, Any]) -> Iterator[Condition]:
    start = {True: "pre-trained", False: "random weights", None: None}
    for name, want, have in (
        ("learner", wanted.name or None, found.get("name", "not said")),
        ("learner width", wanted.width, found.get("width", STANDARD_WIDTH)),
        ("learner starts from", start[wanted.pretrained], start[bool(found.get("weights") or found.get("pretrained"))]),
    ):
        if want is not None:
            yield Condition(name, str(want), str(have), want == have)


def _data(wanted: DatasetCondition, found: Dataset, reached: float | None) -> Iterator[Condition]:
    title, name = found.title, found.name
    train = found.pool + found.holdout + found.val
    sizes = (("training images", wanted.train, train), ("test images", wanted.test, found.test))
    for what, least, at_hand in (*sizes, ("resolution in pixels", wanted.resolution, found.resolution)):
        if least is not None:
            yield Condition(f"{what} of {title}", f"at least {least:,}", f"{at_hand:,}", at_hand >= least, name)
    if wanted.classes is not None:
        classes = len(found.classes)
        yield Condition(f"classes of {title}", str(wanted.classes), str(classes), classes == wanted.classes, name)
    if not wanted.lossy:
        words = ("lossy", "jpeg copy", "partial")  # a data set's own, where it is not the published one
        notes = (found.title, *found.note.split("; "))
        flaws = [note for note in notes if any(word in note.lower() for word in words)]
        yield Condition(f"pixels of {title}", "as published", "; ".join(flaws) or "as published", not flaws, name)
    if wanted.accuracy is not None:
        text = "not run" if reached is None else f"{reached:.1f} %"
        met = reached is not None and reached >= wanted.accuracy
        yield Condition(f"accuracy of full training on {title}", f"at least {wanted.accuracy:g} %", text, met, name)


def _scale(wanted: Scale, budget: Mapping[str, Any], dataset: Dataset) -> Iterator[Condition]:
    for kind in ("passes", "steps"):
        least, found = getattr(wanted, kind), budget.get(kind)
        if least is not None:
            text = f"{found:g}" if isinstance(found, int | float) else f"a budget in other terms than {kind}"
            met = isinstance(found, int | float) and found >= least
            yield Condition(f"{kind} of training on {dataset.title}", f"at least {least:g}", text, met, dataset.name)
