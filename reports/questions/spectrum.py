"""Does pruning leave the exponent of the spectral tail as it is?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..document.blocks import Chart, Series, Table
from ..document.numbers import NONE, plural, share, span
from ..effects.estimate import Quantity
from ..records.folder import Dataset, Results
from ..records.measured import Spectrum as Taken
from ..records.measured import Tail
from ..statistics import Interval, mean_interval, t_test
from .answer import Answer, Names, Summary
from .measuredarms import FEWEST, Measured, answered, listed, quantity, times, unlogged
from .options import fraction, only

QUANTITY = "tail exponent of the feature covariance as a multiple of the baseline's"
"""The baseline is random selection of equal size: the quantity's rival is ``twin``."""
LEVEL_QUANTITY = "level of the spectral tail as a multiple of the baseline's"
ALPHA = 0.05


class Spectrum:
    """Exponent of the tail of what is selected, over the mean of random selections of equal size in the same cell.

    Seeds give one log ratio each; their mean has a 95 % t interval, and is equivalent where two one-sided t tests at
    5 % put it inside the margin. Hard selection (which images, how often) and soft selection (by the sum of their
    weights) are apart, and so are rules that cut the pool once from those that pick again. Each rule is judged by
    itself: nothing is pooled over rules, whose shifts may be opposed.

    Parameters
    ----------
    options : mapping
        ``margin``: m in (0, 1), for ratios of 1 - m to 1 + m; 0.1 by default.
    names : Names
        What the matrix holds.

    Raises
    ------
    ValueError
        One line, for options that are wrong.
    """

    def __init__(self, options: Mapping[str, Any], names: Names) -> None:
        only(options, ("margin",))
        self.margin = fraction(options, "margin", 0.1, hint=" for ratios of 0.9 to 1.1")

    def answer(self, results: Results, summary: Summary) -> Answer:
        """The shift of every rule on each data set with measured cells."""
        return answered(
            results,
            lambda measures: measures.spectrum,
            lambda dataset, arms: _Part(self.margin, dataset, [*arms.values()]).answer(),
            "No answer yet: no run says the spectrum of what it selected.",
        )


@dataclass(frozen=True)
class _Row:
    """A rule's hard or soft selection: ``shift`` is the log ratio of exponents, ``level`` the difference of levels."""

    arm: Measured[Taken]
    soft: bool
    n: int
    shift: Interval | None
    level: Interval | None
    chance: float | None
    verdict: str

    @property
    def static(self) -> bool:
        return self.arm.arm.cadence == "run"

    @property
    def ratio(self) -> Interval | None:
        return None if self.shift is None else unlogged(self.shift)


class _Part:
    """What one data set says."""

    def __init__(self, margin: float, dataset: Dataset, arms: Sequence[Measured[Taken]]) -> None:
        self.margin, self.dataset, self.arms = margin, dataset, arms
        self.out: list[str] = []
        self.rows = [self._row(arm, soft) for arm in arms for soft in (False, True) if not soft or _weighted(arm)]

    def answer(self) -> Answer:
        """Sentence, quantities, table and chart of this data set."""
        told = [self._told(soft) for soft in (False, True)]
        enough = any(told)
        static = [row for row in self.rows if row.static and not row.arm.random]
        lacking = (
            f"it takes {FEWEST} seeds of a rule that cuts the pool once" if static else "no rule cuts the pool once"
        )
        found = f"over ranks {self._window()}, {'; '.join(filter(None, told))}"
        return Answer(
            sentence=f"{self.dataset.title}: {found if enough else f'no answer yet, since {lacking}'}.",
            enough=enough,
            quantities=tuple(each for row in self.rows for each in self._quantities(row)),
            tables=(self._table(),),
            charts=(self._chart(),) if any(row.shift for row in self.rows) else (),
            notes=self._notes(),
        )

    def _row(self, arm: Measured[Taken], soft: bool) -> _Row:
        shifts, levels, chances = [], [], []
        for seed, taken in arm.values.items():
            tail = taken.soft if soft else taken.hard
            if tail is None:
                continue
            usual = float(tail.random_exponents.mean()) if not tail.lacking else math.nan
            if tail.lacking or not min(tail.exponent, usual, *tail.random_exponents) > 0:
                self.out.append(f"{arm.name}, seed {seed}: {tail.lacking or 'an exponent is not above 0'}")
                continue
            shifts.append(math.log(tail.exponent / usual))
            levels.append(tail.level - float(tail.random_levels.mean()))
            chances.append(_spread(tail))
        if len(shifts) < FEWEST:
            return _Row(arm, soft, len(shifts), None, None, None, "no verdict yet")
        shift = mean_interval(shifts)
        verdict = self._verdict(np.array(shifts), shift)
        return _Row(arm, soft, len(shifts), shift, mean_interval(levels), float(np.mean(chances)), verdict)

    def _verdict(self, shifts: np.ndarray, found: Interval) -> str:
        low, high = math.log(1 - self.margin), math.log(1 + self.margin)
        if max(t_test(shifts, low), t_test(-shifts, -high)) < ALPHA:
            return "equivalent" if found.low <= 0 <= found.high else "shifted, within the margin"
        return "outside the margin" if found.high < low or found.low > high else "not settled"

    def _told(self, soft: bool) -> str:
        """Of the static rules of one kind; empty where none can be judged."""
        rows = [row for row in self.rows if row.static and not row.arm.random and row.soft == soft and row.ratio]
        if not rows:
            return ""
        inside = [row for row in rows if row.verdict in ("equivalent", "shifted, within the margin")]
        kind = "soft pruning (weights counted)" if soft else "pruning (picks counted)"
        text = (
            f"{len(inside)} of {plural(len(rows), 'static rule')} leave the tail exponent of {kind} within "
            f"{self._margins()} times that of random selections of equal size"
        )
        ends = sorted(rows, key=lambda row: row.shift.estimate if row.shift else 0.0)
        if len(rows) > 1:
            text += f", from {ends[0].arm.name} {times(ends[0].ratio)} to {ends[-1].arm.name} {times(ends[-1].ratio)}"
        else:
            text += f": {ends[0].arm.name} {times(ends[0].ratio)}"
        out = [row.arm.name for row in rows if row.verdict == "outside the margin"]
        undecided = [row.arm.name for row in rows if row.verdict == "not settled"]
        text += f"; outside: {listed(out)}" if out else ""
        text += f"; not settled: {listed(undecided)}" if undecided else ""
        return f"{text} ({span((row.n for row in rows), lambda n: f'{n:.0f}')} seeds)"

    def _quantities(self, row: _Row) -> tuple[Quantity, ...]:
        if row.arm.random:
            return ()
        level = None if row.level is None else unlogged(row.level)
        more = ", weights counted" if row.soft else ""
        return tuple(
            quantity(name + more, self.dataset.name, found, row.n, row.arm.arm.label)
            for name, found in ((QUANTITY, row.ratio), (LEVEL_QUANTITY, level))
        )

    def _window(self) -> str:
        windows = {(taken.first, taken.last) for arm in self.arms for taken in arm.values.values()}
        return listed([f"{first} to {last}" for first, last in sorted(windows)])

    def _margins(self) -> str:
        return f"{1 - self.margin:.3g} to {1 + self.margin:.3g}"

    def _table(self) -> Table:
        return Table(
            title=f"{self.dataset.title}: tail exponent of what was selected, over that of random selections",
            columns=(
                "Arm", "Picks", "Counted", "Images", "Exponent, times random's [95 %]", "Spread of one draw",
                "Level, times random's [95 %]", "Seeds", "Verdict",
            ),
            rows=tuple(
                (
                    row.arm.name,
                    {"run": "once", "epoch": "each epoch", "batch": "each batch"}.get(row.arm.arm.cadence, NONE),
                    "weights" if row.soft else "picks",
                    self._images(row),
                    times(row.ratio),
                    NONE if row.chance is None else share(row.chance),
                    times(None if row.level is None else unlogged(row.level)),
                    str(row.n),
                    row.verdict,
                )
                for row in self.rows
            ),
            note=f"Equivalent: inside {self._margins()} by two one-sided t tests at 5 % over seeds. The spread is that "
            "of a single random selection about its mean. The level is the eigenvalues' geometric mean in the window.",
        )  # fmt: skip

    def _images(self, row: _Row) -> str:
        tails = [taken.soft if row.soft else taken.hard for taken in row.arm.values.values()]
        return f"{np.mean([tail.size for tail in tails if tail is not None]):,.0f}"

    def _chart(self) -> Chart:
        shown = [row for row in self.rows if row.shift is not None]
        names = tuple(dict.fromkeys(row.arm.name for row in shown))
        series = []
        for label, soft in (("picks counted", False), ("weights counted", True)):
            rows = [row for row in shown if row.soft == soft]
            found = [unlogged(row.shift) for row in rows if row.shift is not None]
            if found:
                series.append(
                    Series(
                        label,
                        x=tuple(names.index(row.arm.name) + (0.15 if soft else 0.0) for row in rows),
                        y=tuple(each.estimate for each in found),
                        low=tuple(each.low for each in found),
                        high=tuple(each.high for each in found),
                        joined=False,
                    )
                )
        return Chart(
            title=f"{self.dataset.title}: tail exponent of what was selected",
            x_label="",
            y_label="times that of random selections of equal size",
            series=tuple(series),
            ticks=names,
            level=1.0,
        )

    def _notes(self) -> tuple[str, ...]:
        references = sorted({taken.reference for arm in self.arms for taken in arm.values.values()})
        notes = [
            f"{self.dataset.title}: covariance of the features of {listed(references)}. A random selection has the "
            "same weights on other images: a fitted slope depends on how many images it is of.",
            "A rule that draws its subset with bounded chances is judged by the subset that it drew.",
        ]
        if self.out:
            notes.append(f"{self.dataset.title}: left out: {'; '.join(self.out[:3])}{' ...' if self.out[3:] else ''}.")
        return tuple(notes)


def _weighted(arm: Measured[Taken]) -> bool:
    return any(taken.soft is not None for taken in arm.values.values())


def _spread(tail: Tail) -> float:
    """Standard deviation of the random exponents, over their mean; 0 of a single draw."""
    draws = tail.random_exponents
    return float(draws.std(ddof=1) / draws.mean()) if len(draws) > 1 else 0.0
