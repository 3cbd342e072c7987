"""Counts and means of the picks, kept on the device until a curve point is read."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ...reports.records.models import PROBED
from ..steps.pacer import Step


class PickCounts:
    """Counters of one run; nothing here waits for the device until :meth:`read`.

    Parameters
    ----------
    size : int
        Samples in the pool.
    device : torch.device
        Where the counters live.
    """

    def __init__(self, size: int, device: torch.device) -> None:
        self.picks = torch.zeros(size, dtype=torch.int64, device=device)
        self.steps = self.trained = self.candidates = 0
        self.counts: list[list[int]] = []
        self.pace: list[list[float]] = []
        self._loss = torch.zeros((), dtype=torch.float64, device=device)
        self._loss_steps = 0
        self._picked = torch.zeros((), dtype=torch.float64, device=device)
        self._picked_steps = 0
        self._diagnostics: dict[str, list[Tensor]] = {}
        self._diagnosed = -1

    def note(self, ids: Tensor, step: Step) -> None:
        """One ``step`` trained on pool ``ids`` ``[k]``."""
        keep, candidates = len(ids), step.size
        self.picks.index_add_(0, ids, torch.ones_like(ids))
        self.steps += 1
        self.trained += keep
        self.candidates += candidates
        if self.counts and self.counts[-1][0] == keep:
            self.counts[-1][1] += 1
        else:
            self.counts.append([keep, 1])
        self._pace(step, keep)

    def _pace(self, step: Step, keep: int) -> None:
        """Run-length code of the steps, from which :class:`selbench.harness.steps.pacer.Recorded` makes them again."""
        if self.pace and self.pace[-1][:2] == [step.size, keep]:
            row = self.pace[-1]
            if row[2] == 1:
                row[4] = step.progress - row[3]
            if abs(row[3] + row[2] * row[4] - step.progress) < 1e-12:
                row[2] += 1
                return
        self.pace.append([step.size, keep, 1, step.progress, 0.0, step.epoch])

    def note_loss(self, loss: Tensor) -> None:
        self._loss += loss
        self._loss_steps += 1

    def note_picked_loss(self, losses: Tensor) -> None:
        """Add the scoring losses ``[k]`` of what was picked."""
        self._picked += losses.mean()
        self._picked_steps += 1

    def note_diagnostics(self, strategy: Any, step: Step) -> None:
        """Keep the strategy's own ``diagnostics()``, once an epoch."""
        offered = getattr(strategy, "diagnostics", None)
        if callable(offered) and step.epoch != self._diagnosed:
            self._diagnosed = step.epoch
            for name, value in offered().items():
                self._diagnostics.setdefault(str(name), []).append(torch.as_tensor(value).detach().double())

    def state_dict(self) -> dict[str, Any]:
        return {
            **{name: getattr(self, name) for name in ("picks", "steps", "trained", "candidates", "counts", "pace")},
            "loss": [self._loss, self._loss_steps],
            "picked": [self._picked, self._picked_steps],
            "diagnostics": self._diagnostics,
            "diagnosed": self._diagnosed,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name in ("picks", "steps", "trained", "candidates", "counts", "pace"):
            setattr(self, name, state[name])
        self._loss, self._loss_steps = state["loss"]
        self._picked, self._picked_steps = state["picked"]
        self._diagnostics, self._diagnosed = state["diagnostics"], state["diagnosed"]

    def train_loss(self) -> float | None:
        """Mean training loss since the last call (waits for the device); None where training has diverged."""
        mean = _finite(float(self._loss) / max(1, self._loss_steps))
        self._loss.zero_()
        self._loss_steps = 0
        return mean

    def _probe(self) -> dict[str, Any]:
        """How often the pool ids 0, s, 2s, .. were picked: little-endian uint16, clipped, in base64."""
        stride = -(-len(self.picks) // PROBED)
        counts = self.picks[::stride].clamp(max=65535).cpu().numpy().astype("<u2")
        return {"stride": stride, "counts": base64.b64encode(counts.tobytes()).decode()}

    def read(self, labels: Tensor, classes: int, marks: Mapping[str, Tensor] | None = None) -> dict[str, Any]:
        """The record's ``selection`` part (waits for the device).

        Parameters
        ----------
        labels : Tensor ``[n]`` int64
            Of the pool.
        classes : int
        marks : mapping of Tensor ``[n]`` bool, optional
            What is spoiled in the pool, by name: for each the shares marked in the pool and among the samples
            trained on become part of the record.
        """
        per_class = torch.zeros(classes, dtype=torch.int64, device=labels.device).index_add_(0, labels, self.picks)
        return {
            "steps": self.steps,
            "trained_samples": self.trained,
            "candidate_samples": self.candidates,
            "mean_ratio": self.trained / max(1, self.candidates),
            "k": self.counts,
            "pace": self.pace,
            "class_counts": per_class.tolist(),
            "unique": float((self.picks > 0).double().mean()),
            "max_repeats": int(self.picks.max()),
            "probe": self._probe(),
            "mean_picked_loss": _finite(float(self._picked) / self._picked_steps) if self._picked_steps else None,
            "diagnostics": {name: _finite(float(torch.stack(seen).mean())) for name, seen in self._diagnostics.items()},
            **({"spoiled": {name: self._shares(mark) for name, mark in marks.items()}} if marks else {}),
        }

    def _shares(self, mark: Tensor) -> dict[str, float]:
        marked = int(self.picks[mark.to(self.picks.device)].sum())
        return {"pool": float(mark.double().mean()), "trained": marked / max(1, self.trained)}


def _finite(value: float) -> float | None:
    """``value``, or None for NaN and infinity: a diverged run is a result, and JSON has no word for its loss."""
    return value if math.isfinite(value) else None
