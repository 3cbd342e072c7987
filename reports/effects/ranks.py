"""Which arms rank above which over the data sets of a matrix (Demsar 2006), told apart from ten data sets on."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..records.folder import Arm, Results
from ..statistics import FEWEST_DATASETS, cliques, friedman
from .pairing import Pairs
from .pooled import unlike

FEWEST_ARMS = 3
"""Two arms are a contrast, and have a verdict of their own."""


def ranks(pairs: Pairs) -> dict[str, Any] | None:
    """Mean ranks of the main arms over the data sets, best first; None with fewer than two data sets or three arms.

    None as well where one data set stands under several settings, which is no sample of data sets.

    Every strategy and reference that all data sets have takes part, with ``full`` and ``uniform`` at the whole
    budget. The score on a data set is the mean accuracy over the seeds that all of them have there. Friedman's
    test and Nemenyi's critical distance are given from :data:`FEWEST_DATASETS` data sets on.
    """
    results = pairs.results
    datasets = list(results.matrix.datasets)
    if not unlike(results, datasets):
        return None
    names = [{(arm.label, arm.reference): arm for arm in _main_arms(results, dataset)} for dataset in datasets]
    common = [name for name in names[0] if all(name in of for of in names)]
    if len(common) < FEWEST_ARMS:
        return None
    runs = [pairs.cells(*(of[name] for name in common)).values() for of in names]
    scores = [
        [float(np.mean([run.accuracy for run in of])) for of in zip(*cells, strict=True)] for cells in runs if cells
    ]
    if len(scores) < 2:
        return None
    alpha = results.matrix.alpha
    found = friedman(scores, alpha)
    order = np.argsort(found.mean_ranks, kind="stable").tolist()
    enough = len(scores) >= FEWEST_DATASETS
    best_first = found.mean_ranks[order]
    return {
        "datasets": len(scores),
        "needed": FEWEST_DATASETS,
        "statistic": found.statistic if enough else None,
        "p": found.p if enough else None,
        "critical_distance": found.critical_distance if enough else None,
        "alpha": alpha,
        "arms": [
            {"label": common[at][0], "reference": common[at][1], "mean_rank": rank}
            for at, rank in zip(order, best_first.tolist(), strict=True)
        ],
        "cliques": cliques(best_first, found.critical_distance) if enough else [],
    }


def _main_arms(results: Results, dataset: str) -> list[Arm]:
    """The arms at the whole budget that compete, those without a finished run left out."""
    return [
        arm
        for arm in results.arms(dataset=dataset)
        if arm.rung == 1.0 and arm.role in ("strategy", "full", "uniform") and results.of(arm)
    ]
