"""Picks are checked on the device: clamped at once, judged at the end of the epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ...strategies import UsageError
from ...strategies.errors import StrategyFault
from ...strategies.interface import MissingSignal

LAWS = {
    1: ("range", "returned positions outside [0, B)"),
    2: ("unique", "returned a position twice"),
    4: ("weights", "returned weights that are not positive and finite"),
}


@contextmanager
def at_fault(member: str, inputs: Mapping[str, Tensor]) -> Iterator[None]:
    """A strategy's ``member`` is called inside: errors that it raises and inputs that it writes into are its faults.

    Writing is detected by each tensor's count of in-place operations, a number on the host; what bypasses that count
    (``.data``, ``.numpy()``) is not detected.
    """
    before = {name: tensor._version for name, tensor in inputs.items()}
    try:
        yield
    except (UsageError, StrategyFault, MemoryError, torch.OutOfMemoryError):
        raise  # their messages say what to do
    except MissingSignal as error:
        raise StrategyFault("needs", f"{member}: {error}") from error
    except (Exception, SystemExit) as error:
        raise StrategyFault("runs", f"{member} raised {type(error).__name__}: {error}") from error
    for name, version in before.items():
        if inputs[name]._version != version:
            raise StrategyFault("inputs", f"{member} writes into {name}: work on a copy")


def _lawful(picks: Tensor, weights: Tensor | None, size: int) -> bool:
    """Whether picks and weights break no law: read at once, where nothing waits for a device."""
    places = picks.tolist()
    if min(places) < 0 or max(places) >= size or len({*places}) < len(places):
        return False
    return weights is None or bool((torch.isfinite(weights) & (weights > 0)).all())


class Guard:
    """Validates what ``select`` returns without waiting for the device."""

    def __init__(self, device: torch.device, checked_at_once: int = 3) -> None:
        self.device = device
        self.fault = torch.zeros((), dtype=torch.int64, device=device)
        self.eager = checked_at_once

    def check(self, returned: Any, size: int, keep: int | None) -> tuple[Tensor, Tensor | None]:
        """The picks ``[k]`` clamped into ``[0, size)``, and their weights."""
        picks, weights = returned, None
        if not isinstance(returned, Tensor):
            picks, weights = getattr(returned, "indices", None), getattr(returned, "weights", None)
        if not isinstance(picks, Tensor):
            raise StrategyFault("type", f"select returned {type(returned).__name__}, not a tensor or a Selection")
        if picks.ndim != 1 or (keep is not None and picks.shape[0] != keep) or not 0 < picks.shape[0] <= size:
            expected = f"[{keep}]" if keep is not None else f"[1..{size}]"
            raise StrategyFault("count", f"select returned shape {list(picks.shape)} where {expected} was asked for")
        if picks.dtype != torch.int64:
            raise StrategyFault("dtype", f"select returned {picks.dtype}; positions are torch.int64")
        if picks.device.type != self.device.type:
            raise StrategyFault("device", f"select returned a tensor on {picks.device}; the run is on {self.device}")
        if weights is not None and (not isinstance(weights, Tensor) or weights.shape != picks.shape):
            raise StrategyFault("weights", f"weights must be a tensor of shape {list(picks.shape)}, like the picks")
        if self.device.type == "cpu" and _lawful(picks, weights, size):
            clamped = picks.clone()  # the rule may write into its own
        else:
            clamped, weights = self._mended(picks, weights, size)
        if self.eager > 0:
            self.eager -= 1
            self.judge()
        return clamped, weights

    def _mended(self, picks: Tensor, weights: Tensor | None, size: int) -> tuple[Tensor, Tensor | None]:
        """Picks and weights within the laws; the laws that they broke are noted, without waiting for the device."""
        clamped = picks.clamp(0, size - 1)
        hits = torch.zeros(size, dtype=torch.int64, device=picks.device).index_add_(
            0, clamped, torch.ones_like(clamped)
        )
        fault = (clamped != picks).any().long() + 2 * (hits > 1).any().long()
        if weights is not None:
            bad = ~(torch.isfinite(weights) & (weights > 0))
            fault = fault + 4 * bad.any().long()
            weights = torch.where(bad, torch.ones_like(weights), weights)
        self.fault |= fault
        return clamped, weights

    def state_dict(self) -> dict[str, Any]:
        return {"fault": self.fault, "eager": self.eager}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.fault, self.eager = state["fault"], state["eager"]

    def judge(self) -> None:
        """Read the fault flag (waits for the device)."""
        flag = int(self.fault.item())
        for bit, (law, message) in LAWS.items():
            if flag & bit:
                raise StrategyFault(law, f"select {message}")
