"""When does static pruning fail? Rules that keep one subset for the whole run against random subsets of its size."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ..document.blocks import Chart, Series, Table
from ..document.numbers import NONE, percent
from ..effects.estimate import Quantity
from ..records.folder import Results
from . import crossoverwords as words
from .answer import Answer, Names, Summary
from .digitised import Source, published
from .options import among, only
from .pruned import Curve, Place, curve, family

LOW = 10.0
"""Percentage kept down from which the best rule is looked for."""

OVERTAKES = "percentage kept below which random is ahead"
GAP = "accuracy minus random's in points"
BEST = f"points that no rule is ahead of random by at {LOW:g} % kept and less"

RANDOM = "random"
"""The rival's label in quantities that are of several random subsets."""


class Crossover:
    """Where random overtakes: the percentage kept below which a rule's accuracy is under that of random subsets.

    It is the largest percentage below which the mean difference, paired by seed and read as straight lines over the
    logarithm of the percentage, stays under zero: the first zero from the lowest percentage up, with its interval
    (:func:`selbench.reports.statistics.crossing.crossing`). Keep ratios are those of the arms' fixed schedules; random
    subsets are the arms' uniform twins.

    Parameters
    ----------
    options : mapping
        ``rules``: name to show -> the labels' part before the percentage kept (``el2n`` for ``el2n-90``, ``el2n-70``,
        ...). ``entries``: data set -> what its runs have equal, such as ``equal steps``. ``published``, optional: data
        set -> id of a source of the package's ``benchmarks/published/static-pruning.toml`` to be shown beside it.
    names : Names
        What the matrix holds.

    Raises
    ------
    ValueError
        One line, for options that are wrong.
    """

    def __init__(self, options: Mapping[str, Any], names: Names) -> None:
        only(options, ("rules", "entries", "published"))
        self.rules = _table(options, "rules")
        self.entries = _table(options, "entries")
        for name, prefix in self.rules.items():
            if len(family(prefix, names.strategies)) < 2:
                raise ValueError(
                    f"rules: {name} = {prefix!r}: the matrix has not two strategies labelled {prefix}-PERCENT, such as "
                    f"{prefix}-90 and {prefix}-50"
                )
        shown = _table(options, "published") if "published" in options else {}
        for key, given, known in (
            ("entries", self.entries, names.datasets),
            ("published", shown, self.entries),
            ("published", shown.values(), published()),
        ):
            for name in given:
                among(key, name, known)
        self.published = {dataset: published()[id] for dataset, id in shown.items()}

    def answer(self, results: Results, summary: Summary) -> Answer:
        """Where random overtakes each rule in each entry."""
        curves = {
            dataset: [curve(results, dataset, name, prefix) for name, prefix in self.rules.items()]
            for dataset in self.entries
        }
        every = [of for found in curves.values() for of in found]
        best = words.best([(of, place) for of in every for place in of.places if place.kept <= LOW])
        clauses = [words.entry(self.entries[dataset], found) for dataset, found in curves.items()]
        if best is not None:
            clauses.append(words.at_best(best, self.entries, LOW))
        sources = {source.id: source for source in self.published.values()}
        return Answer(
            sentence=words.sentence(clauses),
            enough=all(of.crossing is not None for of in every),
            quantities=(*(quantity for of in every for quantity in _quantities(of)), *_best(best)),
            tables=(
                *(self._table(dataset, found) for dataset, found in curves.items()),
                *map(_published_table, sources.values()),
            ),
            charts=(
                *(self._chart(dataset, found) for dataset, found in curves.items()),
                *map(self._published_chart, sources.values()),
            ),
            notes=(words.DEFINITION, *(note for of in every for note in words.notes(of, self.entries[of.dataset]))),
        )

    def _table(self, dataset: str, curves: list[Curve]) -> Table:
        rows = []
        for kept in sorted({place.kept for of in curves for place in of.places}, reverse=True):
            places = [next((place for place in of.places if place.kept == kept), None) for of in curves]
            random = next((place.random for place in places if place is not None and place.random), {})
            mean = sum(random.values()) / len(random) if random else None
            rows.append((f"{kept:g} %", percent(mean), *map(_gap, places)))
        rows.append(("random ahead below", "", *(words.crossing(of) for of in curves)))
        return Table(
            title=f"Accuracy minus a random subset's, in points, at {self.entries[dataset]}",
            columns=("kept", "random, %", *self.rules),
            rows=tuple(rows),
            note="Means over seeds, with 95 % paired t intervals.",
        )

    def _chart(self, dataset: str, curves: list[Curve]) -> Chart:
        series = tuple(_series(of) for of in curves if of.pairs)
        return _gaps_chart(f"Accuracy minus a random subset's, at {self.entries[dataset]}", series)

    def _published_chart(self, source: Source) -> Chart:
        """Rules that are measured here too come first, in the order of their own charts."""
        ours = [rule for rule in self.rules if rule in source.rules]
        rules = dict.fromkeys([*ours, *source.rules])
        return _gaps_chart(words.published_title(source), tuple(_published_series(source, rule) for rule in rules))


def _gaps_chart(title: str, series: tuple[Series, ...]) -> Chart:
    return Chart(title, "kept, %", "points", series, log_x=True, level=0.0)


def _table(options: Mapping[str, Any], key: str) -> dict[str, str]:
    """A table of words under ``key``, which may not be empty."""
    found = options.get(key)
    if not isinstance(found, Mapping) or not found or not all(isinstance(value, str) for value in found.values()):
        raise ValueError(f'{key}: give a table of words, such as {key} = {{ name = "word" }}')
    return dict(found)


def _quantities(of: Curve) -> Iterable[Quantity]:
    cross = of.crossing
    if cross is not None:
        yield Quantity(
            name=OVERTAKES,
            dataset=of.dataset,
            estimate=cross.at,
            low=cross.low or None,
            high=_finite(cross.high),
            n=len(of.seeds),
            strategy=of.prefix,
            rival=RANDOM,
        )
    for place in of.places:
        gap = place.gap()
        if gap is not None:
            ends = _finite(gap.low), _finite(gap.high)
            yield Quantity(
                GAP, of.dataset, gap.estimate, *ends, len(place.seeds), strategy=place.label, rival=place.rival
            )


def _best(best: words.Best | None) -> Iterable[Quantity]:
    if best is not None:
        n = len(best.place.seeds)
        yield Quantity(
            BEST, best.of.dataset, best.estimate, None, best.most, n, strategy=best.place.label, rival=best.place.rival
        )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _gap(place: Place | None) -> str:
    gap = None if place is None else place.gap()
    return NONE if gap is None else words.bracketed(gap.estimate, gap.low, gap.high)


def _series(of: Curve) -> Series:
    gaps = [(place.kept, place.gap()) for place in of.places]
    return Series(
        label=of.rule,
        x=tuple(kept for kept, _ in gaps),
        y=tuple(None if gap is None else gap.estimate for _, gap in gaps),
        low=tuple(None if gap is None else _finite(gap.low) for _, gap in gaps),
        high=tuple(None if gap is None else _finite(gap.high) for _, gap in gaps),
    )


def _published_series(source: Source, rule: str) -> Series:
    gaps = source.gaps(rule)
    return Series(
        label=rule,
        x=tuple(gap.kept for gap in gaps),
        y=tuple(None if gap.bound else gap.difference for gap in gaps),
        low=tuple(None if gap.bound else gap.difference - gap.error for gap in gaps),
        high=tuple(None if gap.bound else gap.difference + gap.error for gap in gaps),
    )


def _published_table(source: Source) -> Table:
    gaps = {rule: {gap.kept: gap for gap in source.gaps(rule)} for rule in source.rules}
    random = dict(zip(source.kept, source.accuracy[RANDOM], strict=True))
    rows = [
        (f"{kept:g} %", f"{random[kept]:.1f}", *(words.published(gaps[rule][kept]) for rule in source.rules))
        for kept in sorted(source.kept, reverse=True)
    ]
    rows.append(("random ahead below", "", *(words.published_crossing(source, rule) for rule in source.rules)))
    full = "" if source.full is None else f" Full training: {source.full:g} %."
    return Table(
        title=f"{words.published_title(source)}, in points",
        columns=("kept", "random, %", *source.rules),
        rows=tuple(rows),
        note=f"{source.paper}, {source.place}; each accuracy within {source.error:g} points. {source.recipe}.{full}",
    )
