"""The measures of one cell: callbacks during training, and their part of its record."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...datasets.loaded import LoadedData
from ...plan.measures import DistanceOptions, ResidualsOptions, SpectrumOptions, check
from ...plan.tasks import Task
from ...store.feature_file import Rows
from ...store.folder import Store
from ...streams import permutation
from ...training.trainer import Trainer
from .distance import distance
from .residuals import Residuals
from .spectrum import spectrum
from .steps_seen import StepsSeen


class Measures:
    """All measures of one cell.

    Parameters
    ----------
    task : Task
        Its ``measured`` names the features that are read.
    loaded : LoadedData
        Its data set.
    store : Store
        Holds the features.
    device : torch.device
    """

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

    def watch(self, trainer: Trainer) -> None:
        trainer.on_trained = self.noted.note

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
                if isinstance(options, ResidualsOptions):
                    assert self.residuals is not None
                    found[name] = self.residuals.report()
                elif not trainer.selector.active:
                    found[name] = None
                elif isinstance(options, SpectrumOptions):
                    found[name] = spectrum(options, self._features(options.reference), *self._kept(trainer), self.seed)
                else:
                    rows = self._features(options.reference)
                    found[name] = distance(options, rows, self.noted.selections, self.seed)
        trainer.clock.settle()
        return found

    def _kept(self, trainer: Trainer) -> tuple[Tensor, Tensor | None]:
        """Hard counts and soft weights ``[n]``: of a subset that lasts, 0 or 1 and the image's own weight."""
        counts, weights = trainer.pick_counts.picks.double(), self.noted.weights
        if trainer.selector.at("run"):
            weights, counts = weights / counts.clamp(min=1), (counts > 0).double()
        return counts, weights if self.noted.weighted else None

    def _features(self, reference: str) -> Tensor:
        return self._rows(reference).load(self.device)

    def _rows(self, reference: str) -> Rows:
        """Of the pool, by the frozen reference named."""
        return self.store.artefact_rows(self.task.measured[reference]).subset(self.ids)
