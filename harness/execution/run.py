"""Runs a matrix: check everything, claim the folder, run the missing tasks."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ...reports.records.fields import read_as
from ...reports.records.matrix import Matrix as Resolved
from ...strategies import UsageError
from ...strategies.registry import registry
from ..plan.matrix import Matrix
from ..plan.reference_seconds import ReferenceSeconds
from ..plan.tasks import Plan
from ..store.folder import Store
from ..store.locks import Claims, locked
from ..tasks.worker import Context
from .calibration import calibrated
from .executors.inline import Executor
from .preflight import without_unusable
from .prepared import RunRequest, prepare, thread_count
from .resolved import arm_rows, resolved
from .stages import RunResult, Stages

WAITING = "waiting for another run on this folder, which measures reference seconds"


def run(matrix: Matrix, request: RunRequest) -> RunResult:
    """Do every task of the matrix that is not done yet.

    Raises
    ------
    UsageError
        Before any training, where the request cannot work.
    """
    if not request.checkpoint >= 0:
        raise UsageError(f"--checkpoint {request.checkpoint:g}: minutes between checkpoints, or 0 for none")
    matrix, unusable = without_unusable(matrix, request.keep_going)
    prepared = prepare(matrix, request)
    plan = prepared.planner(ReferenceSeconds()).plan()  # raises for everything that cannot work
    executor = _executor(request, prepared.workers)
    store = Store(request.out or Path("results") / matrix.name)
    declared, cores = request.declared or matrix, os.cpu_count() or 1
    table = resolved(declared, prepared)
    table["requested"] |= {"matrix": request.source or matrix.name, "set": request.overrides}
    context = Context(
        matrix,
        store.root.resolve(),
        prepared.data_dir,
        prepared.cache_dir,
        str(prepared.device),
        prepared.precision,
        thread_count(cores, prepared.workers),
        request.checkpoint,
    )

    def claim(known: Plan) -> None:
        _claim(store, table | arm_rows(known, matrix))

    with Claims(store.root) as claims:
        if matrix.budget.seconds is not None:
            _claim(store, {**table, "arms": []})  # arms have no ids before every rate is known
            with claims.alone("calibration", partial(print, WAITING, file=sys.stderr)):
                rates = calibrated(context, plan, ReferenceSeconds.read(store.resolved().get("rates", [])))
                _claim(store, {**table, "arms": [], "rates": rates.to_table()})
            context = replace(context, rates=rates)
            plan = prepared.planner(rates).plan()
        stages = Stages(context, executor, store, claims)
        lost: dict[str, str] = {}
        grid = declared.tuned()
        if grid is not None:
            plan, lost = stages.tune(prepared.planner(context.rates), plan.arms, grid, claim)
        claim(plan)
        stages.refuse(unusable)
        stages.train(plan, lost)
        if matrix.timing.seeds:
            stages.time(plan, thread_count(cores, 1))
    return stages.done


def _claim(store: Store, table: dict[str, Any]) -> None:
    """Make the folder this matrix's, with what other runs have put into it meanwhile.

    Raises
    ------
    UsageError
        As :meth:`selbench.harness.store.folder.Store.claim`; where the folder cannot be made.
    """
    read_as(Resolved, table)  # what is written can be read
    try:
        store.root.mkdir(parents=True, exist_ok=True)
        with locked(store.root):
            rates = {row["name"]: row for row in [*store.resolved().get("rates", []), *table.get("rates", [])]}
            store.claim(table | ({"rates": list(rates.values())} if rates else {}))
    except OSError as error:
        raise UsageError(f"{store.root} cannot be written: {error.strerror}; choose another --out") from None


def _executor(request: RunRequest, workers: int) -> Executor:
    """The executor asked for; a cluster has an address, and its own number of workers."""
    limits = {"cell_limit": request.cell_limit, "memory_limit": request.memory_limit}
    options: dict[str, Any] = {"workers": workers}
    if request.executor == "ray":
        options = {"workers": request.workers, "address": request.ray_address}
    elif request.ray_address is not None:
        raise UsageError(f"--ray-address {request.ray_address}: it is for --executor ray")
    options |= {name: value for name, value in limits.items() if value is not None}
    executor: Executor = registry("executors").load(request.executor, **options)
    return executor
