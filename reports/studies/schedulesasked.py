"""What a study of schedules declares: the fixed one, those held against it, and what is swept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from .base import Names

FEWEST = 40
"""Seeds below which spreads are not compared: with 40, an SD of two thirds is seen in two cases of three or more."""


@dataclass(frozen=True)
class Asked:
    """The options of a study of schedules, checked.

    Parameters
    ----------
    baseline : str
        Label of the strategy under the fixed schedule.
    schedules : tuple of str
        Labels of the same rule under other schedules; the first is the one that the sentence is about.
    fewest : int
        Seeds below which spreads are not compared.
    amounts : tuple of str
        Labels of the rule under fixed schedules that keep more or less than the baseline: what the amount does.
    growth : tuple of (dataset, dataset)
        Entries of one data set: in the first the sub-batch grows with the ratio, in the second it has one size.
    swept : str
        Label that the sweep moves away from; the baseline by default.
    sweep : mapping of parameter to mapping of label to value
    """

    baseline: str
    schedules: tuple[str, ...]
    fewest: int
    amounts: tuple[str, ...]
    growth: tuple[tuple[str, str], ...]
    swept: str
    sweep: Mapping[str, Mapping[str, float]]

    @classmethod
    def read(cls, options: Mapping[str, Any], names: Names) -> Asked:
        """The options as declared.

        Raises
        ------
        ValueError
            One line: what is wrong, and how to mend it.
        """
        known = ("baseline", "schedules", "fewest", "amounts", "growth", "swept", "sweep")
        for key in options:
            if key not in known:
                raise ValueError(f"option {key!r} is unknown{_meant(key, known)}")
        if "baseline" not in options:
            raise ValueError("option 'baseline' is missing: name the strategy under the fixed schedule")
        baseline = _label("baseline", options["baseline"], names)
        schedules = _labels("schedules", options.get("schedules"), names)
        if not schedules or baseline in schedules:
            raise ValueError("schedules must name one strategy or more, none of them the baseline")
        fewest = options.get("fewest", FEWEST)
        if isinstance(fewest, bool) or not isinstance(fewest, int) or fewest < 3:
            raise ValueError(f"fewest = {fewest!r} must be a number of seeds, 3 or more, such as {FEWEST}")
        return cls(
            baseline,
            schedules,
            fewest,
            _labels("amounts", options.get("amounts", []), names),
            _growth(options.get("growth", []), names),
            _label("swept", options.get("swept", baseline), names),
            _sweep(options.get("sweep", {}), names),
        )


def _label(key: str, given: Any, names: Names) -> str:
    if not isinstance(given, str) or given not in names.strategies:
        raise ValueError(f"{key}: {given!r} is no strategy of this matrix{_meant(given, names.strategies)}")
    return given


def _labels(key: str, given: Any, names: Names) -> tuple[str, ...]:
    if not isinstance(given, list | tuple) or len({*map(str, given)}) < len(given):
        raise ValueError(f"{key} must be a list of unlike strategies, not {given!r}")
    return tuple(_label(key, each, names) for each in given)


def _growth(given: Any, names: Names) -> tuple[tuple[str, str], ...]:
    if not isinstance(given, list | tuple):
        raise ValueError(f"growth must be a list of pairs of data sets, not {given!r}")
    pairs = []
    for pair in given:
        if not isinstance(pair, list | tuple) or len(pair) != 2 or pair[0] == pair[1]:
            raise ValueError(f"growth: {pair!r} is no pair of unlike data sets")
        for name in pair:
            if name not in names.datasets:
                raise ValueError(f"growth: {name!r} is no data set of this matrix{_meant(name, names.datasets)}")
        pairs.append((str(pair[0]), str(pair[1])))
    return tuple(pairs)


def _sweep(given: Any, names: Names) -> dict[str, dict[str, float]]:
    if not isinstance(given, Mapping):
        raise ValueError(f"sweep must give each parameter its labels and values, not {given!r}")
    sweep = {}
    for parameter, values in given.items():
        if not isinstance(values, Mapping) or len(values) < 2:
            raise ValueError(f"sweep.{parameter} must give two labels or more their values, as in {{ steep = 20 }}")
        for label, value in values.items():
            _label(f"sweep.{parameter}", label, names)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"sweep.{parameter}: the value of {label!r} must be a number, not {value!r}")
        ordered = sorted(values.items(), key=lambda item: item[1])
        sweep[str(parameter)] = {str(label): float(value) for label, value in ordered}
    return sweep


def _meant(wrong: Any, known: Iterable[str]) -> str:
    """The nearest of the known names, or all of them, for the end of a complaint."""
    near = get_close_matches(str(wrong), known, n=1)
    return f": did you mean {near[0]!r}?" if near else f": there are {', '.join(known)}"
