"""Estimates in long form; tables, charts and sentences are views of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..document.blocks import Chart, Series, Table
from ..document.numbers import MINUS, NONE, bracketed, correlation, interval, percent, points, ratio, share, span
from ..statistics import Interval, mean_interval

if TYPE_CHECKING:
    from pandas import DataFrame


def number(value: float) -> str:
    """Two decimals and a true minus sign."""
    text = f"{abs(value):.2f}"
    return (MINUS if value < 0 and float(text) != 0 else "") + text


def significant(value: float) -> str:
    """Three significant digits, for numbers of any size."""
    return f"{value:.3g}".replace("-", MINUS)


def tenths(value: float) -> str:
    """Points with one decimal, always signed."""
    text = f"{abs(value):.1f}"
    return text if float(text) == 0 else ("+" if value > 0 else MINUS) + text


UNITS: Mapping[str, Callable[[Any], str]] = {
    "number": number, "significant": significant, "points": points, "ratio": ratio, "percent": percent,
    "share": share, "correlation": correlation, "tenths": tenths,
}  # fmt: skip


@dataclass(frozen=True)
class Estimate:
    """One number with its interval.

    Parameters
    ----------
    quantity : str
        What it is, as claims name it.
    keys : mapping
        What it is of: ``dataset``, ``strategy``, ``rival``, and whatever else a study tells apart.
    value, low, high : float or None
    n : int
        Seeds, blocks or pairs behind it.
    unit : str
        One of :data:`UNITS`.
    """

    quantity: str
    keys: Mapping[str, str]
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    confidence: float = 0.95
    unit: str = "number"
    record: Mapping[Any, Any] = field(default_factory=dict)

    def side(self, null: float = 0.0) -> int:
        """-1 or 1 where the whole interval lies below or above ``null``; 0 where it cannot be told."""
        return -1 if self.high is not None and self.high < null else int(self.low is not None and self.low > null)

    def noted(self, **more: Any) -> Estimate:
        """The same with more in its record."""
        return replace(self, record={**self.record, **more})

    def __format__(self, how: str) -> str:
        """``0.79 [0.70, 0.89]``; ``value`` for the number alone; ``size`` without its sign.

        ``full`` shows the ends even where they read like the value; ``ends`` is ``0.70 to 0.89``, ``round`` is
        ``0.79 (0.70 to 0.89)``.
        """
        if self.value is None:
            return NONE
        shown = UNITS["number" if how == "size" else self.unit]
        turn = -1 if how == "size" and self.value < 0 else 1
        value = turn * self.value
        low, high = (None if end is None else turn * end for end in (self.low, self.high))
        low, high = (high, low) if turn < 0 else (low, high)
        if how in ("ends", "round"):
            ends = NONE
            if low is not None or high is not None:
                ends = " to ".join("no end" if end is None else shown(end) for end in (low, high))
            return ends if how == "ends" else f"{shown(value)} ({ends})"
        if how == "full" and low is not None and high is not None:
            return f"{shown(value)} {interval(low, high, shown, '[{}, {}]')}"
        return shown(value) if how == "value" else bracketed(value, low, high, shown)


class Estimates(list[Estimate]):
    """Estimates in long form."""

    def where(self, quantity: str = "", **keys: str) -> Estimates:
        """Those of a quantity and keys."""
        return Estimates(
            e for e in self
            if quantity in ("", e.quantity) and all(e.keys.get(name) == value for name, value in keys.items())
        )  # fmt: skip

    def one(self, quantity: str = "", **keys: str) -> Estimate | None:
        """The first of those."""
        return next(iter(self.where(quantity, **keys)), None)

    def frame(self) -> DataFrame:
        """One row an estimate, in order.

        Returns
        -------
        pandas.DataFrame
            ``quantity``; a column of text for each key that any estimate has, in the order in which they come, empty
            where an estimate has none; ``value``, ``low``, ``high`` (float, NaN where there is none); ``n`` (int);
            ``confidence`` (float, two-sided); ``unit``, of :data:`UNITS`; ``verdict`` where any was judged.
        """
        from pandas import DataFrame  # takes half a second, and few ask for it

        names = tuple(dict.fromkeys(name for e in self for name in e.keys))
        judged = ("verdict",) if any(hasattr(e, "verdict") for e in self) else ()
        numbers = {"value": float, "low": float, "high": float, "n": int, "confidence": float}
        shown = ("quantity", *numbers, "unit", *judged)
        rows = [{**{k: e.keys.get(k, "") for k in names}, **{k: getattr(e, k, "") for k in shown}} for e in self]
        return DataFrame(rows, columns=["quantity", *names, *shown[1:]]).astype(numbers)

    def renamed(self, **names: str) -> Estimates:
        """The same with keys under other names, for the heads of a table."""
        return Estimates(replace(e, keys={names.get(k, k): v for k, v in e.keys.items()}) for e in self)

    def quantities(self, known: bool = True) -> tuple[Quantity, ...]:
        """As claims read them; ``known`` leaves out those without a value."""
        return tuple(
            Quantity(e.quantity, e.keys["dataset"], e.value, e.low, e.high, e.n, e.confidence,
                     e.keys.get("strategy", ""), e.keys.get("rival", ""))
            for e in self if e.value is not None or not known
        )  # fmt: skip

    def table(self, title: str, index: Sequence[str], columns: Mapping[str, Column], note: str = "") -> Table:
        """A row for each value of ``index``; a column names a quantity, a quantity and its rival, or is computed."""
        keys = {tuple(e.keys[name] for name in index): None for e in self}
        rows = [(key, self.where(**dict(zip(index, key, strict=True)))) for key in keys]
        cells = [(*key, *(cell(read(row, column)) for column in columns.values())) for key, row in rows]
        return Table(title, (*index, *columns), tuple(cells), note)

    def chart(self, title: str, by: str, series: Mapping[str, Column], **how: Any) -> Chart:
        """A tick for each value of ``by``; a series is a column of the table of the same rows."""
        ticks = tuple(dict.fromkeys(e.keys[by] for e in self))
        lines = {label: [read(self.where(**{by: tick}), column) for tick in ticks] for label, column in series.items()}
        drawn = tuple(points_of(label, line) for label, line in lines.items() if any(line))
        return Chart(title, "", series=drawn, ticks=ticks, **how)


Column = str | tuple[str, str] | Callable[[Estimates], Any]


def read(row: Estimates, column: Column) -> Any:
    """What a column says of a row."""
    if callable(column):
        return column(row)
    return row.one(column) if isinstance(column, str) else row.one(column[0], rival=column[1])


def points_of(label: str, line: Sequence[Estimate | None], x: Sequence[float] = (), joined: bool = False) -> Series:
    """A series of estimates, over their places unless ``x`` says otherwise."""
    y, low, high = (tuple(None if e is None else getattr(e, end) for e in line) for end in ("value", "low", "high"))
    return Series(label, tuple(x) or tuple(range(len(line))), y, low, high, joined)


def cell(found: Any) -> str:
    return NONE if found is None else f"{found}"


def listed(words: Iterable[str], last: str = " and ") -> str:
    """``a, b and c``."""
    *rest, end = words
    return f"{', '.join(rest)}{last}{end}" if rest else end


def tally(found: Iterable[Estimate], null: float, below: str, above: str, neither: str) -> str:
    """How many lie on which side: ``less than full in 4, more in 0, not told apart in 0``."""
    sides = [e.side(null) for e in found]
    return ", ".join(f"{word} in {sides.count(side)}" for side, word in ((-1, below), (1, above), (0, neither)) if word)


def spread(found: Sequence[Estimate]) -> str:
    """Least to largest value."""
    return span([e.value for e in found if e.value is not None], UNITS[found[0].unit])


def finite(value: float | None) -> float | None:
    """None for an end that does not exist."""
    return value if value is not None and math.isfinite(value) else None


def interval_of(
    quantity: str, keys: Mapping[str, str], found: Interval | None, n: int, unit: str = "number"
) -> Estimate:
    """An estimate of an interval, whose ends are left out where they are not finite."""
    value, low, high = (None, None, None) if found is None else map(finite, found[:3])
    return Estimate(quantity, keys, value, low, high, n, unit=unit)


def by_seed(quantity: str, keys: Mapping[str, str], values: Mapping[int, float], unit: str) -> Estimate:
    """The mean over seeds with its t interval, which two seeds are needed for; the values stay beside it."""
    each = list(values.values())
    found = mean_interval(each) if len(each) > 1 else Interval(each[0], *3 * (math.nan,)) if each else None
    return replace(interval_of(quantity, keys, found, len(each), unit), record=values)


@dataclass(frozen=True)
class Quantity:
    """One measured number that claims may read, with its interval; None where there is none.

    ``name`` says what it is, in the words that a claim's ``quantity`` uses; ``strategy`` and ``rival`` are labels,
    empty where the number is of none.
    """

    name: str
    dataset: str
    estimate: float | None
    low: float | None
    high: float | None
    n: int
    confidence: float = 0.95
    strategy: str = ""
    rival: str = ""
