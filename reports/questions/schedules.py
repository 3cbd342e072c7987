"""Does the schedule matter? Shapes of the keep ratio against a fixed one: means, spreads, amounts and growth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..document.blocks import Chart, Table
from ..document.numbers import plural, points
from ..effects.estimate import Quantity
from ..records.folder import Results
from .answer import Answer, Names, Summary
from .schedulesasked import Asked
from .schedulespaired import Mean, Pair
from .schedulesread import Grown, Part, parts
from .schedulesshown import charts, growth, shown, steady, tables, times, told


class Steadiness:
    """One rule under several schedules of its keep ratio, each against a fixed one, paired by seed.

    - Means: difference of accuracy, with the amounts trained on beside it, and the same for the uniform twins: what
      the shape does to random picks.
    - Spreads: ratio of the SDs over seeds (Pitman and Morgan 1939), from ``fewest`` seeds on.
    - Amount: what doubling the images trained on brings under fixed schedules, and schedules that train on more or
      fewer beside a fixed one of their own amount.
    - Growth: each difference where the sub-batch grows with the ratio, less that where it has one size.

    p-values are two-sided; those of means, and those of spreads, are adjusted by Holm over the schedules of one data
    set, or over one parameter's values.

    Parameters
    ----------
    options : mapping
        ``baseline``, ``schedules``, and perhaps ``fewest``, ``amounts``, ``growth``, ``swept`` and ``sweep``: see
        :class:`selbench.reports.questions.schedulesasked.Asked`.
    names : Names
        What the matrix holds.

    Raises
    ------
    ValueError
        One line, for options that are wrong.
    """

    def __init__(self, options: Mapping[str, Any], names: Names) -> None:
        self.asked = Asked.read(options, names)

    def answer(self, results: Results, summary: Summary) -> Answer:
        """A sentence for each data set that has the baseline and a schedule."""
        found = [part for part in parts(self.asked, results) if part.pairs]
        if not found:
            lacking = f"no seed has {self.asked.baseline} beside one of {', '.join(self.asked.schedules)}"
            return Answer(f"No answer yet: {lacking}.", enough=False)
        grown = [(part, part.grown(even)) for part, even in _growing(self.asked, found)]
        first = {part.dataset.name: part for part in reversed(found)}
        quantities = [q for part in first.values() for q in _quantities(part)]
        quantities += [q for part, rows in grown if first[part.dataset.name] is part for q in _grown(part, rows)]
        more_tables = [growth(rows, _title(part, found), self.asked.baseline) for part, rows in grown if rows]
        found_tables: list[Table] = [table for part in found for table in tables(part, _title(part, found))]
        found_charts: list[Chart] = [chart for part in found for chart in charts(part, _title(part, found))]
        return Answer(
            sentence="\n".join(_sentence(part, _title(part, found), dict(grown).get(part, [])) for part in found),
            enough=any(part.seeds > 1 for part in found),
            quantities=tuple(quantities),
            tables=(*found_tables, *more_tables),
            charts=tuple(found_charts),
            notes=tuple(note for part in found for note in _notes(part, _title(part, found))),
        )


def _growing(asked: Asked, found: Sequence[Part]) -> list[tuple[Part, Part]]:
    """Parts whose sub-batches grow, each with its like of one size."""
    by_name = {(part.dataset.name, part.reference): part for part in found}
    return [
        (part, by_name[even, part.reference])
        for growing, even in asked.growth
        for part in found
        if part.dataset.name == growing and (even, part.reference) in by_name
    ]


def _title(part: Part, found: Sequence[Part]) -> str:
    several = sum(other.dataset is part.dataset for other in found) > 1
    return f"{part.dataset.title}, {part.reference}" if several else part.dataset.title


def _sentence(part: Part, title: str, grown: Sequence[Grown]) -> str:
    """The answer on one data set: the first schedule in full, the others where something is shown of them."""
    first, others = part.pairs[0], part.pairs[1:]
    text = f"{title}: {_of_first(first, part)}"
    if others:
        text += " " + _of_others(others, part)
    if part.amount.interval is not None:
        text += f" Under fixed schedules twice the images are worth {_points(part.amount)}."
    change = next((row.change for row in grown if row.label == first.label and row.change.interval), None)
    if change is not None:
        text += f" That the sub-batch grows with the ratio changes {first.label}'s difference by {_points(change)}."
    return text + "".join(f" {_of_sweep(name, pairs, part)}" for name, pairs in part.sweeps.items())


def _of_first(pair: Pair, part: Part) -> str:
    mean, verdict = pair.difference, told(pair, part)
    at = "at equal amount" if pair.matched else f"training on {pair.amount or 0:.2f} times as many images"
    text = f"{at}, {pair.label} is {_points(mean)} from {part.asked.baseline} over {plural(mean.n, 'seed')}"
    text += f" ({verdict})" if mean.interval else ""
    text += f", and {_of_spread(pair, part)}"
    neither = mean.n >= part.asked.fewest and verdict != "better" and steady(pair, part) != "steadier"
    return f"{text}: not shown to be better, nor steadier." if neither else f"{text}."


def _points(mean: Mean) -> str:
    if mean.interval is None:
        return f"{points(mean.estimate)} points (one seed, no interval)"
    return f"{points(mean.estimate)} points {shown(mean).split(' ', 1)[1]}"


def _of_spread(pair: Pair, part: Part) -> str:
    verdict = steady(pair, part)
    if verdict == "not powered":
        seen = part.spread_seen
        only = f", with which an SD {seen:.2f} times the other is seen in four cases of five" if seen else ""
        return f"its steadiness is not powered ({pair.difference.n} of {part.asked.fewest} seeds{only})"
    return f"its SD is {times(pair)} times that of {part.asked.baseline} ({verdict})"


def _of_others(pairs: Sequence[Pair], part: Part) -> str:
    """``Of the 4 others none is better or worse, and none steadier or less steady.``, or who is."""
    several = len(pairs) > 1
    who = f"Of the {len(pairs)} others" if several else f"For {pairs[0].label}"
    unlike = _named(pairs, lambda pair: told(pair, part), ("better", "worse"), lambda pair: _points(pair.difference))
    text = f"{who} {unlike or 'no difference in accuracy is shown'}"
    if part.powered:
        unlike = _named(pairs, lambda pair: steady(pair, part), ("steadier", "less steady"), lambda pair: times(pair))
        text += f", and {unlike or 'none in steadiness'}"
    return f"{text}.{_of_amounts(pairs, part)}"


def _of_amounts(pairs: Sequence[Pair], part: Part) -> str:
    """Who trains on more or fewer images, and how it stands beside a fixed schedule of as many."""
    beside = {row.label: row.mean for row in part.beside if row.mean.interval is not None}
    uneven = []
    for pair in pairs:
        if not pair.matched and pair.amount is not None:
            held = f", {_points(beside[pair.label])} from a fixed schedule of as many" if pair.label in beside else ""
            uneven.append(f"{pair.label} trains on {pair.amount:.2f} times the images{held}")
    return f" Not matched in amount: {'; '.join(uneven)}." if uneven else ""


def _of_sweep(parameter: str, pairs: Sequence[Pair], part: Part) -> str:
    """``Of start 0.08 to 0.45 the furthest from sigmoid is 0.45, with −0.57 points [..] (not told apart).``"""
    values = part.asked.sweep[parameter]
    tried = [values[pair.label] for pair in pairs] + [values[at] for at in (part.asked.swept,) if at in values]
    furthest = max(pairs, key=lambda pair: abs(pair.difference.estimate or 0.0))
    ends = f"{parameter} {min(tried):g} to {max(tried):g}"
    verdict = f" ({told(furthest, part)})" if furthest.difference.interval else ""
    found = f"{values[furthest.label]:g}, at {_points(furthest.difference)}{verdict}"
    return f"Of {ends} the furthest from {part.asked.swept} is {found}."


def _named(
    pairs: Sequence[Pair], of: Callable[[Pair], str], verdicts: Sequence[str], number: Callable[[Pair], str]
) -> str:
    found = [(pair, of(pair)) for pair in pairs if of(pair) in verdicts]
    return ", ".join(f"{pair.label} is {verdict} ({number(pair)})" for pair, verdict in found)


def _quantities(part: Part) -> list[Quantity]:
    found = [_quantity("difference in accuracy per doubling of the amount", part, part.amount)]
    for name, pairs in (("", part.pairs), (" of random picks", part.random)):
        for pair in pairs:
            found.append(_quantity(f"difference in accuracy{name}", part, pair.difference, pair.label))
            found.append(_spread(f"spread ratio{name}", part, pair))
    for label, mean in part.due_to_picks.items():
        found.append(_quantity("difference in accuracy due to the picks", part, mean, label))
    for beside in part.beside:
        found.append(_quantity("difference in accuracy at its own amount", part, beside.mean, beside.label))
    for parameter, pairs in part.sweeps.items():
        for pair in pairs:
            name = f"difference in accuracy over {parameter}"
            found.append(_quantity(name, part, pair.difference, pair.label, part.asked.swept))
    return found


def _grown(part: Part, rows: Sequence[Grown]) -> list[Quantity]:
    name = "difference in accuracy due to growing sub-batches"
    return [_quantity(name, part, row.change, row.label) for row in rows]


def _quantity(name: str, part: Part, mean: Mean, label: str = "", rival: str = "") -> Quantity:
    low, high = (None, None) if mean.interval is None else mean.interval[1:3]
    against = (rival or part.asked.baseline) if label else ""
    return Quantity(name, part.dataset.name, mean.estimate, low, high, mean.n, strategy=label, rival=against)


def _spread(name: str, part: Part, pair: Pair) -> Quantity:
    """Nothing below the fewest seeds: a claim must not rest on what has no power."""
    n, rival = pair.difference.n, part.asked.baseline
    if pair.spread is None or n < part.asked.fewest:
        return Quantity(name, part.dataset.name, None, None, None, n, strategy=pair.label, rival=rival)
    ratio, low, high, _ = pair.spread
    return Quantity(name, part.dataset.name, ratio, low, high, n, strategy=pair.label, rival=rival)


def _notes(part: Part, title: str) -> list[str]:
    found = []
    if part.powered and part.spread_seen is not None:
        found.append(
            f"{title}: {part.seeds} seeds show an SD {part.spread_seen:.2f} times the other's, or its inverse, in four "
            "cases of five where it is tested alone; smaller differences may be missed."
        )
    absent = [label for label in part.asked.schedules if label not in {pair.label for pair in part.pairs}]
    if absent:
        found.append(f"{title}: no pair of finished runs for {', '.join(absent)}.")
    collapsed = part.collapsed()
    if collapsed:
        found.append(f"{title}: {plural(collapsed, 'run')} collapsed; they are in every mean and every spread.")
    return found
