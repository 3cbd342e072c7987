"""What a run cost, in three accounts: FLOPs of the learner, all FLOPs, and seconds.

``marginal`` counts the run alone; ``amortised`` adds each artefact it used, divided by the number of runs that
share it (``amortise_over``); ``standalone`` adds each artefact whole. An artefact that another one was made from
counts as well, each once. Evaluation is in no account, and external pre-training is never charged.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from ..records.folder import COSTS, PHASES, Arm, Artefact, Cell, Phase, Results, Timing, Tuning


def spent(ledger: Mapping[str, Phase]) -> tuple[float, float]:
    """FLOPs and seconds of a ledger over the phases that count."""
    lines = [ledger[name] for name in PHASES if name in ledger]
    return sum(line.flops for line in lines), sum(line.seconds for line in lines)


def closure(ids: Iterable[str], artefacts: Mapping[str, Artefact]) -> frozenset[str] | None:
    """Artefacts that ``ids`` rest on, themselves included; None where one of them has no readable record."""
    seen: set[str] = set()
    waiting = list(ids)
    while waiting:
        id = waiting.pop()
        if id in seen:
            continue
        if id not in artefacts:
            return None
        seen.add(id)
        waiting.extend(artefacts[id].needs)
    return frozenset(seen)


class Accounts:
    """Costs of the cells of one results folder."""

    def __init__(self, results: Results) -> None:
        self._results = results
        self._artefacts = results.artefacts
        self._shares = {"marginal": 0.0, "amortised": 1.0 / results.matrix.amortise_over, "standalone": 1.0}
        self._closures: dict[tuple[str, ...], frozenset[str] | None] = {}
        self._sums: dict[tuple[str, ...], tuple[float, float]] = {}
        self._spent: dict[str, tuple[float, float]] = {}
        self._arms: dict[tuple[str, str, str], dict[int, float]] = {}

    def of(self, arm: Arm, account: str, cost: str) -> Mapping[int, float]:
        """:meth:`cost` of each cell of an arm, by seed."""
        key = (arm.key, account, cost)
        if key not in self._arms:
            cells = self._results.of(arm)
            self._arms[key] = {seed: self.cost(cell, account, cost) for seed, cell in cells.items()}
        return self._arms[key]

    def share(self, account: str) -> float:
        """The share of an artefact that an account charges to one run."""
        return self._shares[account]

    def closure(self, ids: tuple[str, ...]) -> frozenset[str] | None:
        """As :func:`closure`, over the folder's artefacts."""
        if ids not in self._closures:
            self._closures[ids] = closure(ids, self._artefacts)
        return self._closures[ids]

    def artefacts(self, run: Cell | Tuning) -> tuple[float, float]:
        """FLOPs and seconds of all the artefacts of a run, whole; nan where one has no readable record."""
        if run.artefacts not in self._sums:
            ids = self.closure(run.artefacts)
            each = [(math.nan, math.nan)] if ids is None else [self.alone(id) for id in sorted(ids)]
            self._sums[run.artefacts] = (sum(f for f, _ in each), sum(s for _, s in each))
        return self._sums[run.artefacts]

    def alone(self, id: str) -> tuple[float, float]:
        """FLOPs and seconds of one artefact without those it was made from; nan where it has no readable record."""
        return spent(self._artefacts[id].ledger) if id in self._artefacts else (math.nan, math.nan)

    def cost(self, run: Cell | Tuning, account: str, cost: str) -> float:
        """One number of the ledger: FLOPs, or seconds for ``wall_clock``; nan where it cannot be known.

        ``learner_flops`` is the papers' convention, forward and backward of training alone, and so the same
        in every account.
        """
        if cost == "learner_flops":
            return run.ledger["train"].flops
        column = COSTS.index(cost) - 1
        if run.id not in self._spent:
            self._spent[run.id] = spent(run.ledger)
        own = self._spent[run.id][column]
        if account == "marginal":
            return own
        return own + self.artefacts(run)[column] * self._shares[account]


def ceiling(cell: Cell) -> float | None:
    """The largest speed-up over full training at equal candidate passes that this scoring scheme allows.

    ``train / (r train + forward)`` with the realised mean keep ratio r and the measured FLOPs of one image; the
    forward pass counts only where the learner itself scores. With forward 1 and backward 2 this is 3 / (1 + 3r).
    """
    scoring = cell.unit.forward if cell.scores_learner else 0.0
    least = cell.picks.mean_ratio * cell.unit.train + scoring
    return cell.unit.train / least if least > 0 else None


def break_even(artefact: float, strategy: float, baseline: float) -> int | None:
    """Runs after which an artefact has paid for itself by what each run saves; None where a run saves nothing."""
    saving = baseline - strategy
    if not saving > 0 or not math.isfinite(artefact):
        return None
    return math.ceil(artefact / saving)


def machine_of(run: Cell | Timing) -> tuple[str, ...]:
    """What must be the same for seconds to be comparable: machine type, device and thread count."""
    return tuple(str(run.environment.get(key)) for key in ("machine", "device", "threads"))
