"""Runs of two arms beside each other, seed by seed."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping

from ..records.folder import Arm, Results


def accuracies(results: Results, arm: Arm | str | None) -> dict[int, float]:
    """Test accuracy in per cent by seed, of the runs whose loss stayed finite; empty without an arm."""
    cells = results.of(arm) if arm else {}
    return {seed: 100 * cell.accuracy for seed, cell in cells.items() if math.isfinite(cell.accuracy)}


def apart(ours: Mapping[int, float], theirs: Mapping[int, float]) -> dict[int, float]:
    """Ours less theirs, at the seeds that both have."""
    return {seed: value - theirs[seed] for seed, value in ours.items() if seed in theirs}


def common(columns: Iterable[Collection[int]]) -> list[int]:
    """The seeds that every column has, ascending."""
    return sorted(set.intersection(*map(set, columns)))
