"""Runs a matrix: check everything, claim the folder, then tuning, training and timing: the missing tasks of each."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from ... import __version__
from ...reports.records.fields import read_as, record_of
from ...reports.records.matrix import Matrix as Resolved
from ...reports.records.models import Failure
from ...strategies import UsageError
from ...strategies.registry import registry
from .. import environment
from ..identity import digest
from ..plan import tuning
from ..plan.arms import Arm, ReferenceSeconds
from ..plan.matrix import Matrix
from ..plan.tasks import Plan, Planner, Task, has_result
from ..store.checkpoint_file import tidy
from ..store.folder import VERSION, Store, explained
from ..store.locks import LOOK, Claims, locked
from ..tasks.worker import Context
from ..training.flops import count_for_all
from . import timing_pass as timing
from .calibration import calibrated, fastest, needs_rates
from .changed_code import settle
from .executors.inline import Executor
from .executors.queue import Outcome, Queue, Turn
from .families import check_families
from .prepared import (
    RunRequest,
    already_chosen,
    arm_rows,
    learner_of,
    prepare,
    resolved,
    thread_count,
    without_unusable,
)
from .progress import Progress, Stage
from .trackers import Tracking

logger = logging.getLogger("selbench")

Extension = Mapping[str, Sequence[float]]
"""Factors of the learning rate that were added to the grid, by data set."""


@dataclass
class RunResult:
    out: Path
    planned: int = 0
    trained: int = 0
    tuned: int = 0
    failed: list[str] = field(default_factory=list)


class Stages:
    """Carries out plans in one results folder, which is the matrix's already; other runs on it take other tasks."""

    def __init__(
        self, context: Context, executor: Executor, store: Store, claims: Claims, settle: Callable[[Plan], None],
        tracking: Tracking,
    ) -> None:  # fmt: skip
        self.context, self.executor, self.store, self.claims, self.settle = context, executor, store, claims, settle
        self.tracking = tracking
        self.done = RunResult(store.root)

    def tune(
        self, planner: Planner, arms: Sequence[Arm], grid: Mapping[str, Any], claim: Callable[[Plan, Extension], None]
    ) -> tuple[Plan, dict[str, str]]:
        """The tuning runs; the plan at the learning rates that they give, and why an arm has none, by its key.

        ``arms`` are at the base rate; ``claim`` gets the plan and the grid's extension as known before the first run
        and before the grid grows, so that tuning records have arms and factors beside them.
        """
        tuned, seeds = tuning.arms_to_tune(planner.matrix, arms), grid["tuning_seeds"]
        extended, errors = tuning.stored_extension(self.store), dict[str, str]()
        tried = runs = tuning.tuning_runs(planner, tuned, grid["factors"], seeds, extended)
        while True:
            claim(planner.graph(tuning.at_factors(arms, tuning.chosen_factors(self.store, tried, tuned))), extended)
            errors |= self._carry_out(runs, "tuning", [])
            factors = tuning.chosen_factors(self.store, tried, tuned)
            if not (added := tuning.beyond(tuned, factors, grid, extended)):
                break
            for dataset, more in added.items():
                at = ", ".join(f"{factor:g}" for factor in more)
                said = (
                    f"{dataset}: an arm is best at an end of the learning rates tried: all are tried at {at} x lr too"
                )
                Console(stderr=True, emoji=False).print(escape(said), highlight=False)
            extended = tuning.joined(extended, added)
            tried = tuning.tuning_runs(planner, tuned, grid["factors"], seeds, extended)
            runs = tuning.tuning_runs(planner, tuned, (), seeds, added)
            for id, task in list(runs.tasks.items()):
                if task.arm is not None and task.arm.base not in factors:  # its tuning failed: it is not tried further
                    del runs.tasks[id]
        for key in factors:  # failures recorded while its tuning had failed
            for seed in self.context.matrix.seed_list():
                self.store.failed_path(digest([key, seed])).unlink(missing_ok=True)
        return planner.graph(tuning.at_factors(arms, factors)), tuning.why_untuned(tried, tuned, factors, errors)

    def refuse(self, unusable: Mapping[str, Outcome]) -> None:
        """Record the cells of unusable strategies, given by label, as failed: they have no arms."""
        matrix = self.context.matrix
        for label, outcome in unusable.items():
            Console(stderr=True, emoji=False).print(f"failed: {escape(outcome.error)}", style="red", highlight=False)
            for seed, entry in product(matrix.seed_list(), matrix.datasets):
                id = digest(["unusable", label, entry.name, seed])
                self._write_down(Task(id, f"strategy {label}", entry.name, seed), id, outcome)

    def train(self, plan: Plan, lost: Mapping[str, str]) -> None:
        """The cells of ``plan``; those of the arms in ``lost`` fail for the reason given there, by key."""
        self.done.planned = len(plan.cells)
        refused = [(task, Outcome(lost[task.arm.key])) for task in plan.cells if task.arm and task.arm.key in lost]
        kept = Plan(plan.arms, plan.tasks.copy())
        for task, _ in refused:
            del kept.tasks[task.id]
        self._carry_out(kept, "training", refused)
        tidy(self.store)

    def _carry_out(self, plan: Plan, stage: Stage, refused: list[tuple[Task, Outcome]]) -> dict[str, str]:
        """Run the missing tasks of ``plan`` after reporting ``refused``; returns errors by task id.

        Tasks locked by another run on the folder are waited for, and run here if that run fails or ends.
        """
        self.settle(plan)
        todo, errors = missing_tasks(plan, self.store), dict[str, str]()
        runs = len(refused) + sum(task.arm is not None for task in plan.tasks.values())
        shown = Progress([*(task for task, _ in refused), *todo], runs, str(self.store.root), stage)
        with shown as progress, self.tracking.following():

            def report(task: Task, outcome: Outcome) -> None:
                if outcome.error:
                    errors[task.id] = outcome.error
                    self._write_down(task, task.id, outcome)
                    self.tracking.failed(task)
                elif task.kind == "cell":
                    self.done.trained += 1
                    self.tracking.cell(task, partial(self.store.cell, task.id))
                elif task.kind == "tuning":
                    self.done.tuned += 1
                else:
                    self.store.failed_path(task.id).unlink(missing_ok=True)
                self.claims.release(task.id)
                progress.report(task, outcome)

            def admit(task: Task) -> Turn:
                if not self.claims.take(task.id):
                    return Turn.HELD
                if not has_result(self.store, task.kind, task.id):
                    self.tracking.begin(task)
                    return Turn.OURS
                self.claims.release(task.id)
                progress.elsewhere(task)
                return Turn.DONE

            for task, outcome in refused:
                report(task, outcome)
            queue = Queue(todo, admit)
            self.executor.run(self.context, queue, report)
            while queue.waiting:
                progress.wait(len(queue))
                while all(self.claims.held(task.id) for task in queue.startable()):
                    time.sleep(LOOK)
                self.executor.run(self.context, queue, report)
        return errors

    def time(self, plan: Plan, threads: int) -> None:
        """Run the timing pass over the finished cells; only one per folder at a time."""
        waiting = partial(
            Console(stderr=True, emoji=False).print, "waiting for the timing pass of another run on this folder"
        )
        with self.claims.alone("timing", waiting):
            seeds = self.context.matrix.seed_list()[: self.context.matrix.timing.seeds]
            todo = timing.missing(self.store, plan, seeds)
            with Progress([task for _, _, task in todo], len(todo), str(self.store.root), "timing") as progress:
                for task, id, outcome in timing.time_all(replace(self.context, threads=threads), todo):
                    if outcome.error:
                        self._write_down(task, id, outcome)
                    progress.report(task, outcome)

    def _write_down(self, task: Task, id: str, outcome: Outcome) -> None:
        arm = task.arm
        record = {
            "version": VERSION,
            "id": id,
            "arm": "" if arm is None else arm.base if task.kind == "tuning" else arm.key,
            "arm_label": arm.label if arm else task.name,
            "seed": task.seed,
            "dataset": task.dataset,
            "reference": task.reference,
            "error": outcome.error,
            "law": outcome.law,
            "traceback": outcome.traceback,
            "origin": arm.origin if arm else f"selbench {__version__}",
            "when": environment.now(),
        }
        self.done.failed.append(id)
        try:
            self.store.write_failed(record_of(Failure, record))
        except OSError as error:  # a full disk: log the failure and continue
            logger.warning("the failure of %s cannot be written to the folder: %s", task.name, error.strerror)


def missing_tasks(plan: Plan, store: Store) -> list[Task]:
    """The tasks without a sound result, each after those of them that it needs."""
    todo = plan.missing(lambda task: has_result(store, task.kind, task.id))
    ids = {task.id for task in todo}
    return [replace(task, after=tuple(id for id in task.after if id in ids)) for task in todo]


def run(matrix: Matrix, request: RunRequest) -> RunResult:
    """Do every task of the matrix that is not done yet; a request that cannot work raises before any training."""
    if not request.checkpoint >= 0:
        raise UsageError(f"--checkpoint {request.checkpoint:g}: minutes between checkpoints, or 0 for none")
    matrix, unusable = without_unusable(matrix, request.keep_going)
    prepared = prepare(matrix, request)
    plan = prepared.planner(ReferenceSeconds()).plan()  # raises for everything that cannot work
    check_families(request.declared or matrix, plan.arms, prepared.prints())
    executor = _executor(request, prepared.workers)
    store = Store(request.folder(matrix))
    tracking = Tracking(request.trackers, store.root, matrix.name)
    declared, cores = request.declared or matrix, environment.usable_cores()
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
        deterministic=request.deterministic,
        live=tracking.live,
    )

    def claim(known: Plan, extended: Extension = {}) -> None:  # noqa: B006 - it is only read
        grid = {"grid": {**table["grid"], "extended": extended}} if extended else {}
        _claim(store, table | grid | arm_rows(known, matrix))

    if prepared.workers > 1 and missing_tasks(plan, store):
        for name, data in prepared.loaded.items():
            shape = (data.images.train.shape[1], data.resolution, len(data.images.classes))
            count_for_all(learner_of(matrix, name), *shape, prepared.cache_dir)

    with Claims(store.root) as claims:
        if len(prepared.candidates) > 1 and not prepared.chosen:
            _claim(store, {**table, "arms": []})  # arms have no ids before that is known
            with claims.alone("numerics", partial(print, "waiting for another run, which chooses", file=sys.stderr)):
                chosen = already_chosen(store, prepared.candidates) or fastest(prepared, context.threads)
                table["numerics"] = chosen
                _claim(store, {**table, "arms": []})
            prepared = replace(prepared, chosen=chosen)
            context = replace(context, precision=prepared.precision)
            plan = prepared.planner(ReferenceSeconds()).plan()
        if needs_rates(matrix, plan):
            _claim(store, {**table, "arms": []})  # arms have no ids before every rate is known
            waiting = "waiting for another run on this folder, which measures reference seconds"
            with claims.alone("calibration", partial(print, waiting, file=sys.stderr)):
                rates = calibrated(context, plan, ReferenceSeconds.read(store.resolved().get("rates", [])))
                _claim(store, {**table, "arms": [], "rates": rates.to_table()})
            context = replace(context, rates=rates)
            plan = prepared.planner(rates).plan()
        settled = partial(settle, matrix=matrix, store=store, retrain=request.retrain, keep=request.keep)
        stages = Stages(context, executor, store, claims, settled, tracking)
        lost: dict[str, str] = {}
        if (grid := declared.tuned()) is not None:
            plan, lost = stages.tune(prepared.planner(context.rates), plan.arms, grid, claim)
        claim(plan)
        stages.refuse(unusable)
        stages.train(plan, lost)
        if matrix.timing.seeds:
            stages.time(plan, thread_count(cores, 1))
    return stages.done


def _claim(store: Store, table: dict[str, Any]) -> None:
    """Make the folder this matrix's, with what other runs have put into it meanwhile."""
    read_as(Resolved, table)  # what is written can be read
    try:
        store.root.mkdir(parents=True, exist_ok=True)
        with locked(store.root):
            rates = {row["name"]: row for row in [*store.resolved().get("rates", []), *table.get("rates", [])]}
            store.claim(table | ({"rates": list(rates.values())} if rates else {}))
    except OSError as error:
        raise UsageError(f"{explained(error)}; or choose another --out") from None


def _executor(request: RunRequest, workers: int) -> Executor:
    limits = {"cell_limit": request.cell_limit, "memory_limit": request.memory_limit}
    options: dict[str, Any] = {"workers": workers}
    if request.executor == "ray":
        options = {"workers": request.workers, "address": request.ray_address}
    elif request.ray_address is not None:
        raise UsageError(f"--ray-address {request.ray_address}: it is for --executor ray")
    options |= {name: value for name, value in limits.items() if value is not None}
    loaded: Executor = registry("executors").load(request.executor, **options)
    return loaded
