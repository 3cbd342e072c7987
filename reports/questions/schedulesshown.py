"""Tables, charts and words on schedules."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from ..document.blocks import Chart, Series, Table
from ..document.numbers import NONE, interval, p_value, percent, points
from .schedulespaired import Mean, Pair
from .schedulesread import Grown, Part

POINTS = "difference in accuracy, points"


def shown(mean: Mean) -> str:
    """``+0.20 [−0.31 to +0.71]``."""
    if mean.interval is None:
        return points(mean.estimate)
    return f"{points(mean.estimate)} [{interval(mean.interval.low, mean.interval.high)}]"


def times(pair: Pair) -> str:
    """``1.05 [0.80 to 1.40]``: the ratio of spreads."""
    spread = pair.spread
    return NONE if spread is None else f"{spread.ratio:.2f} [{spread.low:.2f} to {spread.high:.2f}]"


def told(pair: Pair, part: Part) -> str:
    """What is shown of a schedule's mean, by Holm."""
    mean = pair.difference
    if mean.adjusted is None or mean.estimate is None:
        return NONE
    if mean.adjusted < part.alpha:
        return "better" if mean.estimate > 0 else "worse"
    margin = part.dataset.margin
    return f"within the margin of {margin:g}" if pair.within(margin, part.alpha) else "not told apart"


def steady(pair: Pair, part: Part) -> str:
    """What is shown of a schedule's spread, by Holm."""
    if pair.difference.n < part.asked.fewest:
        return "not powered"
    if pair.spread is None or pair.spread_adjusted is None:
        return "no spread to compare"
    if pair.spread_adjusted < part.alpha:
        return "steadier" if pair.spread.ratio < 1 else "less steady"
    return "not told apart"


def tables(part: Part, title: str) -> list[Table]:
    """Means, spreads, amounts and sweeps of one data set."""
    found = []
    if part.pairs:
        found += [_means(part, title), _spreads(part, title)]
    if part.beside:
        found.append(_amounts(part, title))
    return found + [_sweep(part, title, name, pairs) for name, pairs in part.sweeps.items()]


def _means(part: Part, title: str) -> Table:
    random = {pair.label: pair for pair in part.random}
    base = part.runs(part.asked.baseline)
    rows: list[tuple[str, ...]] = [
        (part.asked.baseline, str(len(base.points)), _kept(base.ratio), "1", _accuracy(base.points.values()))
        + (NONE,) * 5
    ]
    for pair in part.pairs:
        twin = random.get(pair.label)
        rows.append(
            (
                pair.label,
                str(pair.difference.n),
                _kept(pair.ours.ratio),
                _amount(pair),
                _accuracy(pair.ours.points.values()),
                shown(pair.difference),
                p_value(pair.difference.adjusted),
                told(pair, part),
                shown(twin.difference) if twin else NONE,
                shown(part.due_to_picks[pair.label]),
            )
        )
    against = f"less {part.asked.baseline}"
    columns = ("schedule", "seeds", "kept", "images trained", "accuracy, %", against, "p (Holm)", "told")
    return Table(
        f"{title}: schedules against {part.asked.baseline}",
        (*columns, "random picks alike", "due to the picks"),
        tuple(rows),
        "Differences in points, paired by seed, with 95 % intervals. Images trained: as a multiple of "
        f"{part.asked.baseline}'s. Random picks alike: the same difference between the schedules' uniform twins. Due "
        "to the picks: the one less the other. Told: better or worse by Holm over the schedules; else within the "
        "margin where both one-sided tests say so.",
    )


def _spreads(part: Part, title: str) -> Table:
    random = {pair.label: pair for pair in part.random}
    rows = [
        (
            pair.label,
            str(pair.difference.n),
            *((f"{sd:.2f}" for sd in pair.sds) if pair.sds else (NONE, NONE)),
            times(pair),
            p_value(pair.spread_adjusted),
            steady(pair, part),
            times(random[pair.label]) if pair.label in random else NONE,
        )
        for pair in part.pairs
    ]
    columns = ("schedule", "seeds", "SD, points", f"SD of {part.asked.baseline}", "ratio", "p (Holm)", "told")
    return Table(
        f"{title}: steadiness over seeds",
        (*columns, "ratio of random picks"),
        tuple(rows),
        "Ratio of SDs of test accuracy with its 95 % interval, paired by seed (Pitman and Morgan). "
        "Below 1 is steadier. The test assumes normal runs.",
    )


def _amounts(part: Part, title: str) -> Table:
    against = {pair.label: pair for pair in part.pairs}
    rows = [
        (
            beside.label,
            _amount(against[beside.label]),
            shown(against[beside.label].difference),
            shown(beside.mean),
            str(beside.mean.n),
            str(beside.left_out),
        )
        for beside in part.beside
    ]
    columns = ("schedule", "images trained", f"less {part.asked.baseline}", "less a fixed one of its amount", "seeds")
    return Table(
        f"{title}: shape against amount",
        (*columns, "seeds left out"),
        tuple(rows),
        "A fixed schedule of as many images is read, seed by seed, between those that were run and full training, over "
        "the logarithm of the images trained on. Left out: seeds that trained on more or fewer than all of these.",
    )


def growth(grown: Sequence[Grown], title: str, baseline: str) -> Table:
    """What growing sub-batches do to each schedule's difference."""
    rows = tuple(
        (
            row.label,
            str(row.change.n),
            *map(shown, (row.growing, row.even, row.change)),
            p_value(row.change.p),
            shown(row.change_of_random),
        )
        for row in grown
    )
    columns = ("schedule", "seeds", "sub-batch grows", "of one size", "change", "p", "change of random picks")
    return Table(
        f"{title}: shape against growth of the sub-batch",
        columns,
        rows,
        f"Differences to {baseline} in points where the sub-batch grows with the ratio and where it has one size, and "
        "the difference of the two, paired by seed, with 95 % intervals; p is of each change alone.",
    )


def _sweep(part: Part, title: str, parameter: str, pairs: Sequence[Pair]) -> Table:
    values = part.asked.sweep[parameter]
    rows = tuple(
        (
            f"{values[pair.label]:g}",
            str(pair.difference.n),
            _kept(pair.ours.ratio),
            _amount(pair),
            shown(pair.difference),
            p_value(pair.difference.adjusted),
            told(pair, part),
            times(pair),
            steady(pair, part),
        )
        for pair in pairs
    )
    centre = part.asked.swept
    known = f" ({parameter} {values[centre]:g})" if centre in values else ""
    columns = (parameter, "seeds", "kept", "images trained", f"less {centre}", "p (Holm)", "told", "ratio of SDs")
    note = f"Against {centre}{known}, in points, paired by seed, with 95 % intervals."
    return Table(f"{title}: {parameter} of {centre}", (*columns, "steadiness"), rows, note)


def charts(part: Part, title: str) -> list[Chart]:
    """Differences, ratios of spreads where there are seeds enough, and each parameter swept."""
    found = []
    if part.pairs:
        sides = (("picks of the rule", part.pairs), ("random picks", part.random))
        ticks = tuple(dict.fromkeys(pair.label for pair in (*part.pairs, *part.random)))
        means = tuple(_series(name, pairs, ticks, _mean_ends) for name, pairs in sides if pairs)
        found.append(Chart(f"{title}: against {part.asked.baseline}", "schedule", POINTS, means, ticks, level=0.0))
        if part.powered:
            spreads = tuple(_series(name, pairs, ticks, _spread_ends) for name, pairs in sides if pairs)
            label = f"SD over seeds, that of {part.asked.baseline} = 1"
            found.append(Chart(f"{title}: steadiness", "schedule", label, spreads, ticks, log_y=True, level=1.0))
    for parameter, pairs in part.sweeps.items():
        values = part.asked.sweep[parameter]
        ends = {values[pair.label]: _mean_ends(pair) for pair in pairs}
        if part.asked.swept in values:
            ends[values[part.asked.swept]] = (0.0, 0.0, 0.0)
        x = tuple(sorted(ends))
        y, low, high = zip(*(ends[value] for value in x), strict=True)
        series = Series(f"less {part.asked.swept}", x, y, low, high)
        found.append(Chart(f"{title}: {parameter}", parameter, POINTS, (series,), level=0.0))
    return found


Ends = tuple[float | None, float | None, float | None]


def _series(name: str, pairs: Sequence[Pair], ticks: Sequence[str], ends: Callable[[Pair], Ends]) -> Series:
    found = {float(ticks.index(pair.label)): ends(pair) for pair in pairs}
    y, low, high = zip(*found.values(), strict=True)
    return Series(name, tuple(found), y, low, high, joined=False)


def _mean_ends(pair: Pair) -> Ends:
    mean = pair.difference
    return (mean.estimate, mean.interval.low, mean.interval.high) if mean.interval else (mean.estimate, None, None)


def _spread_ends(pair: Pair) -> Ends:
    return (pair.spread.ratio, pair.spread.low, pair.spread.high) if pair.spread else (None, None, None)


def _accuracy(values: Iterable[float]) -> str:
    known = list(values)
    return percent(sum(known) / len(known)) if known else NONE


def _kept(ratio: float) -> str:
    return NONE if math.isnan(ratio) else f"{ratio:.3f}"


def _amount(pair: Pair) -> str:
    """Images trained as a multiple of the other's: ``1`` where they are matched."""
    return "1" if pair.matched else NONE if pair.amount is None else f"{pair.amount:.2f}"
