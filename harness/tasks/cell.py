"""A cell: one arm trained with one seed, and its record."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from safetensors.torch import save
from torch import Tensor

from ...reports.records.sealing import digest_of
from ...strategies import UsageError
from ...strategies.interface import HELD_OUT_SIGNALS, Pool, Traits
from ...strategies.registry import registry
from .. import environment as here
from .. import streams
from ..datasets.loaded import LoadedData
from ..datasets.samples import Samples
from ..plan.arms import pacer_of
from ..plan.tasks import Task
from ..steps.pacer import Pacer, Recorded, Step
from ..store.folder import VERSION
from ..training.evaluate import RECALIBRATION_IMAGES, correct_bits, recalibrated
from ..training.trainer import Trainer
from .cached_signals import cached_signals, pool_with_signals
from .cost_meter import meter_of
from .equal_cost import pacer_at_cost, trained_alike
from .measures.suite import Measures
from .resume import ResumableRun
from .worker import Worker

CURVE_POINTS = 10
"""About this many points are taken of a training curve."""


def train_cell(worker: Worker, task: Task) -> dict[str, Any]:
    """Train one cell; returns its record without environment and checksum."""
    arm, seed = task.arm, task.seed
    assert arm is not None and seed is not None
    loaded = worker.loaded(task)
    identity = {"arm": arm.text, "schedule": arm.schedule, "rung": arm.rung, "pool": arm.pool, **arm.shared}
    ours = {"id": task.id, "arm": arm.key, "arm_label": arm.label, "identity": identity}
    if task.alike and (other := trained_alike(worker, task, loaded.size(seed, arm.pool))):
        return {**other, **ours, "same_as": other["id"]}
    here.forget_peak(worker.device)
    measures = Measures(task, loaded, worker.store, worker.device) if task.measured else None
    told = partial(worker.store.write_curve, task.id) if worker.context.live else None
    curve = Curve(loaded.samples(seed, "val", worker.device) if arm.pool == "pool" else None, measures, told)
    run = ResumableRun(worker, task, partial(prepare, worker, task), curve)
    if measures is not None:
        run.trainer.on_trained = measures.noted.note
    run.run()
    memory = here.peak_memory(worker.device)  # before what evaluation loads
    trainer, samples = run.trainer, run.trainer.samples
    return {
        "version": VERSION,
        **ours,
        "seed": seed,
        "dataset": arm.dataset,
        "reference": arm.reference,
        "curve": curve.points,
        "unit": {"forward": trainer.unit_forward, "train": trainer.unit_train},
        "scores_learner": trainer.selector.scores_learner,
        **({"pool_scored": trainer.pool_scored} if trainer.pool_scored else {}),
        "artefacts": [*task.artefacts.values()],
        "result": _result(worker, trainer, loaded, seed, curve),
        "selection": {
            **trainer.pick_counts.read(samples.labels, samples.classes, loaded.marks(seed, arm.pool)),
            "uncounted": sorted(trainer.selector.uncounted),
            **({"understated": [*short]} if (short := trainer.selector.understated) else {}),
            **({"schedule": trainer.pacer.learned.report()} if trainer.pacer.learned else {}),
        },
        "memory_bytes": memory,
        **({} if measures is None else {"measures": measures.report(trainer)}),
        "ledger": trainer.ledger.to_json(),
        "faults": int(trainer.selector.guard.fault),
        **run.report(),
    }


def prepare(worker: Worker, task: Task, *, metered: bool = True) -> Trainer:
    """The run of a cell, ready to start; ``metered`` unless its steps are only tried out."""
    arm, seed = task.arm, task.seed
    assert arm is not None and seed is not None
    loaded = worker.loaded(task)
    samples = loaded.samples(seed, arm.pool, worker.device)
    samples.signals = cached_signals(worker, task, loaded, tried=not metered)
    drawn = streams.generator(seed, "select", device=worker.device)
    pool = Pool(len(samples), samples.classes, samples.labels, worker.device, drawn)
    pacer: Pacer | Recorded
    if arm.replay:
        pacer = Recorded(len(samples), _pace(worker, task))
    elif arm.cost_of:
        pacer = pacer_at_cost(worker, task, len(samples))
    else:
        pacer = pacer_of(worker.matrix, arm, len(samples))
    strategy = registry("strategies").load(arm.name, **arm.options)
    traits = Traits.of(strategy)
    return worker.trainer(
        task,
        samples,
        pacer,
        seed,
        recipe=worker.recipe(task, arm.score_mode, arm.lr_factor),
        strategy=strategy,
        pool=pool_with_signals(pool, arm, samples.signals),
        meter=meter_of(worker, task) if metered else None,
        held_out=None if pacer.learned is None else _held_out(worker, loaded, seed, pacer.learned.images),
        val=_held_out(worker, loaded, seed, traits.val_images) if traits.needs & HELD_OUT_SIGNALS else None,
    )


def _held_out(worker: Worker, loaded: LoadedData, seed: int, count: int) -> Samples:
    """A fixed random batch of val, at most ``count`` images: the first of an order that all arms of the seed share."""
    val = loaded.samples(seed, "val", worker.device)
    chosen = streams.permutation(len(val), seed, "probe")[:count].to(worker.device)
    return Samples(val.images[chosen], val.labels[chosen], val.classes)


def _pace(worker: Worker, task: Task) -> list[list[float]]:
    record = worker.record(task, "replay")
    pace: list[list[float]] | None = record["selection"].get("pace")
    if pace is None:
        raise UsageError(
            f"cell {record['id']} has no steps recorded: an older version made it; remove its record and run again"
        )
    return pace


def _result(worker: Worker, trainer: Trainer, loaded: LoadedData, seed: int, curve: Curve) -> dict[str, Any]:
    images, labels = loaded.images.test.to(worker.device), loaded.images.test_labels.to(worker.device)
    with trainer.clock.phase("eval"):
        bits = correct_bits(trainer.model, images, labels, trainer.augment)
        clean = recalibration_images(loaded, seed).to(worker.device)
        again = correct_bits(recalibrated(trainer.model, clean, trainer.augment), images, labels, trainer.augment)
    trainer.clock.settle()
    state = trainer.model.state_dict()
    return {
        "test_accuracy": float(bits.double().mean()),
        "test_accuracy_recalibrated": float(again.double().mean()),
        "test_n": len(bits),
        "correct": base64.b64encode(np.packbits(bits.cpu().numpy()).tobytes()).decode(),
        "weights_digest": digest_of(save({name: tensor.cpu().contiguous() for name, tensor in state.items()})),
        "train_loss": curve.points[-1]["train_loss"],
        "val_accuracy": curve.points[-1]["val_accuracy"],
    }


def recalibration_images(loaded: LoadedData, seed: int) -> Tensor:
    """Random images of the pool ``[M, C, H, W]``, M at most 4,096: those of a folder lie class by class."""
    pool = loaded.ids(seed, "pool")
    return loaded.images.train[pool[streams.permutation(len(pool), seed, "recalibration")[:RECALIBRATION_IMAGES]]]


class Curve:
    """Points of a training curve, taken at the ends of epochs, off the clock.

    Accuracy is of ``val``, never of the test split; None where val itself is trained on. ``told`` gets all points so
    far after each, and those that a resumed run begins with.
    """

    def __init__(
        self,
        val: Samples | None,
        measures: Measures | None = None,
        told: Callable[[list[dict[str, float | None]]], None] | None = None,
    ) -> None:
        self.val, self.measures, self.told = val, measures, told
        self.points: list[dict[str, float | None]] = []
        self._seen = (0, 0)

    def state_dict(self) -> dict[str, Any]:
        measures = None if self.measures is None else self.measures.state_dict()
        return {"points": self.points, "seen": self._seen, "measures": measures}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.points, self._seen = state["points"], (state["seen"][0], state["seen"][1])
        if self.measures is not None:
            self.measures.load_state_dict(state["measures"])
        if self.told is not None:
            self.told(self.points)

    def __call__(self, trainer: Trainer, step: Step, ended: bool) -> None:
        """Add a point, if one is due or the run has ended."""
        if not ended and len(self.points) >= CURVE_POINTS * step.progress:
            return
        counts = trainer.pick_counts
        trained, candidates = counts.trained - self._seen[0], counts.candidates - self._seen[1]
        self._seen = (counts.trained, counts.candidates)
        accuracy = None
        if self.val is not None:
            with trainer.clock.phase("eval"):
                bits = correct_bits(trainer.model, self.val.images, self.val.labels, trainer.augment)
                accuracy = float(bits.double().mean())
        self.points.append(
            {
                "pass": counts.candidates / len(trainer.samples),
                "progress": 1.0 if ended else step.progress,
                "train_loss": counts.train_loss(),
                "val_accuracy": accuracy,
                "ratio": trained / max(1, candidates),
                "lr": trainer.optimizer.lr,
                "seconds": trainer.ledger.total("seconds"),
                "total_flops": trainer.ledger.total("flops"),
            }
        )
        if self.told is not None:
            self.told(self.points)
        if self.measures is not None:
            self.measures.look(trainer, float(self.points[-1]["progress"] or 0.0))
