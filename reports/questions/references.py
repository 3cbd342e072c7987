"""How much does the reference matter? What a strategy gains, against how good the reference is that guides it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..document.blocks import Chart, Series, Table
from ..document.numbers import NARROW, interval, percent, plural, points
from ..effects.estimate import Quantity
from ..records.folder import Results
from ..statistics import Interval
from .answer import Answer, Names, Summary
from .options import only, several
from .referencetable import LEAK, Line, Worth, estimated, line_through, referring, worths

KEYS = ("strategies", "none", "anomalies")

SERIES = {"line": "references", "none": "without information", "anomaly": "anomalies, no results"}

NOTES = (
    "Benefit is accuracy less that of random picks of the same number at the same times. Accuracy of a reference is "
    "that on the pool: of a net trained here its own, of any other that of a cross-fitted probe on its features.",
    "The slope is fitted within each seed, and its interval is over seeds: it speaks of these references, which are no "
    "sample of any others.",
)


class References:
    """The benefit of each strategy with each reference, over the reference's accuracy.

    A line is fitted to the references within each seed; its slope has Student's t interval over the seeds that have
    them all. Controls without information (``none``) and anomalies are left out of it and shown apart: an anomaly
    with its distance from the line, and whether it is outside the 95 % prediction interval for one more reference.
    A reference whose record says LEAK is an anomaly, named or not. A reference of the line that is outside the
    prediction interval of the others is said to be out of line, at 95 % for all of them together.

    Parameters
    ----------
    options : mapping
        ``strategies``: labels; all that read a reference by default. ``none``: references without information.
        ``anomalies``: references that are none; ``["leak"]`` by default, where there is one.
    names : Names
        What the matrix holds.

    Raises
    ------
    ValueError
        One line, for options that are wrong.
    """

    def __init__(self, options: Mapping[str, Any], names: Names) -> None:
        only(options, KEYS)
        self.strategies = several(options, "strategies", names.strategies)
        self.none = several(options, "none", names.references)
        usual = tuple(name for name in ("leak",) if name in names.references)
        self.anomalies = several(options, "anomalies", names.references, usual)
        both = sorted({*self.none} & {*self.anomalies})
        if both:
            raise ValueError(f"reference {both[0]!r} is in none and in anomalies: name it in one of them")

    def answer(self, results: Results, summary: Summary) -> Answer:
        """One part for each data set and strategy."""
        parts = []
        for dataset in results.matrix.datasets:
            arms = results.arms(dataset=dataset, role="strategy")
            for label in referring(arms):
                if label in (self.strategies or (label,)):
                    found = worths(results, dataset, label, self.none, self.anomalies)
                    parts.append(_Part(results, dataset, label, found))
        if not parts:
            return Answer("No answer yet: no strategy here was run with a reference.", enough=False)
        return Answer(
            sentence="\n".join(part.sentence() for part in parts),
            enough=any(isinstance(part.line, Line) for part in parts),
            quantities=tuple(quantity for part in parts for quantity in part.quantities()),
            tables=tuple(part.table() for part in parts),
            charts=tuple(part.chart() for part in parts if part.drawn()),
            notes=NOTES,
        )


class _Part:
    """What is said of one strategy on one data set."""

    def __init__(self, results: Results, dataset: str, label: str, found: tuple[Worth, ...]) -> None:
        self.dataset, self.label, self.worths = dataset, label, found
        self.title = results.matrix.datasets[dataset].title
        self.line = line_through(found)
        self.strays = self.line.strays() if isinstance(self.line, Line) else {}

    def sentence(self) -> str:
        """The answer, or what is lacking for one."""
        said = [self._slope(self.line) if isinstance(self.line, Line) else self._lacking(self.line)]
        said += [
            f"{name} is out of line with its accuracy: {_off(off)} the line of the others "
            f"({interval(off.low, off.high)})."
            for name, off in self.strays.items()
        ]
        said += [self._apart(worth) for worth in self.worths if worth.kind != "line"]
        return " ".join(text for text in said if text)

    def _lacking(self, reason: str) -> str:
        return f"{self.title}, {self.label}: no slope yet, since {reason}."

    def _slope(self, line: Line) -> str:
        slope, spread = line.slope, line.spread
        low, high = (percent(end) for end in (float(line.x.min()), float(line.x.max())))
        least, most = line.extremes()
        verdict = "whether a better one helps cannot be told from these runs"
        if slope.low > 0:
            verdict = "the better the reference, the more is gained"
        elif slope.high < 0:
            verdict = "the better the reference, the less is gained"
        return (
            f"{self.title}, {self.label}: over {len(line.on)} references that classify {low} to {high}{NARROW}% of the "
            f"pool rightly, {points(slope.estimate)} points over random picks ({interval(slope.low, slope.high)}; "
            f"{plural(len(line.seeds), 'seed')}) for each 10 points of reference accuracy: {verdict}. "
            f"From reference to reference the benefit varies by {_size(spread)} points (SD, noise taken off): least "
            f"with {least}, most with {most}."
        )

    def _apart(self, worth: Worth) -> str:
        gain = worth.gain
        if gain is None:
            return ""
        said = f"{points(gain.estimate)} points ({interval(gain.low, gain.high)})"
        if worth.kind == "none":
            return f"With {worth.reference}, which knows nothing of an image, it is {said}."
        off = self.line.distance(worth) if isinstance(self.line, Line) else None
        name = f"{worth.reference} ({LEAK})" if worth.mark else worth.reference
        if off is None:
            return f"The anomaly {name} stands at {said}; there is no line to hold it against."
        distance, outside, seeds = off
        return (
            f"The anomaly {name} stands at {said}, {_off(distance)} the line of the others "
            f"({interval(distance.low, distance.high)}; {plural(seeds, 'seed')}), {'out' if outside else 'in'}side the "
            "95 % prediction interval for one more reference."
        )

    def quantities(self) -> tuple[Quantity, ...]:
        """Of each reference, and of the line."""
        found = []
        for worth in self.worths:
            for name, values in (("benefit", worth.benefit), ("reference accuracy", worth.quality)):
                found.append(self._quantity(name, estimated(values), len(values), worth.reference))
        if isinstance(self.line, Line):
            seeds = len(self.line.seeds)
            found += [
                self._quantity("benefit per 10 points of reference accuracy", self.line.slope, seeds),
                self._quantity("spread of the benefit over references", self.line.spread, seeds),
                self._quantity("range of the benefit over references", self.line.width, seeds),
            ]
            for worth in self.worths:
                off = None if worth.kind == "line" else self.line.distance(worth)
                if off is not None:
                    found.append(self._quantity("distance from the line", off[0], off[2], worth.reference))
        return tuple(quantity for quantity in found if quantity.estimate is not None)

    def _quantity(self, name: str, found: Interval | None, n: int, reference: str = "") -> Quantity:
        estimate, low, high = (None, None, None) if found is None else map(_known, found[:3])
        return Quantity(name, self.dataset, estimate, low, high, n, strategy=self.label, rival=reference)

    def table(self) -> Table:
        """A row for each reference, best first."""
        rows = sorted(self.worths, key=lambda worth: -(worth.accuracy or 0.0))
        return Table(
            title=f"{self.title}: {self.label} with each reference",
            columns=("reference", "its accuracy, %", "over random picks, points", "over full training", "seeds", ""),
            rows=tuple(self._row(worth) for worth in rows),
            note=self._table_note(),
        )

    def _row(self, worth: Worth) -> tuple[str, ...]:
        off = self.line.distance(worth) if isinstance(self.line, Line) and worth.kind != "line" else None
        where = "" if off is None else f"{points(off[0].estimate)} off the line, {'out' if off[1] else 'in'}side"
        line = "out of line with its accuracy" if worth.reference in self.strays else ""
        kind = {"line": line, "none": "knows nothing", "anomaly": worth.mark or "anomaly"}[worth.kind]
        return (
            worth.reference,
            percent(worth.accuracy),
            _shown(worth.gain),
            _shown(estimated(worth.beside_full)),
            str(len(worth.benefit)),
            "; ".join(text for text in (kind, where) if text),
        )

    def _table_note(self) -> str:
        if not isinstance(self.line, Line):
            return ""
        width = self.line.width
        return (
            f"From the least to the most, {width.estimate:.2f} points ({max(0.0, width.low):.2f} to {width.high:.2f}, "
            "by Tukey's honestly significant difference)."
        )

    def drawn(self) -> bool:
        """Whether there is a point to draw."""
        return any(worth.accuracy is not None and worth.gain is not None for worth in self.worths)

    def chart(self) -> Chart:
        """Benefit over quality, the line with it."""
        series = [self._series(kind, label) for kind, label in SERIES.items()]
        there = [one for one in series if one.x]
        if isinstance(self.line, Line):
            ends = [value for one in there for value in one.x]
            span = (min(ends), max(ends))
            there.append(Series("line through the references", span, tuple(self.line.at(x) for x in span)))
        return Chart(
            title=f"{self.title}: what {self.label} gains with each reference",
            x_label="accuracy of the reference on the pool (%)",
            y_label="points over random picks",
            series=tuple(there),
            level=0.0,
        )

    def _series(self, kind: str, label: str) -> Series:
        shown = [
            (worth.accuracy, gain)
            for worth in self.worths
            if worth.kind == kind and worth.accuracy is not None and (gain := worth.gain) is not None
        ]
        return Series(
            label,
            x=tuple(quality for quality, _ in shown),
            y=tuple(gain.estimate for _, gain in shown),
            low=tuple(_known(gain.low) for _, gain in shown),
            high=tuple(_known(gain.high) for _, gain in shown),
            joined=False,
        )


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _shown(found: Interval | None) -> str:
    if found is None:
        return "–"
    return f"{points(found.estimate)} ({interval(found.low, found.high)})"


def _off(distance: Interval) -> str:
    return f"{abs(distance.estimate):.2f} points {'above' if distance.estimate >= 0 else 'below'}"


def _size(found: Interval) -> str:
    """A number that has no sign."""
    return f"{found.estimate:.2f} ({found.low:.2f} to {found.high:.2f})"
