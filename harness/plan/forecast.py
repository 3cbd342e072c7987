"""Which tasks of a matrix are done, and a time estimate for the others.

Nothing is trained or measured. Estimates come from the records in the results folder, or in another one
that is named; without records there is no estimate.
"""

from __future__ import annotations

import os
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch

from ...strategies import UsageError
from ...strategies.interface import LEARNER_SIGNALS
from ...strategies.registry import registry
from .. import environment
from ..datasets.loaded import LoadedData
from ..store.folder import Store
from ..streams import generator
from ..training.flops import forward_flops, train_flops
from .arms import Arm, pacer_of
from .matrix import Matrix
from .tasks import Plan, Task

SAMPLE = 3
"""Records of an arm that are read: they are alike."""
SAMPLE_LIKE = 64
"""Records of another folder that are read."""

MAIN_FOLDERS = {"cell": "cells", "tuning": "tuning"}


@dataclass(frozen=True)
class Estimate:
    """Seconds of one task, and the basis of the estimate.

    ``basis`` is ``records`` of its like, the ``budget``, or operations at a rate: of this folder (``flops``) or of
    another (``like``).
    """

    seconds: float
    basis: str


def kind_of(task: Task) -> tuple[str, ...]:
    """A key that tasks share that differ only in the seed."""
    arm = task.arm
    return (task.kind, task.dataset, task.reference) if arm is None else (task.kind, arm.key)


class Inventory:
    """The tasks of a plan, and which of them have a file in the results folder; files are not opened.

    Parameters
    ----------
    plan : Plan
    store : Store
        The results folder, which need not exist.

    Attributes
    ----------
    todo : list of Task
        The missing tasks in the order of the plan; artefacts only where a missing task needs them.
    """

    def __init__(self, plan: Plan, store: Store) -> None:
        self.plan, self.store = plan, store
        self._names = cache(lambda folder: _names(store.root / folder))
        self.todo = plan.missing(self.has)

    def has(self, task: Task) -> bool:
        """Whether the folder holds something of the task's name."""
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
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries)
    except OSError:
        return frozenset()


class TimeEstimator:
    """Seconds of tasks, from the records of an inventory.

    Parameters
    ----------
    inventory : Inventory
    matrix : Matrix
    loaded : dict of LoadedData
        The data sets, by name.
    data_dir : Path or None
        Where pre-trained weights lie, if the learner starts from some.
    like : Path, optional
        Another results folder, whose seconds per operation stand in where this one has none.

    Attributes
    ----------
    machines : Counter
        Types of machine that the records read were made on, by device.

    Raises
    ------
    UsageError
        Where ``like`` holds no record of a run.
    """

    def __init__(
        self,
        inventory: Inventory,
        matrix: Matrix,
        loaded: Mapping[str, LoadedData],
        data_dir: Path | None,
        like: Path | None = None,
    ) -> None:
        self.inventory, self.matrix, self.loaded, self.data_dir = inventory, matrix, loaded, data_dir
        self.machines: Counter[tuple[str, str]] = Counter()
        self.size = cache(lambda dataset, pool: loaded[dataset].size(matrix.seed_list()[0], pool))
        self.unit = cache(self._unit)
        there: dict[tuple[str, ...], list[Task]] = {}
        for task in inventory.plan.tasks.values():
            found = there.setdefault(kind_of(task), [])
            if len(found) < SAMPLE and inventory.has(task):
                found.append(task)
        self.measured = {kind: seconds for kind, tasks in there.items() if (seconds := self._seconds(tasks))}
        self.rates = self._rates()
        self.elsewhere = None if like is None or self.rates else self._elsewhere(Store(like))

    def of(self, task: Task) -> Estimate | None:
        """The estimate for a task, or None without records to base it on."""
        seconds = self.measured.get(kind_of(task))
        if seconds is not None:
            return Estimate(seconds, "records")
        if self.matrix.budget.seconds is not None and task.arm is not None:
            return Estimate(self.matrix.budget.seconds * task.arm.rung, "budget")
        flops = self.flops(task) if task.arm is not None else None
        if flops is None:
            return None
        rate = self.rates.get(task.dataset) or self.rates.get("")
        if rate is not None:
            return Estimate(flops * rate, "flops")
        return None if self.elsewhere is None else Estimate(flops * self.elsewhere, "like")

    def flops(self, task: Task) -> float | None:
        """Operations of training and of the learner's scoring; None where its steps are known only from a run."""
        arm = task.arm
        assert arm is not None
        budget = self.matrix.at(arm.dataset).budget
        if arm.replay:
            return None
        if budget.flops is not None:
            return budget.flops * arm.rung
        size = self.size(arm.dataset, arm.pool)
        pacer = pacer_of(self.matrix, arm, size)
        if budget.seconds is not None or pacer.learned is not None:
            return None
        candidates = (
            budget.steps * arm.rung * pacer.sizes(0.5)[0] if budget.steps else (budget.passes or 0.0) * arm.rung * size
        )
        forward, train = self.unit(arm.dataset)
        scores = arm.cadence == "batch" and bool(set(arm.needs) & LEARNER_SIGNALS)
        return candidates * (pacer.schedule.mean() * train + scores * forward)

    def _unit(self, dataset: str) -> tuple[float, float]:
        """FLOPs of one image forward, and forward and backward, as the ledger counts them."""
        data, spec = self.loaded[dataset], self.matrix.at(dataset).learner
        learner: Any = registry("learners").load(spec.name, **spec.parameters())
        channels, classes = data.images.train.shape[1], len(data.images.classes)
        net = learner.build(channels, data.resolution, classes, generator(0), "cpu", self.data_dir).to("meta")
        shape = (channels, data.resolution, data.resolution)
        return forward_flops(net, shape), train_flops(net, shape)

    def _seconds(self, tasks: Iterable[Task]) -> float | None:
        """The median over records that can be read, evaluation included."""
        found = []
        for task in tasks:
            record = self._record(task)
            if record:
                found.append(sum(account["seconds"] for account in record["ledger"].values()))
                if task.arm is not None:
                    self._count_machine(record)
        return statistics.median(found) if found else None

    def _elsewhere(self, store: Store) -> float:
        """Seconds for each operation of the learner, evaluation and selection included, over runs of another folder."""
        seconds = operations = 0.0
        for name in sorted(_names(store.root / MAIN_FOLDERS["cell"]))[:SAMPLE_LIKE]:
            record = store.cell(name.removesuffix(".json"))
            if record:
                seconds += sum(account["seconds"] for account in record["ledger"].values())
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
        seen = set()
        for task in self.inventory.plan.tasks.values():
            kind = kind_of(task)
            if task.arm is None or kind in seen or kind not in self.measured:
                continue
            seen.add(kind)
            flops = self.flops(task)
            if flops:
                for name in (task.dataset, ""):
                    found.setdefault(name, []).append(self.measured[kind] / flops)
        return {name: statistics.median(rates) for name, rates in found.items()}


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


@dataclass
class Forecast:
    """The missing tasks and their estimated time.

    Parameters
    ----------
    groups : list of Group
    seconds : float
        Of all that is missing and has an estimate, one after another.
    longest : float
        Seconds of the longest chain of tasks that need each other: no executor is faster.
    unknown : int
        Missing tasks without an estimate.
    bases : Counter
        How many missing tasks have estimates of which basis.
    """

    groups: list[Group]
    seconds: float = 0.0
    longest: float = 0.0
    unknown: int = 0
    bases: Counter[str] = field(default_factory=Counter)

    def wall(self, slots: int) -> float:
        """Seconds at ``slots`` tasks at a time, at the least."""
        return max(self.seconds / slots, self.longest)


def forecast(inventory: Inventory, estimate: Callable[[Task], Estimate | None]) -> Forecast:
    """Sum the estimates of the missing tasks; ``estimate`` is called once for each kind of task."""
    groups: dict[tuple[str, ...], Group] = {}
    for task in inventory.plan.tasks.values():
        groups.setdefault(kind_of(task), _group(task)).planned += 1
    found: dict[tuple[str, ...], Estimate | None] = {}
    result, ends = Forecast(list(groups.values())), dict[str, float]()
    for task in inventory.todo:
        kind = kind_of(task)
        if kind not in found:
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
        return Group(f"{task.kind} {task.reference}".strip(), task.dataset, False)
    return Group(_arm_name(task, arm), task.dataset, True)


def _arm_name(task: Task, arm: Arm) -> str:
    more = [f"with {arm.reference}"] if arm.reference else []
    more += [f"{arm.rung:g} of the budget"] if arm.rung != 1.0 else []
    more += [f"tuning at {arm.lr_factor:g} x lr"] if task.kind == "tuning" else []
    return ", ".join([arm.label, *more])


def footing(expected: Forecast, rate: TimeEstimator, device: str) -> str:
    """One sentence on the basis of the estimates."""
    here = environment.describe(torch.device(device), "")
    own, total = rate.machines[here["machine"], here["device"]], sum(rate.machines.values())
    if not expected.bases:
        lacking = "nothing like it has been measured in this folder, and --like names no other one"
        return f"No estimate of time: {lacking if expected.unknown else 'nothing is missing'}."
    parts = []
    if expected.bases["records"]:
        parts.append(f"{expected.bases['records']:,} tasks by records of their like at other seeds")
    if expected.bases["flops"]:
        parts.append(
            f"{expected.bases['flops']:,} by their operations, at the seconds per operation of other arms with records "
            "(selection left out)"
        )
    if expected.bases["like"]:
        parts.append(
            f"{expected.bases['like']:,} by their operations, at the seconds per operation of the runs of --like"
        )
    if expected.bases["budget"]:
        parts.append(f"{expected.bases['budget']:,} by the budget in seconds")
    if expected.unknown:
        parts.append(f"{expected.unknown:,} have no estimate and are counted as nothing")
    where = "" if own == total else f", {total - own} of them on another type of machine or device than this one"
    return f"Times rest on {'; '.join(parts)}. Records read: {total}{where}."
