"""Folders whose cells have measures of known truth, for tests of the studies that read them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from editing import replace
from synthetic import write_results

from selbench.reports.questions.answer import Names
from selbench.reports.records.folder import Arm, Cell, Results
from selbench.reports.records.measured import Measures


def folder(path: Path, labels: Iterable[str], static: Iterable[str] = (), seeds: int = 6) -> Results:
    """Records of strategies that pick from each batch or, those of ``static``, once for the run."""
    labels, static = tuple(labels), set(static)
    read = Results.read(write_results(path, effects=dict.fromkeys(labels, 0.0), seeds=seeds))
    arms = {
        key: replace(arm, cadence="run" if arm.label in static else "batch") if arm.role == "strategy" else arm
        for key, arm in read.matrix.arms.items()
    }
    return replace(read, matrix=replace(read.matrix, arms=arms))


def names(labels: Iterable[str]) -> Names:
    return Names(("digits",), ("holdout",), tuple(labels))


def measured(results: Results, make: Callable[[Arm, Cell], Measures | None]) -> Results:
    """The folder with what ``make`` says each cell was measured by."""
    arms: Mapping[str, Arm] = results.matrix.arms
    return replace(results, cells=tuple(replace(cell, measures=make(arms[cell.arm], cell)) for cell in results.cells))
