"""Measured before a run: the reference seconds that a budget in seconds counts with, and the fastest numerics."""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ...strategies import UsageError
from ..datasets.augment import Augment
from ..datasets.samples import Samples
from ..plan.arms import Arm, ArmSeconds, ReferenceSeconds, name_of, pacer_of, schedule_of
from ..plan.matrix import Matrix
from ..plan.tasks import Plan, Task
from ..steps.pacer import Pacer, Step
from ..steps.schedules import Fixed, known_ahead
from ..streams import generator, permutation
from ..tasks.cell import prepare
from ..tasks.cost_meter import artefacts
from ..tasks.worker import Context, Worker
from ..training.candidates import Candidates, ChosenSamples
from ..training.numerics import Numerics
from ..training.trainer import Recipe, Trainer
from .executors.inline import Inline
from .executors.queue import Outcome
from .prepared import Prepared, learner_of

REPEATS = 5  # steps timed at each size, after one that warms up; the median counts
CLEARLY = 0.95  # of the seconds of what is usual: noise must not change what a matrix computes


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


def fastest(prepared: Prepared, threads: int) -> dict[str, Any]:
    """The precision and memory format, of those that the matrix allows, that a plain training step is fastest in.

    ``seconds`` are of a step on the first candidate batch of each data set.
    """
    torch.set_num_threads(threads)
    seconds: dict[str, dict[str, float]] = {one.name: {} for one in prepared.candidates}
    for name in prepared.loaded:
        learner, samples, augment = _first_batch(prepared, name)
        for one in prepared.candidates:
            best = min((row[name] for row in seconds.values() if name in row), default=math.inf)
            seconds[one.name][name] = plain_step(learner, samples, augment, one, 2 * best, prepared.cache_dir)
    return {"name": quickest(seconds), "seconds": seconds, "threads": threads}


def image_seconds(prepared: Prepared, threads: int) -> dict[str, float]:
    """Seconds of plain training on one image of each data set, by a few steps of each learner and size that differ."""
    torch.set_num_threads(threads)
    names = [str(prepared.chosen["name"])] if prepared.chosen else [one.name for one in prepared.candidates]
    found: dict[str, float] = {}
    for name, data in prepared.loaded.items():
        learner, samples, augment = _first_batch(prepared, name)
        same = repr([prepared.matrix.at(name).learner, samples.images.shape, data.resolution, samples.classes])
        if same not in found:
            steps = (plain_step(learner, samples, augment, Numerics.of(one)) for one in names)
            found[same] = min(steps) / len(samples)
        found[name] = found[same]
    return {name: found[name] for name in prepared.loaded}


def _first_batch(prepared: Prepared, dataset: str) -> tuple[Any, Samples, Augment]:
    """The learner of a data set, its first candidate batch, and its views."""
    data, matrix = prepared.loaded[dataset], prepared.matrix
    images, labels, classes = data.images.train, data.images.train_labels, len(data.images.classes)
    batch = min(matrix.at(dataset).batch, len(labels))
    samples = Samples(images[:batch].to(prepared.device), labels[:batch].to(prepared.device), classes)
    return learner_of(matrix, dataset), samples, data.augment(matrix.seed_list()[0], prepared.device)


def plain_step(
    learner: Any,
    samples: Samples,
    augment: Augment,
    numerics: Numerics,
    limit: float = math.inf,
    cache_dir: Path | None = None,
) -> float:
    """Seconds of one training step on all of ``samples`` without a selection; see :func:`_median` for ``limit``."""
    batch, device = len(samples), samples.images.device
    net = learner.build(samples.images.shape[1], augment.resolution, samples.classes, generator(0), str(device))
    pacer = Pacer(batch, batch, "fixed-candidates", Fixed(1.0), steps=1)
    trainer = Trainer(samples, learner, augment, pacer, Recipe(lr=1e-4), 0, net, numerics=numerics, cache_dir=cache_dir)
    return _step_seconds(trainer, Step(0, 0, batch, batch, 0.0), limit)


def quickest(seconds: dict[str, dict[str, float]]) -> str:
    """The row of the fewest seconds, every data set weighing alike; the first, unless another is 5 % faster."""
    usual = next(iter(seconds.values()))
    relative = {one: sum(row[name] / usual[name] for name in usual) / len(usual) for one, row in seconds.items()}
    best = min(relative, key=lambda one: relative[one])
    return best if relative[best] < CLEARLY else next(iter(seconds))


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


def _step_seconds(trainer: Trainer, step: Step, limit: float = math.inf) -> float:
    order = permutation(len(trainer.samples), trainer.seed, "order", 0)
    source: Candidates | ChosenSamples = Candidates(order, trainer.device)
    if trainer.selector.selects_from_pool:
        source = ChosenSamples(order, trainer.select_pool(step))
    return _median(trainer, lambda: trainer.step(step, source), limit)


def _median(trainer: Trainer, call: Callable[[], Any], limit: float = math.inf) -> float:
    """Seconds of ``call``; it is not repeated where one takes longer than ``limit``."""
    seen: list[float] = []
    for _ in range(1 + REPEATS):
        begun = time.perf_counter()
        call()
        if trainer.device.type == "cuda":
            torch.cuda.synchronize()
        seen.append(time.perf_counter() - begun)
        if len(seen) > 1 and seen[-1] > limit:
            break
    return statistics.median(seen[1:])
