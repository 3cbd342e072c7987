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
    """Call a strategy's ``member``; errors that it raises and inputs that it writes into are faults of the strategy.

    Writing is detected by each tensor's count of in-place operations, a number on the host; what bypasses that count
    (``.data``, ``.numpy()``) is not detected.

    Parameters
    ----------
    member : str
        For the message.
    inputs : mapping of Tensor
        Its inputs by name.

    Raises
    ------
    StrategyFault
        Of the law ``runs``, ``needs`` or ``inputs``.
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


class Guard:
    """Validates what ``select`` returns without waiting for the device.

    Parameters
    ----------
    device : torch.device
        The run's device.
    checked_at_once : int
        The first calls are judged at once, so that a faulty rule fails within seconds.
    """

    def __init__(self, device: torch.device, checked_at_once: int = 3) -> None:
        self.device = device
        self.fault = torch.zeros((), dtype=torch.int64, device=device)
        self.eager = checked_at_once

    def check(self, returned: Any, size: int, keep: int | None) -> tuple[Tensor, Tensor | None]:
        """The picks ``[k]`` clamped into ``[0, size)``, and their weights.

        Parameters
        ----------
        returned : Tensor or Selection
            What ``select`` gave.
        size : int
            Candidates B.
        keep : int or None
            Picks expected; None where the count may depend on the data.

        Raises
        ------
        StrategyFault
            At once for a wrong type, count, dtype or device; for values, on the first calls.
        """
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
        if self.eager > 0:
            self.eager -= 1
            self.judge()
        return clamped, weights

    def state_dict(self) -> dict[str, Any]:
        return {"fault": self.fault, "eager": self.eager}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.fault, self.eager = state["fault"], state["eager"]

    def judge(self) -> None:
        """Read the fault flag (waits for the device).

        Raises
        ------
        StrategyFault
            If any call so far broke a law.
        """
        flag = int(self.fault.item())
        for bit, (law, message) in LAWS.items():
            if flag & bit:
                raise StrategyFault(law, f"select {message}")
