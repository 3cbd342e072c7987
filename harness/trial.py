"""A trial: one tuning run, an arm at one learning rate with one tuning seed, judged on ``val`` alone."""

from __future__ import annotations

from typing import Any

from .cell import Curve, prepare
from .guard import StrategyFault
from .plan import Task
from .store import VERSION
from .worker import Worker


def train_trial(worker: Worker, task: Task) -> dict[str, Any]:
    """Train a trial; everything of its record but environment and checksum. The test split is not looked at.

    ``val_accuracy`` is null where training has diverged, which is a result and no failure.
    """
    arm, seed = task.arm, task.seed
    assert arm is not None and seed is not None
    trainer = prepare(worker, task)
    curve = Curve(worker.loaded(task).samples(seed, "val", worker.device))
    try:
        trainer.run(curve)
        loss, accuracy = curve.points[-1]["train_loss"], curve.points[-1]["val_accuracy"]
    except StrategyFault:
        loss, accuracy = trainer.tally.train_loss(), None
        if loss is not None:  # the rule's own fault; on losses that are not finite a law cannot be kept
            raise
    trainer.clock.settle()
    tally = trainer.tally
    return {
        "version": VERSION,
        "id": task.id,
        "arm": arm.base,
        "arm_label": arm.label,
        "role": arm.role,
        "rung": arm.rung,
        "dataset": arm.dataset,
        "reference": arm.reference,
        "seed": seed,
        "factor": arm.lr_factor,
        "lr": trainer.recipe.lr,
        "val_accuracy": None if loss is None else accuracy,
        "train_loss": loss,
        "mean_ratio": tally.trained / max(1, tally.candidates),
        "selection": {"pace": tally.pace},
        "ledger": trainer.ledger.to_json(),
        "artefacts": [id for name, id in task.uses.items() if name != "replay"],
    }
