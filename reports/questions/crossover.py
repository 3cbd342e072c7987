"""When does static pruning fail? Rules that keep one subset for the whole run against random subsets of its size."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field, ValidationInfo, model_validator

from ..document.blocks import Table
from ..document.numbers import NONE, p_value, percent, plural
from ..effects.estimate import Column, Estimate, Estimates, by_seed, listed, points_of
from ..records.folder import Dataset, Results
from ..statistics import mean_interval
from ..statistics.crossing import Crossing, crossing
from .answer import Answer, Study, Summary, known, remarks
from .digitised import RANDOM, gaps_chart, level_words, sources
from .pairing import accuracies, apart, common

CONFIDENCE = 0.95
DOUBT = (1 - CONFIDENCE) / 2
"""The largest one-sided p-value at which a difference counts as clear, as its interval does."""
LOW = 10.0
"""Percentage kept down from which the best rule is looked for."""
FIXED = re.compile(r"fixed[ (](0?\.\d+)\)?")
"""The schedules of static subsets."""

OVERTAKES = "percentage kept below which random is ahead"
GAP = "accuracy minus random's in points"
BEST = f"points that no rule is ahead of random by at {LOW:g} % kept and less"
DEFINITION = (
    "Random is ahead below the largest percentage kept under which the mean difference, read as straight lines over "
    "the logarithm of the percentage, stays below zero; the 95 % interval spans the percentages at which the paired t "
    "interval holds zero. A p-value is the largest over the percentages, one-sided."
)

Words = Annotated[dict[str, str], Field(min_length=1, description='a table of words, such as { name = "word" }')]


class Crossover(Study):
    """Where random overtakes: the percentage kept below which a rule's accuracy is under that of random subsets.

    It is the first zero, from the lowest percentage up, of the mean difference paired by seed
    (:func:`selbench.reports.statistics.crossing.crossing`). Keep ratios are those of the arms' fixed schedules; random
    subsets are the arms' uniform twins.

    Parameters
    ----------
    rules : mapping
        Name to show -> the labels' part before the percentage kept (``el2n`` for ``el2n-90``, ``el2n-70``, ...).
    entries : mapping
        Data set -> what its runs have equal, such as ``equal steps``. The answer is about the first rule and entry.
    published : mapping
        Data set -> id of a source of the package's ``benchmarks/published/static-pruning.toml`` to be shown beside it.
    """

    rules: Words
    entries: Words
    published: Words = Field(default_factory=dict, validate_default=False)

    @model_validator(mode="after")
    def _is_in_the_matrix(self, info: ValidationInfo) -> Self:
        names: Any = info.context
        for name, prefix in self.rules.items():
            if len(_family(prefix, names.strategies)) < 2:
                raise ValueError(
                    f"rules: {name} = {prefix!r}: the matrix has not two strategies labelled {prefix}-PERCENT, such as "
                    f"{prefix}-90 and {prefix}-50"
                )
        for key in (*self.entries, *self.published):
            known(key, names.datasets if key in self.entries else self.entries)
        for source in self.published.values():
            known(source, sources())
        return self

    def answer(self, results: Results, summary: Summary) -> Answer:
        """Where random overtakes the first rule in the first entry; what is lacking where a rule cannot be judged."""
        curves = [
            _Curve(results, results.matrix.datasets[dataset], rule, prefix)
            for dataset in self.entries
            for rule, prefix in self.rules.items()
        ]
        gaps = Estimates(gap for curve in curves for gap in curve.gaps)
        best, of_best = _best(gaps, self.entries)
        found = [e for curve in curves for e in curve.estimates()] + best
        told = next((curve for curve in curves if curve.crossing is None), curves[0])
        shown = [sources()[id] for id in dict.fromkeys(self.published.values())]
        tables, charts = [], []
        for dataset, words in self.entries.items():
            own, title = [curve for curve in curves if curve.dataset.name == dataset], f"at {words}"
            tables.append(self._table(title, own, gaps.where(dataset=dataset)))
            series = (points_of(c.rule, c.gaps, c.kept, joined=True) for c in own if c.pairs)
            charts.append(gaps_chart(f"Accuracy minus a random subset's, {title}", series))
        said = (note for curve in curves for note in remarks(f"{curve.rule} on {curve.dataset.title}", curve.said()))
        return Answer(
            sentence=f"{told.dataset.title}: {told.rule} {told.verdict()}; the tables have the others.",
            enough=told.crossing is not None,
            quantities=Estimates(found).quantities(known=False),
            tables=(*tables, *(source.table() for source in shown)),
            charts=(*charts, *(source.chart(self.rules) for source in shown)),
            notes=tuple(filter(None, (DEFINITION, of_best, " ".join(said)))),
        )

    def _table(self, words: str, curves: Sequence[_Curve], gaps: Estimates) -> Table:

        def random(row: Estimates) -> str:
            known = next(filter(None, (list(gap.record["random"].values()) for gap in row)), None)
            return percent(sum(known) / len(known)) if known else NONE

        def of_rule(rule: str, row: Estimates) -> str:
            gap = row.one(rule=rule)
            return f"{gap:full}" if gap else NONE

        rows = sorted(gaps, key=lambda e: -e.record["kept"])
        columns: dict[str, Column] = {"random, %": random, **{rule: partial(of_rule, rule) for rule in self.rules}}
        title = f"Accuracy minus a random subset's, in points, {words}"
        table = Estimates(rows).table(title, ("kept",), columns, "Means over seeds, with 95 % paired t intervals.")
        return replace(table, rows=(*table.rows, ("random ahead below", "", *(curve.cell() for curve in curves))))


class _Curve:
    """A rule in one entry: its gaps to random, percentages kept ascending, and where they cross zero.

    ``crossing`` is None with fewer than two pairs at two percentages; ``means`` are the gaps by the percentages kept
    that it is read from, ``seeds`` those that all of them have.
    """

    def __init__(self, results: Results, dataset: Dataset, rule: str, prefix: str) -> None:
        self.dataset, self.rule, self.prefix = dataset, rule, prefix
        found: dict[float, Estimate] = {}
        for arm in results.arms(dataset=dataset.name, role="strategy"):
            twin, ratio = results.matrix.arms.get(arm.twin), FIXED.fullmatch(arm.schedule)
            if _family(prefix, [arm.label]) and twin is not None and ratio is not None:
                kept, random = round(100 * float(ratio[1]), 9), accuracies(results, twin)
                keys = {"dataset": dataset.name, "strategy": arm.label, "rival": twin.label}
                keys |= {"rule": rule, "kept": f"{kept:g} %"}
                gap = by_seed(GAP, keys, apart(accuracies(results, arm), random), "tenths")
                found.setdefault(kept, replace(gap, record={"kept": kept, "gaps": gap.record, "random": random}))
        self.kept = sorted(found)
        self.gaps = [found[kept] for kept in self.kept]
        self.pairs = max((gap.n for gap in self.gaps), default=0)
        usable = [gap for gap in self.gaps if gap.n > 1]
        self.seeds = common(gap.record["gaps"] for gap in usable) if usable else []
        self.crossing: Crossing | None = None
        if len(usable) > 1 and len(self.seeds) > 1:
            read = [gap.record["kept"] for gap in usable]
            differences = np.array([[gap.record["gaps"][seed] for gap in usable] for seed in self.seeds])
            self.crossing = crossing(read, differences, CONFIDENCE)
            self.means: dict[float, float] = dict(zip(read, differences.mean(axis=0).tolist(), strict=True))
            self.first, self.last = read[0], read[-1]

    def estimates(self) -> Iterator[Estimate]:
        """The crossing, whose value is None where there is none, and each gap that was measured."""
        if (cross := self.crossing) is not None:
            keys = {"dataset": self.dataset.name, "strategy": self.prefix, "rival": RANDOM}
            high = cross.high if math.isfinite(cross.high) else None
            yield Estimate(OVERTAKES, keys, cross.at, cross.low or None, high, len(self.seeds))
        yield from (gap for gap in self.gaps if gap.value is not None)

    def verdict(self) -> str:
        cross = self.crossing
        if cross is None:
            now = plural(self.pairs, "seed")
            return f"cannot be judged yet, for want of two seeds at two percentages kept (now {now})"
        span, sure = f"{self.first:g} to {self.last:g} % kept", self._p()
        under = [kept for kept, mean in self.means.items() if mean < 0]
        if cross.at is not None:
            text = f"falls behind random subsets below {cross.at:.0f} % kept {self._ends()}"
        elif sure:
            text = f"is {'behind' if cross.side == 'below' else 'ahead of'} random subsets throughout {span} ({sure})"
        elif cross.side == "below":
            level = f" and may draw level only above {cross.low:.0f} %" if cross.low else ""
            text = f"is behind random subsets on average throughout {span}{level}"
        elif under:
            text = f"is not behind random subsets at {self.first:g} % kept, yet is at {_percents(under)}"
        else:
            level = f" and may fall behind only below {cross.high:.0f} %" if math.isfinite(cross.high) else ""
            text = f"is on average nowhere behind random subsets from {span}{level}"
        return f"{text}, over {plural(len(self.seeds), 'seed')}"

    def _p(self) -> str:
        """The p-value of a rule that is on one side throughout for certain; empty for any other."""
        assert self.crossing is not None
        p = min(self.crossing.p_below, self.crossing.p_above)
        text = p_value(p)
        return "" if p > DOUBT else f"p {text}" if text.startswith("<") else f"p = {text}"

    def _ends(self) -> str:
        assert self.crossing is not None
        low, high = self.crossing.low, self.crossing.high
        first = f"{low:.0f}" if low else f"under {self.first:g}"
        return f"[{first}, {f'{high:.0f}' if math.isfinite(high) else f'over {self.last:g}'}]"

    def cell(self) -> str:
        """The crossing in a table: ``41 % [33, 52]``, ``under 5 %, p = .02``, ``over 90 % [88, over 90]``."""
        cross = self.crossing
        if cross is None:
            return NONE
        settled = (cross.low, cross.high) in ((self.last, math.inf), (0.0, self.first))
        words = level_words(cross.side, cross.at, [*self.means]) + ("" if settled else f" {self._ends()}")
        return ", ".join(filter(None, (words, self._p())))

    def said(self) -> Iterator[str]:
        """What a crossing leaves out, and where the rule is behind again above it."""
        if self.crossing is None:
            return
        if len(self.means) < len(self.gaps) or len(self.seeds) < self.pairs:
            yield f"the crossing is read from {plural(len(self.seeds), 'seed')} at {_percents(self.means)} kept"
        cross = self.crossing.at
        if cross is not None and (again := [kept for kept, mean in self.means.items() if kept > cross and mean < 0]):
            yield f"above the crossing it is behind random again at {_percents(again)} kept"


def _family(prefix: str, labels: Iterable[str]) -> tuple[str, ...]:
    """The labels that are ``prefix`` and a percentage kept: ``el2n-30``."""
    return tuple(label for label in labels if re.fullmatch(rf"{re.escape(prefix)}-\d+(\.\d+)?", label))


def _best(gaps: Estimates, entries: Mapping[str, str]) -> tuple[list[Estimate], str]:
    """The rule furthest ahead at little kept, with what is said of it.

    Its upper end bounds all rules that have two pairs at once (Bonferroni).
    """
    able = [gap for gap in gaps if gap.record["kept"] <= LOW and gap.n > 1]
    if not able:
        return [], ""
    confidence = 1 - (1 - CONFIDENCE) / len(able)
    most = max(mean_interval(list(gap.record["gaps"].values()), confidence).high for gap in able)
    first = max(able, key=lambda gap: gap.value or 0.0)
    said = [f"no rule is ahead by more than {most:.1f} points"] if most < 100 else []
    ahead = first.value or 0.0
    where = f"by {ahead:.1f} at {first.keys['kept']} and {entries[first.keys['dataset']]}"
    said.append(f"the furthest ahead is {first.keys['rule']}, {where}" if ahead > 0 else "none is ahead on average")
    said = [f"each rule is behind by {-most:.1f} points or more"] if most <= 0 else said
    best = Estimate(BEST, first.keys, first.value, None, most, first.n)
    return [best], f"At {LOW:g} % kept and less {'; '.join(said)}."


def _percents(found: Iterable[float]) -> str:
    return f"{listed(f'{kept:g}' for kept in found)} %"
