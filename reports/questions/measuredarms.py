"""What studies of measures share: which arms have one, by seed, and how ratios are told."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..document.numbers import NONE
from ..effects.estimate import Quantity
from ..records.folder import Arm, Dataset, Results
from ..records.measured import Measures
from ..statistics import Interval
from .answer import Answer

Measure = TypeVar("Measure")

FEWEST = 2
"""Seeds, below which there is no interval."""


@dataclass(frozen=True)
class Measured(Generic[Measure]):
    """An arm, what it is called among the others, and one measure by seed."""

    arm: Arm
    name: str
    values: Mapping[int, Measure]

    @property
    def random(self) -> bool:
        """Whether its picks are random ones."""
        return self.arm.role != "strategy"


def measured(
    results: Results, dataset: str, pick: Callable[[Measures], Measure | None]
) -> dict[str, Measured[Measure]]:
    """The arms of a data set with the measure that ``pick`` takes, by key: strategies, and random picks beside them."""
    arms = [
        arm
        for arm in results.matrix.arms.values()
        if arm.dataset == dataset and arm.rung == 1 and arm.role in ("strategy", "twin", "uniform")
    ]
    labels = [arm.label for arm in arms]
    found = {}
    for arm in arms:
        values = {
            seed: value
            for seed, cell in results.of(arm).items()
            if cell.measures is not None and (value := pick(cell.measures)) is not None
        }
        if values:
            name = arm.label if labels.count(arm.label) == 1 else f"{arm.label} ({arm.reference or arm.schedule})"
            found[arm.key] = Measured(arm, name, values)
    return found


def answered(
    results: Results,
    pick: Callable[[Measures], Measure | None],
    part: Callable[[Dataset, dict[str, Measured[Measure]]], Answer],
    lacking: str,
) -> Answer:
    """``part`` of each data set that has arms with the measure, as one answer; ``lacking`` where none has."""
    found = [(dataset, measured(results, dataset.name, pick)) for dataset in results.matrix.datasets.values()]
    return joined([part(dataset, arms) for dataset, arms in found if arms], lacking)


def joined(parts: Sequence[Answer], lacking: str) -> Answer:
    """One answer of those of each data set; ``lacking`` where there is none."""
    if not parts:
        return Answer(lacking, enough=False)
    return Answer(
        sentence="\n".join(part.sentence for part in parts),
        enough=any(part.enough for part in parts),
        quantities=tuple(quantity for part in parts for quantity in part.quantities),
        tables=tuple(table for part in parts for table in part.tables),
        charts=tuple(chart for part in parts for chart in part.charts),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def quantity(name: str, dataset: str, found: Interval | None, n: int, strategy: str = "") -> Quantity:
    """A number as claims read it; that of a strategy is against its twin."""
    low, high = (None, None) if found is None else (found.low, found.high)
    estimate, rival = None if found is None else found.estimate, "twin" if strategy else ""
    return Quantity(name, dataset, estimate, low, high, n, strategy=strategy, rival=rival)


def unlogged(found: Interval) -> Interval:
    """A ratio of an interval of its logarithm."""
    return Interval(math.exp(found.estimate), math.exp(found.low), math.exp(found.high), math.nan)


def times(found: Interval | None) -> str:
    """``1.04 [0.97, 1.11]``."""
    if found is None:
        return NONE
    return f"{found.estimate:.2f} [{found.low:.2f}, {found.high:.2f}]"


def listed(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return ", ".join(words) if len(words) < 2 else f"{', '.join(words[:-1])} and {words[-1]}"
