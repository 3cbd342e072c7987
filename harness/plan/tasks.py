"""From a matrix to a graph of work: arms, the cells of each seed, and the artefacts they need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..identity import NOT_IN_ARTEFACT_IDS, TRAINED, digest, proxy_ids
from ..references.spec import trained_here
from ..store.folder import Store
from .arms import Arm, Expander, pacer_of
from .measures import check
from .tables import Proxy

OF_RUNS = ("replay", "cost")
"""Names in :attr:`Task.uses` of other runs: one whose steps are repeated, one whose cost is the budget."""


def _artefact_terms(arm: Arm, *without: str) -> dict[str, Any]:
    """What an artefact's id is made from, of what the arm shares with others."""
    return {name: value for name, value in arm.shared.items() if name not in (*without, *NOT_IN_ARTEFACT_IDS)}


def _nets(arm: Arm) -> int:
    return int(arm.shared.get("nets", 1))


def _proxy(arm: Arm) -> Proxy:
    return Proxy.model_validate({k: v for k, v in arm.shared.get("proxy", {}).items() if k in Proxy.model_fields})


def _add(tasks: dict[str, Task], task: Task) -> str:
    tasks.setdefault(task.id, task)
    return task.id


@dataclass(frozen=True)
class Task:
    """One piece of work: a cell, a tuning run, or an artefact."""

    id: str
    kind: str
    dataset: str
    seed: int | None
    reference: str = ""
    arm: Arm | None = None
    uses: dict[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()  # ids that must be done before
    serves: Arm | None = None  # an arm for which a proxy's picks are made: the proxy's steps are that arm's
    measured: dict[str, str] = field(default_factory=dict)  # features read after training, at no cost of the cell
    alike: tuple[str, ...] = ()  # cost twins that differ from this one by their number of steps alone
    net: int = 0  # which of the proxies of its seed
    views: str = ""  # ``trained_trace`` where a proxy keeps that too
    proxy: Proxy = field(default_factory=Proxy)  # of a task that trains one

    @property
    def proxies(self) -> list[str]:
        """The proxies that it uses, in order."""
        return [id for name, id in self.uses.items() if name.partition(" ")[0] == "proxy"]

    @property
    def artefacts(self) -> dict[str, str]:
        """What it uses, by name, but for other runs, whose records it reads."""
        return {name: id for name, id in self.uses.items() if name not in OF_RUNS}

    @property
    def name(self) -> str:
        what = self.arm.label if self.arm else f"{self.kind} {self.reference}".strip()
        if self.arm and self.kind == "tuning":
            what = f"tuning of {what} at {self.arm.lr_factor:g} x lr"
        if self.net:
            what += f" {self.net + 1}"
        if self.serves:
            what = f"picks for {self.serves.label}"
        if self.proxy.net:
            what += f" by {self.proxy.net}"
        at = f"{self.dataset}/{self.reference}" if self.reference and self.arm else self.dataset
        return f"{what} on {at}" + ("" if self.seed is None else f", seed {self.seed}")


@dataclass(frozen=True)
class Plan:
    arms: list[Arm]
    tasks: dict[str, Task]

    @property
    def cells(self) -> list[Task]:
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


class Planner(Expander):
    def plan(self) -> Plan:
        """Arms of every data set, and the tasks of every seed in an order that can be run; raises what cannot work."""
        arms = self.arms()
        seed = self.matrix.seed_list()[0]
        # Once for all arms that keep one pace, as a rule and its twin do: fitting a budget-matched one takes time.
        paces = {
            digest([arm.dataset, arm.pool, arm.cadence, arm.rung, arm.schedule]): arm
            for arm in arms.values()
            if not arm.replay and not arm.cost_of
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
        return Plan(list(by_key.values()), {**tasks, **_alike(tasks.values())})

    def _run(self, tasks: dict[str, Task], arms: dict[str, Arm], arm: Arm, seed: int, kind: str) -> str:
        id = digest([arm.key, seed] if kind == "cell" else [kind, arm.key, seed])
        if id in tasks:
            return id
        uses: dict[str, str] = {}
        if arm.reference:
            uses["reference"] = self._reference(tasks, arm, seed)
        proxy, replays = _proxy(arm), "picks" in arm.needs
        if "proxy" in arm.shared and not replays:
            views = TRAINED if TRAINED in arm.needs else ""
            for net, made in enumerate(proxy_ids(_artefact_terms(arm, "reference"), seed, arm.needs, _nets(arm))):
                of = Task(made, "proxy", arm.dataset, seed, net=net, views=views, proxy=proxy)
                uses[f"proxy {net}" if net else "proxy"] = _add(tasks, of)
        if replays:  # of a proxy that takes the arm's steps, whatever the arm's learning rate
            steps = [arm.schedule, arm.rung, arm.score_mode]
            picks = digest(["picks", _artefact_terms(arm), steps, self.proxy_identity(arm), seed])
            uses["picks"] = _add(tasks, Task(picks, "picks", arm.dataset, seed, serves=arm, proxy=proxy))
        if arm.replay:
            uses["replay"] = self._run(tasks, arms, arms[arm.replay], seed, kind)
        if arm.cost_of:
            uses["cost"] = self._run(tasks, arms, arms[arm.cost_of], seed, kind)
        measured = self._measured(tasks, arm) if kind == "cell" else {}
        after = tuple(dict.fromkeys((*uses.values(), *measured.values())))
        tasks[id] = Task(id, kind, arm.dataset, seed, arm.reference, arm, uses, after, measured=measured)
        return id

    def _measured(self, tasks: dict[str, Task], arm: Arm) -> dict[str, str]:
        """The features that an arm is measured by; ladders and what trains on val are not measured."""
        if "measures" not in arm.shared or arm.rung < 1 or arm.pool != "pool":
            return {}
        frozen = [name for name, (instance, _) in self.references.items() if not trained_here(instance)]
        wanted = {options.reference for options in check(arm.shared["measures"], frozen).values()}
        return {name: self._features(tasks, arm, name) for name in sorted(wanted)}

    def _reference(self, tasks: dict[str, Task], arm: Arm, seed: int) -> str:
        """The reference artefact of a seed, after the features that all seeds share where it is frozen."""
        identity, uses, terms = self.reference_identity(arm.reference), dict[str, str](), arm.shared["data"]
        if trained_here(self.references[arm.reference][0]):
            terms = _artefact_terms(arm, "proxy")
        else:
            uses = {"features": self._features(tasks, arm, arm.reference)}
        id, after = digest(["reference", identity, terms, seed]), tuple(uses.values())
        return _add(tasks, Task(id, "reference", arm.dataset, seed, arm.reference, uses=uses, after=after))

    def _features(self, tasks: dict[str, Task], arm: Arm, reference: str) -> str:
        id = digest(["features", self.reference_identity(reference), arm.shared["data"][0]])
        return _add(tasks, Task(id, "features", arm.dataset, None, reference))


def _alike(tasks: Iterable[Task]) -> dict[str, Task]:
    """Cells of cost twins, each told which others train as it does if they cost the same."""
    groups: dict[str, list[Task]] = {}
    for task in tasks:
        if task.kind == "cell" and task.arm is not None and task.arm.cost_of:
            terms = {name: value for name, value in task.arm.shared.items() if name != "equal_cost"}
            groups.setdefault(digest([task.dataset, task.seed, task.arm.name, terms]), []).append(task)
    return {
        task.id: replace(task, alike=tuple(other.id for other in group if other is not task))
        for group in groups.values()
        for task in group
        if len(group) > 1
    }
