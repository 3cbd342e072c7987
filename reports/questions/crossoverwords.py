"""Crossings of rules with random subsets in words: in a sentence, in a table, and what must be known of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..document.numbers import MINUS, NONE, p_value, plural
from ..statistics.crossing import first_zero
from .digitised import Gap, Source
from .pruned import CONFIDENCE, Curve, Place

DOUBT = (1 - CONFIDENCE) / 2
"""The largest one-sided p-value at which a difference counts as clear, as its interval does."""
FAR = 1e9
"""Points below a published bound: as far as nobody's accuracy is."""
FULL = 100.0
"""Points from which on a bound says nothing."""

DEFINITION = (
    "A rule falls behind below a percentage kept: the largest one below which the mean difference, paired by seed and "
    "read as straight lines over the logarithm of the percentage, stays under zero. Its 95 % interval goes from the "
    "first percentage, from the lowest up, at which the rule is not clearly behind to the first at which it is clearly "
    "ahead. Clearly: the 95 % paired t interval has zero outside. Throughout a range: at each percentage by itself, "
    "with the largest of their one-sided p-values."
)


def sentence(parts: Sequence[str]) -> str:
    """What is said of entries and of the best rule, one after the other; a name in it keeps its letters."""
    first, *more = parts
    return "\n".join(
        [f"Against random subsets of the same size: {first}", *(part[:1].upper() + part[1:] for part in more)]
    )


@dataclass(frozen=True)
class Best:
    """The rule furthest ahead of random, in points; no rule looked at is ahead by more than ``most``, at 95 %."""

    of: Curve
    place: Place
    estimate: float
    most: float


def best(found: Sequence[tuple[Curve, Place]]) -> Best | None:
    """The furthest ahead of those with two pairs or more; ``most`` holds for all at once (Bonferroni)."""
    able = [(of, place) for of, place in found if len(place.seeds) > 1]
    gaps = [place.gap(1 - (1 - CONFIDENCE) / len(able)) for _, place in able]
    rows = [(gap.estimate, gap.high, *row) for gap, row in zip(gaps, able, strict=True) if gap is not None]
    if not rows:
        return None
    estimate, _, of, place = max(rows, key=lambda row: row[0])
    return Best(of, place, estimate, max(high for _, high, *_ in rows))


def at_best(best: Best, entries: Mapping[str, str], low: float) -> str:
    """How far ahead of random any rule is at little kept, for :func:`sentence`."""
    text = f"at {low:g} % kept and less"
    if best.most <= 0:
        return f"{text} each rule is behind by {-best.most:.1f} points or more."
    bound = f" no rule is ahead by more than {best.most:.1f} points" if best.most < FULL else ""
    if best.estimate <= 0:
        return f"{text}{bound}{',' if bound else ''} none is ahead on average."
    where = f"{best.place.kept:g} % and {entries[best.of.dataset]}"
    return (
        f"{text}{bound}{';' if bound else ''} the furthest ahead is {best.of.rule}, by {best.estimate:.1f} at {where}."
    )


def entry(words: str, curves: Sequence[Curve]) -> str:
    """A sentence on one entry's rules, for :func:`sentence`."""
    counts = {len(of.seeds) for of in curves if of.crossing is not None}
    n = f" ({plural(counts.pop(), 'seed')})" if len(counts) == 1 else ""
    return f"at {words}{n}, {'; '.join(f'{of.rule} {_clause(of)}' for of in curves)}."


def _clause(of: Curve) -> str:
    cross = of.crossing
    if cross is None:
        return f"cannot be judged yet, for want of two seeds at two percentages kept (now {plural(of.pairs, 'seed')})"
    measured = f"{of.read[0]:g} to {of.read[-1]:g} % kept"
    if cross.at is not None:
        return f"falls behind below {cross.at:.0f} % kept {_ends(of)}"
    if cross.p_below <= DOUBT:
        return f"is behind throughout {measured} ({_p(cross.p_below)})"
    if cross.p_above <= DOUBT:
        return f"is ahead throughout {measured} ({_p(cross.p_above)})"
    if cross.side == "below":
        level = f", level with random no lower than {cross.low:.0f} %" if cross.low else ""
        return f"is behind on average throughout {measured}{level}"
    under = [kept for kept, mean in of.means().items() if mean < 0]
    if under:
        return f"is not behind at {of.read[0]:g} % kept, yet is at {_listed(under)}"
    level = f", if at all then below {cross.high:.0f} %" if math.isfinite(cross.high) else ""
    return f"is on average nowhere behind from {measured}{level}"


def notes(of: Curve, words: str) -> Iterable[str]:
    """What a crossing leaves out, and where the rule is behind again above it."""
    if of.crossing is None:
        return
    where = f"{of.rule} at {words}"
    if len(of.read) < len(of.places) or len(of.seeds) < of.pairs:
        yield (
            f"{where}: the crossing is read from {plural(len(of.seeds), 'seed')}, those at all of {_listed(of.read)} "
            "kept; the other runs are not complete."
        )
    cross = of.crossing.at
    again = [] if cross is None else [kept for kept, mean in of.means().items() if kept > cross and mean < 0]
    if again:
        yield f"{where}: above the crossing it is behind random again, on average, at {_listed(again)} kept."


def crossing(of: Curve) -> str:
    """The crossing in a table: ``41 % [33, 52]``, ``under 5 %``, ``over 90 %``."""
    cross = of.crossing
    if cross is None:
        return NONE
    settled = (cross.low, cross.high) in ((of.read[-1], math.inf), (0.0, of.read[0]))
    return _at(cross.side, cross.at, of.read) + ("" if settled else f" {_ends(of)}")


def _at(side: str, at: float | None, levels: Sequence[float]) -> str:
    if at is not None:
        return f"{at:.0f} %"
    return f"over {levels[-1]:g} %" if side == "below" else f"under {levels[0]:g} %"


def _ends(of: Curve) -> str:
    assert of.crossing is not None
    low, high = of.crossing.low, of.crossing.high
    first = f"{low:.0f}" if low else f"under {of.read[0]:g}"
    last = f"{high:.0f}" if math.isfinite(high) else f"over {of.read[-1]:g}"
    return f"[{first}, {last}]"


def published_title(source: Source) -> str:
    """What a source's table and chart are called."""
    made = f"{source.dataset}, {source.learner}, {source.budget}"
    return f"Published, {made}, read off a figure: accuracy minus a random subset's"


def published(gap: Gap) -> str:
    """A published difference in a table."""
    return f"below {_signed(gap.difference)}" if gap.bound else _signed(gap.difference)


def published_crossing(source: Source, rule: str) -> str:
    """Where random overtakes a published rule, with the ends that errors of reading leave."""
    gaps = source.gaps(rule)
    levels = tuple(gap.kept for gap in gaps)

    def place(error: float, farthest: float = 0.0) -> str:
        means = np.array([gap.difference + error * gap.error - farthest * gap.bound for gap in gaps])
        return _at("below" if means[0] < 0 else "not below", first_zero(np.array(levels), means), levels)

    # All that a bound says is that the difference lies below it, perhaps far.
    low, high = place(1), place(-1, farthest=FAR)
    ends = f"[{low.removesuffix(' %')}, {high.removesuffix(' %')}]"
    if low == high:
        return low
    middle = place(0)
    return f"{middle} {ends}" if middle == place(0, farthest=FAR) else ends


def bracketed(estimate: float, low: float, high: float) -> str:
    """``−3.2 [−4.0, −2.1]``, without ends that there are not."""
    return _signed(estimate) + (f" [{_signed(low)}, {_signed(high)}]" if math.isfinite(low + high) else "")


def _signed(value: float) -> str:
    text = f"{abs(value):.1f}"
    return text if float(text) == 0 else ("+" if value > 0 else MINUS) + text


def _listed(found: Iterable[float]) -> str:
    *rest, last = (f"{kept:g}" for kept in found)
    return f"{', '.join(rest)} and {last} %" if rest else f"{last} %"


def _p(value: float) -> str:
    text = p_value(value)
    return f"p {text}" if text.startswith("<") else f"p = {text}"
