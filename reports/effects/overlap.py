"""Which strategies pick the same images: how far the numbers of times that each image was picked agree.

A record says how often a fixed sample of the pool's images was picked. The overlap of two arms is Pearson's
correlation of these counts between their runs of one seed, as a mean over seeds: 1 where they favour the same images,
0 where one says nothing of the other (as between any rule and ``uniform``), below where one takes what the other
leaves. Where an arm picks every image equally often there is nothing to correlate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..records.folder import Arm, Results

Array = NDArray[np.float64]

DIGITS = 4
"""Decimals kept: beyond, the sample of at most 1,024 images says nothing, and many arms make a large table."""


def overlap(results: Results) -> list[dict[str, Any]]:
    """The ``overlap`` of the summary: a table for each data set and reference where two arms or more can be compared.

    Arms are ``uniform`` at the whole budget and the strategies, those that need no reference in every table.
    """
    tables = []
    for dataset in results.matrix.datasets:
        every = results.arms(dataset=dataset)
        for reference in dict.fromkeys(arm.reference for arm in every if arm.reference) or [""]:
            arms = [arm for arm in every if arm.reference in ("", reference) and _takes_part(results, arm)]
            values, seeds = _means(results, arms)
            if seeds:
                tables.append(
                    {
                        "dataset": dataset,
                        "reference": reference,
                        "arms": [arm.key for arm in arms],
                        "labels": [arm.label for arm in arms],
                        "matrix": [
                            [None if np.isnan(value) else round(float(value), DIGITS) for value in line]
                            for line in values
                        ],
                        "seeds": seeds,
                    }
                )
    return tables


def _takes_part(results: Results, arm: Arm) -> bool:
    if arm.role != "strategy" and (arm.role, arm.rung) != ("uniform", 1.0):
        return False
    return any(cell.picks.probe is not None for cell in results.of(arm).values())


def _means(results: Results, arms: Sequence[Arm]) -> tuple[Array, int]:
    """Mean over seeds of :func:`_correlations`, ``[n, n]``, and the number of seeds that have any two arms."""
    total, count = np.zeros((len(arms), len(arms))), np.zeros((len(arms), len(arms)))
    seeds = 0
    for seed in results.matrix.seeds:
        one = _correlations(results, arms, seed)
        known = np.isfinite(one)
        total[known] += one[known]
        count += known
        seeds += bool(known[~np.eye(len(arms), dtype=bool)].any())
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0), seeds


def _correlations(results: Results, arms: Sequence[Arm], seed: int) -> Array:
    """Correlations of the arms' counts at one seed, ``[n, n]``; nan where a run is missing or flat."""
    table = np.full((len(arms), len(arms)), np.nan)
    samples: dict[tuple[int, int], list[tuple[int, Array]]] = {}
    for at, arm in enumerate(arms):
        cell = results.of(arm).get(seed)
        if cell is not None and cell.picks.probe is not None:
            counts = cell.picks.probe.astype(np.float64)
            apart = counts - counts.mean()
            length = float(np.linalg.norm(apart))
            if counts.min() < counts.max():
                samples.setdefault((cell.picks.probe_stride, counts.size), []).append((at, apart / length))
    for of in samples.values():
        rows = [at for at, _ in of]
        units = np.array([unit for _, unit in of])
        table[np.ix_(rows, rows)] = np.clip(units @ units.T, -1.0, 1.0)
    return table
