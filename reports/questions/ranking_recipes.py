"""The same recipes under several settings, as tables of scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..records.folder import Arm, Cell, Results
from ..statistics import Array
from .pairing import common

METRICS = ("accuracy", "val accuracy")
"""What a proxy's recipes are ranked by: accuracy on test, or on val. The target is judged on test."""

_ROLES = ("strategy", "full", "uniform", "twin")
"""Arms that are recipes: ``full-all`` trains on val, so that it has no place in a ranking."""


@dataclass(frozen=True)
class Scores:
    """One entry's accuracies in percent ``[recipes, seeds]``, with the runs that they are of."""

    table: Array
    seeds: tuple[int, ...]
    cells: tuple[tuple[Cell, ...], ...]

    @property
    def means(self) -> Array:
        """Over seeds ``[recipes]``."""
        return np.asarray(self.table.mean(1))

    @property
    def training(self) -> float:
        """Mean FLOPs of training one run."""
        return float(np.mean([cell.ledger["train"].flops for row in self.cells for cell in row]))

    def wrong(self, place: int) -> float | None:
        """Share of wrong labels among what one recipe was trained on, where they were made wrong on purpose."""
        shares = [cell.picks.spoiled["wrong"][1] for cell in self.cells[place] if "wrong" in cell.picks.spoiled]
        return float(np.mean(shares)) if shares else None

    def overlap(self, other: Scores, place: int) -> float | None:
        """Share of the images ever picked by either entry which both did, a recipe's mean over seeds; None untold."""
        shares = []
        for a, b in zip(self.cells[place], other.cells[place], strict=False):
            if a.seed == b.seed and a.picks.probe is not None and b.picks.probe is not None:
                ours, theirs = a.picks.probe > 0, b.picks.probe > 0
                if ours.shape == theirs.shape and (ours | theirs).any():
                    shares.append(float((ours & theirs).sum() / (ours | theirs).sum()))
        return float(np.mean(shares)) if shares else None


@dataclass(frozen=True)
class Recipes:
    """What was measured of the recipes that target and proxies have in common.

    ``lacking`` names those that some entry has no runs of; ``tuned`` says whether the target's rates were chosen;
    ``together`` whether all entries have the same seeds.
    """

    names: tuple[str, ...]
    target: Scores
    proxies: Mapping[str, Scores]
    lacking: tuple[str, ...]
    tuned: bool
    together: bool


def gather(
    results: Results, target: str, proxies: Mapping[str, str], wanted: Sequence[str], metric: str
) -> Recipes | None:
    """The recipes that every entry has runs of, each entry at the seeds that all of them have; None without any.

    ``proxies`` are names of entries by what they are called; ``wanted`` are labels, all strategies, random twins and
    the two baselines where it is empty; ``metric`` is one of :data:`METRICS`.
    """
    judged = {target: METRICS[0], **dict.fromkeys(proxies.values(), metric)}
    entries = [_runs(results, entry, wanted, metric) for entry, metric in judged.items()]
    names = tuple(name for name in entries[0] if all(runs.get(name) for runs in entries))
    lacking = tuple(dict.fromkeys(name for runs in entries for name in runs if name not in names))
    if not names:
        return None
    scores = []
    for runs, metric in zip(entries, judged.values(), strict=True):
        seeds = tuple(common(runs[name] for name in names))
        cells = tuple(tuple(runs[name][seed] for seed in seeds) for name in names)
        table = np.array([[_score(cell, metric) for cell in row] for row in cells], dtype=np.float64)
        scores.append(Scores(100.0 * table, seeds, cells))
    if not all(one.seeds for one in scores):
        return None
    tuned = {results.matrix.arms[row[0].arm].lr_from for row in scores[0].cells} == {"val"}
    together = len({one.seeds for one in scores}) == 1
    return Recipes(names, scores[0], dict(zip(proxies, scores[1:], strict=True)), lacking, tuned, together)


def _runs(results: Results, entry: str, wanted: Sequence[str], metric: str) -> dict[str, dict[int, Cell]]:
    """By recipe and seed, those without the number left out; a label with several references has each beside it."""
    found: dict[tuple[str, str], Arm] = {}
    for arm in results.arms(dataset=entry):
        if arm.role in _ROLES and arm.rung == 1.0 and (not wanted or arm.label in wanted):
            found.setdefault((arm.label, arm.reference), arm)
    labels = [label for label, _ in found]
    return {
        f"{label} ({reference})" if labels.count(label) > 1 else label: {
            seed: cell for seed, cell in results.of(arm).items() if _score(cell, metric) is not None
        }
        for (label, reference), arm in found.items()
    }


def _score(cell: Cell, metric: str) -> float | None:
    value = cell.accuracy if metric == METRICS[0] else cell.val_accuracy
    return value if value is not None and np.isfinite(value) else None
