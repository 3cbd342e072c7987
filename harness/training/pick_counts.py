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
    """Counters of one run; nothing here waits for the device until :meth:`read`."""

    def __init__(self, size: int, device: torch.device) -> None:
        self.picks = torch.zeros(size, dtype=torch.int64, device=device)
        self.steps = self.trained = self.candidates = 0
        self.counts: list[list[int]] = []
        self.pace: list[list[float]] = []
        # Sums of losses, and of how many.
        self.loss: list[Any] = [torch.zeros((), dtype=torch.float64, device=device), 0]
        self.picked: list[Any] = [torch.zeros((), dtype=torch.float64, device=device), 0]
        self.diagnostics: dict[str, list[Tensor]] = {}
        self.diagnosed = -1  # last epoch of them

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
        self.loss[0] += loss
        self.loss[1] += 1

    def note_picked_loss(self, losses: Tensor) -> None:
        self.picked[0] += losses.mean()
        self.picked[1] += 1

    def note_diagnostics(self, strategy: Any, step: Step) -> None:
        """Keep the strategy's own ``diagnostics()``, once an epoch."""
        offered = getattr(strategy, "diagnostics", None)
        if callable(offered) and step.epoch != self.diagnosed:
            self.diagnosed = step.epoch
            for name, value in offered().items():
                self.diagnostics.setdefault(str(name), []).append(torch.as_tensor(value).detach().double())

    def state_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update(state)

    def train_loss(self) -> float | None:
        """Mean training loss since the last call (waits for the device); None where training has diverged."""
        mean = _finite(float(self.loss[0]) / max(1, self.loss[1]))
        self.loss = [torch.zeros_like(self.loss[0]), 0]
        return mean

    def read(self, labels: Tensor, classes: int, marks: Mapping[str, Tensor] | None = None) -> dict[str, Any]:
        """The record's ``selection`` part (waits for the device).

        ``marks`` ``[n]`` bool name what is spoiled in the pool: its shares of the pool and of what was trained on.
        """
        stride = -(-len(self.picks) // PROBED)  # ids 0, s, 2s, ..
        probed = self.picks[::stride].clamp(max=65535).cpu().numpy().astype("<u2")
        spoiled = {
            name: {
                "pool": float(mark.double().mean()),
                "trained": int(self.picks[mark.to(self.picks.device)].sum()) / max(1, self.trained),
            }
            for name, mark in (marks or {}).items()
        }
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
            "probe": {"stride": stride, "counts": base64.b64encode(probed.tobytes()).decode()},
            "mean_picked_loss": _finite(float(self.picked[0]) / self.picked[1]) if self.picked[1] else None,
            "diagnostics": {name: _finite(float(torch.stack(seen).mean())) for name, seen in self.diagnostics.items()},
            **({"spoiled": spoiled} if spoiled else {}),
        }


def _finite(value: float) -> float | None:
    """``value``, or None for NaN and infinity: a diverged run is a result, and JSON has no word for its loss."""
    return value if math.isfinite(value) else None
