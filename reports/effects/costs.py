"""What a run cost, in three accounts: FLOPs of the learner, all FLOPs, and seconds.

``marginal`` counts the run alone; ``amortised`` adds each artefact it used, divided by the number of runs that
share it (``amortise_over``); ``standalone`` adds each artefact whole. An artefact that another one was made from
counts as well, each once. Evaluation is in no account, and external pre-training is never charged.

In the timing pass every run is made alone in one process, arms in random order within each seed's block. Its
seconds are those of the whole run, the loop's own overhead included, and it is the only source of verdicts on
wall-clock. Ordinary cells run side by side on whatever is free: the sum of their phases is an indication.
The two are never mixed, and neither are runs on unlike machines, devices or numbers of threads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ..records.folder import (
    COSTS,
    ORDINARY,
    PHASES,
    TIMED,
    Arm,
    Cell,
    Phase,
    Results,
    Timing,
    Tuning,
)
from ..records.models import closure
from ..statistics import Array

K = TypeVar("K")
T = TypeVar("T")
Machine = tuple[str, ...]


def common(*sides: Mapping[K, T]) -> dict[K, tuple[T, ...]]:
    """What stands at the keys (seeds, timed runs) that every side has, in the order of the first."""
    shared = set(sides[0]).intersection(*sides[1:])
    keys = [key for key in sides[0] if key in shared]
    return dict(zip(keys, zip(*([of[key] for key in keys] for of in sides), strict=True), strict=False))


def spent(ledger: Mapping[str, Phase]) -> tuple[float, float]:
    lines = [ledger[name] for name in PHASES if name in ledger]
    return sum(line.flops for line in lines), sum(line.seconds for line in lines)


class Accounts:
    def __init__(self, results: Results) -> None:
        self._results, self._artefacts = results, results.artefacts
        self._shares = {"marginal": 0.0, "amortised": 1.0 / results.matrix.amortise_over, "standalone": 1.0}
        self._closures: dict[tuple[str, ...], frozenset[str] | None] = {}
        self._sums: dict[tuple[str, ...], tuple[float, float]] = {}
        self._spent: dict[str, tuple[float, float]] = {}
        self._arms: dict[tuple[str, str, str], dict[int, float]] = {}

    def of(self, arm: Arm, account: str, cost: str) -> Mapping[int, float]:
        if (key := (arm.key, account, cost)) not in self._arms:
            cells = self._results.of(arm)
            self._arms[key] = {seed: self.cost(cell, account, cost) for seed, cell in cells.items()}
        return self._arms[key]

    def share(self, account: str) -> float:
        return self._shares[account]

    def closure(self, ids: tuple[str, ...]) -> frozenset[str] | None:
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
    scored = 1.0 if cell.scores_learner else cell.pool_scored / max(1, cell.picks.candidate_samples)
    scoring = scored * cell.unit.forward
    least = cell.picks.mean_ratio * cell.unit.train + scoring
    return cell.unit.train / least if least > 0 else None


def break_even(artefact: float, strategy: float, baseline: float) -> int | None:
    """Runs after which an artefact has paid for itself by what each run saves; None where a run saves nothing."""
    saving = baseline - strategy
    return math.ceil(artefact / saving) if saving > 0 and math.isfinite(artefact) else None


def machine_of(run: Cell | Timing) -> Machine:
    """What must be the same for seconds to be comparable: machine type, device and thread count."""
    return tuple(str(run.environment.get(key)) for key in ("machine", "device", "threads"))


class Run(NamedTuple):
    """Where a timed run was made: runs of one block on one machine are a pair."""

    machine: Machine
    block: int


@dataclass(frozen=True, eq=False)
class Prices:
    source: str | None  # of seconds: ``timing pass`` or ``ordinary cells``
    machine: Machine  # of seconds: machine type, device, threads
    blocks: tuple[int, ...]  # of the timing pass that have every arm, or the seeds at which every arm has a cell
    values: Array  # [arms, blocks]; nan where an artefact's seconds are not known

    @property
    def timed(self) -> bool:
        return self.source == TIMED

    @property
    def known(self) -> bool:
        return bool(self.values.size) and bool(np.isfinite(self.values).all())


class Clock:
    def __init__(self, results: Results, accounts: Accounts) -> None:
        self._results, self._accounts = results, accounts
        self._arms: dict[str, dict[Run, Timing]] = {}
        self._artefacts: dict[str, dict[Run, float]] = {}
        self._priced: dict[tuple[str, ...], Prices | None] = {}
        for timed in results.timings:
            run = Run(machine_of(timed), timed.block)
            if timed.kind == "cell":
                self._arms.setdefault(timed.of, {})[run] = timed
            else:
                self._artefacts.setdefault(timed.of, {})[run] = timed.seconds

    def seconds(self, arms: Sequence[Arm], account: str) -> Prices | None:
        """Seconds of ``arms`` in an account, paired; None where they have no runs that may be compared.

        Where the timing pass was made on several machines, the one with the most blocks that have all of ``arms``
        is used, and no other.
        """
        key = (account, *(arm.key for arm in arms))
        if key not in self._priced:
            self._priced[key] = self._prices(arms, account)
        return self._priced[key]

    def _prices(self, arms: Sequence[Arm], account: str) -> Prices | None:
        runs = self._paired(arms)
        if runs:
            values = [[self._timed(arm, run, account) for run in runs] for arm in arms]
            return Prices(TIMED, runs[0].machine, tuple(run.block for run in runs), np.array(values))
        machines = self._ordinary(arms)
        if len(machines) != 1:
            return None
        paid = common(*(self._accounts.of(arm, account, "wall_clock") for arm in arms))
        return Prices(ORDINARY, machines.pop(), tuple(paid), np.array(list(zip(*paid.values(), strict=True))))

    def timings(self, arm: Arm) -> list[Timing]:
        """The timed runs that :meth:`seconds` of this one arm rest on; none where they are of ordinary cells."""
        return [self._arms[arm.key][run] for run in self._paired([arm])]

    def unlike(self, arms: Sequence[Arm]) -> bool:
        """Whether ordinary cells of ``arms``, at the seeds that have them all, were run on unlike machines."""
        return len(self._ordinary(arms)) > 1

    @cached_property
    def summary(self) -> dict[str, Any]:
        """What the pass holds: blocks, arms, whether it is all that was asked for, and which seconds are shown."""
        planned: dict[str, set[int]] = {}
        asked = self._results.matrix.requested.seeds[: self._results.matrix.timing.seeds]
        for arm, seed in self._results.planned():
            if seed in asked:
                planned.setdefault(arm.key, set()).add(seed)
        whole = all(
            blocks <= {run.block for run in self._arms.get(key, ())} and self._artefacts_timed(key, blocks)
            for key, blocks in planned.items()
        )
        return {
            "blocks": len({run.block for runs in self._arms.values() for run in runs}),
            "arms": len(self._arms),
            "asked": len(asked),
            "complete": bool(planned) and whole,
            "source": TIMED if self._arms else ORDINARY,
            "machines": len({run.machine for runs in self._arms.values() for run in runs}),
        }

    def _artefacts_timed(self, arm: str, blocks: set[int]) -> bool:
        cells = self._results.of(arm)
        return all(
            math.isfinite(self._artefact_seconds(cells[block], run))
            for run in self._arms[arm]
            if (block := run.block) in blocks and block in cells
        )

    @cached_property
    def _machines(self) -> dict[str, dict[int, Machine]]:
        cells = {key: self._results.of(key) for key in self._results.matrix.arms}
        return {key: {seed: machine_of(cell) for seed, cell in of.items()} for key, of in cells.items()}

    def _ordinary(self, arms: Sequence[Arm]) -> set[Machine]:
        """The machines of the cells at the seeds at which every one of ``arms`` has one."""
        if len(everywhere := set().union(*(self._machines[arm.key].values() for arm in arms))) == 1:
            shared = set(self._machines[arms[0].key]).intersection(*(self._machines[arm.key] for arm in arms))
            return everywhere if shared else set()
        return set().union(*common(*(self._machines[arm.key] for arm in arms)).values())

    def _paired(self, arms: Sequence[Arm]) -> list[Run]:
        runs = sorted(common(*(self._arms.get(arm.key, {}) for arm in arms)))
        machines = [run.machine for run in runs]
        chosen = max(dict.fromkeys(machines), key=machines.count, default=None)
        return [run for run in runs if run.machine == chosen]

    def _timed(self, arm: Arm, run: Run, account: str) -> float:
        own = self._arms[arm.key][run].seconds
        if account == "marginal":
            return own
        cell = self._results.of(arm).get(run.block)
        if cell is None:
            return math.nan
        return own + self._artefact_seconds(cell, run) * self._accounts.share(account)

    def _artefact_seconds(self, cell: Cell, run: Run) -> float:
        """Timed seconds of all the artefacts of ``cell``; nan where one was not timed on that machine."""
        ids = self._accounts.closure(cell.artefacts)
        return math.nan if ids is None else sum(self._artefact(id, run) for id in sorted(ids))

    def _artefact(self, id: str, run: Run) -> float:
        found = self._artefacts.get(id, {})
        if run in found:
            return found[run]
        elsewhere = [seconds for other, seconds in found.items() if other.machine == run.machine]
        if elsewhere:  # one artefact for all seeds, timed in the block of its own
            return fmean(elsewhere)
        return 0.0 if spent(self._results.artefacts[id].ledger)[1] == 0 else math.nan


def overhead(timed: Timing) -> float:
    """Seconds of a timed run that belong to no phase: the loop's own."""
    return max(0.0, timed.seconds - sum(timed.ledger[name].seconds for name in PHASES if name in timed.ledger))
