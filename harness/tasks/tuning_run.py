"""A tuning run: an arm at one learning rate with one tuning seed, evaluated on ``val`` alone."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from ..datasets.samples import Samples
from ..plan.tasks import Task
from ..store.folder import VERSION
from ..training.evaluate import CHUNK
from ..training.trainer import Trainer
from .cell import Curve, prepare
from .resume import ResumableRun
from .worker import Worker


def train_tuning_run(worker: Worker, task: Task) -> dict[str, Any]:
    """Train it; returns its record without environment and checksum. The test split is not read.

    ``val_accuracy`` is null where training has diverged, which is a result and no failure.
    """
    arm, seed = task.arm, task.seed
    assert arm is not None and seed is not None
    val = worker.loaded(task).samples(seed, "val", worker.device)
    curve = Curve(val)
    run = ResumableRun(worker, task, partial(prepare, worker, task), curve)
    trainer = run.trainer
    loss = accuracy = None
    try:
        run.run()
        loss, accuracy = curve.points[-1]["train_loss"], curve.points[-1]["val_accuracy"]
    except Exception:
        # A rule may fail in whatever way on losses that are not finite; on any others the fault is its own.
        if not _has_diverged(trainer, curve, val):
            raise
    trainer.clock.settle()
    counts = trainer.pick_counts
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
        "mean_ratio": counts.trained / max(1, counts.candidates),
        "selection": {"pace": counts.pace},
        "ledger": trainer.ledger.to_json(),
        "artefacts": [*task.artefacts.values()],
        **run.report(),
    }


@torch.no_grad()
def _has_diverged(trainer: Trainer, curve: Curve, val: Samples) -> bool:
    """Whether the training loss, or a logit on ``val``, is not finite."""
    losses = [*(point["train_loss"] for point in curve.points[-1:]), trainer.pick_counts.train_loss()]
    logits = trainer.model.eval()(trainer.augment.plain_view(val.images[:CHUNK]))
    return None in losses or not bool(torch.isfinite(logits).all())
