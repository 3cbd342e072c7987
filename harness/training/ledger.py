"""The cost ledger: FLOPs, seconds and samples by phase; and the clock that fills in the seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from ...reports.records.fields import LEDGER_PHASES


@dataclass
class Account:
    """What one phase has cost so far."""

    flops: float = 0.0
    seconds: float = 0.0
    samples: int = 0


@dataclass
class Ledger:
    """One account for each phase."""

    phases: dict[str, Account] = field(default_factory=lambda: {phase: Account() for phase in LEDGER_PHASES})

    def add(self, phase: str, *, flops: float = 0.0, seconds: float = 0.0, samples: int = 0) -> None:
        account = self.phases[phase]
        account.flops += flops
        account.seconds += seconds
        account.samples += samples

    def total(self, what: str) -> float:
        """Sum of ``flops`` or ``seconds`` over every phase but ``eval``."""
        return sum(float(getattr(account, what)) for phase, account in self.phases.items() if phase != "eval")

    @classmethod
    def of(cls, phases: dict[str, dict[str, Any]]) -> Ledger:
        return cls({phase: Account(**account) for phase, account in phases.items()})

    def to_json(self) -> dict[str, dict[str, Any]]:
        return {phase: asdict(account) for phase, account in self.phases.items()}


class Clock:
    """Seconds by phase: a monotonic clock on a CPU; on a GPU, events that are read once an epoch.

    Parameters
    ----------
    ledger : Ledger
        Where the seconds go.
    device : torch.device
        Whose time is taken.
    """

    def __init__(self, ledger: Ledger, device: torch.device) -> None:
        self.ledger = ledger
        self.cuda = device.type == "cuda"
        self._pending: list[tuple[str, torch.cuda.Event, torch.cuda.Event]] = []

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time what stands inside, without waiting for the device."""
        if self.cuda:
            first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            first.record()
            yield
            last.record()
            self._pending.append((name, first, last))
        else:
            begun = time.perf_counter()
            yield
            self.ledger.add(name, seconds=time.perf_counter() - begun)

    def settle(self) -> None:
        """Read the events so far (waits for the device): at the end of an epoch, never inside one."""
        if self._pending:
            torch.cuda.synchronize()
        for name, first, last in self._pending:
            self.ledger.add(name, seconds=first.elapsed_time(last) / 1000.0)
        self._pending.clear()
