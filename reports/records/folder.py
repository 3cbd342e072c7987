"""A finished results folder, read and checked.

Nothing is trusted: a record counts only if its checksum, version, file name and correctness bits agree.
A record that does not is listed in :attr:`Results.unreadable` with its file and the reason, never used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from .fields import PHASES, Phase, Role, read_as
from .matrix import ACCOUNTS, COSTS, LADDERS, Arm, Dataset, Grid, LadderName, Matrix, Pays, Request, read_matrix
from .models import Artefact, Cell, Failure, Picks, Point, Timing, Tuning, Unsealed
from .sealing import ResultsError, checksum, open_record

__all__ = [
    "ACCOUNTS",
    "COSTS",
    "LADDERS",
    "ORDINARY",
    "PHASES",
    "TIMED",
    "Arm",
    "Artefact",
    "Cell",
    "Dataset",
    "Failure",
    "Grid",
    "LadderName",
    "Matrix",
    "Pays",
    "Phase",
    "Picks",
    "Point",
    "Request",
    "Results",
    "ResultsError",
    "Role",
    "Timing",
    "Tuning",
    "Unreadable",
    "checksum",
]

TIMED = "timing pass"
ORDINARY = "ordinary cells"
"""Where seconds are from. Only those of a timing pass carry verdicts; those of ordinary cells are indications."""

_T = TypeVar("_T", bound=Unsealed)
_R = TypeVar("_R", Cell, Timing, Tuning)


@dataclass(frozen=True)
class Unreadable:
    """A record that is there but cannot be used: ``file`` relative to the results folder."""

    file: str
    reason: str


@dataclass(frozen=True)
class Results:
    """A results folder in memory.

    Parameters
    ----------
    path : Path
    matrix : Matrix
    cells : tuple of Cell
        Sound records, at most one for each (arm, seed), sorted by arm and seed.
    artefacts : mapping of id to Artefact
    failures : tuple of Failure
    unreadable : tuple of Unreadable
        What was left out, and why.
    timings : tuple of Timing
        Runs of the timing pass, at most one for each (kind, arm or artefact, block), by block and position.
    tunings : tuple of Tuning
        Tuning runs, at most one for each (base arm, seed, factor), sorted by these.
    """

    path: Path
    matrix: Matrix
    cells: tuple[Cell, ...]
    artefacts: Mapping[str, Artefact] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    timings: tuple[Timing, ...] = ()
    tunings: tuple[Tuning, ...] = ()

    @classmethod
    def read(cls, path: str | Path, *, strict: bool = False) -> Results:
        """Read and check a results folder.

        Parameters
        ----------
        path : str or Path
            The folder that holds ``matrix.toml``.
        strict : bool
            Raise on the first unreadable record instead of listing it.

        Raises
        ------
        ResultsError
            If the folder holds no readable ``matrix.toml``, or (``strict``) on a bad record.
        """
        root = Path(path)
        matrix = read_matrix(root / "matrix.toml")
        bad: list[Unreadable] = []
        reader = _Reader(root, bad)
        cells = _single(
            reader.all("cells", Cell, lambda cell: _check_cell(cell, matrix)),
            lambda cell: (cell.arm, cell.seed),
            "arm {}, seed {}",
            bad,
        )
        artefacts = {item.id: item for _, item in reader.all("artefacts", Artefact)}
        failures = tuple(item for _, item in reader.all("failed", Failure))
        timings = _single(
            reader.all("timing", Timing, lambda timed: _check_timing(timed, matrix)),
            lambda timed: (timed.kind, timed.of, timed.block),
            "{} {} in block {} of the timing pass",
            bad,
        )
        tunings = _single(
            reader.all("tuning", Tuning, lambda tuning: _check_tuning(tuning, matrix)),
            lambda tuning: (tuning.base, tuning.seed, tuning.factor),
            "arm {} tuned with seed {} at factor {}",
            bad,
        )
        if strict and bad:
            raise ResultsError(f"{root / bad[0].file}: {bad[0].reason}")
        in_order = tuple(sorted(timings, key=lambda timed: (timed.block, timed.position, timed.id)))
        return cls(root, matrix, cells, artefacts, failures, tuple(bad), in_order, tunings)

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
        """Arms of a data set and role, in the matrix's order."""
        return tuple(
            arm for arm in self.matrix.arms.values() if dataset in (None, arm.dataset) and role in (None, arm.role)
        )

    def ladder(self, dataset: str, role: LadderName) -> tuple[Arm, ...]:
        """The rungs of a ladder, by rising share of the budget."""
        if (dataset, role) not in self._ladders:
            rungs = sorted(self.arms(dataset=dataset, role=role), key=lambda arm: arm.rung)
            self._ladders[dataset, role] = tuple(rungs)
        return self._ladders[dataset, role]

    def own_ladder(self, arm: Arm) -> tuple[Arm, ...]:
        """A strategy's own rungs by rising budget, the strategy itself last; empty where it has no ladder.

        ``arm`` may be the strategy or one of the rungs.
        """
        return self._own_ladders.get((arm.dataset, arm.reference, arm.label), ())

    @cached_property
    def _own_ladders(self) -> dict[tuple[str, str, str], tuple[Arm, ...]]:
        found: dict[tuple[str, str, str], list[Arm]] = {}
        for arm in sorted(self.matrix.arms.values(), key=lambda arm: arm.rung):
            if arm.role in ("strategy", "rung"):
                found.setdefault((arm.dataset, arm.reference, arm.label), []).append(arm)
        return {key: tuple(rungs) for key, rungs in found.items() if len(rungs) > 1 and rungs[-1].role == "strategy"}

    @cached_property
    def _ladders(self) -> dict[tuple[str, str], tuple[Arm, ...]]:
        return {}

    def planned(self) -> Iterator[tuple[Arm, int]]:
        """Every (arm, seed) that was asked for: baselines always, strategies, rungs and twins where requested.

        In a folder merged of several matrices each data set has the seeds of its own.
        """
        seeds: dict[str, set[int]] = {}
        for request in self.matrix.requests:
            for dataset in request.datasets:
                seeds.setdefault(dataset, set()).update(request.seeds)
        wanted = set(self.matrix.requested_strategies)
        strategies = [a for a in self.matrix.arms.values() if a.role in ("strategy", "rung") and a.label in wanted]
        keep = {arm.key for arm in strategies} | {arm.twin for arm in strategies}
        for arm in self.matrix.arms.values():
            if arm.role in ("full", "uniform", "full-all") or arm.key in keep:
                for seed in sorted(seeds.get(arm.dataset, ())):
                    yield arm, seed


class _Reader:
    """Reads many record files, and lists those that cannot be used."""

    def __init__(self, root: Path, bad: list[Unreadable]) -> None:
        self.root = root
        self.bad = bad

    def all(self, folder: str, kind: type[_T], check: Callable[[_T], object] = bool) -> Iterator[tuple[str, _T]]:
        for file in sorted((self.root / folder).glob("*/meta.json" if folder == "artefacts" else "*.json")):
            name = file.relative_to(self.root).as_posix()
            try:
                item = read_record(kind, file.read_bytes(), file.parent.name if folder == "artefacts" else file.stem)
                check(item)
            except (ResultsError, OSError) as error:
                self.bad.append(Unreadable(name, str(error)))
            else:
                yield name, item


def read_record(kind: type[_T], content: bytes, id: str) -> _T:
    """The record ``id`` in the bytes of its file.

    Raises
    ------
    ResultsError
        Where it cannot be used, in one line.
    """
    item = read_as(kind, open_record(content, sealed=kind.model_fields["checksum"].is_required()))
    if item.id != id:
        raise ResultsError(f"is the record of {item.id}, not of {id} as its name says")
    return item


def _check_cell(cell: Cell, matrix: Matrix) -> None:
    if cell.arm not in matrix.arms:
        raise ResultsError(f"arm {cell.arm!r} is not in matrix.toml: the cell belongs to another matrix")
    if cell.faults:
        raise ResultsError(f"the cell counted {cell.faults} faulty selections and should have been discarded")
    if cell.seed not in matrix.seeds:
        raise ResultsError(f"seed {cell.seed} is not in matrix.toml: the cell belongs to another matrix")


def _check_timing(timed: Timing, matrix: Matrix) -> None:
    if timed.kind == "cell" and timed.of not in matrix.arms:
        raise ResultsError(f"arm {timed.of!r} is not in matrix.toml: the timed run belongs to another matrix")
    if timed.block not in matrix.seeds:
        raise ResultsError(f"seed {timed.block} is not in matrix.toml: the timed run belongs to another matrix")


def _check_tuning(tuning: Tuning, matrix: Matrix) -> None:
    if matrix.grid is None:
        raise ResultsError("matrix.toml declares no tuning: the tuning run belongs to another matrix")
    if tuning.base not in {arm.base for arm in matrix.arms.values()}:
        raise ResultsError(f"arm {tuning.base!r} is not in matrix.toml: the tuning run belongs to another matrix")
    if tuning.seed not in matrix.grid.seeds:
        raise ResultsError(f"seed {tuning.seed} is no tuning seed of matrix.toml")
    if tuning.factor not in matrix.grid.factors:
        raise ResultsError(f"factor {tuning.factor:g} is not in the grid of matrix.toml")


def _single(
    records: Iterable[tuple[str, _R]], key: Callable[[_R], tuple[Any, ...]], words: str, bad: list[Unreadable]
) -> tuple[_R, ...]:
    """The first record under each key, keys ascending; a second one is listed as left out."""
    found: dict[tuple[Any, ...], _R] = {}
    for name, record in records:
        first = found.setdefault(key(record), record)
        if first is not record:
            bad.append(Unreadable(name, f"a second record of {words.format(*key(record))}; {first.id} is used"))
    return tuple(found[at] for at in sorted(found))
