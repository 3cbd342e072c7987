"""How much does the reference matter? What a strategy gains, against how good the reference is that guides it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from pydantic import model_validator

from ..document.blocks import Chart, Series, Table
from ..document.numbers import plural
from ..effects.estimate import Estimate, Estimates, by_seed, interval_of, points_of
from ..effects.pairing import accuracies, apart, common
from ..records.folder import Arm, Cell, Results
from ..records.models import closure
from ..statistics import mean_interval
from ..statistics.samples import Array
from ..statistics.slopes import blocked_slope, off_the_line, predicted, range_of_items, spread_of_items
from .answer import Answer, ReferenceName, Several, StrategyName, Study, Summary, about, joined

LEAK = "LEAK"
"""How the description of a reference begins that was trained on the test images."""

FEWEST, APART = 3, 0.1
"""References on a line (two always lie on one), and points of accuracy between the worst and the best of them."""

BENEFIT, QUALITY, FULL = "benefit", "reference accuracy", "benefit over full training"
SLOPE, OFF = "benefit per 10 points of reference accuracy", "distance from the line"
SPREAD, RANGE = "spread of the benefit over references", "range of the benefit over references"

SERIES = {"line": "references", "none": "without information", "anomaly": "anomalies, no results"}
VERDICTS = {1: "better ones help more", -1: "better ones help less", 0: "whether better ones help more is open"}

NOTES = (
    "Benefit is accuracy less that of random picks of the same number at the same times. Accuracy of a reference is "
    "that on the pool: of a net trained here its own, of any other that of a cross-fitted probe on its features.",
    "The slope is fitted within each seed, and its interval is over seeds: it speaks of these references, which are no "
    "sample of any others.",
)


class References(Study):
    """The benefit of each strategy with each reference, over the reference's accuracy.

    A line is fitted to the references within each seed; its slope has Student's t interval over the seeds that have
    them all. Controls without information (``none``) and anomalies are left out of it and shown apart: an anomaly
    with its distance from the line, and whether it is outside the 95 % prediction interval for one more reference.
    A reference whose record says LEAK is an anomaly, named or not. A reference of the line that is outside the
    prediction interval of the others is said to be out of line, at 95 % for all of them together.

    Parameters
    ----------
    strategies : list of str
        Labels; all that read a reference by default.
    none : list of str
        References without information.
    anomalies : list of str
        References that are none.
    """

    strategies: Several[StrategyName] = ()
    none: Several[ReferenceName] = ()
    anomalies: Several[ReferenceName] = ("leak",)

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if both := sorted({*self.none} & {*self.anomalies}):
            raise ValueError(f"reference {both[0]!r} is in none and in anomalies: name it in one of them")
        return self

    def answer(self, results: Results, summary: Summary) -> Answer:
        """A table for each data set and strategy; the sentence is of the first that has a slope."""
        parts = []
        for name, dataset in results.matrix.datasets.items():
            arms = [arm for arm in results.arms(dataset=name, role="strategy") if arm.reference]
            for label in dict.fromkeys(arm.label for arm in arms):
                if label in (self.strategies or (label,)):
                    own = [arm for arm in arms if arm.label == label]
                    parts.append(_part(dataset.title, label, Estimates(self._estimates(results, own))))
        return joined(parts, "no strategy here was run with a reference")

    def _estimates(self, results: Results, arms: Sequence[Arm]) -> Iterator[Estimate]:
        """Benefit, quality, and benefit over full training with each reference, in the matrix's order."""
        full = next((arm for arm in results.ladder(arms[0].dataset, "full") if arm.rung == 1.0), None)
        for arm in arms:
            cells, ours = results.of(arm), accuracies(results, arm)
            mark = min((mark for cell in cells.values() if (mark := _mark(results, cell)).startswith(LEAK)), default="")
            kind = "none" if arm.reference in self.none else "line"
            kind = "anomaly" if mark or arm.reference in self.anomalies else kind
            keys = {"dataset": arm.dataset, "strategy": arm.label, "rival": arm.reference, "kind": kind, "mark": mark}
            known = {seed: _quality(results, cell) for seed, cell in cells.items()}
            quality = {seed: 100 * share for seed, share in known.items() if share is not None}
            yield by_seed(BENEFIT, keys, apart(ours, accuracies(results, arm.twin)), "points")
            yield by_seed(QUALITY, keys, quality, "percent")
            yield by_seed(FULL, keys, apart(ours, accuracies(results, full)), "points")


def _quality(results: Results, cell: Cell) -> float | None:
    """Accuracy of the reference that a cell read, in [0, 1]; None where its record has none."""
    there = (results.artefacts[id] for id in sorted(closure(cell.artefacts, results.artefacts) or ()))
    shares = (one.quality.get("accuracy") for one in there if (one.kind, one.name) == ("reference", cell.reference))
    return next((share for share in shares if share is not None and math.isfinite(share)), None)


def _mark(results: Results, cell: Cell) -> str:
    """What the record of a cell's reference says of where it is from."""
    made = (results.artefacts[id] for id in cell.artefacts if id in results.artefacts)
    return next((one.external for one in made if one.kind == "reference"), "")


_Pair = tuple[Estimate, Estimate]
"""A reference: what is gained with it and how good it is, each by seed."""


@dataclass(frozen=True)
class _Line:
    """A strategy's benefit ``y`` ``[seeds, references]`` over the quality ``x`` of its references, in points."""

    rivals: Sequence[str]
    seeds: Sequence[int]
    x: Array
    y: Array

    def off(self, pair: _Pair, confidence: float = 0.95) -> Estimate | None:
        """How far a further reference lies above the line; None with fewer than two seeds."""
        benefit, quality = (of.record for of in pair)
        places = [place for place, seed in enumerate(self.seeds) if seed in benefit and seed in quality]
        if len(places) < 2:
            return None
        at, theirs = (np.array([of[self.seeds[place]] for place in places]) for of in (quality, benefit))
        where = predicted(self.x, self.y[places].mean(axis=0), float(at.mean()), confidence)
        by = mean_interval(off_the_line(self.x, self.y[places], float(at.mean()), theirs))
        found = interval_of(OFF, pair[0].keys, by, len(places), "points")
        return found.noted(outside=not where.low <= float(theirs.mean()) <= where.high)

    def stray(self, pair: _Pair) -> Estimate | None:
        """How far one of the line's own is off the line of the others, where that is too far for its accuracy.

        It lies outside their prediction interval, at 95 % for all references together (Bonferroni).
        """
        if (name := pair[0].keys["rival"]) not in self.rivals:
            return None
        place = self.rivals.index(name)
        rest = _Line((), self.seeds, np.delete(self.x, place), np.delete(self.y, place, 1))
        if len(rest.x) < FEWEST or float(np.ptp(rest.x)) < APART:
            return None
        off = rest.off(pair, 1 - 0.05 / len(self.rivals))
        return off if off and off.record["outside"] else None


def _line(pairs: Sequence[_Pair]) -> tuple[_Line | None, str]:
    """The line through the references that belong on it, or why there is none."""
    on = [pair for pair in pairs if pair[0].keys["kind"] == "line" and all(of.n for of in pair)]
    if len(on) < FEWEST:
        have = ("none has", "one has", "2 have")[len(on)]
        return None, f"a line needs {FEWEST} references with an accuracy and runs, and {have}"
    seeds = sorted(common(*(one.record for pair in on for one in pair)))
    if len(seeds) < 2:
        there = ("is none", "is one")[len(seeds)]
        return None, f"an interval needs 2 seeds that have every reference, and there {there}"
    x = np.array([np.mean([quality.record[seed] for seed in seeds]) for _, quality in on])
    y = np.array([[benefit.record[seed] for benefit, _ in on] for seed in seeds])
    line = _Line([benefit.keys["rival"] for benefit, _ in on], seeds, x, y)
    return (line, "") if float(np.ptp(x)) >= APART else (None, "the references are all of one accuracy")


def _part(title: str, label: str, found: Estimates) -> Answer:
    """What is said of one strategy on one data set: the slope, or what is lacking for one."""
    pairs = [*zip(found.where(BENEFIT), found.where(QUALITY), strict=True)]
    line, lacking = _line(pairs)
    off: dict[str, Estimate] = {}
    told = Estimates(e for e in found if e.quantity != FULL)
    sentence, note = "", f"No slope yet, since {lacking}."
    if line:
        for pair in pairs:
            keys = pair[0].keys
            if away := line.stray(pair) if keys["kind"] == "line" else line.off(pair):
                off[keys["rival"]] = away
        keys, n = {name: found[0].keys[name] for name in ("dataset", "strategy")}, len(line.seeds)
        slope = interval_of(SLOPE, keys, blocked_slope(line.x / 10, line.y), n, "points")
        spread = interval_of(SPREAD, keys, spread_of_items(line.y), n)
        width = interval_of(RANGE, keys, range_of_items(line.y), n)
        told += [slope, spread, width, *(away for away in off.values() if away.keys["kind"] != "line")]
        width = replace(width, low=None if width.low is None else max(0.0, width.low))
        sentence = (
            f"{label} gains {slope} points over random picks for each 10 points of accuracy of its reference "
            f"({len(line.rivals)} references, {plural(slope.n, 'seed')}): {VERDICTS[slope.side()]}"
        )
        note = (
            f"{slope:round} points for each 10 points of reference accuracy. Over the references the benefit has a "
            f"standard deviation of {spread:round} points, noise taken off. From the least to the most, "
            f"{width:round} points, by Tukey's honestly significant difference."
        )
    chart = _chart(title, label, pairs, line) if any(e.value is not None for e in found) else None
    return about(title, sentence, lacking, told, [_table(title, label, found, off, note)], [chart], NOTES)


def _table(title: str, label: str, found: Estimates, off: Mapping[str, Estimate], note: str) -> Table:
    """A row for each reference, best first; ``off`` is how far off the line they lie."""

    def remark(row: Estimates) -> str:
        keys, away = row[0].keys, off.get(row[0].keys["reference"])
        line = "out of line with its accuracy" if away else ""
        kind = {"line": line, "none": "knows nothing", "anomaly": keys["mark"] or "anomaly"}[keys["kind"]]
        return f"{kind}; {away} off the line, {'out' if away.record['outside'] else 'in'}side" if away else kind

    order = sorted(found.where(QUALITY), key=lambda e: -(e.value or 0.0))
    rows = Estimates(e for first in order for e in found.where(rival=first.keys["rival"]))
    return rows.renamed(rival="reference").table(
        f"{title}: {label} with each reference",
        ("reference",),
        {
            "its accuracy, %": lambda row: f"{row.one(QUALITY):value}",
            "over random picks, points": lambda row: f"{row.one(BENEFIT):round}",
            "over full training": lambda row: f"{row.one(FULL):round}",
            "seeds": lambda row: row.where(BENEFIT)[0].n,
            "": remark,
        },
        note,
    )


def _chart(title: str, label: str, pairs: Sequence[_Pair], line: _Line | None) -> Chart:
    series = []
    for kind, words in SERIES.items():
        shown = [(b, q.value) for b, q in pairs if b.keys["kind"] == kind and b.value is not None]
        if known := [(b, x) for b, x in shown if x is not None]:
            series.append(points_of(words, [b for b, _ in known], [x for _, x in known]))
    if line:
        ends, means = [x for one in series for x in one.x], line.y.mean(axis=0)
        span = (min(ends), max(ends))
        heights = tuple(predicted(line.x, means, x).estimate for x in span)
        series.append(Series("line through the references", span, heights))
    title, x = f"{title}: what {label} gains with each reference", "accuracy of the reference on the pool (%)"
    return Chart(title, x, "points over random picks", tuple(series), level=0.0)
