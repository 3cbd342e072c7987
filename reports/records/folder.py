"""A finished results folder, read and checked.

Nothing is trusted: a record counts only if its checksum, version, file name and correctness bits agree.
A record that does not is listed in :attr:`Results.unreadable` with its file and the reason, never used.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from .analysis import ACCOUNTS, COSTS, LADDERS, LadderName  # noqa: F401 - as those of models below
from .fields import PHASES, Phase, Role, read_record  # noqa: F401 - what readers of a folder need is found here
from .matrix import Arm, Dataset, Grid, Matrix, Request, read_matrix  # noqa: F401
from .models import Artefact, Cell, Failure, Picks, Point, Timing, Tuning, Unsealed  # noqa: F401
from .sealing import ResultsError, checksum, reason  # noqa: F401

TIMED = "timing pass"
ORDINARY = "ordinary cells"
"""Where seconds are from. Only those of a timing pass carry verdicts; those of ordinary cells are indications."""

_T = TypeVar("_T", bound=Unsealed)


@dataclass(frozen=True)
class Unreadable:
    """A record that is there but cannot be used: ``file`` relative to the results folder."""

    file: str
    reason: str


@dataclass(frozen=True)
class Results:
    path: Path
    matrix: Matrix
    cells: tuple[Cell, ...]  # at most one for each (arm, seed), sorted by these
    artefacts: Mapping[str, Artefact] = field(default_factory=dict)  # by id
    failures: tuple[Failure, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    timings: tuple[Timing, ...] = ()  # at most one for each (kind, of, block), by block and position
    tunings: tuple[Tuning, ...] = ()  # at most one for each (base arm, seed, factor), sorted by these

    @classmethod
    def read(cls, path: str | Path, *, strict: bool = False) -> Results:
        """Read and check the folder that holds ``matrix.toml``; where ``strict``, a bad record is a ResultsError."""
        collecting = gc.isenabled()
        gc.disable()  # nothing of a record is garbage, and looking for it takes a quarter of the time
        try:
            return cls._read(Path(path), strict)
        finally:
            if collecting:
                gc.enable()

    @classmethod
    def _read(cls, root: Path, strict: bool) -> Results:
        matrix = read_matrix(root / "matrix.toml")
        bad: list[Unreadable] = []
        records = partial(_records, root, matrix, bad)
        cells = records(Cell, "cells", lambda cell: (cell.arm, cell.seed), "arm {}, seed {}")
        artefacts = records(Artefact, "artefacts")
        failures = records(Failure, "failed")
        run = "{} {} in block {} of the timing pass"
        timings = records(Timing, "timing", lambda timed: (timed.kind, timed.of, timed.block), run)
        run = "arm {} tuned with seed {} at factor {}"
        tunings = records(Tuning, "tuning", lambda tuning: (tuning.base, tuning.seed, tuning.factor), run)
        if strict and bad:
            raise ResultsError(f"{root / bad[0].file}: {bad[0].reason}")
        in_order = tuple(sorted(timings, key=lambda timed: (timed.block, timed.position, timed.id)))
        by_id = {item.id: item for item in artefacts}
        return cls(root, matrix, cells, by_id, failures, tuple(bad), in_order, tunings)

    @cached_property
    def _by_arm(self) -> dict[str, dict[int, Cell]]:
        table: dict[str, dict[int, Cell]] = {}
        for cell in self.cells:
            table.setdefault(cell.arm, {})[cell.seed] = cell
        return table

    def of(self, arm: Arm | str) -> Mapping[int, Cell]:
        """The cells of one arm (or arm key) by seed, seeds ascending; empty where there is none."""
        return self._by_arm.get(arm if isinstance(arm, str) else arm.key, {})

    def arms(self, *, dataset: str | None = None, role: Role | None = None) -> tuple[Arm, ...]:
        return tuple(
            arm for arm in self.matrix.arms.values() if dataset in (None, arm.dataset) and role in (None, arm.role)
        )

    def ladder(self, dataset: str, role: LadderName) -> tuple[Arm, ...]:
        """The rungs of a ladder, by rising share of the budget."""
        return self._ladders.get((dataset, role), ())

    def cost_twin(self, arm: Arm, name: LadderName = "full") -> Arm | None:
        """The run of ``name`` on a budget of what ``arm`` cost, in the declared account and kind of cost.

        Where the matrix's budget is that cost itself, every arm has it: the baseline stands for the twin.
        """
        matrix = self.matrix
        found = (twin for twin in matrix.arms.values() if twin.cost_of == arm.key and twin.name == name)
        if twin := next(found, None):
            return twin
        budget = matrix.budget
        kind = {"total_flops": "flops", "wall_clock": "seconds"}.get(matrix.pays.cost, "")
        if kind in budget and budget.get("account") == matrix.pays.account:
            return next((rung for rung in self.ladder(arm.dataset, name) if rung.rung == arm.rung), None)
        return None

    def own_ladder(self, arm: Arm) -> tuple[Arm, ...]:
        """A strategy's own rungs by rising budget, the strategy itself last; empty where it has no ladder.

        ``arm`` may be the strategy or one of the rungs.
        """
        rungs = self._ladders.get((arm.dataset, arm.reference, arm.label), ())
        return rungs if len(rungs) > 1 and rungs[-1].role == "strategy" else ()

    @cached_property
    def _ladders(self) -> dict[tuple[str, ...], tuple[Arm, ...]]:
        """Of each (data set, role) of baselines, and of each (data set, reference, label) of strategies."""
        found: dict[tuple[str, ...], tuple[Arm, ...]] = {}
        for arm in sorted(self.matrix.arms.values(), key=lambda arm: arm.rung):
            own = arm.role in ("strategy", "rung")
            key = (arm.dataset, arm.reference, arm.label) if own else (arm.dataset, arm.role)
            found[key] = (*found.get(key, ()), arm)
        return found

    def planned(self) -> Iterator[tuple[Arm, int]]:
        """Every (arm, seed) that was asked for: baselines always, strategies, rungs and both twins where requested.

        In a folder merged of several matrices each data set has the seeds of its own.
        """
        seeds: dict[str, set[int]] = {}
        for request in self.matrix.requests:
            for dataset in request.datasets:
                seeds.setdefault(dataset, set()).update(request.seeds)
        wanted = set(self.matrix.requested.strategies)
        strategies = [a for a in self.matrix.arms.values() if a.role in ("strategy", "rung") and a.label in wanted]
        keep = {arm.key for arm in strategies} | {arm.twin for arm in strategies}
        for arm in self.matrix.arms.values():
            if arm.role in ("full", "uniform", "full-all") or arm.key in keep or arm.cost_of in keep:
                for seed in sorted(seeds.get(arm.dataset, ())):
                    yield arm, seed


def _records(
    root: Path,
    matrix: Matrix,
    bad: list[Unreadable],
    kind: type[_T],
    folder: str,
    key: Callable[[_T], tuple[Any, ...]] | None = None,
    words: str = "",
) -> tuple[_T, ...]:
    """The sound records of a folder: by file, or the first under each ``key``, keys ascending; others go to ``bad``."""
    found: dict[tuple[Any, ...], _T] = {}
    for file in sorted((root / folder).glob("*/meta.json" if folder == "artefacts" else "*.json")):
        name = file.relative_to(root).as_posix()
        try:
            item = read_record(kind, file.read_bytes())
            id = file.parent.name if folder == "artefacts" else file.stem
            if item.id != id:
                raise ResultsError(f"is the record of {item.id}, not of {id} as its name says")
            for fault in _foreign(item, matrix):
                raise ResultsError(fault)
            at = (name,) if key is None else key(item)
            if (first := found.setdefault(at, item)) is not item:
                raise ResultsError(f"a second record of {words.format(*at)}; {first.id} is used")
        except OSError as error:
            bad.append(Unreadable(name, reason(error)))
        except ResultsError as error:
            bad.append(Unreadable(name, str(error)))
    return tuple(found[at] for at in (sorted(found) if key else found))


def _foreign(record: Unsealed, matrix: Matrix) -> Iterator[str]:
    match record:
        case Cell():
            if record.arm not in matrix.arms:
                yield f"arm {record.arm!r} is not in matrix.toml: the cell belongs to another matrix"
            if record.faults:
                yield f"the cell counted {record.faults} faulty selections and should have been discarded"
            if record.seed not in matrix.seeds:
                yield f"seed {record.seed} is not in matrix.toml: the cell belongs to another matrix"
        case Timing():
            if record.kind == "cell" and record.of not in matrix.arms:
                yield f"arm {record.of!r} is not in matrix.toml: the timed run belongs to another matrix"
            if record.block not in matrix.seeds:
                yield f"seed {record.block} is not in matrix.toml: the timed run belongs to another matrix"
        case Tuning():
            if matrix.grid is None:
                yield "matrix.toml declares no tuning: the tuning run belongs to another matrix"
                return
            if record.base not in {arm.base for arm in matrix.arms.values()}:
                yield f"arm {record.base!r} is not in matrix.toml: the tuning run belongs to another matrix"
            if record.seed not in matrix.grid.seeds:
                yield f"seed {record.seed} is no tuning seed of matrix.toml"
            if record.factor not in matrix.grid.of(record.dataset):
                yield f"factor {record.factor:g} is not in the grid of matrix.toml"
