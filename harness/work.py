"""Doing one task: a cell's training run, or an artefact that cells need."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..strategies.interface import Pool
from ..strategies.registry import registry
from . import environment as here
from . import streams
from .bank import Bank, Loaded
from .datasets.spec import from_spec
from .evaluate import correct_bits, recalibrated
from .learners import ResNet18, ResNet18Net
from .matrix import DatasetEntry, Matrix
from .plan import Arm, Task, pacer_of
from .store import VERSION, Store
from .train import Recipe, Samples, Trainer

CURVE_POINTS = 10
"""About this many points are taken of a training curve."""


@dataclass(frozen=True)
class Context:
    """What every task of a run shares; it travels to the workers."""

    matrix: Matrix
    out: Path
    data_dir: Path | None
    cache_dir: Path
    device: str
    precision: str
    threads: int


class Worker:
    """Does tasks, one after another, in one process.

    Parameters
    ----------
    context : Context
        What the tasks share.
    bank : Bank, optional
        Data sets already loaded in this process.
    """

    def __init__(self, context: Context, bank: Bank | None = None) -> None:
        self.context = context
        self.matrix = context.matrix
        self.bank = bank or Bank(context.data_dir, context.cache_dir)
        self.store = Store(context.out)
        self.device = torch.device(context.device)
        self.bf16 = context.precision == "bf16"
        torch.set_num_threads(context.threads)

    def do(self, task: Task) -> None:
        """Carry the task out and write its result."""
        started = here.now()
        if task.kind == "cell":
            self.store.write_cell({**self.cell(task), "environment": self.environment(started)})
            return
        from .artefacts import make

        make(self, task, started)

    def environment(self, started: str) -> dict[str, Any]:
        described = here.describe(self.device, self.context.precision)
        return {**described, "started": started, "finished": here.now()}

    def loaded(self, task: Task) -> Loaded:
        """The task's data set."""
        entry: DatasetEntry = next(e for e in self.matrix.datasets if e.name == task.dataset)
        return self.bank.load(entry, trains_reference=trains_reference(self.matrix))

    def reference(self, task: Task) -> Any:
        """The instance of the task's reference."""
        return reference_of(next(e for e in self.matrix.references if e.name == task.reference))

    def stream(self, task: Task) -> int:
        """A seed of the task's own kind, so that artefacts share no stream with the cells of their seed."""
        assert task.seed is not None
        return streams.derive(task.seed, task.kind, task.reference)

    def learner(self, width: int | None = None) -> ResNet18:
        """The matrix's learner, or one of another width."""
        spec = self.matrix.learner
        parameters = spec.parameters() if width is None else {"width": width}
        learner: ResNet18 = registry("learners").load(spec.name, **parameters)
        return learner

    def build(self, learner: ResNet18, samples: Samples, resolution: int, seed: int) -> ResNet18Net:
        """A fresh net on the device from the stream (seed, ``init``)."""
        generator = streams.generator(seed, "init")
        return learner.build(
            samples.images.shape[1], resolution, samples.classes, generator, str(self.device), self.context.data_dir
        )

    def recipe(self, score_mode: str = "eval") -> Recipe:
        """The optimizer's settings."""
        return Recipe(**self.matrix.optimizer.model_dump(), score_mode=score_mode)

    def cell(self, task: Task) -> dict[str, Any]:
        """Train one cell; everything of its record but environment and checksum."""
        arm, seed = task.arm, task.seed
        assert arm is not None and seed is not None
        loaded = self.loaded(task)
        samples = loaded.samples(seed, arm.pool, self.device)
        samples.signals = self._signals(task, loaded)
        strategy = self._strategy(arm, samples, seed)
        counts = None if "replay" not in task.uses else self._counts(task.uses["replay"])
        learner = self.learner()
        trainer = Trainer(
            samples,
            learner,
            loaded.augment(seed, self.device),
            pacer_of(self.matrix, arm, len(samples), counts),
            self.recipe(arm.score_mode),
            seed,
            self.build(learner, samples, loaded.resolution, seed),
            strategy,
            self.bf16,
        )
        curve = Curve(trainer, loaded.samples(seed, "val", self.device) if arm.pool == "pool" else None)
        trainer.run(curve)
        return {
            "version": VERSION,
            "id": task.id,
            "arm": arm.key,
            "arm_label": arm.label,
            "seed": seed,
            "dataset": arm.dataset,
            "reference": arm.reference,
            "identity": {"arm": arm.text, "schedule": arm.schedule, "rung": arm.rung, "pool": arm.pool, **arm.shared},
            "curve": curve.points,
            "unit": {"forward": trainer.unit_forward, "train": trainer.unit_train},
            "scores_learner": trainer.scores_learner,
            "artefacts": [id for name, id in task.uses.items() if name != "replay"],
            "result": self._result(trainer, loaded, seed, curve),
            "selection": trainer.tally.read(samples.labels, samples.classes),
            "ledger": trainer.ledger.to_json(),
            "memory_bytes": here.peak_memory(self.device),
            "faults": 0,
        }

    def _strategy(self, arm: Arm, samples: Samples, seed: int) -> Any:
        strategy = registry("strategies").load(arm.name, **arm.options)
        begin = getattr(strategy, "begin", None)
        if callable(begin):
            signals = samples.signals
            begin(
                Pool(
                    size=len(samples),
                    classes=samples.classes,
                    labels=samples.labels,
                    device=self.device,
                    generator=streams.generator(seed, "select", device=self.device),
                    features=signals.get("features"),
                    reference=signals.get("reference"),
                )
            )
        return strategy

    def _signals(self, task: Task, loaded: Loaded) -> dict[str, Tensor]:
        """Cached signals ``[n, ...]`` of the pool, from the artefacts that the task uses."""
        signals: dict[str, Tensor] = {}
        if "reference" in task.uses:
            id = task.uses["reference"]
            signals.update(self.store.artefact_tensors(id))
            for shared in self.store.artefact_meta(id)["needs"]:
                assert task.seed is not None
                signals["features"] = self.store.artefact_tensors(shared)["features"][loaded.ids(task.seed, "pool")]
        if "proxy" in task.uses:
            signals.update(self.store.artefact_tensors(task.uses["proxy"]))
        assert task.arm is not None
        return {name: value.to(self.device) for name, value in signals.items() if name in task.arm.needs}

    def _counts(self, cell: str) -> list[list[int]]:
        record = self.store.cell(cell)
        assert record is not None
        counts: list[list[int]] = record["selection"]["k"]
        return counts

    def _result(self, trainer: Trainer, loaded: Loaded, seed: int, curve: Curve) -> dict[str, Any]:
        images, labels = loaded.images.test.to(self.device), loaded.images.test_labels.to(self.device)
        with trainer.clock.phase("eval"):
            bits = correct_bits(trainer.model, images, labels, trainer.augment)
            clean = loaded.samples(seed, "pool", self.device).images
            again = correct_bits(recalibrated(trainer.model, clean, trainer.augment), images, labels, trainer.augment)
        trainer.clock.settle()
        return {
            "test_accuracy": float(bits.double().mean()),
            "test_accuracy_recalibrated": float(again.double().mean()),
            "test_n": len(bits),
            "correct": base64.b64encode(np.packbits(bits.cpu().numpy()).tobytes()).decode(),
            "train_loss": curve.points[-1]["train_loss"],
            "val_accuracy": curve.points[-1]["val_accuracy"],
        }


class Curve:
    """Points of a training curve, taken at the ends of epochs, off the clock.

    Parameters
    ----------
    trainer : Trainer
        The run.
    val : Samples or None
        What accuracy is taken on, never the test split; None where val itself is trained on.
    """

    def __init__(self, trainer: Trainer, val: Samples | None) -> None:
        self.val = val
        self.points: list[dict[str, float | None]] = []
        self._seen = (0, 0)
        self._last = list(trainer.pacer)[-1]

    def __call__(self, trainer: Trainer, step: Any) -> None:
        """Add a point, if one is due or the run has ended."""
        due = len(self.points) < CURVE_POINTS * step.progress
        if step != self._last and not due:
            return
        tally = trainer.tally
        trained, candidates = tally.trained - self._seen[0], tally.candidates - self._seen[1]
        self._seen = (tally.trained, tally.candidates)
        with trainer.clock.phase("eval"):
            accuracy = self._accuracy(trainer)
        self.points.append(
            {
                "pass": tally.candidates / len(trainer.samples),
                "progress": 1.0 if step == self._last else step.progress,
                "train_loss": trainer.tally.train_loss(),
                "val_accuracy": accuracy,
                "ratio": trained / max(1, candidates),
                "lr": trainer.optimizer.param_groups[0]["lr"],
                "seconds": trainer.ledger.total("seconds"),
                "total_flops": trainer.ledger.total("flops"),
            }
        )

    def _accuracy(self, trainer: Trainer) -> float | None:
        if self.val is None:
            return None
        bits = correct_bits(trainer.model, self.val.images, self.val.labels, trainer.augment)
        return float(bits.double().mean())


def trains_reference(matrix: Matrix) -> bool:
    """Whether any reference of the matrix is trained on withheld labels."""
    return any(reference_of(entry).needs_holdout for entry in matrix.references)


def reference_of(entry: Any) -> Any:
    """The instance of a matrix's reference entry; ``NAME:ARG`` gives the first parameter."""
    return from_spec(registry("references"), entry.spec or entry.name, entry.options)
