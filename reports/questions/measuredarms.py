"""What studies of measures share: which arms have one, by seed, and ratios of it to that of random picks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from ..document.numbers import NONE
from ..effects.estimate import Column, Estimate, by_seed, listed
from ..records.folder import Arm, Dataset, Results
from ..records.measured import Measures
from .answer import Answer, joined

Measure = TypeVar("Measure")

FEWEST = 2
"""Seeds, below which there is no interval."""

PICKS = {"run": "once", "epoch": "each epoch", "batch": "each batch"}
"""How often an arm picks, by its cadence."""


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

    @property
    def keys(self) -> dict[str, str]:
        """Of its estimates; a strategy's measures are against its twin's."""
        own = {"dataset": self.arm.dataset, "strategy": self.arm.label, "rival": "twin"}
        return own | {"Rule": self.name, "Picks": PICKS.get(self.arm.cadence, NONE)}


def answered(
    results: Results,
    pick: Callable[[Measures], Measure | None],
    part: Callable[[Dataset, dict[str, Measured[Measure]]], Answer],
    lacking: str,
) -> Answer:
    """``part`` of each data set that has arms with the measure, as one answer; ``lacking`` where none has."""
    found = [(dataset, _measured(results, dataset.name, pick)) for dataset in results.matrix.datasets.values()]
    return joined([part(dataset, arms) for dataset, arms in found if arms], lacking)


def _measured(
    results: Results, dataset: str, pick: Callable[[Measures], Measure | None]
) -> dict[str, Measured[Measure]]:
    """The arms of a data set with the measure that ``pick`` takes, by key: strategies, and random picks beside them."""
    arms = [
        arm
        for arm in results.matrix.arms.values()
        if arm.dataset == dataset and arm.rung == 1 and arm.role in ("strategy", "twin", "uniform")
    ]
    names = _names(arms)
    found = {}
    for arm in arms:
        taken = {seed: pick(cell.measures) for seed, cell in results.of(arm).items() if cell.measures is not None}
        if values := {seed: value for seed, value in taken.items() if value is not None}:
            found[arm.key] = Measured(arm, names[arm.key], values)
    return found


def _names(arms: Sequence[Arm]) -> dict[str, str]:
    """By key: the label, with as much beside it as tells arms of one label apart."""
    names: dict[str, str] = {}
    for beside in (lambda arm: "", lambda arm: f" ({arm.reference or arm.schedule})", lambda arm: f" ({arm.key})"):
        tried = {arm.key: arm.label + beside(arm) for arm in arms if arm.key not in names}
        names |= {key: name for key, name in tried.items() if [*tried.values()].count(name) == 1}
    return names


def ratio_of(quantity: str, keys: Mapping[str, str], logs: Mapping[int, float]) -> Estimate:
    """A ratio of its logarithms by seed, which stay beside it; without a value below :data:`FEWEST` seeds."""
    found = by_seed(quantity, keys, logs, "number")
    if found.n < FEWEST:
        return replace(found, value=None)
    value, low, high = (None if x is None else math.exp(x) for x in (found.value, found.low, found.high))
    return replace(found, value=value, low=low, high=high)


def shown(quantity: str) -> Column:
    """A column of estimates with both ends; a dash where there is no interval."""

    def column(row: Any) -> str:
        found = row.one(quantity)
        return NONE if found is None or found.low is None else f"{found:full}"

    return column


def references(arms: Sequence[Measured[Any]]) -> str:
    """The models whose features were measured."""
    return listed(sorted({taken.reference for arm in arms for taken in arm.values.values()}))
