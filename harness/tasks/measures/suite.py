"""The measures of one cell: callbacks during training, and their part of its record."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...datasets.loaded import LoadedData
from ...plan.measures import DistanceOptions, ResidualsOptions, SpectrumOptions, check
from ...plan.tasks import Task
from ...steps.pacer import Step
from ...store.feature_file import Rows
from ...store.folder import Store
from ...streams import permutation
from ...training.trainer import Trainer
from .distance import distance
from .residuals import Residuals
from .spectrum import spectrum


class StepsSeen:
    """The samples that a run trains on, recorded without waiting for the device.

    Weights are summed by image. Of the selections, about ``samples`` are kept whole, evenly over training; a subset of
    the pool that lasts is kept once, its candidates None.
    """

    def __init__(self, size: int, samples: int, device: torch.device) -> None:
        self.samples = samples
        self.weights = torch.zeros(size, dtype=torch.float64, device=device)
        self.weighted = False
        self.selections: list[tuple[Tensor, Tensor | None]] = []
        self._due = 0

    def note(self, trainer: Trainer, step: Step, ids: Tensor, weights: Tensor | None, candidates: Tensor) -> None:
        """One ``step`` trained on ``ids`` ``[k]`` of ``candidates`` ``[B]``."""
        with trainer.clock.phase("eval"):
            values = self.weights.new_ones(len(ids)) if weights is None else weights.double()
            self.weights.index_add_(0, ids, values)
        self.weighted = self.weighted or weights is not None
        if not trainer.selector.active or self._due > self.samples * step.progress or self._due >= self.samples:
            return
        self._due += 1
        if trainer.subset is None:
            self.selections.append((ids, candidates))
        elif not self.selections or self.selections[-1][0] is not trainer.subset:
            self.selections.append((trainer.subset, None))

    def state_dict(self) -> dict[str, Any]:
        selections = [list(pair) for pair in self.selections]
        return {"weights": self.weights, "weighted": self.weighted, "selections": selections, "due": self._due}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.weights, self.weighted, self._due = state["weights"], state["weighted"], state["due"]
        self.selections = [(picks, candidates) for picks, candidates in state["selections"]]


class Measures:
    def __init__(self, task: Task, loaded: LoadedData, store: Store, device: torch.device) -> None:
        arm, seed = task.arm, task.seed
        assert arm is not None and seed is not None
        self.task, self.seed, self.store, self.device = task, seed, store, device
        self.options = check(arm.shared["measures"], set(task.measured))
        self.ids = loaded.ids(seed, "pool")
        apart = self.options.get("distance")
        samples = apart.samples if isinstance(apart, DistanceOptions) else 0
        self.noted = StepsSeen(len(self.ids), samples, device)
        self.residuals: Residuals | None = None
        asked = self.options.get("residuals")
        if isinstance(asked, ResidualsOptions):
            chosen = permutation(len(self.ids), seed, "measure", "residuals")[: asked.images].sort().values
            pool = loaded.samples(seed, "pool", device)
            rows = self._rows(asked.reference).subset(chosen).load(device)
            chosen = chosen.to(device)
            self.residuals = Residuals(asked, rows, pool.images[chosen], pool.labels[chosen], pool.classes)

    def look(self, trainer: Trainer, progress: float) -> None:
        if self.residuals is not None:
            self.residuals.look(trainer, progress)

    def state_dict(self) -> dict[str, Any]:
        points = None if self.residuals is None else self.residuals.points
        return {"noted": self.noted.state_dict(), "residuals": points}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.noted.load_state_dict(state["noted"])
        if self.residuals is not None:
            self.residuals.points = state["residuals"]

    def report(self, trainer: Trainer) -> dict[str, Any]:
        """For the record, after training, off the clock: each measure by name, None where nothing was selected."""
        found: dict[str, Any] = {}
        with trainer.clock.phase("eval"):
            for name, options in self.options.items():
                rows = self._rows(options.reference)
                if isinstance(options, ResidualsOptions):
                    assert self.residuals is not None
                    found[name] = self.residuals.report()
                elif not trainer.selector.active:
                    found[name] = None
                elif isinstance(options, SpectrumOptions):
                    found[name] = spectrum(options, rows.load(self.device), *self._kept(trainer), self.seed)
                else:
                    found[name] = distance(options, rows.load(self.device), self.noted.selections, self.seed)
        trainer.clock.settle()
        return found

    def _kept(self, trainer: Trainer) -> tuple[Tensor, Tensor | None]:
        """Hard counts and soft weights ``[n]``: of a subset that lasts, 0 or 1 and the image's own weight."""
        counts, weights = trainer.pick_counts.picks.double(), self.noted.weights
        if trainer.selector.at("run"):
            weights, counts = weights / counts.clamp(min=1), (counts > 0).double()
        return counts, weights if self.noted.weighted else None

    def _rows(self, reference: str) -> Rows:
        return self.store.artefact_rows(self.task.measured[reference]).subset(self.ids)
