"""Whether training worked: runs that diverged, and full training that is still far from its plateau."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ..document.numbers import error, plural
from ..records.folder import Arm, Cell, Dataset, Results
from ..statistics import mean_interval

HALF = 0.5
"""The rung below the whole budget from which full training's last doubling is read."""


def diverged(cell: Cell, dataset: Dataset) -> bool:
    """Whether its loss is not finite, which records write as none, or it ends at chance within its sampling error.

    A data set whose declared threshold of collapse lies below chance says that such accuracies are sound there.
    """
    chance = 1 / len(dataset.classes)
    at_chance = chance + math.sqrt(chance * (1 - chance) / cell.correct.size)
    return cell.train_loss is None or (dataset.collapse >= chance and cell.accuracy <= at_chance)


def collapsed(cell: Cell, dataset: Dataset) -> bool:
    return cell.accuracy < dataset.collapse or diverged(cell, dataset)


def training(results: Results) -> dict[str, Any]:
    """Arms with diverged runs, what full training gains in its last doubling, and sentences for what is wrong."""
    fallen: list[dict[str, Any]] = []
    for arm in results.matrix.arms.values():
        dataset = results.matrix.datasets[arm.dataset]
        if seeds := [seed for seed, cell in results.of(arm).items() if diverged(cell, dataset)]:
            named = {name: getattr(arm, name) for name in ("dataset", "reference", "label", "role", "rung")}
            fallen.append({**named, "seeds": seeds, "n": len(results.of(arm))})
    gains = [gain for name in results.matrix.datasets if (gain := _last_doubling(results, name))]
    return {"diverged": fallen, "gains": gains, "said": list(_said(results, fallen, gains))}


def _last_doubling(results: Results, dataset: str) -> dict[str, Any] | None:
    """Points that full training gains from half its budget to all of it, by seed; None without both rungs."""
    rungs: dict[float, Arm] = {arm.rung: arm for arm in results.ladder(dataset, "full")}
    if not {HALF, 1.0} <= set(rungs):
        return None
    half, whole = (results.of(rungs[rung]) for rung in (HALF, 1.0))
    points = [100 * (cell.accuracy - half[seed].accuracy) for seed, cell in whole.items() if seed in half]
    if not points:
        return None
    found = mean_interval(points) if len(points) > 1 else None
    ends = {"ci_low": found.low if found else None, "ci_high": found.high if found else None}
    margin = results.matrix.datasets[dataset].margin
    gain = sum(points) / len(points)
    return {"dataset": dataset, "points": gain, **ends, "n": len(points), "margin": margin, "plateau": gain <= margin}


def _said(results: Results, fallen: list[dict[str, Any]], gains: list[dict[str, Any]]) -> Iterator[str]:
    several = len(results.matrix.datasets) > 1
    for name, dataset in results.matrix.datasets.items():
        on = f"On {dataset.title}, " if several else ""
        own = [row for row in fallen if row["dataset"] == name]
        whole = next((row for row in own if (row["role"], row["rung"]) == ("full", 1.0)), None)
        gain = next((row for row in gains if row["dataset"] == name), None)
        if whole:
            runs = f"{len(whole['seeds'])} of {plural(whole['n'], 'run')}"
            yield _sentence(f"{on}full training diverged in {runs}: there is nothing sound to judge by.")
        elif gain and not gain["plateau"]:
            points = error(gain["points"])
            yield _sentence(
                f"{on}full still gains {points} points in the second half of its budget: "
                "these nets are not trained enough to judge by."
            )
        rest = [row for row in own if row is not whole]
        if rest:
            listed = ", ".join(f"{_name(row)} ({len(row['seeds'])} of {row['n']})" for row in rest)
            why = "their loss is not finite, or their accuracy is at chance"
            yield _sentence(f"{on}runs diverged ({why}) and count as collapsed: {listed}.")


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _name(row: dict[str, Any]) -> str:
    reference = f", {row['reference']}" if row["reference"] else ""
    return str(row["label"]) + reference + (f" at {row['rung']:g} of the budget" if row["rung"] < 1 else "")
