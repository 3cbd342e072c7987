"""Claims and their tests in words: plain text, made of the file's own words and of numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...document.numbers import ACCOUNT_WORDS, COST_WORDS
from ...effects.estimand import IN_POINTS, LADDERS, Test
from ...effects.verdicts import CONTRADICTED, NOT_RUN, SUPPORTED, Item, Threshold, Verdict
from ...statistics import fewest_pairs, pairs_needed
from .schema import Claim

MOST_SEEDS = 10_000


def sentence(test: Test, threshold: Threshold) -> str:
    """``gstds (sigmoid) against full on flowers: difference in test accuracy above -1.5 points``."""
    at = ""
    if test.cost and test.account:
        at = f"{COST_WORDS[test.cost]} ({ACCOUNT_WORDS.get(test.account, test.account)})"
    quantity = {
        "accuracy": "difference in test accuracy",
        "worst class": "difference in test accuracy on the classes that are worst under full training",
        "ratio of accuracies": "test accuracy as a multiple of the baseline's",
        "cost ratio": f"ratio of {at}, the baseline's over its own,",
        "cost to target": f"ratio of {at} to the target, the baseline's over its own,",
        "spread ratio": "SD over seeds as a multiple of the baseline's",
        "study": test.quantity,
    }[test.metric]
    if test.baseline in LADDERS:
        quantity = f"{quantity} at equal {at}"
    relation = ("at least", "at most", "above", "below")[2 * (not threshold.reached) + (not threshold.above)]
    unit = _points(threshold.value) if test.metric in IN_POINTS and threshold.value else ""
    bound = f"{threshold.value:g}{unit}"
    if math.isnan(threshold.value):  # of a data set that is not at hand
        bound = "the margin" if test.hypothesis == "no gain" else "minus the margin"
    return f"{test.strategy} against {test.against} on {test.dataset}: {quantity} {relation} {bound}"


def value(test: Test, reading: Verdict) -> str:
    """``−0.52 points (90 % interval −0.90 to −0.14, n = 8)``."""
    unit = _points(reading.value or 0.0) if test.metric in IN_POINTS else ""
    shown = f"{100 * reading.confidence:.3g} % interval {reading:ends}"
    if reading.low is reading.high is None:
        shown = "no interval"
    return f"{reading:value}{unit} ({shown}, n = {reading.n})"


def _points(number: float) -> str:
    return " point" if abs(number) == 1 else " points"


def reason(claim: Claim, verdict: str, items: Sequence[Item], readings: Sequence[Verdict]) -> str:
    texts = [sentence(test, item.threshold) for test, item in zip(claim.tests, items, strict=True)]
    if verdict == SUPPORTED:
        passed = [case for case in claim.cases if all(readings[i].verdict == SUPPORTED for i in case)]
        if claim.kind == "all":
            return f"all {len(items)} tests passed" if len(items) > 1 else "its test passed"
        names = [claim.tests[case[0]].case or texts[case[0]] for case in passed]
        return f"{len(passed)} of {len(claim.cases)} cases passed, after Holm: {'; '.join(names)}"
    if verdict == CONTRADICTED:
        shown = [text for text, reading in zip(texts, readings, strict=True) if reading.verdict == CONTRADICTED]
        return f"excluded by the whole interval: {'; '.join(shown)}"
    absent = sum(reading.verdict == NOT_RUN for reading in readings)
    parts = [f"{absent} of {len(items)} tests were not run at the claim's conditions"] if absent else []
    for text, reading in zip(texts, readings, strict=True):
        if reading.verdict not in (SUPPORTED, CONTRADICTED, NOT_RUN):
            parts.append(f"{text}: {reading.verdict}")
    return "; ".join(parts)


def to_decide(claim: Claim, items: Sequence[Item], readings: Sequence[Verdict], alpha: float) -> str:
    """What an open claim would take, from the numbers at hand."""
    parts = []
    for test, item, reading in zip(claim.tests, items, readings, strict=True):
        if reading.verdict in (SUPPORTED, CONTRADICTED):
            continue
        if reading.verdict == NOT_RUN:
            parts.append(run(claim, alpha))
        elif item.measure.collapsed:
            parts.append(f"{test.strategy} against {test.against}: runs that do not collapse")
        else:
            parts.append(f"{test.strategy} against {test.against}: {more(test, item, reading)}")
    return "; ".join(dict.fromkeys(filter(None, parts)))


def run(claim: Claim, alpha: float) -> str:
    """The command that runs a claim's matrix, or what is lacking for that."""
    if claim.needs:
        return claim.needs
    timed = any(test.cost == "wall_clock" for test in claim.tests)
    return f"selbench run {claim.matrix}" + (f" --timing {fewest_pairs(alpha, len(claim.cases))}" if timed else "")


def more(test: Test, item: Item, reading: Verdict) -> str:
    """How many pairs it takes, should estimate and spread stay as they are."""
    measure, threshold = item.measure, item.threshold.value
    pairs = "blocks of the timing pass" if test.metric == "cost ratio" else "seeds"
    if not item.tells(reading.level):
        return reading.verdict
    assert measure.estimate is not None
    if measure.sd is not None:
        gap = abs(measure.estimate - threshold)
        needed = pairs_needed(measure.sd, gap, alpha=reading.level, most=MOST_SEEDS)
    elif test.metric == "study":
        return _more_of_all(measure.estimate, threshold, (reading.low, reading.high))
    else:
        needed = _by_width(measure.estimate, threshold, (reading.low, reading.high), measure.n)
    if needed is None or needed > MOST_SEEDS:
        return f"more than {MOST_SEEDS:,} {pairs}: the estimate lies on the threshold"
    return f"about {max(needed, measure.n + 1):,} {pairs}, if estimate and spread stay as they are"


def _by_width(estimate: float, threshold: float, ends: tuple[float | None, float | None], n: int) -> int | None:
    """Pairs at which a ratio's interval, narrowing by their square root on the log scale, reaches the threshold."""
    end = ends[0] if estimate > threshold else ends[1]
    if not all(x is not None and 0 < x < math.inf for x in (estimate, threshold, end)) or estimate == threshold:
        return None
    assert end is not None
    return math.ceil(n * (math.log(estimate / end) / math.log(estimate / threshold)) ** 2)


def _more_of_all(estimate: float, threshold: float, ends: tuple[float | None, float | None]) -> str:
    """How many times the runs a study's interval, narrowing by their square root, takes to leave the threshold."""
    end = ends[0] if estimate > threshold else ends[1]
    if end is None:
        return "an interval, which takes more runs"
    if estimate == threshold or (times := ((estimate - end) / (estimate - threshold)) ** 2) > MOST_SEEDS:
        return f"more than {MOST_SEEDS:,} times the runs: the estimate lies on the threshold"
    return f"about {max(times, 1.1):.2g} times the runs, if estimate and spread stay as they are"
