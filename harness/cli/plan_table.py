"""``selbench run --plan``: a matrix as a table of what would be done, before anything is."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..environment import usable_cores
from ..execution.calibration import image_seconds
from ..execution.changed_code import changed, describe
from ..execution.families import check_families
from ..execution.prepared import RunRequest, prepare, thread_count
from ..execution.progress import duration
from ..plan import tuning
from ..plan.arms import ReferenceSeconds
from ..plan.forecast import Forecast, Group, Inventory, TimeEstimator, footing, forecast
from ..plan.matrix import Matrix
from ..plan.tasks import Plan
from ..store.folder import Store

CLUSTER = (16, 64, 256)  # tasks at a time for which a cluster's time is shown, where ``--workers`` does not say


def show(
    matrix: Matrix, request: RunRequest, console: Console, like: Path | None = None, timed: bool = False
) -> Iterator[str]:
    """Print what ``selbench run`` would do; a line for each cell is made as it is asked for.

    ``timed`` times a few training steps for what nothing else gives an estimate of.
    """
    prepared = prepare(matrix, request)
    store = Store(request.out or Path("results") / matrix.name)
    rates = ReferenceSeconds.read(store.resolved().get("rates", []))
    plan = tuning.with_tuning(prepared.planner(rates), (request.declared or matrix).tuned(), store)
    inventory = Inventory(plan, store)
    check_families(request.declared or matrix, plan.arms, prepared.prints())
    workers = max(1, prepared.workers)
    threads, images = thread_count(usable_cores(), workers), dict[str, float]()
    if timed:
        begun = time.monotonic()
        images = image_seconds(prepared, threads)
        console.print(f"Timed a few steps of plain training: {time.monotonic() - begun:.1f} s.", highlight=False)
    rate = TimeEstimator(inventory, matrix, prepared.loaded, like, images)
    expected = forecast(inventory, rate.of)
    _print(expected, _rows(expected.groups, _swept(matrix, plan)), console, store)
    if found := changed(plan, matrix, store):
        console.print(
            f"Before it runs, say --retrain or --keep: {escape(describe(found))}", style="yellow", highlight=False
        )
    unit, share = ("GPU", 1) if prepared.device.type == "cuda" else ("core", threads)
    if expected.bases:
        console.print(_executors(expected, request.workers, workers, unit, share))
    console.print(escape(footing(expected, rate, str(prepared.device))), highlight=False)
    if matrix.budget.seconds is not None and not rates.rows:
        console.print("Reference seconds are not measured yet: before that, no cell of this folder can be matched.")
    return inventory.lines()


def _swept(matrix: Matrix, plan: Plan) -> dict[tuple[str, str], tuple[int, str]]:
    """By data set and label: the sweep of an arm or its twin, and what the row of all of them is called."""
    sweeps, keyed = {entry.label: entry._sweep for entry in matrix.strategies}, {arm.key: arm for arm in plan.arms}
    found: dict[tuple[str, str], tuple[int, str]] = {}
    for arm in plan.arms:
        if sweep := sweeps.get(arm.label):
            found[arm.dataset, arm.label] = sweep.place, sweep.label
            if (twin := keyed.get(arm.twin)) and twin.role == "twin":
                found.setdefault((arm.dataset, twin.label), (sweep.place, f"random picks beside {sweep.label}"))
        elif (of := keyed.get(arm.cost_of)) and (sweep := sweeps.get(of.label)):
            found[arm.dataset, arm.label] = sweep.place, f"{arm.name} at the cost of {sweep.label}"
    return found


def _rows(groups: Iterable[Group], swept: Mapping[tuple[str, str], tuple[int, str]]) -> list[Group]:
    """The groups, those of one sweep as one, at the mean of their seconds."""
    rows: dict[Any, list[Group]] = {}
    for group in groups:
        more = group.name.removeprefix(group.label)
        known = swept.get((group.dataset, group.label))
        rows.setdefault((group.dataset, group.label if known is None else known, more, group.runs), []).append(group)
    return [same[0] if len(same) == 1 else _summed(same, key[1][1], key[2]) for key, same in rows.items()]


def _summed(groups: list[Group], name: str, more: str) -> Group:
    todo = [group for group in groups if group.todo]
    known = all(group.seconds is not None for group in todo)
    seconds = sum(group.todo * (group.seconds or 0.0) for group in todo) / max(1, sum(group.todo for group in todo))
    return replace(
        groups[0],
        name=f"{name}, {len(groups)} arms{more}",
        planned=sum(group.planned for group in groups),
        todo=sum(group.todo for group in todo),
        seconds=seconds if known else None,
        basis=", ".join(dict.fromkeys(group.basis for group in todo)),
    )


def _print(expected: Forecast, rows: Iterable[Group], console: Console, store: Store) -> None:
    table = Table("data set", "what", "planned", "there", "to do", "each", box=None, pad_edge=False)
    for group in rows:
        each = "" if not group.todo else "?" if group.seconds is None else f"{_short(group.seconds)} ({group.basis})"
        there = group.planned - group.todo
        cells = [f"{number:,}" for number in (group.planned, there, group.todo)]
        table.add_row(escape(group.dataset), escape(group.name), *cells, each)
    console.print(table)
    runs = [group for group in expected.groups if group.runs]
    artefacts = sum(group.todo for group in expected.groups if not group.runs)
    todo, planned = sum(group.todo for group in runs), sum(group.planned for group in runs)
    console.print(
        f"{planned:,} runs: {planned - todo:,} have a record in {escape(str(store.root))} (looked for by name), "
        f"{todo:,} to do, {artefacts:,} artefacts to make first",
        highlight=False,
    )


def _executors(expected: Forecast, asked: int | None, workers: int, unit: str, share: int) -> Table:
    # Slots are paid for whether busy or idle.
    table = Table("executor", "tasks at a time", "at least", f"{unit}-hours", box=None, pad_edge=False)
    for name, slots in [("inline", 1), ("local", workers), *(("ray", n) for n in ([asked] if asked else CLUSTER))]:
        wall = expected.wall(slots)
        table.add_row(name, f"{slots}", _short(wall), f"{wall * slots * share / 3600:,.3g}")
    return table


def _short(seconds: float) -> str:
    return duration(seconds) if seconds >= 10 else f"{seconds:.2g} s"
