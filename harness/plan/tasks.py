"""From a matrix to a graph of work: arms, the cells of each seed, and the artefacts they need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..datasets.loaded import LoadedData
from ..identity import NOT_IN_ARTEFACT_IDS, digest
from ..references.spec import trained_here
from ..store.folder import Store
from .arms import Arm, Expander, pacer_of
from .matrix import Matrix
from .measures import check
from .reference_seconds import ReferenceSeconds


def _without(shared: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in shared.items() if name not in names}


@dataclass(frozen=True)
class Task:
    """One piece of work: a cell, a tuning run, or an artefact. ``after`` holds the ids that must be done before.

    ``serves`` is an arm for which a proxy's picks are made: the proxy's steps are that arm's. ``measured`` holds the
    features that a cell is measured by, as references by name: read after training, and no cost of the cell's.
    """

    id: str
    kind: str
    dataset: str
    seed: int | None
    reference: str = ""
    arm: Arm | None = None
    uses: dict[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    serves: Arm | None = None
    measured: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """For progress lines and failures."""
        what = self.arm.label if self.arm else f"{self.kind} {self.reference}".strip()
        if self.arm and self.kind == "tuning":
            what = f"tuning of {what} at {self.arm.lr_factor:g} x lr"
        if self.serves:
            what = f"picks for {self.serves.label}"
        at = f"{self.dataset}/{self.reference}" if self.reference and self.arm else self.dataset
        return f"{what} on {at}" + ("" if self.seed is None else f", seed {self.seed}")


@dataclass(frozen=True)
class Plan:
    """All arms and tasks of a request."""

    arms: list[Arm]
    tasks: dict[str, Task]

    @property
    def cells(self) -> list[Task]:
        """The cells, in the order of the plan."""
        return [task for task in self.tasks.values() if task.kind == "cell"]

    def missing(self, done: Callable[[Task], bool]) -> list[Task]:
        """The runs that are not ``done`` and the artefacts that those lack, in the order of the plan."""
        todo = {task.id for task in self.tasks.values() if task.arm is not None and not done(task)}
        for task in reversed(self.tasks.values()):  # dependencies come first
            if task.id in todo:
                todo.update(id for id in task.after if not done(self.tasks[id]))
        return [task for task in self.tasks.values() if task.id in todo]


def has_result(store: Store, kind: str, id: str) -> bool:
    """Whether the results folder holds a sound result of a task, or of a run of it."""
    if kind == "tuning":
        return store.tuning(id) is not None
    return store.has_cell(id) if kind == "cell" else store.has_artefact(id)


class Planner:
    """Makes the graph of work of a matrix.

    Parameters
    ----------
    matrix, loaded, references, precision, starts, rates
        As of :class:`selbench.harness.plan.arms.Expander`, the last two empty by default.
    """

    def __init__(
        self,
        matrix: Matrix,
        loaded: dict[str, LoadedData],
        references: dict[str, tuple[Any, str]],
        precision: str,
        starts: Mapping[str, str] | None = None,
        rates: ReferenceSeconds | None = None,
    ) -> None:
        self.matrix, self.loaded, self.references = matrix, loaded, references
        self.expander = Expander(matrix, loaded, references, precision, starts or {}, rates or ReferenceSeconds())

    def plan(self) -> Plan:
        """Arms of every data set, and the tasks of every seed in an order that can be run.

        Raises
        ------
        UsageError
            Where a strategy, its options, a schedule or a batch size cannot work, before any training.
        """
        arms = self.expander.arms()
        seed = self.matrix.seed_list()[0]
        # Once for all arms that keep one pace, as a rule and its twin do: fitting a budget-matched one takes time.
        paces = {
            digest([arm.dataset, arm.pool, arm.cadence, arm.rung, arm.schedule]): arm
            for arm in arms.values()
            if not arm.replay
        }
        for arm in paces.values():
            pacer_of(self.matrix, arm, self.loaded[arm.dataset].size(seed, arm.pool))
        return self.graph(arms.values())

    def graph(self, arms: Iterable[Arm], tuning_seeds: Sequence[int] = ()) -> Plan:
        """The cells of ``arms`` for every seed, with what they need; or, with ``tuning_seeds``, their tuning runs."""
        by_key, tasks = {arm.key: arm for arm in arms}, dict[str, Task]()
        for seed in tuning_seeds or self.matrix.seed_list():
            for arm in by_key.values():
                self._run(tasks, by_key, arm, seed, "tuning" if tuning_seeds else "cell")
        return Plan(list(by_key.values()), tasks)

    def _run(self, tasks: dict[str, Task], arms: dict[str, Arm], arm: Arm, seed: int, kind: str) -> str:
        id = digest([arm.key, seed] if kind == "cell" else [kind, arm.key, seed])
        if id in tasks:
            return id
        uses: dict[str, str] = {}
        if arm.needs_reference:
            uses["reference"] = self._reference(tasks, arm, seed)
        if arm.needs_proxy:
            uses["proxy"] = self._artefact(
                tasks,
                "proxy",
                arm,
                seed,
                digest(["proxy", _without(arm.shared, "reference", *NOT_IN_ARTEFACT_IDS), seed]),
            )
        if arm.needs_picks:
            uses["picks"] = self._picks(tasks, arm, seed)
        after = tuple(uses.values())
        if arm.replay:
            uses["replay"] = self._run(tasks, arms, arms[arm.replay], seed, kind)
            after = (*after, uses["replay"])
        measured = self._measured(tasks, arm) if kind == "cell" else {}
        after = tuple(dict.fromkeys((*after, *measured.values())))
        tasks[id] = Task(id, kind, arm.dataset, seed, arm.reference, arm, uses, after, measured=measured)
        return id

    def _measured(self, tasks: dict[str, Task], arm: Arm) -> dict[str, str]:
        """The features that an arm is measured by; ladders and what trains on val are not measured."""
        if "measures" not in arm.shared or arm.rung < 1 or arm.pool != "pool":
            return {}
        frozen = [name for name, (instance, _) in self.references.items() if not trained_here(instance)]
        wanted = {options.reference for options in check(arm.shared["measures"], frozen).values()}
        return {name: self._features(tasks, arm, name) for name in sorted(wanted)}

    def _picks(self, tasks: dict[str, Task], arm: Arm, seed: int) -> str:
        """The picks of a proxy that takes the arm's steps, whatever the arm's learning rate."""
        steps = [arm.schedule, arm.rung, arm.score_mode]
        id = digest(
            ["picks", _without(arm.shared, *NOT_IN_ARTEFACT_IDS), steps, self.expander.proxy_identity(arm), seed]
        )
        tasks.setdefault(id, Task(id, "picks", arm.dataset, seed, serves=arm))
        return id

    def _reference(self, tasks: dict[str, Task], arm: Arm, seed: int) -> str:
        """The reference artefact of a seed, after the features that all seeds share where it is frozen."""
        instance = self.references[arm.reference][0]
        identity = self.expander.reference_identity(arm.reference)
        if trained_here(instance):
            id = digest(["reference", identity, _without(arm.shared, "proxy", *NOT_IN_ARTEFACT_IDS), seed])
            return self._artefact(tasks, "reference", arm, seed, id)
        features = self._features(tasks, arm, arm.reference)
        id = digest(["reference", identity, arm.shared["data"], seed])
        return self._artefact(tasks, "reference", arm, seed, id, uses={"features": features})

    def _features(self, tasks: dict[str, Task], arm: Arm, reference: str) -> str:
        """The features of every training image by a frozen reference."""
        id = digest(["features", self.expander.reference_identity(reference), arm.shared["data"][0]])
        if id not in tasks:
            tasks[id] = Task(id, "features", arm.dataset, None, reference)
        return id

    @staticmethod
    def _artefact(
        tasks: dict[str, Task], kind: str, arm: Arm, seed: int, id: str, uses: dict[str, str] | None = None
    ) -> str:
        if id not in tasks:
            reference = arm.reference if kind == "reference" else ""
            tasks[id] = Task(id, kind, arm.dataset, seed, reference, None, uses or {}, tuple((uses or {}).values()))
        return id
