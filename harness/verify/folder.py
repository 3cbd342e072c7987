"""Checks a results folder: each record alone, against the matrix, and against the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from ...reports.records.models import Artefact, Cell, Failure, Timing, Tuning
from ...strategies import UsageError
from ..identity import digest
from .contents import cell_faults, timing_faults, tuning_faults
from .declared import Declared, artefact_ids
from .findings import AGAIN, Finding, Verdict, note
from .listing import Listing
from .reading import read_matrix
from .seeding import same_results, shared_streams, twice

_RESTORE = "put a sound copy back"
_COPY = "copy it from where this folder came from, or remove what uses it and run again"
_ANOTHER = "remove it: it belongs to another matrix"

R = TypeVar("R")


def verify(root: Path) -> Verdict:
    """Check a results folder.

    Parameters
    ----------
    root : Path
        The folder that holds ``matrix.toml``.

    Raises
    ------
    UsageError
        Where there is none.
    """
    file = root / "matrix.toml"
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{root} is no results folder: matrix.toml: {error.strerror}") from None
    declared, findings = read_matrix(file.name, content)
    listing = Listing(root)
    findings += listing.findings
    if declared is not None:
        findings += Relations(listing, declared).findings()
    counts = {kind: len(records) for kind, records in listing.records.items() if records or kind == "cells"}
    ordered = sorted(findings, key=lambda finding: (finding.note, finding.file))
    return Verdict(tuple(ordered), counts)


class Relations:
    """Cross-checks of records with the matrix and with each other.

    Parameters
    ----------
    listing : Listing
        The records.
    declared : Declared
        The matrix.
    """

    def __init__(self, listing: Listing, declared: Declared) -> None:
        self.listing, self.declared = listing, declared
        self.cells, self.tuning, self.timing = listing.of(Cell), listing.of(Tuning), listing.of(Timing)
        self.artefacts, self.failed = listing.of(Artefact), listing.of(Failure)
        self.by_run = {(cell.arm, cell.seed): (file, cell) for file, cell in self.cells.items()}

    def findings(self) -> Iterator[Finding]:
        """All of them."""
        yield from (Finding("matrix.toml", fault, _RESTORE) for fault in self.declared.faults())
        yield from _guarded(self.cells, self._cell)
        yield from _guarded(self.tuning, self._tuning)
        yield from _guarded(self.timing, self._timing)
        yield from _guarded(self.artefacts, self._artefact)
        runs = [(file, (cell.arm, cell.seed)) for file, cell in self.cells.items()]
        yield from twice(runs, "arm {}, seed {}")
        tuned = [(file, (run.base, run.seed, run.factor)) for file, run in self.tuning.items()]
        yield from twice(tuned, "arm {} tuned with seed {} at factor {}")
        timed = [(file, (run.of, run.block)) for file, run in self.timing.items()]
        yield from twice(timed, "{} in block {} of the timing pass")
        yield from shared_streams(self.cells, self.tuning, self.artefacts)
        yield from same_results(self.cells)
        yield from self._twins()
        yield from self._references()
        yield from self._machines()
        yield from self._unfinished()

    def _cell(self, file: str, cell: Cell) -> Iterator[Finding]:
        if cell.arm not in self.declared.arms:
            yield Finding(file, f"arm {cell.arm} is not in matrix.toml", _ANOTHER)
            return
        if cell.seed not in self.declared.seeds(cell.dataset):
            yield Finding(file, f"seed {cell.seed} is not in matrix.toml", _ANOTHER)
        if cell.id != digest([cell.arm, cell.seed]):
            yield Finding(file, "its id is not that of its arm and seed")
        yield from (Finding(file, fault) for fault in (*cell_faults(cell), *self.declared.unlike(cell)))
        for id in cell.artefacts:
            meta = self.artefacts.get(f"artefacts/{id}/meta.json")
            if meta and not (meta.seed == cell.seed and self.declared.alike(meta.dataset, cell.dataset)):
                yield Finding(file, f"artefact {id} is of another seed or data set")
            elif meta and meta.kind in ("reference", "proxy") and id not in artefact_ids(cell):
                yield Finding(file, f"artefact {id} is not of its data, learner and reference")
        yield from self._needed(file, cell.artefacts)

    def _tuning(self, file: str, run: Tuning) -> Iterator[Finding]:
        grid, arm = self.declared.grid, self.declared.bases.get(run.base)
        if arm is None:
            yield Finding(file, f"arm {run.base} is not in matrix.toml", _ANOTHER)
            return
        if grid is None or run.seed not in grid.seeds or run.factor not in grid.factors:
            yield Finding(file, f"seed {run.seed} at factor {run.factor:g} is not in its grid", _ANOTHER)
        if run.factor == 1.0 and run.id != digest(["tuning", run.base, run.seed]):
            yield Finding(file, "its id is not that of its arm and seed")
        rate = self.declared.of(run.dataset, "optimizer").get("lr", 0.0) * run.factor
        if abs(run.lr - rate) > 1e-12:
            yield Finding(file, f"its learning rate is {run.lr:g}, that of its factor {rate:g}")
        if (run.arm_label, run.dataset, run.rung) != (arm.label, arm.dataset, arm.rung):
            yield Finding(file, "its label, data set or rung is not that of its arm in matrix.toml")
        yield from (Finding(file, fault) for fault in tuning_faults(run))
        yield from self._needed(file, run.artefacts)

    def _timing(self, file: str, run: Timing) -> Iterator[Finding]:
        is_cell = run.kind == "cell"
        task = digest([run.of, run.seed]) if is_cell else run.of
        if run.id != digest(["timing", task, run.block]):
            yield Finding(file, "its id is not that of what was timed and its block")
        if is_cell and run.of not in self.declared.arms:
            yield Finding(file, f"arm {run.of} is not in matrix.toml", _ANOTHER)
        elif is_cell and (run.of, run.seed) not in self.by_run:
            yield note(file, "the run that was timed is not here", "run the same command again")
        if not is_cell:
            yield from self._needed(file, [run.of])
        if run.seed not in (run.block, None) or run.block not in self.declared.table["seeds"]:
            yield Finding(file, f"seed {run.seed} does not belong in block {run.block}")
        yield from (Finding(file, fault) for fault in timing_faults(run))

    def _artefact(self, file: str, meta: Artefact) -> Iterator[Finding]:
        yield from self._needed(file, meta.needs)

    def _needed(self, file: str, ids: Iterable[str]) -> Iterator[Finding]:
        for id in ids:
            if f"artefacts/{id}/meta.json" not in self.artefacts:
                yield Finding(file, f"artefact {id}, which it rests on, is missing or damaged", _COPY)

    def _twins(self) -> Iterator[Finding]:
        """A twin has the identical sequence of steps."""
        for (key, seed), (file, cell) in self.by_run.items():
            twin = self.declared.arms[key].twin if key in self.declared.arms else ""
            if twin and (other := self.by_run.get((twin, seed))) and _steps(other[1]) != _steps(cell):
                yield Finding(other[0], f"its steps are not those of {file}, whose twin it is")

    def _references(self) -> Iterator[Finding]:
        """A reference has one content."""
        seen: dict[str, tuple[str, object]] = {}
        for file, cell in self.cells.items():
            if cell.reference:
                content = cell.identity.get("reference")
                first, known = seen.setdefault(cell.reference, (file, content))
                if content != known:
                    yield Finding(file, f"reference {cell.reference!r} is not the one of {first}")

    def _machines(self) -> Iterator[Finding]:
        environments = {
            "cells": [cell.environment for cell in self.cells.values()],
            "timing": [run.environment for run in self.timing.values()],
        }
        for kind, found_on in environments.items():
            for name in ("machine", "device", "threads", "torch", "python", "selbench"):
                found = {str(environment.get(name)) for environment in found_on}
                if len(found) > 1:
                    what = f"{name} is not the same everywhere: {', '.join(sorted(found))}"
                    yield note(kind, what, "seconds of unlike machines are not compared")

    def _unfinished(self) -> Iterator[Finding]:
        done = self.listing.ids("cells") | self.listing.ids("tuning") | self.listing.ids("timing")
        for file, failure in self.failed.items():
            if failure.id in done:
                yield note(file, "has been made good since", "it may be removed")
            else:
                seed = "" if failure.seed is None else f", seed {failure.seed}"
                yield note(file, f"{failure.label}{seed} failed: {failure.error}", "run again to try it anew")
        failed = self.listing.ids("failed")
        planned = [digest([arm.key, seed]) for arm, seed in self.declared.planned()]
        missing = sum(id not in done and id not in failed for id in planned)
        if missing:
            yield note("cells", f"{missing:,} of {len(planned):,} cells are not there yet", "run again to go on")
        used = {id for run in self.cells.values() for id in run.artefacts}
        used |= {id for run in self.tuning.values() for id in run.artefacts}
        used |= {id for meta in self.artefacts.values() for id in meta.needs}
        for file, meta in self.artefacts.items():
            if meta.id not in used:
                yield note(file, "nothing here uses it")


def _guarded(records: Mapping[str, R], check: Callable[[str, R], Iterator[Finding]]) -> Iterator[Finding]:
    """What ``check`` finds of each; parts of a record whose form is free may lack what it reads."""
    for file, record in records.items():
        try:
            yield from check(file, record)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            yield Finding(file, f"lacks a part that it is checked by ({type(error).__name__}: {error})", AGAIN)


def _steps(cell: Cell) -> list[list[float]]:
    """Runs of equal (candidates, picks, steps), or of (picks, steps) in records of older versions."""
    runs: list[list[float]] = []
    for *sizes, steps in cell.picks.k if cell.picks.pace is None else [row[:3] for row in cell.picks.pace]:
        if runs and runs[-1][:-1] == sizes:
            runs[-1][-1] += steps
        else:
            runs.append([*sizes, steps])
    return runs
