"""Numbers and verdicts formatted for readers: few digits, units, a true minus sign."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from functools import wraps
from typing import Any

from ..records.folder import ORDINARY, TIMED

MINUS = "\u2212"
NONE = "\u2013"
NARROW = "\u202f"
INFINITE = "\u221e"

PHASE_WORDS = {
    "data": "data",
    "score": "scoring by the learner",
    "reference": "reference",
    "select": "selection",
    "train": "training",
    "probe": "looks at val",
}
ACCOUNT_WORDS = {
    "marginal": "artefacts free",
    "amortised": "artefacts shared among runs",
    "standalone": "everything done here charged",
}
COST_WORDS = {"learner_flops": "learner FLOPs", "total_flops": "total FLOPs", "wall_clock": "seconds"}
LADDER_WORDS = {"full": "training on everything", "uniform": "training on random picks"}
QUESTIONS = {
    "accuracy": ("What does it cost in accuracy?", "against full training at equal passes"),
    "picking": ("Does the picking matter?", "against random picks of the same number at the same times"),
    "pays": ("Does it pay?", "against simply training for less, at equal cost"),
}
_TONES = {
    "superior": "good",
    "supported": "good",
    "non-inferior": "fair",
    "measurably worse, within the margin": "fair",
    "worse": "bad",
    "inferior": "bad",
    "contradicted": "bad",
}
_BRIEF = {
    "measurably worse, within the margin": "worse, in margin",
    "on these test images only": "these images only",
}
_PAYS = {
    "superior": "pays",
    "non-inferior": "is no worse than training for less, and not shown to be better",
    "measurably worse, within the margin": "does not pay, though it loses less than the margin",
    "worse": "does not pay",
    "inferior": "does not pay",
    "inconclusive": "is not shown to pay",
    "on these test images only": "is as good as training for less on these test images only",
    "withheld: collapsed runs": "gets no verdict on whether it pays, since runs collapsed",
}


def questions(budget: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """The questions; where the budget is a cost, full training has the same one and not the same passes."""
    equal = [f"at equal {word}" for kind, word in (("flops", "FLOPs"), ("seconds", "seconds")) if kind in budget]
    if not equal:
        return QUESTIONS
    return {**QUESTIONS, "accuracy": (QUESTIONS["accuracy"][0], f"against full training {equal[0]}")}


def _dashed(shown: Callable[[float], str]) -> Callable[[float | None], str]:
    """A number format that writes a dash where there is no number."""

    @wraps(shown)
    def known(value: float | None) -> str:
        return NONE if value is None or math.isnan(value) else shown(value)

    return known


@_dashed
def points(value: float) -> str:
    """A difference in points, always signed: ``+0.31``, ``−1.20``, ``0.00``."""
    text = f"{abs(value):.2f}" if abs(value) < 99.995 else f"{abs(value):.1f}"
    return "0.00" if float(text) == 0 else ("+" if value > 0 else MINUS) + text


def interval(
    low: float | None, high: float | None, shown: Callable[[float], str] = points, form: str = "{} to {}"
) -> str:
    """Both ends of an interval as ``shown``: ``−0.90 to −0.06``; a dash where one of them is not known."""
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return NONE
    return form.format(shown(low), shown(high))


def bracketed(value: float | None, low: float | None, high: float | None, shown: Callable[[float], str]) -> str:
    """``0.79 [0.70, 0.89]``: the value alone where the interval is unknown, or reads as the value does."""
    if value is None or low is None or high is None or {shown(low), shown(high)} == {shown(value)}:
        return NONE if value is None else shown(value)
    return f"{shown(value)} {interval(low, high, shown, '[{}, {}]')}"


error = _dashed(lambda value: points(value).lstrip("+"))
"""A size in points without a sign: ``0.21``."""
significant = _dashed("{:.3g}".format)
"""Three significant digits: ``0.0123``, ``1.2e-05``."""
percent = _dashed("{:.2f}".format)
"""An accuracy that is already in per cent, without the sign: ``97.12``."""
count = _dashed("{:,.0f}".format)
"""A whole number with thousands apart: ``50,000``."""


def accuracies(low: float | None, high: float | None) -> str:
    """An interval of accuracies, cut off where accuracies end: ``96.80 to 97.41``."""
    return interval(low and max(low, 0), high and min(high, 100), percent)


@_dashed
def share(value: float) -> str:
    """A share in [0, 1] as per cent with two significant digits: ``12 %``, ``0.34 %``, ``< 0.01 %``."""
    scaled = 100 * value
    if scaled == 0 or scaled >= 9.95:
        return f"{scaled:.0f}{NARROW}%"
    return f"<{NARROW}0.01{NARROW}%" if scaled < 0.01 else f"{scaled:.2g}{NARROW}%"


@_dashed
def correlation(value: float) -> str:
    """``.83``, ``−.12`` without the zero, ``0`` and ``1`` at the ends."""
    text = f"{abs(value):.2f}".removeprefix("0")
    if text in (".00", "1.00"):
        text = text[:1].replace(".", "0")
    return (MINUS if value < 0 and text != "0" else "") + text


@_dashed
def p_value(value: float) -> str:
    """Three significant digits, ``< .001`` below that; no leading zero, as statistics journals print it."""
    if value < 0.001:
        return f"<{NARROW}.001"
    if value > 0.9995:
        return "1"
    digits = 2 - math.floor(math.log10(value))
    return f"{value:.{min(digits, 4)}f}".removeprefix("0")


def _significant(value: float) -> str:
    value = float(f"{value:.3g}")
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}" if value else "0"


def _prefixed(value: float, unit: str) -> str:
    for prefix, size in (("Z", 1e21), ("E", 1e18), ("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= 0.9995 * size:
            return f"{_significant(value / size)}{NARROW}{prefix}{unit}"
    return f"{value:.0f}{NARROW}{unit}"


flops = _dashed(lambda value: _prefixed(value, "FLOP"))
"""``3.21 PFLOP``."""
rate = _dashed(lambda value: _prefixed(value, "FLOP/s"))
"""FLOPs a second: ``3.21 GFLOP/s``."""
size = _dashed(lambda value: _prefixed(value, "B"))
"""Bytes as ``412 MB`` (powers of ten)."""


@_dashed
def seconds(value: float) -> str:
    """``0.42 s``, ``12.3 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if value < 99.95:
        return f"{_significant(value)}{NARROW}s" if value >= 0.01 or value == 0 else f"{value:.1g}{NARROW}s"
    if value < 5999.5:
        minutes, rest = divmod(round(value), 60)
        return f"{minutes}{NARROW}min {rest:02d}{NARROW}s"
    hours, rest = divmod(round(value / 60), 60)
    return f"{hours:,}{NARROW}h {rest:02d}{NARROW}min"


@_dashed
def ratio(value: float) -> str:
    """A cost ratio or a speed-up: ``0.62×``, ``12.4×``."""
    if math.isinf(value):
        return INFINITE
    return (f"{value:.2f}" if value < 9.995 else _significant(value)) + "\u00d7"


def plural(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def budget_share(rung: float) -> str:
    """A rung of a ladder: ``1/4 of the budget``; empty for the whole."""
    if rung == 1.0:
        return ""
    fraction = Fraction(rung).limit_denominator(16)
    return f"{fraction if abs(fraction - rung) < 1e-9 else f'{rung:.3g}'} of the budget"


def clock_words(source: str | None, blocks: int) -> str:
    """Where seconds are from, for brackets: ``timing pass, 3 blocks``, or ``indication: ordinary cells``."""
    return f"{TIMED}, {plural(blocks, 'block')}" if source == TIMED else f"indication: {ORDINARY}"


def span(values: Iterable[float], shown: Callable[[float], str]) -> str:
    """The least and the largest of ``values`` as ``shown``: ``1.2 % to 14 %``, one of them where they read alike."""
    known = sorted(values)
    return " to ".join(dict.fromkeys((shown(known[0]), shown(known[-1]))))


def tone(verdict: str) -> str:
    """One of ``good``, ``fair``, ``bad``, ``open``: how a verdict is coloured. The word is always shown too."""
    return _TONES.get(verdict, "open")


def brief(verdict: str) -> str:
    """A verdict in one short word for narrow tables."""
    found = next((start for start in ("no verdict", "withheld") if verdict.startswith(start)), verdict)
    return _BRIEF.get(found, found)


def worded(row: Mapping[str, Any]) -> str:
    text = brief(row["verdict"])
    return text if row["primary"] else f"({text})"


def pays_words(verdict: str) -> str:
    """The predicate of the headline for a verdict on the third question."""
    if verdict.startswith("no verdict"):
        return f"has no verdict yet on whether it pays{verdict.removeprefix('no verdict').replace(':', ',', 1)}"
    return _PAYS.get(verdict, verdict)


def by_how_much(contrast: Mapping[str, Any]) -> str:
    """``0.48 points worse (90 % interval −0.90 to −0.06)``."""
    mean = contrast["mean_difference"]
    text = f"{error(abs(mean))} points {'better' if mean > 0 else 'worse'}"
    if contrast["ci_low"] is None:
        return text
    return f"{text} ({level(contrast)} interval {interval(contrast['ci_low'], contrast['ci_high'])})"


def level(contrast: Mapping[str, Any]) -> str:
    return f"{100 * contrast['confidence']:.3g}{NARROW}%"


def duration(value: float) -> str:
    """``3.2 µs``, ``12 ms``, ``1.5 s``: two significant digits."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)):
        if value >= 0.9995 * scale:
            scaled = value / scale
            return f"{scaled:.0f} {unit}" if scaled >= 99.5 else f"{scaled:.2g} {unit}"
    return "0 s" if value == 0 else f"{value / 1e-9:.2g} ns"


def fraction(value: float) -> str:
    """``1/8``, ``1/4``, ``1``, ``2`` for powers of two; ``0.6`` for what is none."""
    whole = round(1 / value)
    return f"1/{whole}" if value < 1 and abs(value * whole - 1) < 1e-9 and whole & (whole - 1) == 0 else f"{value:g}"
