"""Which tasks of a matrix are done, and a time estimate for the others: from records, or from what was timed."""

from __future__ import annotations

import os
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch

from ...strategies import UsageError
from ...strategies.interface import LEARNER_SIGNALS
from .. import environment
from ..datasets.loaded import LoadedData
from ..identity import digest
from ..steps.pacer import Pacer
from ..store.folder import Store
from ..toml import Named
from ..training.flops import learner_flops
from ..training.learners import learner
from .arms import pacer_of
from .matrix import Matrix
from .tasks import Plan, Task

SAMPLE = 3  # records of an arm that are read: they are alike
SAMPLE_LIKE = 64  # records of another folder that are read
MAIN_FOLDERS = {"cell": "cells", "tuning": "tuning"}
BASES = {
    "records": "tasks by records of their like at other seeds",
    "flops": "by their operations, at the seconds per operation of other arms with records (selection left out)",
    "like": "by their operations, at the seconds per operation of the runs of --like",
    "timed": "by their operations, at the seconds per operation of a few steps timed now (selection left out)",
    "budget": "by the budget in seconds",
}


@dataclass(frozen=True)
class Estimate:
    seconds: float
    basis: str  # one of BASES


def kind_of(task: Task) -> tuple[str, ...]:
    """A key that tasks share that differ only in the seed."""
    arm = task.arm
    return (task.kind, task.dataset, task.reference, task.proxy.net) if arm is None else (task.kind, arm.key)


class Inventory:
    """The tasks of a plan, and which of them have a file in the results folder (if there is one); none is opened."""

    def __init__(self, plan: Plan, store: Store) -> None:
        self.plan, self.store = plan, store
        self._names = cache(lambda folder: _names(store.root / folder))
        self.todo = plan.missing(self.has)

    def has(self, task: Task) -> bool:
        if task.kind in MAIN_FOLDERS:
            return f"{task.id}.json" in self._names(MAIN_FOLDERS[task.kind])
        return task.id in self._names("artefacts")

    def lines(self) -> Iterator[str]:
        """One line for each cell and tuning run, made as it is asked for: id, whether it is there, name."""
        missing = {task.id for task in self.todo}
        for task in self.plan.tasks.values():
            if task.arm is not None:
                rung = "" if task.arm.rung == 1.0 else f", {task.arm.rung:g} of the budget"
                yield f"{task.id}  {'to do' if task.id in missing else 'there'}  {task.name}{rung}"


def _names(folder: Path) -> frozenset[str]:
    with suppress(OSError):
        return frozenset(os.listdir(folder))
    return frozenset()


class TimeEstimator:
    """Seconds of tasks, from the records of an inventory.

    The seconds per operation of ``like``, another results folder, stand in where this one has none, and so do the
    ``image_seconds`` of plain training on one image, by data set. ``machines`` counts the machines and devices that
    the records read were made on.
    """

    def __init__(
        self,
        inventory: Inventory,
        matrix: Matrix,
        loaded: Mapping[str, LoadedData],
        like: Path | None = None,
        image_seconds: Mapping[str, float] | None = None,
    ) -> None:
        self.inventory, self.matrix, self.loaded = inventory, matrix, loaded
        self.machines: Counter[tuple[str, str]] = Counter()
        self.size = cache(lambda dataset, pool: loaded[dataset].size(matrix.seed_list()[0], pool))
        self.unit = cache(self._unit)
        self.pacers: dict[str, Pacer] = {}  # once for all arms of one pace: fitting a budget-matched one takes time
        tasks = inventory.plan.tasks.values()  # those for tuning are of arms beside the plan's own
        self.arms = {arm.key: arm for arm in (*inventory.plan.arms, *(task.arm for task in tasks if task.arm))}
        there: dict[tuple[str, ...], list[Task]] = {}
        for task in tasks:
            found = there.setdefault(kind_of(task), [])
            if len(found) < SAMPLE and inventory.has(task):
                found.append(task)
        self.measured = {kind: seconds for kind, tasks in there.items() if (seconds := self._seconds(tasks))}
        self.rates = self._rates()
        self.image_seconds = image_seconds or {}
        self.elsewhere = None if like is None or self.rates else self._elsewhere(Store(like))

    def of(self, task: Task) -> Estimate | None:
        seconds = self.measured.get(kind_of(task))
        if seconds is not None:
            return Estimate(seconds, "records")
        if self.matrix.budget.seconds is not None and task.arm is not None:
            return Estimate(self.matrix.budget.seconds * task.arm.rung, "budget")
        given = (
            ("flops", self.rates.get(task.dataset) or self.rates.get("")),
            ("like", self.elsewhere),
            ("timed", self.image_seconds.get(task.dataset)),
        )
        basis, pace = next(((basis, pace) for basis, pace in given if pace is not None), ("", None))
        if pace is None or (flops := self.flops(task)) is None:  # counting takes seconds: only where it is of use
            return None
        return Estimate(flops * (pace / self.unit(task.dataset)[1] if basis == "timed" else pace), basis)

    def flops(self, task: Task) -> float | None:
        """Operations of training and of the learner's scoring; None where its steps are known only from a run."""
        arm = task.arm
        if arm is not None and arm.cost_of:
            arm = self.arms[arm.cost_of]  # its cost, but for artefacts and picking
        if task.kind == "proxy":  # full training of its own length
            price = self.unit(task.dataset, task.proxy.learner)[1]
            return task.proxy.passes * self.size(task.dataset, "pool") * price
        if arm is None or arm.replay:
            return None
        budget = self.matrix.at(arm.dataset).budget
        if budget.flops is not None:
            return budget.flops * arm.rung
        if budget.seconds is not None:
            return None
        size = self.size(arm.dataset, arm.pool)
        pace = digest([arm.dataset, arm.pool, arm.cadence, arm.rung, arm.schedule])
        pacer = self.pacers.get(pace) or self.pacers.setdefault(pace, pacer_of(self.matrix, arm, size))
        if pacer.learned is not None:
            return None
        candidates = (
            budget.steps * arm.rung * pacer.sizes(0.5)[0] if budget.steps else (budget.passes or 0.0) * arm.rung * size
        )
        forward, train = self.unit(arm.dataset)
        scores = arm.cadence == "batch" and bool(set(arm.needs) & LEARNER_SIGNALS)
        return candidates * (pacer.schedule.mean() * train + scores * forward)

    def _unit(self, dataset: str, net: Named | None = None) -> tuple[float, float]:
        """FLOPs of one image forward, and forward and backward, as the ledger has them: of the learner or ``net``."""
        data = self.loaded[dataset]
        channels, classes = data.images.train.shape[1], len(data.images.classes)
        return learner_flops(learner(net or self.matrix.at(dataset).learner), channels, data.resolution, classes)

    def _seconds(self, tasks: Iterable[Task]) -> float | None:
        """The median over records that can be read, evaluation included."""
        found = []
        for task in tasks:
            if record := self._record(task):
                found.append(_spent(record))
                if task.arm is not None:
                    self._count_machine(record)
        return statistics.median(found) if found else None

    def _elsewhere(self, store: Store) -> float:
        """Seconds for each operation of the learner, evaluation and selection included, over runs of another folder."""
        seconds = operations = 0.0
        for name in sorted(_names(store.root / MAIN_FOLDERS["cell"]))[:SAMPLE_LIKE]:
            if record := store.cell(name.removesuffix(".json")):
                seconds += _spent(record)
                operations += sum(record["ledger"][account]["flops"] for account in ("train", "score"))
                self._count_machine(record)
        if not operations:
            raise UsageError(f"--like {store.root}: it has no record of a run: name a results folder that was run in")
        return seconds / operations

    def _count_machine(self, record: Mapping[str, Any]) -> None:
        where = record.get("environment", {})
        self.machines[str(where.get("machine")), str(where.get("device"))] += 1

    def _record(self, task: Task) -> dict[str, Any] | None:
        store = self.inventory.store
        if task.kind == "cell":
            return store.cell(task.id)
        if task.kind == "tuning":
            return store.tuning(task.id)
        return store.artefact_meta(task.id) if store.has_artefact(task.id) else None

    def _rates(self) -> dict[str, float]:
        """Seconds per operation by data set, and of all as "": of arms that have records, the median."""
        found: dict[str, list[float]] = {}
        kinds = {kind_of(task): task for task in reversed(self.inventory.plan.tasks.values())}
        for kind, seconds in self.measured.items():
            if flops := self.flops(kinds[kind]):
                for name in (kinds[kind].dataset, ""):
                    found.setdefault(name, []).append(seconds / flops)
        return {name: statistics.median(rates) for name, rates in found.items()}


def _spent(record: Mapping[str, Any]) -> float:
    return sum(float(account["seconds"]) for account in record["ledger"].values())


@dataclass
class Group:
    """Tasks that are alike but for the seed."""

    name: str
    dataset: str
    runs: bool
    planned: int = 0
    todo: int = 0
    seconds: float | None = None
    basis: str = ""
    label: str = ""  # of its arm


@dataclass
class Forecast:
    groups: list[Group]
    seconds: float = 0.0  # of all that is missing and has an estimate, one after another
    longest: float = 0.0  # of the longest chain of tasks that need each other: no executor is faster
    unknown: int = 0  # missing tasks without an estimate
    bases: Counter[str] = field(default_factory=Counter)

    def wall(self, slots: int) -> float:
        return max(self.seconds / slots, self.longest)


def forecast(inventory: Inventory, estimate: Callable[[Task], Estimate | None]) -> Forecast:
    """Sum the estimates of the missing tasks; ``estimate`` is called once for each kind of task."""
    groups: dict[tuple[str, ...], Group] = {}
    for task in inventory.plan.tasks.values():
        groups.setdefault(kind_of(task), _group(task)).planned += 1
    found: dict[tuple[str, ...], Estimate | None] = {}
    result, ends = Forecast(list(groups.values())), dict[str, float]()
    for task in inventory.todo:
        if (kind := kind_of(task)) not in found:
            found[kind] = estimate(task)
        group, known = groups[kind], found[kind]
        group.todo += 1
        seconds = 0.0 if known is None else known.seconds
        ends[task.id] = seconds + max((ends.get(id, 0.0) for id in task.after), default=0.0)
        if known is None:
            result.unknown += 1
        else:
            group.seconds, group.basis = known.seconds, known.basis
            result.bases[known.basis] += 1
            result.seconds += seconds
    result.longest = max(ends.values(), default=0.0)
    return result


def _group(task: Task) -> Group:
    arm = task.arm
    if arm is None:
        by = f"by {task.proxy.net}" if task.proxy.net else ""
        return Group(" ".join(filter(None, (task.kind, task.reference, by))), task.dataset, False)
    more = [f"with {arm.reference}"] if arm.reference else []
    more += [f"{arm.rung:g} of the budget"] if arm.rung != 1.0 else []
    more += [f"tuning at {arm.lr_factor:g} x lr"] if task.kind == "tuning" else []
    return Group(", ".join([arm.label, *more]), task.dataset, True, label=arm.label)


def footing(expected: Forecast, rate: TimeEstimator, device: str) -> str:
    """One sentence on the basis of the estimates."""
    here = environment.describe(torch.device(device), "")
    own, total = rate.machines[here["machine"], here["device"]], sum(rate.machines.values())
    if not expected.bases:
        lacking = "nothing like it has been measured in this folder, and neither --like nor --time says how long"
        return f"No estimate of time: {lacking if expected.unknown else 'nothing is missing'}."
    parts = [f"{expected.bases[basis]:,} {text}" for basis, text in BASES.items() if expected.bases[basis]]
    if expected.unknown:
        parts.append(f"{expected.unknown:,} have no estimate and are counted as nothing")
    where = "" if own == total else f", {total - own} of them on another type of machine or device than this one"
    return f"Times rest on {'; '.join(parts)}. Records read: {total}{where}."
