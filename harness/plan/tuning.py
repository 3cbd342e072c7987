"""Fair tuning: every arm, rungs and twins too, at its own best learning rate, chosen on ``val`` with other seeds.

Where some arm is best at an end of the grid, the grid grows by a factor of 2 beyond it, until the best of all lie
inside or the bound is reached. It grows for every arm of the data set alike: more tries for one arm than for those
that it is compared with would favour it, and each contrast is redrawn at every pair of factors.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..store.folder import Store
from .arms import Arm
from .matrix import Matrix
from .tables import EXTEND
from .tasks import Plan, Planner


def at_factors(arms: Iterable[Arm], factors: Mapping[str, float]) -> list[Arm]:
    """The arms at their ``factors`` of the base learning rate, where given by key; their twins and replays follow."""
    arms, at = list(arms), dict[str, Arm]()
    # An arm comes before those that replay it or train at its cost.
    for arm in sorted(arms, key=lambda arm: (bool(arm.cost_of), bool(arm.replay))):
        factor = factors.get(arm.key, 1.0)
        chosen_by = ("val" if is_tunable(arm) else "full") if arm.key in factors else arm.lr_from
        at[arm.key] = replace(
            arm,
            shared=arm.shared if factor == 1.0 else {**arm.shared, "lr_factor": factor},
            replay=at[arm.replay].key if arm.replay else "",
            cost_of=at[arm.cost_of].key if arm.cost_of else "",
            base=arm.key,
            lr_from=chosen_by,
        )
    return [replace(at[arm.key], twin=at[arm.twin].key if arm.twin else "") for arm in arms]


def arms_to_tune(matrix: Matrix, arms: Iterable[Arm]) -> list[Arm]:
    """The arms of the data sets that are tuned; the others run at the rate declared for them."""
    return [arm for arm in arms if matrix.at(arm.dataset).tuning == "grid"]


def is_tunable(arm: Arm) -> bool:
    """Whether ``val`` can judge the arm: ``full-all`` trains on it."""
    return arm.pool == "pool"


def tuning_runs(
    planner: Planner,
    arms: Sequence[Arm],
    factors: Sequence[float],
    seeds: Sequence[int],
    extended: Mapping[str, Sequence[float]] | None = None,
) -> Plan:
    """The tuning runs of ``arms``: each at every factor with every seed; replays are of the same factor and seed.

    ``extended`` has further factors by data set.
    """
    tried: dict[float, list[Arm]] = {factor: [] for factor in factors}
    for arm in filter(is_tunable, arms):
        for factor in (*factors, *(extended or {}).get(arm.dataset, ())):
            tried.setdefault(factor, []).append(arm)
    every = [at for factor, own in tried.items() for at in at_factors(own, {arm.key: factor for arm in own})]
    return planner.graph(every, seeds)


def with_tuning(planner: Planner, grid: dict[str, Any] | None, store: Store) -> Plan:
    """The cells at the learning rates known so far, and the tuning runs, where the matrix is tuned, before them."""
    plan = planner.plan()
    if grid is None:
        return plan
    tuned = arms_to_tune(planner.matrix, plan.arms)
    tried = tuning_runs(planner, tuned, grid["factors"], grid["tuning_seeds"], stored_extension(store))
    cells = planner.graph(at_factors(plan.arms, chosen_factors(store, tried, tuned)))
    return Plan(cells.arms, tried.tasks | cells.tasks)


def stored_extension(store: Store) -> dict[str, list[float]]:
    """The factors that earlier runs on the folder have added to the grid, by data set."""
    return dict(store.resolved().get("grid", {}).get("extended", {}))


def beyond(
    arms: Iterable[Arm], chosen: Mapping[str, float], grid: Mapping[str, Any], extended: Mapping[str, Sequence[float]]
) -> dict[str, list[float]]:
    """The factors to add, by data set: a factor of 2 past each end at which an arm is best, within the bound.

    ``chosen`` are the best factors by arm, ``extended`` what was added before.
    """
    declared, most = grid["factors"], grid.get("extend", EXTEND)
    best: dict[str, set[float]] = {}
    for arm in arms:
        if is_tunable(arm) and arm.key in chosen:
            best.setdefault(arm.dataset, set()).add(chosen[arm.key])
    added: dict[str, list[float]] = {}
    for dataset, at in best.items():
        tried = sorted({*declared, *extended.get(dataset, ())})
        if tried[0] in at and sum(factor < min(declared) for factor in tried) < most:
            added.setdefault(dataset, []).append(tried[0] / 2)
        if tried[-1] in at and sum(factor > max(declared) for factor in tried) < most:
            added.setdefault(dataset, []).append(tried[-1] * 2)
    return added


def joined(one: Mapping[str, Sequence[float]], other: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    return {name: sorted({*one.get(name, ()), *other.get(name, ())}) for name in dict.fromkeys([*one, *other])}


def best_factor(scores: Mapping[float, Sequence[float | None]]) -> float:
    """The factor with the highest mean accuracy; among equals the nearest to 1 (as a ratio), then the smaller.

    ``scores`` are accuracies on ``val``, one a seed; a factor with a diverged run (None) is below all without.
    """

    def rank(factor: float) -> tuple[float, float, float]:
        finite = [value for value in scores[factor] if value is not None]
        mean = math.fsum(finite) / len(finite) if len(finite) == len(scores[factor]) else -math.inf
        # Shares of one val split: equal hits are a tie, whatever their binary fractions sum to.
        return round(mean, 12), -max(factor, 1 / factor), -factor

    return max(scores, key=rank)


def chosen_factors(store: Store, tried: Plan, arms: Sequence[Arm]) -> dict[str, float]:
    """The factor of each of ``arms`` whose tuning runs are all there, by key; ``full-all`` takes that of ``full``."""
    scores: dict[str, dict[float, list[float | None]]] = {}
    unfinished = set()
    for task in tried.tasks.values():
        if (arm := task.arm) is None:
            continue
        if (record := store.tuning(task.id)) is None:
            unfinished.add(arm.base)
        else:
            scores.setdefault(arm.base, {}).setdefault(arm.lr_factor, []).append(record["val_accuracy"])
    factors = {base: best_factor(of) for base, of in scores.items() if base not in unfinished}
    full = {arm.dataset: arm.key for arm in arms if arm.role == "full" and arm.rung == 1.0}
    borrowed = {arm.key: full[arm.dataset] for arm in arms if not is_tunable(arm)}
    return factors | {key: factors[source] for key, source in borrowed.items() if source in factors}


def why_untuned(
    tried: Plan, arms: Sequence[Arm], factors: Mapping[str, float], errors: Mapping[str, str]
) -> dict[str, str]:
    """Why an arm without a factor has none, by its key; ``errors`` are those of the tuning runs by id."""
    first: dict[str, str] = {}
    for task in tried.tasks.values():
        if task.arm is not None and task.id in errors:
            first.setdefault(task.arm.base, f"{task.name}: {errors[task.id]}")
    full = {arm.dataset: first.get(arm.key, "") for arm in arms if arm.role == "full" and arm.rung == 1.0}
    return {
        arm.key: f"not run: it has no learning rate, since its tuning failed: {first.get(arm.key) or full[arm.dataset]}"
        for arm in arms
        if arm.key not in factors
    }
