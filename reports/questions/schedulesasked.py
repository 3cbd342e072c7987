"""What a study of schedules declares: the fixed one, those held against it, and what is swept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .answer import Names
from .options import among, only, several

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
        needed = {
            "baseline": "name the strategy under the fixed schedule",
            "schedules": "list the strategies to compare with it",
        }
        only(options, known, needed)
        baseline = among("baseline", options["baseline"], names.strategies)
        schedules = several(options, "schedules", names.strategies)
        if not schedules or baseline in schedules:
            raise ValueError("schedules must name one strategy or more, none of them the baseline")
        fewest = options.get("fewest", FEWEST)
        if isinstance(fewest, bool) or not isinstance(fewest, int) or fewest < 3:
            raise ValueError(f"fewest = {fewest!r} must be a number of seeds, 3 or more, such as {FEWEST}")
        return cls(
            baseline,
            schedules,
            fewest,
            several(options, "amounts", names.strategies),
            _growth(options.get("growth", []), names),
            among("swept", options.get("swept", baseline), names.strategies),
            _sweep(options.get("sweep", {}), names),
        )


def _growth(given: Any, names: Names) -> tuple[tuple[str, str], ...]:
    if not isinstance(given, list | tuple):
        raise ValueError(f"growth must be a list of pairs of data sets, not {given!r}")
    pairs = []
    for pair in given:
        if not isinstance(pair, list | tuple) or len(pair) != 2 or pair[0] == pair[1]:
            raise ValueError(f"growth: {pair!r} is no pair of unlike data sets")
        for name in pair:
            among("growth", name, names.datasets)
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
            among(f"sweep.{parameter}", label, names.strategies)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"sweep.{parameter}: the value of {label!r} must be a number, not {value!r}")
        ordered = sorted(values.items(), key=lambda item: item[1])
        sweep[str(parameter)] = {str(label): float(value) for label, value in ordered}
    return sweep
