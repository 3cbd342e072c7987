"""Measuring the reference seconds that a budget in seconds counts with."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

from ...strategies import UsageError
from ..plan.arms import Arm, ArmSeconds, ReferenceSeconds, name_of, pacer_of, schedule_of
from ..plan.matrix import Matrix
from ..plan.tasks import Plan, Task
from ..steps.pacer import Step
from ..steps.schedules import known_ahead
from ..streams import permutation
from ..tasks.cell import prepare
from ..tasks.cost_meter import artefacts
from ..tasks.worker import Context, Worker
from ..training.candidates import Candidates, ChosenSamples
from ..training.trainer import Trainer
from .executors.inline import Inline
from .executors.queue import Outcome

REPEATS = 5  # steps timed at each size, after one that warms up; the median counts


def calibrated(context: Context, plan: Plan, before: ReferenceSeconds) -> ReferenceSeconds:
    """The rates of the arms of ``plan`` whose seconds count: those measured ``before``, and the others measured now.

    With a budget in seconds these are all; where cost twins are equal in seconds, each with the arm that it equals.

    The artefacts that an arm reads are made first, in this process. A schedule that is learned is refused.
    """
    own = [(task, task.arm) for task in plan.cells if task.arm is not None and _is_timed(context, plan, task.arm)]
    for _, arm in own:
        known_ahead(schedule_of(arm))
    rates = ReferenceSeconds(before.rows.values())
    for task, arm in own:
        if name_of(arm) not in rates.rows:
            worker = Worker(context)
            Inline().run(context, _needed(plan, task, worker), _or_refuse)
            rates.rows[name_of(arm)] = measure(worker, task, arm)
    return rates


def needs_rates(matrix: Matrix, plan: Plan) -> bool:
    """Whether any arm's steps depend on reference seconds."""
    return matrix.budget.seconds is not None or any(_in_seconds(arm) for arm in plan.arms)


def _in_seconds(twin: Arm) -> bool:
    return bool(twin.cost_of) and twin.shared["equal_cost"]["cost"] == "wall_clock"


def _is_timed(context: Context, plan: Plan, arm: Arm) -> bool:
    if arm.replay or arm.cost_of:
        return False
    if context.matrix.budget.seconds is not None:
        return True
    twins = [twin for twin in plan.arms if _in_seconds(twin)]
    return arm.key in {twin.cost_of for twin in twins} or name_of(arm) in {name_of(twin) for twin in twins}


def _needed(plan: Plan, task: Task, worker: Worker) -> list[Task]:
    """The artefacts behind ``task`` that are not there: their ledgers are part of its price."""
    wanted = set(task.after)
    for other in reversed(plan.tasks.values()):  # dependencies come first
        if other.id in wanted:
            wanted |= set(other.after)
    return [other for other in plan.tasks.values() if other.id in wanted and not worker.store.has_artefact(other.id)]


def _or_refuse(task: Task, outcome: Outcome) -> None:
    if outcome.error:
        raise UsageError(f"{task.name} is needed to measure reference seconds: {outcome.error}")


def measure(worker: Worker, task: Task, arm: Arm) -> ArmSeconds:
    """Time the operations of ``task``'s arm on this machine; its artefacts exist already."""
    ledgers = artefacts(worker.store, task.uses.values())
    trainer = prepare(worker, task, metered=False)
    trainer.clock.settle()
    begin = trainer.ledger.total("seconds")
    pacer = pacer_of(worker.matrix, arm, len(trainer.samples))
    first = Step(0, 0, *pacer.sizes(0.0), 0.0)
    sizes = {trainer.priced_as(Step(0, 0, *size, 0.0)) for size in pacer.every_size()}
    look = _look_seconds(trainer)
    pool = trainer.selector.selects_from_pool
    if pool and trainer.selector.traits.pool_scores == "refreshed":  # the most that can be left out
        trainer.subset = torch.arange(round(len(trainer.samples) * first.keep / first.size), device=trainer.device)
    selection = _median(trainer, lambda: trainer.select_pool(first)) + look if pool else 0.0
    in_step = 0.0 if pool else look
    steps = [[*size, _step_seconds(trainer, Step(0, 0, *size, 0.0)) + in_step] for size in sorted(sizes)]
    return ArmSeconds(
        name=name_of(arm),
        steps=steps,
        begin=begin,
        selection=selection,
        artefacts=sum(ledger.total("seconds") for ledger in ledgers),
    )


def _look_seconds(trainer: Trainer) -> float:
    """Seconds that looks at ``val`` add to each selection; after this there are none but at the first."""
    if (val := trainer.val) is None:
        return 0.0
    seconds = _median(trainer, lambda: trainer.look_at_val(val)) / val.interval
    val.interval = sys.maxsize
    return seconds


def _step_seconds(trainer: Trainer, step: Step) -> float:
    order = permutation(len(trainer.samples), trainer.seed, "order", 0)
    source: Candidates | ChosenSamples = Candidates(order, trainer.device)
    if trainer.selector.selects_from_pool:
        source = ChosenSamples(order, trainer.select_pool(step))
    return _median(trainer, lambda: trainer.step(step, source))


def _median(trainer: Trainer, call: Callable[[], Any]) -> float:
    seen = []
    for _ in range(1 + REPEATS):
        begun = time.perf_counter()
        call()
        if trainer.device.type == "cuda":
            torch.cuda.synchronize()
        seen.append(time.perf_counter() - begun)
    return statistics.median(seen[1:])
