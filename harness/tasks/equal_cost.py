"""Cost twins: how many steps of full training, or of random picks, cost what another run did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from ..plan.arms import ArmSeconds, pacer_of
from ..plan.tasks import Task
from ..steps.pacer import Pacer, Recorded
from ..steps.step_iterator import steps_of
from ..training.ledger import Ledger
from .cost_meter import artefacts, share_of
from .worker import Worker

ROUNDS = 8
"""Corrections of the number of steps; two will do unless the keep ratio moves a lot."""

Price = Callable[[int, int], float]


def pacer_at_cost(worker: Worker, task: Task, pool: int) -> Pacer:
    """The steps of a cost twin on a pool of ``pool`` images: to within one step, the cost of the run in its ``uses``.

    FLOPs are those of that run's ledger, at the same seed; seconds are reference seconds of its steps, so that the
    number of steps hangs on no load of the machine.
    """
    arm, record = task.arm, worker.record(task, "cost")
    assert arm is not None
    equal = arm.shared["equal_cost"]
    if equal["cost"] == "wall_clock":
        ours, theirs = (ArmSeconds(**row) for row in equal["rates"])
        steps = {(int(size), int(keep)): seconds for size, keep, seconds in theirs.steps}
        done = _done(record, pool, ours)
        share = share_of(equal["account"], equal.get("amortise_over", 1))
        goal, price = ours.seconds(*done) + share * ours.artefacts, lambda size, keep: steps[size, keep]
    else:
        train = record["ledger"]["train"]
        unit = train["flops"] / train["samples"]
        goal, price = _flops(worker, record, equal), lambda size, keep: unit * keep
    return _fitted(lambda steps: pacer_of(worker.matrix, arm, pool, steps), goal, price)


def trained_alike(worker: Worker, task: Task, pool: int) -> dict[str, Any] | None:
    """A finished run that is this cost twin's, step for step: that of a rule which cost the same at the same seed."""
    found = [record for id in task.alike if (record := worker.store.cell(id)) and "same_as" not in record]
    steps = list(steps_of(pacer_at_cost(worker, task, pool))) if found else []
    sizes = Counter((step.size, step.keep) for step in steps)
    for record in found:
        theirs = Counter[tuple[int, int]]()
        for size, keep, count, *_ in record["selection"]["pace"]:
            theirs[(int(size), int(keep))] += int(count)
        if theirs == sizes:
            return {name: value for name, value in record.items() if name not in ("checksum", "checkpoints")}
    return None


def _flops(worker: Worker, record: dict[str, Any], equal: dict[str, Any]) -> float:
    if equal["cost"] == "learner_flops":
        return float(record["ledger"]["train"]["flops"])
    shared = sum(ledger.total("flops") for ledger in artefacts(worker.store, record["artefacts"]))
    share = share_of(equal["account"], equal.get("amortise_over", 1))
    return Ledger.of(record["ledger"]).total("flops") + share * shared


def _done(record: dict[str, Any], pool: int, rate: ArmSeconds) -> tuple[Counter[tuple[int, int]], int]:
    """Steps of a run by the (B, k) that they are priced as, and its selections of the whole pool."""
    pace = record["selection"]["pace"]
    known = {(int(size), int(keep)) for size, keep, _ in rate.steps}
    done: Counter[tuple[int, int]] = Counter()
    for size, keep, steps, *_ in pace:  # where whole batches are dealt, one price stands for every step
        done[(size, keep) if (size, keep) in known else max(known)] += int(steps)
    return done, len({step.epoch for step in Recorded(pool, pace)}) if rate.selection else 0


def _fitted(pacer: Callable[[int], Pacer], goal: float, price: Price) -> Pacer:
    """The pacer whose steps cost ``goal`` as nearly as whole steps can; one step at least."""

    def cost(steps: int) -> float:
        return sum(price(step.size, step.keep) for step in steps_of(pacer(steps)))

    tried = {1: cost(1)}
    steps = 1
    for _ in range(ROUNDS):
        steps = max(1, round(steps * goal / tried[steps]))
        if steps in tried:
            break
        tried[steps] = cost(steps)
    return pacer(min(tried, key=lambda steps: abs(tried[steps] - goal)))
