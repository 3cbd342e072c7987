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
    """``part`` of each data set that has arms with the measure, by key, as one answer; ``lacking`` where none has."""
    parts = []
    for dataset in results.matrix.datasets.values():
        asked = [arm for arm in results.arms(dataset=dataset.name) if arm.rung == 1]
        asked = [arm for arm in asked if arm.role in ("strategy", "twin", "uniform")]
        names, found = _names(asked), {}
        for arm in asked:
            taken = {seed: pick(cell.measures) for seed, cell in results.of(arm).items() if cell.measures is not None}
            if values := {seed: value for seed, value in taken.items() if value is not None}:
                found[arm.key] = Measured(arm, names[arm.key], values)
        if found:
            parts.append(part(dataset, found))
    return joined(parts, lacking)


def _names(arms: Sequence[Arm]) -> dict[str, str]:
    """By key: the label, with as much beside it as tells arms of one label apart."""
    names: dict[str, str] = {}
    for beside in ("{0.label}", "{0.label} ({1})", "{0.label} ({0.key})"):
        tried = {arm.key: beside.format(arm, arm.reference or arm.schedule) for arm in arms if arm.key not in names}
        names |= {key: name for key, name in tried.items() if [*tried.values()].count(name) == 1}
    return names


def ratio_of(quantity: str, keys: Mapping[str, str], logs: Mapping[int, float]) -> Estimate:
    """A ratio of its logarithms by seed, which stay beside it; without a value below :data:`FEWEST` seeds."""
    found = by_seed(quantity, keys, logs, "number")
    ends = (found.value, found.low, found.high) if found.n >= FEWEST else (None,) * 3
    value, low, high = (None if x is None else math.exp(x) for x in ends)
    return replace(found, value=value, low=low, high=high)


def shown(quantity: str) -> Column:
    """A column of estimates with both ends; a dash where there is no interval."""

    def column(row: Any) -> str:
        found = row.one(quantity)
        return NONE if found is None or found.low is None else f"{found:full}"

    return column


def references(arms: Mapping[str, Measured[Any]]) -> str:
    return listed(sorted({taken.reference for arm in arms.values() for taken in arm.values.values()}))
