"""The stages of a run: tuning, training, timing. Each runs the missing tasks and records the failures."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from ... import __version__
from ...reports.records.fields import record_of
from ...reports.records.models import Failure
from .. import environment
from ..identity import digest
from ..plan import tuning
from ..plan.arms import Arm
from ..plan.tasks import Plan, Planner, Task, has_result
from ..store.checkpoint_file import tidy
from ..store.folder import VERSION, Store
from ..store.locks import LOOK, Claims
from ..tasks.worker import Context
from . import timing_pass as timing
from .executors.inline import Executor
from .executors.outcome import Outcome
from .executors.queue import Queue, Turn
from .preflight import UnusableStrategy
from .progress import Progress, Stage

logger = logging.getLogger("selbench")


@dataclass
class RunResult:
    """How a run ended: cells planned and trained, tuning runs made, ids of what failed."""

    out: Path
    planned: int = 0
    trained: int = 0
    tuned: int = 0
    failed: list[str] = field(default_factory=list)


class Stages:
    """Carries out plans in one results folder.

    Parameters
    ----------
    context : Context
        What every task shares.
    executor : Executor
        Where tasks are done.
    store : Store
        The folder, which is the matrix's already.
    claims : Claims
        The task locks of this run; other runs on the folder take the other tasks.
    """

    def __init__(self, context: Context, executor: Executor, store: Store, claims: Claims) -> None:
        self.context, self.executor, self.store, self.claims = context, executor, store, claims
        self.done = RunResult(store.root)

    def tune(
        self, planner: Planner, arms: Sequence[Arm], grid: Mapping[str, Any], claim: Callable[[Plan], None]
    ) -> tuple[Plan, dict[str, str]]:
        """The tuning runs; the plan at the learning rates that they give, and why an arm has none, by its key.

        Parameters
        ----------
        planner : Planner
            Made ``arms``.
        arms : sequence of Arm
            At the base learning rate.
        grid : mapping
            ``factors`` and ``tuning_seeds``.
        claim : callable
            Called with the plan as known before the first run, so that tuning records have arms beside them.
        """
        tuned = tuning.arms_to_tune(planner.matrix, arms)
        tried = tuning.tuning_runs(planner, tuned, grid["factors"], grid["tuning_seeds"])
        claim(planner.graph(tuning.at_factors(arms, tuning.chosen_factors(self.store, tried, tuned))))
        errors = self._carry_out(tried, "tuning", [])
        factors = tuning.chosen_factors(self.store, tried, tuned)
        for key in factors:  # failures recorded while its tuning had failed
            for seed in self.context.matrix.seed_list():
                self.store.failed_path(digest([key, seed])).unlink(missing_ok=True)
        return planner.graph(tuning.at_factors(arms, factors)), tuning.why_untuned(tried, tuned, factors, errors)

    def refuse(self, unusable: Iterable[UnusableStrategy]) -> None:
        """Record the cells of unusable strategies as failed."""
        for strategy in unusable:
            Console(stderr=True).print(f"failed: {escape(strategy.outcome.error)}", style="red", highlight=False)
            for task in strategy.tasks(self.context.matrix):
                self._write_down(task, task.id, strategy.outcome)

    def train(self, plan: Plan, lost: Mapping[str, str]) -> None:
        """The cells of ``plan``; those of the arms in ``lost`` fail for the reason given there, by key."""
        self.done.planned = len(plan.cells)
        refused = [
            (task, Outcome(lost[task.arm.key])) for task in plan.cells if task.arm is not None and task.arm.key in lost
        ]
        gone = {task.id for task, _ in refused}
        kept = Plan(plan.arms, {id: task for id, task in plan.tasks.items() if id not in gone})
        self._carry_out(kept, "training", refused)
        tidy(self.store)

    def _carry_out(self, plan: Plan, stage: Stage, refused: list[tuple[Task, Outcome]]) -> dict[str, str]:
        """Run the missing tasks of ``plan`` after reporting ``refused``; returns errors by task id.

        Tasks locked by another run on the folder are waited for, and run here if that run fails or ends.
        """
        todo, errors = missing_tasks(plan, self.store), dict[str, str]()
        runs = len(refused) + sum(task.arm is not None for task in plan.tasks.values())
        with Progress([*(task for task, _ in refused), *todo], runs, str(self.store.root), stage) as progress:

            def report(task: Task, outcome: Outcome) -> None:
                if outcome.error:
                    errors[task.id] = outcome.error
                    self._write_down(task, task.id, outcome)
                elif task.kind == "cell":
                    self.done.trained += 1
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
        waiting = partial(Console(stderr=True).print, "waiting for the timing pass of another run on this folder")
        with self.claims.alone("timing", waiting):
            self._time(plan, threads)

    def _time(self, plan: Plan, threads: int) -> None:
        seeds = self.context.matrix.seed_list()[: self.context.matrix.timing.seeds]
        todo = timing.missing(self.store, plan, seeds)
        with Progress([task for _, _, task in todo], len(todo), str(self.store.root), "timing") as progress:

            def report(task: Task, id: str, outcome: Outcome) -> None:
                if outcome.error:
                    self._write_down(task, id, outcome)
                progress.report(task, outcome)

            timing.time_all(replace(self.context, threads=threads), todo, report)

    def _write_down(self, task: Task, id: str, outcome: Outcome) -> None:
        try:
            self._failed(task, id, outcome)
        except OSError as error:  # a full disk: log the failure and continue
            logger.warning("the failure of %s cannot be written to the folder: %s", task.name, error.strerror)
            self.done.failed.append(id)

    def _failed(self, task: Task, id: str, outcome: Outcome) -> None:
        self.store.write_failed(record_of(Failure, {**_failure(task, outcome), "id": id}))
        self.done.failed.append(id)


def missing_tasks(plan: Plan, store: Store) -> list[Task]:
    """The tasks without a sound result, each after those of them that it needs."""
    todo = plan.missing(lambda task: has_result(store, task.kind, task.id))
    ids = {task.id for task in todo}
    return [replace(task, after=tuple(id for id in task.after if id in ids)) for task in todo]


def _failure(task: Task, outcome: Outcome) -> dict[str, Any]:
    return {
        "version": VERSION,
        "id": task.id,
        "arm": "" if task.arm is None else task.arm.base if task.kind == "tuning" else task.arm.key,
        "arm_label": task.arm.label if task.arm else task.name,
        "seed": task.seed,
        "dataset": task.dataset,
        "reference": task.reference,
        "error": outcome.error,
        "law": outcome.law,
        "traceback": outcome.traceback,
        "origin": task.arm.origin if task.arm else f"selbench {__version__}",
        "when": environment.now(),
    }
