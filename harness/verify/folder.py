"""Checks a results folder: each record alone, against the matrix, and against the others."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ...reports.records.models import Artefact, Cell, Failure, Timing, Tuning, closure, code_versions
from ...strategies import UsageError
from ..identity import digest
from ..streams import derive
from .contents import Declared, artefact_ids, cell_faults, timing_faults, total, tuning_faults
from .findings import AGAIN, Finding, Verdict, note
from .reading import Listing, read_matrix

_RESTORE = "put a sound copy back"
_COPY = "copy it from where this folder came from, or remove what uses it and run again"
_ANOTHER = "remove it: it belongs to another matrix"
_RESEED = "one of the two must be run again with another seed: change the seeds of the matrix"

R = TypeVar("R")


def verify(root: Path) -> Verdict:
    """Check a results folder; a UsageError where it holds no ``matrix.toml``."""
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
    def __init__(self, listing: Listing, declared: Declared) -> None:
        self.listing, self.declared = listing, declared
        self.cells, self.tuning, self.timing = listing.of(Cell), listing.of(Tuning), listing.of(Timing)
        self.artefacts, self.failed = listing.of(Artefact), listing.of(Failure)
        self.by_run = {(cell.arm, cell.seed): (file, cell) for file, cell in self.cells.items()}

    def findings(self) -> Iterator[Finding]:
        yield from (Finding("matrix.toml", fault, _RESTORE) for fault in self.declared.faults())
        yield from _guarded(self.cells, self._cell)
        yield from _guarded(self.tuning, self._tuning)
        yield from _guarded(self.timing, self._timing)
        for file, meta in self.artefacts.items():
            yield from self._needed(file, meta.needs)
        yield from _twice(self.cells, lambda cell: (cell.arm, cell.seed), "arm {}, seed {}")
        run = "arm {} tuned with seed {} at factor {}"
        yield from _twice(self.tuning, lambda tuned: (tuned.base, tuned.seed, tuned.factor), run)
        yield from _twice(self.timing, lambda timed: (timed.of, timed.block), "{} in block {} of the timing pass")
        yield from shared_streams(self.cells, self.tuning, self.artefacts)
        yield from same_results(self.cells)
        yield from self._twins()
        yield from self._cost_twins()
        yield from self._references()
        yield from self._machines()
        yield from self._code()
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
        if grid is None or run.seed not in grid.seeds or run.factor not in grid.of(run.dataset):
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

    def _needed(self, file: str, ids: Iterable[str]) -> Iterator[Finding]:
        for id in ids:
            if f"artefacts/{id}/meta.json" not in self.artefacts:
                yield Finding(file, f"artefact {id}, which it rests on, is missing or damaged", _COPY)

    def _twins(self) -> Iterator[Finding]:
        for (key, seed), (file, cell) in self.by_run.items():
            twin = self.declared.arms[key].twin if key in self.declared.arms else ""
            if twin and (other := self.by_run.get((twin, seed))) and _steps(other[1]) != _steps(cell):
                yield Finding(other[0], f"its steps are not those of {file}, whose twin it is")

    def _cost_twins(self) -> Iterator[Finding]:
        """Each costs what its strategy's run did, to within one step; not held where that is reference seconds."""
        by_id = {cell.id: (file, cell) for file, cell in self.cells.items()}
        for (key, seed), (file, cell) in self.by_run.items():
            arm, equal = self.declared.arms.get(key), cell.identity.get("equal_cost", {})
            source = self.by_run.get((arm.cost_of, seed)) if arm else None
            if source and equal.get("cost") in ("learner_flops", "total_flops"):
                step = max(row[1] for row in _steps(cell)) * cell.unit.train
                theirs, ours = (self._flops(run, equal) for run in (source[1], cell))
                if abs(ours - theirs) > step * (1 + 1e-9):
                    yield Finding(file, f"costs {ours:.6g} FLOPs, and {source[0]}, whose cost twin it is, {theirs:.6g}")
            if (
                cell.same_as
                and (first := by_id.get(cell.same_as))
                and first[1].result.model_dump() != cell.result.model_dump()
            ):
                yield Finding(file, f"its result is not that of {first[0]}, whose training it shares")

    def _flops(self, cell: Cell, equal: Mapping[str, Any]) -> float:
        if equal["cost"] == "learner_flops":
            return float(cell.ledger["train"].flops)
        known = {meta.id: meta for meta in self.artefacts.values()}
        made = closure(cell.artefacts, known) or ()
        share = {"marginal": 0.0, "standalone": 1.0}.get(equal["account"], 1.0 / equal.get("amortise_over", 1))
        return total(cell.ledger, "flops") + share * sum(total(known[id].ledger, "flops") for id in made)

    def _references(self) -> Iterator[Finding]:
        seen: dict[str, tuple[str, object]] = {}
        for file, cell in self.cells.items():
            if cell.reference:
                content = cell.identity.get("reference")
                first, known = seen.setdefault(cell.reference, (file, content))
                if content != known:
                    yield Finding(file, f"reference {cell.reference!r} is not the one of {first}")

    def _machines(self) -> Iterator[Finding]:
        for kind, records in (("cells", self.cells), ("timing", self.timing)):
            for name in ("machine", "device", "threads", "torch", "python", "selbench"):
                found = {str(record.environment.get(name)) for record in records.values()}
                if len(found) > 1:
                    what = f"{name} is not the same everywhere: {', '.join(sorted(found))}"
                    yield note(kind, what, "seconds of unlike machines are not compared")

    def _code(self) -> Iterator[Finding]:
        seen = code_versions((*self.cells.values(), *self.tuning.values(), *self.artefacts.values()))
        for part, codes in sorted(seen.items()):
            if len(codes) > 1:
                what = f"results are of {len(codes)} versions of the code of {part}"
                yield note("cells", what, f"run again with --retrain {part.split()[-1]}")

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
        used = {id for runs in (self.cells, self.tuning) for run in runs.values() for id in run.artefacts}
        used |= {id for meta in self.artefacts.values() for id in meta.needs}
        for file, meta in self.artefacts.items():
            if meta.id not in used:
                yield note(file, "nothing here uses it")


def shared_streams(
    cells: Mapping[str, Cell], tuning: Mapping[str, Tuning], artefacts: Mapping[str, Artefact]
) -> Iterator[Finding]:
    """Two seeds of runs, or a run's and an artefact's, that share one random stream.

    Cells of one seed share their streams, so that arms are paired; everything else is derived here anew, and no
    number may come twice. Parameters are records by file.
    """
    roots: dict[int, str] = {}
    for runs in (cells, tuning):
        for file, run in runs.items():
            roots.setdefault(run.seed, file)
    for file, meta in artefacts.items():
        if meta.seed is not None and meta.kind in ("reference", "proxy", "picks"):
            name = meta.name if meta.kind == "reference" or meta.name.startswith("net ") else ""
            root = derive(meta.seed, meta.kind, name)
            if root in roots and not roots[root].startswith("artefacts/"):
                yield Finding(file, f"its stream is that of {roots[root]}", _RESEED)
            roots.setdefault(root, file)
    epochs = 2 + max((math.ceil(record.curve[-1].passes) for record in cells.values()), default=0)
    seen: dict[int, tuple[int, str]] = {}
    for root, file in roots.items():
        each_epoch = [(name, epoch) for name in ("order", "augment") for epoch in range(epochs)]
        for axis in [*((name,) for name in ("init", "select", "split", "probe")), *each_epoch]:
            other, first = seen.setdefault(derive(root, *axis), (root, file))
            if other != root:
                yield Finding(file, f"its stream {axis[0]!r} is that of {first}", _RESEED)


def same_results(cells: Mapping[str, Cell]) -> Iterator[Finding]:
    """Cells of two seeds with one course to the last bit: they cannot have drawn different numbers."""
    seen: dict[str, tuple[int, str]] = {}
    for file, record in cells.items():
        losses = [point.train_loss for point in record.curve]
        if None in losses:
            continue  # diverged
        course = [record.dataset, losses, record.result.packed, record.picks.class_counts]
        seed, first = seen.setdefault(json.dumps(course), (record.seed, file))
        if seed != record.seed:
            yield Finding(file, f"seed {record.seed} came out as seed {seed} in {first}, to the last bit", _RESEED)


def _guarded(records: Mapping[str, R], check: Callable[[str, R], Iterator[Finding]]) -> Iterator[Finding]:
    """What ``check`` finds of each; parts of a record whose form is free may lack what it reads."""
    for file, record in records.items():
        try:
            yield from check(file, record)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            yield Finding(file, f"lacks a part that it is checked by ({type(error).__name__}: {error})", AGAIN)


def _twice(records: Mapping[str, R], of: Callable[[R], tuple[object, ...]], words: str) -> Iterator[Finding]:
    seen: dict[tuple[object, ...], str] = {}
    for file, record in records.items():
        first = seen.setdefault(of(record), file)
        if first != file:
            what = f"a second record of {words.format(*of(record))}, beside {first}"
            yield Finding(file, what, "remove one of the two")


def _steps(cell: Cell) -> list[list[float]]:
    """Runs of equal (candidates, picks, steps), or of (picks, steps) in records of older versions."""
    runs: list[list[float]] = []
    for *sizes, steps in cell.picks.k if cell.picks.pace is None else [row[:3] for row in cell.picks.pace]:
        if runs and runs[-1][:-1] == sizes:
            runs[-1][-1] += steps
        else:
            runs.append([*sizes, steps])
    return runs
