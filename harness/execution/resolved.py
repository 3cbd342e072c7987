"""The matrix as it is run: every default filled in, as the results folder holds it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..datasets.loaded import LoadedData
from ..plan.arms import Arm
from ..plan.matrix import Matrix, margin_of
from ..plan.tables import DatasetEntry
from ..plan.tasks import Plan
from ..steps.schedules import load_schedule
from ..store.folder import VERSION
from .prepared import Prepared, learner_of


def resolved(declared: Matrix, prepared: Prepared) -> dict[str, Any]:
    """The matrix as run: every default filled in, data sets as found; without the arms."""
    asked, seed = prepared.matrix, prepared.matrix.seed_list()[0]
    grid = declared.tuned()
    return {
        "version": VERSION,
        "name": declared.name,
        "title": declared.title or declared.name,
        "identity": declared.identity(prepared.contents()),
        "seeds": asked.seed_list(),
        "tuning": declared.tuning,
        **({} if grid is None else {"grid": grid}),
        **_terms(declared),
        "ladder": declared.ladder,
        "proxy": declared.proxy.model_dump(),
        "references": [{**entry.model_dump(), "spec": entry.spec.split(":")[0]} for entry in declared.references],
        "analysis": declared.analysis.model_dump(),
        **{name: table for name in ("studies", "measures") if (table := declared.model_dump()[name])},
        "timing": asked.timing.model_dump(),
        "declared": {
            "strategies": [entry.label or entry.name for entry in declared.strategies],
            "seeds": declared.seed_list(),
        },
        "requested": {
            "strategies": [entry.label or entry.name for entry in asked.strategies],
            "seeds": asked.seed_list(),
        },
        "datasets": [
            _dataset(entry, prepared.loaded[entry.name], seed)
            | (_terms(declared.at(entry.name)) if entry.settings else {})
            for entry in asked.datasets
        ],
    }


def _terms(matrix: Matrix) -> dict[str, Any]:
    """Learner (with its title), budget and optimizer, in full."""
    text = getattr(learner_of(matrix), "title", matrix.learner.name)
    budget = {name: value for name, value in matrix.budget.model_dump().items() if value is not None}
    return {
        "learner": {**matrix.learner.model_dump(), "text": text},
        "budget": {**budget, "batching": matrix.batching, "batch": matrix.batch, "buckets": matrix.buckets},
        "optimizer": matrix.optimizer.model_dump(),
    }


def _dataset(entry: DatasetEntry, loaded: LoadedData, seed: int) -> dict[str, Any]:
    splits, images = loaded.splits(seed), loaded.images
    return {
        "name": entry.name,
        "spec": (entry.spec or entry.name).split(":")[0],  # a path is this machine's, not the result's
        "title": loaded.title,
        "note": loaded.note,
        "resolution": loaded.resolution,
        "augmentation": loaded.augmentation,
        "classes": list(images.classes),
        "pool": loaded.size(seed, "pool"),
        "holdout": len(splits.holdout),
        "val": len(splits.val),
        "test": len(images.test_labels),
        "margin": margin_of(entry),
        "collapse": 2.0 / len(images.classes) if entry.collapse is None else entry.collapse,
        "fingerprint": loaded.fingerprint,
    }


def arm_rows(plan: Plan, matrix: Matrix) -> dict[str, Any]:
    return {"arms": [_arm(arm, matrix.at(arm.dataset).optimizer.lr) for arm in plan.arms]}


def _arm(arm: Arm, lr: float) -> dict[str, Any]:
    schedule = "replayed steps" if arm.replay else str(load_schedule(**arm.schedule))
    row = {name: value for name, value in asdict(arm).items() if isinstance(value, str | float)}
    settings = f"pool {arm.pool}, scored in {arm.score_mode} mode"
    rate = {"lr": lr * arm.lr_factor, "lr_factor": arm.lr_factor, "base": arm.base or arm.key}
    return {**row, **rate, "key": arm.key, "strategy": arm.text, "schedule": schedule, "settings": settings}
