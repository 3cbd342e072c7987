"""How much does the reference matter? What a strategy gains, against how good the reference is that guides it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
from pydantic import model_validator

from ..document.blocks import Chart, Series, Table
from ..document.numbers import plural
from ..effects.costs import closure
from ..effects.estimate import Estimate, Estimates, by_seed, interval_of, points_of
from ..records.folder import Cell, Results
from ..statistics import mean_interval
from ..statistics.samples import Array
from ..statistics.slopes import blocked_slope, off_the_line, predicted, range_of_items, spread_of_items
from .answer import Answer, ReferenceName, Several, StrategyName, Study, Summary, joined

LEAK = "LEAK"
"""How the description of a reference begins that was trained on the test images."""

FEWEST, APART = 3, 0.1
"""References on a line (two always lie on one), and points of accuracy between the worst and the best of them."""

BENEFIT, QUALITY, FULL = "benefit", "reference accuracy", "benefit over full training"
SLOPE, OFF = "benefit per 10 points of reference accuracy", "distance from the line"
SPREAD, RANGE = "spread of the benefit over references", "range of the benefit over references"

SERIES = {"line": "references", "none": "without information", "anomaly": "anomalies, no results"}
VERDICTS = {1: "a better one helps more", -1: "a better one helps less", 0: "whether a better one helps cannot be told"}

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
            arms = results.arms(dataset=name, role="strategy")
            for label in dict.fromkeys(arm.label for arm in arms if arm.reference):
                if label in (self.strategies or (label,)):
                    found = Estimates(self._estimates(results, name, label))
                    parts.append(_Part(dataset.title, label, found, *_line(found)).answer())
        return joined(parts, "No answer yet: no strategy here was run with a reference.")

    def _estimates(self, results: Results, dataset: str, label: str) -> Iterator[Estimate]:
        """Benefit, quality, and benefit over full training with each reference, in the matrix's order."""
        full = next((arm for arm in results.ladder(dataset, "full") if arm.rung == 1.0), None)
        for arm in results.arms(dataset=dataset, role="strategy"):
            if arm.label != label or not arm.reference:
                continue
            cells = results.of(arm)
            mark = min((mark for cell in cells.values() if (mark := _mark(results, cell)).startswith(LEAK)), default="")
            kind = "none" if arm.reference in self.none else "line"
            kind = "anomaly" if mark or arm.reference in self.anomalies else kind
            keys = {"dataset": dataset, "strategy": label, "rival": arm.reference, "kind": kind, "mark": mark}
            known = {seed: _quality(results, cell) for seed, cell in cells.items()}
            quality = {seed: 100 * share for seed, share in known.items() if share is not None}
            yield by_seed(BENEFIT, keys, _less(cells, results.of(arm.twin) if arm.twin else {}), "points")
            yield by_seed(QUALITY, keys, quality, "percent")
            yield by_seed(FULL, keys, _less(cells, results.of(full) if full else {}), "points")


def _less(ours: Mapping[int, Cell], theirs: Mapping[int, Cell]) -> dict[int, float]:
    return {seed: 100 * (cell.accuracy - theirs[seed].accuracy) for seed, cell in ours.items() if seed in theirs}


def _quality(results: Results, cell: Cell) -> float | None:
    """Accuracy of the reference that a cell read, in [0, 1]; None where its record has none."""
    there = (results.artefacts[id] for id in sorted(closure(cell.artefacts, results.artefacts) or ()))
    shares = (one.quality.get("accuracy") for one in there if (one.kind, one.name) == ("reference", cell.reference))
    return next((share for share in shares if share is not None and math.isfinite(share)), None)


def _mark(results: Results, cell: Cell) -> str:
    """What the record of a cell's reference says of where it is from."""
    made = (results.artefacts[id] for id in cell.artefacts if id in results.artefacts)
    return next((one.external for one in made if one.kind == "reference"), "")


class _Pair(NamedTuple):
    """A reference: what is gained with it and how good it is, each by seed."""

    benefit: Estimate
    quality: Estimate


@dataclass(frozen=True)
class _Line:
    """A strategy's benefit over the quality of its references, on the seeds that have all of them."""

    pairs: tuple[_Pair, ...]
    seeds: tuple[int, ...]

    @cached_property
    def x(self) -> Array:
        """Quality ``[references]``, in percent."""
        return np.array([np.mean([of.quality.record[seed] for seed in self.seeds]) for of in self.pairs])

    @cached_property
    def y(self) -> Array:
        """Benefit ``[seeds, references]``, in points."""
        return np.array([[of.benefit.record[seed] for of in self.pairs] for seed in self.seeds])

    def off(self, pair: _Pair, confidence: float = 0.95) -> Estimate | None:
        """How far a further reference lies above the line; None with fewer than two seeds."""
        benefit, quality = pair.benefit.record, pair.quality.record
        seeds = [seed for seed in self.seeds if seed in benefit and seed in quality]
        if len(seeds) < 2:
            return None
        at, theirs = float(np.mean([quality[seed] for seed in seeds])), np.array([benefit[seed] for seed in seeds])
        kept = self.y[[self.seeds.index(seed) for seed in seeds]]
        where = predicted(self.x, kept.mean(axis=0), at, confidence)
        by = mean_interval(off_the_line(self.x, kept, at, theirs))
        record = {"outside": not where.low <= float(theirs.mean()) <= where.high}
        return replace(interval_of(OFF, pair.benefit.keys, by, len(seeds), "points"), record=record)

    def stray(self, pair: _Pair) -> Estimate | None:
        """How far one of the line's own is off the line of the others, where that is too far for its accuracy.

        It lies outside their prediction interval, at 95 % for all references together (Bonferroni).
        """
        rest = _Line(tuple(other for other in self.pairs if other is not pair), self.seeds)
        if len(rest.pairs) < FEWEST or float(np.ptp(rest.x)) < APART:
            return None
        off = rest.off(pair, 1 - 0.05 / len(self.pairs))
        return off if off and off.record["outside"] else None


def _line(found: Estimates) -> tuple[_Line | None, str]:
    """The line through the references that belong on it, or why there is none."""
    pairs = map(_Pair, found.where(BENEFIT, kind="line"), found.where(QUALITY, kind="line"))
    on = tuple(pair for pair in pairs if pair.benefit.n and pair.quality.n)
    if len(on) < FEWEST:
        have = ("none has", "one has", "2 have")[len(on)]
        return None, f"a line needs {FEWEST} references with an accuracy and runs, and {have}"
    seeds = sorted(set.intersection(*({*pair.benefit.record} & {*pair.quality.record} for pair in on)))
    if len(seeds) < 2:
        there = ("is none", "is one")[len(seeds)]
        return None, f"an interval needs 2 seeds that have every reference, and there {there}"
    line = _Line(on, tuple(seeds))
    return (line, "") if float(np.ptp(line.x)) >= APART else (None, "the references are all of one accuracy")


@dataclass(frozen=True)
class _Part:
    """What is said of one strategy on one data set."""

    title: str
    label: str
    found: Estimates
    line: _Line | None
    lacking: str

    @cached_property
    def off(self) -> dict[str, Estimate]:
        """How far off the line they lie, of the references that are none of it or out of line."""
        if self.line is None:
            return {}
        places = {pair.benefit.keys["rival"]: self.line.stray(pair) for pair in self.line.pairs}
        for pair in map(_Pair, self.found.where(BENEFIT), self.found.where(QUALITY)):
            if pair.benefit.keys["kind"] != "line":
                places[pair.benefit.keys["rival"]] = self.line.off(pair)
        return {reference: off for reference, off in places.items() if off}

    @cached_property
    def all(self) -> Estimates:
        """Of each reference, and of the line."""
        found = Estimates(e for e in self.found if e.quantity != FULL)
        if self.line:
            keys, n = {name: found[0].keys[name] for name in ("dataset", "strategy")}, len(self.line.seeds)
            found.append(interval_of(SLOPE, keys, blocked_slope(self.line.x / 10, self.line.y), n, "points"))
            found.append(interval_of(SPREAD, keys, spread_of_items(self.line.y), n))
            found.append(interval_of(RANGE, keys, range_of_items(self.line.y), n))
            found += [off for off in self.off.values() if off.keys["kind"] != "line"]
        return found

    def answer(self) -> Answer:
        """The slope, or what is lacking for one."""
        drawn = any(e.value is not None for e in self.found)
        return Answer(
            sentence=self._sentence(),
            enough=self.line is not None,
            quantities=self.all.quantities(),
            tables=(self._table(),),
            charts=(self._chart(),) if drawn else (),
            notes=NOTES,
        )

    def _sentence(self) -> str:
        if self.line is None:
            return f"{self.title}: no answer yet for {self.label}, since {self.lacking}."
        (slope,) = self.all.where(SLOPE)
        return (
            f"{self.title}: each 10 points of reference accuracy are worth {slope} points to {self.label} "
            f"({len(self.line.pairs)} references, {plural(slope.n, 'seed')}): {VERDICTS[slope.side()]}."
        )

    def _table(self) -> Table:
        """A row for each reference, best first."""
        order = sorted(self.found.where(QUALITY), key=lambda e: -(e.value or 0.0))
        rows = Estimates(e for q in order for e in self.found.where(rival=q.keys["rival"]))
        note = f"No slope yet, since {self.lacking}."
        if self.line:
            slope, spread, width = (self.all.one(name) for name in (SLOPE, SPREAD, RANGE))
            assert slope and spread and width
            width = replace(width, low=None if width.low is None else max(0.0, width.low))
            note = (
                f"{slope:round} points for each 10 points of reference accuracy. Over the references the benefit has a "
                f"standard deviation of {spread:round} points, noise taken off. From the least to the most, "
                f"{width:round} points, by Tukey's honestly significant difference."
            )
        return rows.renamed(rival="reference").table(
            f"{self.title}: {self.label} with each reference",
            ("reference",),
            {
                "its accuracy, %": lambda row: f"{row.one(QUALITY):value}",
                "over random picks, points": lambda row: f"{row.one(BENEFIT):round}",
                "over full training": lambda row: f"{row.one(FULL):round}",
                "seeds": lambda row: row.where(BENEFIT)[0].n,
                "": lambda row: self._remark(row[0].keys),
            },
            note,
        )

    def _remark(self, keys: Mapping[str, str]) -> str:
        off = self.off.get(keys["reference"])
        line = "out of line with its accuracy" if off else ""
        kind = {"line": line, "none": "knows nothing", "anomaly": keys["mark"] or "anomaly"}[keys["kind"]]
        return f"{kind}; {off} off the line, {'out' if off.record['outside'] else 'in'}side" if off else kind

    def _chart(self) -> Chart:
        """Benefit over quality, the line with it."""
        series = []
        for kind, label in SERIES.items():
            pairs = zip(self.found.where(BENEFIT, kind=kind), self.found.where(QUALITY, kind=kind), strict=True)
            shown = [(b, q.value) for b, q in pairs if b.value is not None and q.value is not None]
            if shown:
                series.append(points_of(label, [b for b, _ in shown], [x for _, x in shown]))
        if self.line:
            ends = [x for one in series for x in one.x]
            span, means = (min(ends), max(ends)), self.line.y.mean(axis=0)
            heights = tuple(predicted(self.line.x, means, x).estimate for x in span)
            series.append(Series("line through the references", span, heights))
        return Chart(
            f"{self.title}: what {self.label} gains with each reference",
            "accuracy of the reference on the pool (%)",
            "points over random picks",
            tuple(series),
            level=0.0,
        )
