"""The tools of a worker process: data sets, learners, references, and the results folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ...strategies import UsageError
from .. import environment as here
from .. import streams
from ..datasets.augment import Augment
from ..datasets.loaded import DataSetLoader, LoadedData
from ..datasets.samples import Samples
from ..plan.arms import ReferenceSeconds
from ..plan.matrix import Matrix
from ..plan.tables import DatasetEntry
from ..plan.tasks import Task
from ..references.spec import reference
from ..steps.pacer import Pacer, Recorded
from ..store.folder import Store
from ..training.learner import Learner, LearnerNet
from ..training.learners import learner
from ..training.numerics import Numerics
from ..training.trainer import Recipe, Trainer


@dataclass(frozen=True)
class Context:
    """Settings that all tasks of a run share; sent to the workers."""

    matrix: Matrix
    out: Path
    data_dir: Path | None
    cache_dir: Path
    device: str
    precision: str
    threads: int
    checkpoint: float = 5.0
    """Minutes between two checkpoints of a run; 0 for none."""
    rates: ReferenceSeconds = field(default_factory=ReferenceSeconds)
    """Reference seconds, where the budget is in seconds."""
    fingerprints: dict[str, str] = field(default_factory=dict)
    """Of the data sets as the run was planned with; those that are not here are not looked at."""
    deterministic: bool = False
    """Whether operators without a deterministic kernel are refused."""
    live: bool = False
    """Whether the points of cells are written down as they are taken, for trackers."""


class Worker:
    """The tools of one process."""

    def __init__(self, context: Context, datasets: DataSetLoader | None = None) -> None:
        self.context = context
        self.matrix = context.matrix
        self.datasets = datasets or DataSetLoader(context.data_dir, context.cache_dir)
        self.store = Store(context.out)
        self.device = here.enter(torch.device(context.device), context.deterministic)
        self.numerics = Numerics.of(context.precision)
        torch.set_num_threads(context.threads)

    def environment(self, started: str) -> dict[str, Any]:
        described = here.describe(self.device, self.context.precision)
        return {**described, "started": started, "finished": here.now()}

    def record(self, task: Task, use: str) -> dict[str, Any]:
        """The record of another run that ``task`` uses; it was made before."""
        read = self.store.tuning if task.kind == "tuning" else self.store.cell
        record = read(task.uses[use])
        assert record is not None
        return record

    def loaded(self, task: Task) -> LoadedData:
        entry: DatasetEntry = next(e for e in self.matrix.datasets if e.name == task.dataset)
        loaded = self.datasets.load(entry, trains_reference=trains_reference(self.matrix))
        if self.context.fingerprints.get(entry.name, loaded.fingerprint) != loaded.fingerprint:
            raise UsageError(
                f"data set {entry.name!r} differs from the one that the run was planned with, on the machine that "
                "started it: copy the same files here"
            )
        return loaded

    def reference(self, task: Task) -> Any:
        return reference_of(next(e for e in self.matrix.references if e.name == task.reference))

    def stream(self, task: Task) -> int:
        """A seed of the task's own kind, so that artefacts share no stream with the cells of their seed."""
        assert task.seed is not None
        return streams.derive(task.seed, task.kind, f"net {task.net}" if task.net else task.reference)

    def build(self, learner: Learner, samples: Samples, resolution: int, seed: int) -> LearnerNet:
        """A fresh net on the device from the stream (seed, ``init``)."""
        generator = streams.generator(seed, "init")
        return learner.build(
            samples.images.shape[1], resolution, samples.classes, generator, str(self.device), self.context.data_dir
        )

    def trainer(
        self,
        task: Task,
        samples: Samples,
        pacer: Pacer | Recorded,
        seed: int,
        *,
        width: int | None = None,
        init: int | None = None,
        augment: Augment | None = None,
        recipe: Recipe | None = None,
        **parts: Any,
    ) -> Trainer:
        """A run on ``samples`` from the streams of ``seed``, but for first weights from those of ``init`` if given."""
        assert task.seed is not None
        spec = task.proxy.learner or self.matrix.at(task.dataset).learner
        loaded, asked = self.loaded(task), learner(spec, width)
        model = self.build(asked, samples, loaded.resolution, seed if init is None else init)
        augment, recipe = augment or loaded.augment(task.seed, self.device), recipe or self.recipe(task)
        parts |= {"numerics": self.numerics, "cache_dir": self.context.cache_dir}
        return Trainer(samples, asked, augment, pacer, recipe, seed, model, **parts)

    def recipe(self, task: Task, score_mode: str = "eval", lr_factor: float = 1.0) -> Recipe:
        """The optimizer's settings for the task's data set, at a multiple of the base learning rate."""
        settings = self.matrix.at(task.dataset).optimizer.model_dump()
        return Recipe(**settings | {"lr": settings["lr"] * lr_factor}, score_mode=score_mode)


def trains_reference(matrix: Matrix) -> bool:
    """Whether any reference of the matrix is trained on withheld labels."""
    return any(reference_of(entry).needs_holdout for entry in matrix.references)


def reference_of(entry: Any) -> Any:
    """The instance of a matrix's reference entry; ``NAME:ARG`` gives the first parameter."""
    return reference(entry.spec or entry.name, entry.options)
