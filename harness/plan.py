"""From a matrix to a graph of work: arms, the cells of each seed, and the artefacts they need."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..strategies import UsageError
from ..strategies.errors import did_you_mean
from ..strategies.interface import LEARNER_SIGNALS, REFERENCE_SIGNALS, Traits
from ..strategies.registry import registry
from .bank import Loaded
from .matrix import DatasetEntry, Matrix, StrategyEntry, digest
from .pacing import Pacer
from .rates import Rates
from .schedules import Fixed, Schedule, load_schedule
from .strict import Named

CHARGED = ("rates", "amortise_over")
"""What a budget in cost adds to a cell's identity, and not to that of its artefacts."""


@dataclass(frozen=True)
class Arm:
    """One row of a comparison: everything but the seed.

    ``replay`` is the key of the arm whose steps are replayed, for twins whose steps depend on what another
    run did; ``twin`` the key of the arm's own uniform twin.
    """

    label: str
    role: str
    dataset: str
    reference: str
    name: str
    options: dict[str, Any]
    schedule: dict[str, Any]
    cadence: str
    needs: tuple[str, ...]
    rung: float = 1.0
    pool: str = "pool"
    score_mode: str = "eval"
    replay: str = ""
    twin: str = ""
    text: str = ""
    origin: str = ""
    signal: str = "frozen"
    shared: dict[str, Any] = field(default_factory=dict)
    """What the arm has in common with others of its matrix: data set, learner, optimizer, budget."""

    @property
    def key(self) -> str:
        """A digest of everything that determines the arm's results; labels and roles do not."""
        left_out = ("label", "role", "twin", "text", "signal")
        return digest({name: value for name, value in asdict(self).items() if name not in left_out})

    @property
    def needs_reference(self) -> bool:
        """Whether the reference model is read."""
        return bool(set(self.needs) & REFERENCE_SIGNALS)

    @property
    def needs_proxy(self) -> bool:
        """Whether a proxy's trace is read: before training there is no learner to score with."""
        return _needs_proxy(self.cadence, frozenset(self.needs))


def _needs_proxy(cadence: str, needs: frozenset[str]) -> bool:
    return "trace" in needs or (cadence == "run" and bool(needs & LEARNER_SIGNALS))


def _without(shared: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in shared.items() if name not in names}


@dataclass(frozen=True)
class Task:
    """One piece of work: a cell, or an artefact. ``after`` holds the ids that must be done before."""

    id: str
    kind: str
    dataset: str
    seed: int | None
    reference: str = ""
    arm: Arm | None = None
    uses: dict[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """For progress lines and failures."""
        what = self.arm.label if self.arm else f"{self.kind} {self.reference}".strip()
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


def narrowed(matrix: Matrix, strategies: list[str], seeds: int | None) -> Matrix:
    """The matrix with only these strategies (by label or name) and the first ``seeds`` seeds; baselines stay.

    Raises
    ------
    UsageError
        For a strategy that the matrix does not hold, or more seeds than it declares.
    """
    changes: dict[str, Any] = {}
    if strategies:
        known = {entry.label or entry.name for entry in matrix.strategies} | {e.name for e in matrix.strategies}
        for name in strategies:
            if name not in known | {"full", "uniform"}:
                raise UsageError(
                    f"--strategy {name!r}: matrix {matrix.name!r} has none of that name{did_you_mean(name, known)}"
                )
        changes["strategies"] = [e for e in matrix.strategies if {e.label or e.name, e.name} & set(strategies)]
    if seeds is not None:
        if seeds < 1:
            raise UsageError(f"--seeds {seeds}: at least one seed is needed")
        declared = matrix.seed_list()
        changes["seeds"] = declared[:seeds] + [
            s for s in range(max(declared) + 1, max(declared) + 1 + seeds - len(declared))
        ]
    return matrix.model_copy(update=changes)


def schedule_of(arm: Arm) -> Schedule:
    """The arm's schedule; at cadence ``run`` the pool is cut once, to the schedule's mean."""
    schedule = load_schedule(**arm.schedule)
    return Fixed(schedule.mean()) if arm.cadence == "run" else schedule


def pacer_of(matrix: Matrix, arm: Arm, pool: int) -> Pacer:
    """The steps of an arm on a pool of ``pool`` images."""
    budget = matrix.budget
    return Pacer(
        pool=pool,
        batch=matrix.batch,
        batching=matrix.batching,
        schedule=schedule_of(arm),
        passes=None if budget.passes is None else budget.passes * arm.rung,
        steps=None if budget.steps is None else max(1, round(budget.steps * arm.rung)),
        cost=None if budget.cost is None else budget.cost * arm.rung,
        buckets=matrix.buckets,
        hold=arm.cadence == "epoch",
    )


class Planner:
    """Expands a matrix.

    Parameters
    ----------
    matrix : Matrix
        Already narrowed.
    loaded : dict of Loaded
        The data sets, by name.
    references : dict
        The reference instances with their fingerprints, by name.
    precision : str
        ``float32`` or ``bf16``: part of what a result depends on.
    start : str
        Content hash of the weights that the learner starts from; empty for random ones.
    rates : Rates, optional
        The frozen seconds, where the budget is in seconds: part of what its cells depend on.
    """

    def __init__(
        self,
        matrix: Matrix,
        loaded: dict[str, Loaded],
        references: dict[str, tuple[Any, str]],
        precision: str,
        start: str = "",
        rates: Rates | None = None,
    ) -> None:
        self.matrix, self.loaded, self.references, self.precision = matrix, loaded, references, precision
        self.start = start
        self.rates = rates or Rates()

    def plan(self) -> Plan:
        """Arms of every data set, and the tasks of every seed in an order that can be run.

        Raises
        ------
        UsageError
            Where a strategy, its options, a schedule or a batch size cannot work, before any training.
        """
        arms: dict[str, Arm] = {}
        for entry in self.matrix.datasets:
            for arm in self._arms(entry):
                arms.setdefault(arm.key, arm)
        for arm in arms.values():
            if not arm.replay:
                loaded = self.loaded[arm.dataset]
                pacer_of(self.matrix, arm, loaded.size(self.matrix.seed_list()[0], arm.pool))
        tasks: dict[str, Task] = {}
        for seed in self.matrix.seed_list():
            for arm in arms.values():
                self._cell(tasks, arms, arm, seed)
        return Plan(list(arms.values()), tasks)

    def _arms(self, entry: DatasetEntry) -> list[Arm]:
        matrix = self.matrix
        uniform = StrategyEntry(name="uniform")
        default = matrix.schedule
        rows = [
            self._arm(entry, StrategyEntry(name="full"), Named(name="fixed", ratio=1.0), role="full", rung=rung)
            for rung in sorted(set(matrix.ladder), reverse=True)
        ]
        rows += [
            self._arm(entry, uniform, default, role="uniform", rung=rung)
            for rung in sorted(set(matrix.ladder), reverse=True)
        ]
        # val is never empty, so labels are always withheld: what a user without selection would train on.
        everything = StrategyEntry(name="full", label="full-all")
        rows.append(self._arm(entry, everything, Named(name="fixed", ratio=1.0), role="full-all", pool="all"))
        for strategy in matrix.strategies:
            if strategy.name in ("full", "uniform") and not strategy.options and not strategy.schedule:
                continue  # the ladders hold them already
            for reference in [r.name for r in matrix.references] or [""]:
                arm = self._arm(entry, strategy, strategy.schedule or default, role="strategy", reference=reference)
                twin = self._twin(entry, arm, strategy, strategy.schedule or default)
                rows += [replace(arm, twin=twin.key), twin]
        return rows

    def _arm(
        self,
        entry: DatasetEntry,
        strategy: StrategyEntry,
        schedule: Named,
        *,
        role: str,
        reference: str = "",
        **more: Any,
    ) -> Arm:
        instance = registry("strategies").load(strategy.name, **strategy.options)
        traits = Traits.of(instance)
        origin = registry("strategies").entry(strategy.name)
        needs_reference = bool(traits.needs & REFERENCE_SIGNALS)
        label = strategy.label or strategy.name
        if needs_reference and not reference:
            raise UsageError(
                f"strategy {label!r} reads the reference's {' and '.join(sorted(traits.needs & REFERENCE_SIGNALS))}: "
                "the matrix must name a [[references]] entry, such as holdout"
            )
        if self.matrix.batching == "fixed-trained" and traits.ratio == 1.0:
            schedule = Named(name="fixed", ratio=1.0)
        arm = Arm(
            label=label,
            role=role,
            dataset=entry.name,
            reference=reference if needs_reference else "",
            name=strategy.name,
            options=strategy.options,
            schedule={"name": schedule.name, **schedule.parameters()},
            cadence=traits.cadence,
            needs=tuple(sorted(traits.needs)),
            score_mode=strategy.score_mode or self.matrix.score_mode,
            text=repr(instance),
            origin=f"{origin.distribution} {origin.version}",
            signal=traits.signal,
            shared=self._shared(entry, reference if needs_reference else "", traits),
            **more,
        )
        rate = self.rates.find(arm)
        return replace(arm, shared={**arm.shared, "rates": asdict(rate)}) if rate else arm

    def _shared(self, entry: DatasetEntry, reference: str, traits: Traits) -> dict[str, Any]:
        loaded, matrix = self.loaded[entry.name], self.matrix
        shared: dict[str, Any] = {
            "data": [loaded.fingerprint, loaded.holdout, entry.val, loaded.augmentation, loaded.resolution],
            "learner": [matrix.learner.model_dump(), self.start],
            "optimizer": matrix.optimizer.model_dump(),
            "budget": matrix.budget.identity(),
            "batch": [matrix.batch, matrix.batching, matrix.buckets],
            "precision": self.precision,
        }
        if matrix.budget.account == "amortised":
            shared["amortise_over"] = matrix.analysis.amortise_over
        if reference:
            shared["reference"] = self._reference_identity(reference)
        if _needs_proxy(traits.cadence, traits.needs):
            shared["proxy"] = matrix.proxy.model_dump()
        return shared

    def _reference_identity(self, name: str) -> list[Any]:
        """What a reference is: its options where it is trained here, else the content of what it reads."""
        entry = next(r for r in self.matrix.references if r.name == name)
        instance, content = self.references[name]
        return [(entry.spec or entry.name).split(":")[0], entry.options if instance.needs_holdout else content]

    def _twin(self, entry: DatasetEntry, arm: Arm, strategy: StrategyEntry, schedule: Named) -> Arm:
        """Random picks with the identical sequence of k, at the same cadence.

        Where the steps depend on what the run did (a count that the data decide, a budget in cost), they are
        replayed from the strategy's own run.
        """
        traits = Traits.of(registry("strategies").load(strategy.name, **strategy.options))
        options = {} if traits.cadence == "batch" else {"cadence": traits.cadence}
        label = "uniform" if traits.cadence == "batch" else f"uniform, each {traits.cadence}"
        if strategy.schedule:
            label += f" ({load_schedule(schedule.name, **schedule.parameters())})"
        if traits.exact_count and self.matrix.budget.cost is None:
            row = StrategyEntry(name="uniform", label=label, options=options)
            return self._arm(entry, row, schedule, role="twin")
        beside = f" ({arm.reference})" if arm.reference else ""
        row = StrategyEntry(
            name="uniform",
            label=f"uniform, steps of {arm.label}{beside}",
            # Counts that the data decide leave each step its own: they are drawn batch by batch.
            options=options if traits.exact_count else {},
        )
        return self._arm(entry, row, schedule, role="twin", replay=arm.key)

    def _cell(self, tasks: dict[str, Task], arms: dict[str, Arm], arm: Arm, seed: int) -> str:
        id = digest([arm.key, seed])
        if id in tasks:
            return id
        uses: dict[str, str] = {}
        if arm.needs_reference:
            uses["reference"] = self._reference(tasks, arm, seed)
        if arm.needs_proxy:
            uses["proxy"] = self._artefact(
                tasks, "proxy", arm, seed, digest(["proxy", _without(arm.shared, "reference", *CHARGED), seed])
            )
        after = tuple(uses.values())
        if arm.replay:
            uses["replay"] = self._cell(tasks, arms, arms[arm.replay], seed)
            after = (*after, uses["replay"])
        tasks[id] = Task(id, "cell", arm.dataset, seed, arm.reference, arm, uses, after)
        return id

    def _reference(self, tasks: dict[str, Task], arm: Arm, seed: int) -> str:
        """The reference artefact of a seed, after the features that all seeds share where it is frozen."""
        instance = self.references[arm.reference][0]
        identity = self._reference_identity(arm.reference)
        if instance.needs_holdout:
            id = digest(["reference", identity, _without(arm.shared, "proxy", *CHARGED), seed])
            return self._artefact(tasks, "reference", arm, seed, id)
        data = arm.shared["data"]
        features = digest(["features", identity, data[0]])
        if features not in tasks:
            tasks[features] = Task(features, "features", arm.dataset, None, arm.reference)
        id = digest(["reference", identity, data, seed])
        return self._artefact(tasks, "reference", arm, seed, id, uses={"features": features})

    @staticmethod
    def _artefact(
        tasks: dict[str, Task], kind: str, arm: Arm, seed: int, id: str, uses: dict[str, str] | None = None
    ) -> str:
        if id not in tasks:
            reference = arm.reference if kind == "reference" else ""
            tasks[id] = Task(id, kind, arm.dataset, seed, reference, None, uses or {}, tuple((uses or {}).values()))
        return id
