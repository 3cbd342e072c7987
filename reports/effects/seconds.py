"""Seconds of arms that may be compared: from the timing pass where it covers them, else from ordinary cells.

In the timing pass every run is made alone in one process, arms in random order within each seed's block. Its
seconds are those of the whole run, the loop's own overhead included, and it is the only source of verdicts on
wall-clock. Ordinary cells run side by side on whatever is free: the sum of their phases is an indication.

The two are never mixed, and neither are runs on unlike machines, devices or numbers of threads.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..records.folder import ORDINARY, PHASES, TIMED, Arm, Cell, Results, Timing
from .costs import Accounts, machine_of, spent

Array = NDArray[np.float64]
Machine = tuple[str, ...]


class Run(NamedTuple):
    """Where a timed run was made: runs of one block on one machine are a pair."""

    machine: Machine
    block: int


@dataclass(frozen=True, eq=False)
class Prices:
    """What some arms cost, side by side.

    Parameters
    ----------
    source : str or None
        Of seconds: ``timing pass`` or ``ordinary cells``.
    machine : tuple of str
        Of seconds: machine type, device, threads.
    blocks : tuple of int
        The timing pass's blocks that have every arm, or the seeds at which every arm has a cell.
    values : array ``[arms, blocks]``
        nan where an artefact's seconds are not known.
    """

    source: str | None
    machine: Machine
    blocks: tuple[int, ...]
    values: Array

    @property
    def timed(self) -> bool:
        return self.source == TIMED

    @property
    def known(self) -> bool:
        """Whether there is something, and all of it is known."""
        return bool(self.values.size) and bool(np.isfinite(self.values).all())


class Clock:
    """Seconds of the arms of one results folder."""

    def __init__(self, results: Results, accounts: Accounts) -> None:
        self._results = results
        self._accounts = accounts
        self._arms: dict[str, dict[Run, Timing]] = {}
        self._artefacts: dict[str, dict[Run, float]] = {}
        self._machines: dict[str, dict[int, Machine]] = {}
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
        runs = self._paired(arms)
        if runs:
            values = [[self._timed(arm, run, account) for run in runs] for arm in arms]
            return Prices(TIMED, runs[0].machine, tuple(run.block for run in runs), np.array(values))
        seeds, machines = self._ordinary(arms)
        if len(machines) != 1:
            return None
        prices = [self._accounts.of(arm, account, "wall_clock") for arm in arms]
        return Prices(ORDINARY, machines.pop(), tuple(seeds), np.array([[of[seed] for seed in seeds] for of in prices]))

    def timings(self, arm: Arm) -> list[Timing]:
        """The timed runs that :meth:`seconds` of this one arm rest on; none where they are of ordinary cells."""
        return [self._arms[arm.key][run] for run in self._paired([arm])]

    def covers(self, arms: Iterable[Arm]) -> bool:
        """Whether the timing pass has a block with all of ``arms`` on one machine."""
        return bool(self._paired(list(arms)))

    def unlike(self, arms: Sequence[Arm]) -> bool:
        """Whether ordinary cells of ``arms``, at the seeds that have them all, were run on unlike machines."""
        return len(self._ordinary(arms)[1]) > 1

    @cached_property
    def summary(self) -> dict[str, Any]:
        """What the pass holds: blocks, arms, whether it is all that was asked for, and which seconds are shown."""
        planned: dict[str, set[int]] = {}
        asked = self._results.matrix.requested_seeds[: self._results.matrix.timing_seeds]
        for arm, seed in self._results.planned():
            if seed in asked:
                planned.setdefault(arm.key, set()).add(seed)
        done = {key: {run.block for run in runs} for key, runs in self._arms.items()}
        whole = all(
            blocks <= done.get(key, set()) and self._artefacts_timed(key, blocks) for key, blocks in planned.items()
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

    def _ordinary(self, arms: Sequence[Arm]) -> tuple[list[int], set[Machine]]:
        """The seeds at which every one of ``arms`` has a cell, and the machines of those cells."""
        found = []
        for arm in arms:
            if arm.key not in self._machines:
                self._machines[arm.key] = {seed: machine_of(cell) for seed, cell in self._results.of(arm).items()}
            found.append(self._machines[arm.key])
        seeds = [seed for seed in found[0] if all(seed in of for of in found)]
        return seeds, {of[seed] for of in found for seed in seeds}

    def _paired(self, arms: Sequence[Arm]) -> list[Run]:
        first, *others = (self._arms.get(arm.key, {}) for arm in arms)
        common = sorted(run for run in first if all(run in of for of in others))
        machines = [run.machine for run in common]
        chosen = max(dict.fromkeys(machines), key=machines.count, default=None)
        return [run for run in common if run.machine == chosen]

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
