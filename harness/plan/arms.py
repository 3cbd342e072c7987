"""The arms of a matrix: its strategies, and the baselines, ladders and twins that they are compared with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any

from ...reports.records.analysis import declares
from ...strategies import UsageError
from ...strategies.errors import did_you_mean
from ...strategies.interface import REFERENCE_SIGNALS, Traits
from ...strategies.registry import registry
from ...strategies.rules.proxy_replay import ProxyReplay
from ..datasets.loaded import LoadedData
from ..identity import digest
from ..references.spec import gives_features, trained_here
from ..steps.budget_matched import paced
from ..steps.learned import LearnedSchedule
from ..steps.pacer import Pacer
from ..steps.schedules import Fixed, Schedule, load_schedule
from ..toml import Named
from .matrix import Matrix
from .tables import Budget, DatasetEntry, StrategyEntry


@dataclass(frozen=True)
class Arm:
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
    replay: str = ""  # key of the arm whose steps are replayed, where they depend on what its run did
    cost_of: str = ""  # key of the arm whose cost is the budget (role cost-twin)
    twin: str = ""  # key of the arm's own uniform twin
    text: str = ""
    origin: str = ""
    signal: str = "frozen"
    base: str = ""  # key of a tuned arm at the base learning rate; empty where that is its own
    lr_from: str = "declared"  # what its learning rate was chosen by
    shared: dict[str, Any] = field(default_factory=dict)  # with others of its matrix: data set, learner, budget...
    revision: int = 0  # of the rule

    @cached_property
    def key(self) -> str:
        """A digest of everything that determines the arm's results; labels and roles do not."""
        left_out: tuple[str, ...] = ("label", "role", "twin", "text", "signal", "base", "lr_from")
        # What came later is left out where it is not used: keys stay what they were before.
        left_out += tuple(name for name in ("revision", "cost_of") if not getattr(self, name))
        table = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in left_out}
        return digest({**table, "origin": origin_in_ids(self.origin)})

    @property
    def lr_factor(self) -> float:
        """What the base learning rate is multiplied by; an arm at 1 has the key that it has without tuning."""
        return float(self.shared.get("lr_factor", 1.0))


def name_of(arm: Arm) -> str:
    """The name of the arm's reference seconds; the rungs and cost twins of a baseline share its own."""
    return "/".join([arm.dataset, arm.reference, arm.name if arm.cost_of else arm.label, arm.pool])


def origin_in_ids(origin: str) -> str:
    """Distribution and version of a rule as ids hold them.

    Of our own rules that is the first version always: ``revision`` and the digests of code say when one has changed,
    and a new version alone must not train everything anew.
    """
    return "selbench 0.1.0" if origin.startswith("selbench ") else origin


@dataclass(frozen=True)
class ArmSeconds:
    """Reference seconds: what an arm's operations take, measured once and frozen, so that no run depends on a load."""

    name: str
    steps: Sequence[Sequence[float]]  # [size, keep, seconds] of one training step of each size, selection included
    begin: float  # the strategy's own preparation
    selection: float  # one selection of the whole pool (0 at cadence ``batch``)
    artefacts: float  # all the artefacts that the arm uses, made once

    def seconds(self, done: Mapping[tuple[int, int], int], selections: int) -> float:
        """Reference seconds of a run so far: ``done`` steps of each (B, k), and selections of the whole pool."""
        price = {(int(size), int(keep)): seconds for size, keep, seconds in self.steps}
        return self.begin + selections * self.selection + sum(n * price[size] for size, n in done.items())


class ReferenceSeconds:
    def __init__(self, rows: Iterable[ArmSeconds] = ()) -> None:
        self.rows = {row.name: row for row in rows}

    @classmethod
    def read(cls, table: Iterable[Mapping[str, Any]]) -> ReferenceSeconds:
        return cls(ArmSeconds(**row) for row in table)

    def to_table(self) -> list[dict[str, Any]]:
        return [asdict(row) for row in self.rows.values()]

    def of(self, arm: Arm) -> ArmSeconds:
        return self.rows[name_of(arm)]


@dataclass
class Expander:
    matrix: Matrix  # already narrowed
    loaded: dict[str, LoadedData]
    references: dict[str, tuple[Any, str]]  # instances with their fingerprints
    precision: str  # ``float32`` or ``bf16``: part of what a result depends on
    starts: Mapping[str, str] = field(default_factory=dict)  # content hashes of initial weights, by data set
    rates: ReferenceSeconds = field(default_factory=ReferenceSeconds)  # part of what cells depend on
    proxy_starts: Mapping[str, str] = field(default_factory=dict)  # of the nets that proxies have of their own, by text

    def arms(self) -> dict[str, Arm]:
        """Every arm of every data set, by key; raises where a strategy, its options or a schedule cannot work."""
        arms: dict[str, Arm] = {}
        for entry in self.matrix.datasets:
            for arm in self._arms(entry):
                arms.setdefault(arm.key, arm)
        return arms

    def _arms(self, entry: DatasetEntry) -> list[Arm]:
        matrix, default, whole = self.matrix, self.matrix.schedule, Named(name="fixed", ratio=1.0)
        rungs = sorted({*matrix.ladder}, reverse=True)
        rows = [
            self._arm(entry, StrategyEntry(name=name), schedule, role=name, rung=rung)
            for name, schedule in (("full", whole), ("uniform", default))
            for rung in rungs
        ]
        # val is never empty, so labels are always withheld: what a user without selection would train on.
        everything = StrategyEntry(name="full", label="full-all")
        rows.append(self._arm(entry, everything, whole, role="full-all", pool="all"))
        for strategy in sorted(matrix.strategies, key=_replays):  # an arm comes before those that replay it
            if strategy.datasets and entry.name not in strategy.datasets:
                continue
            if strategy.name in ("full", "uniform") and not strategy.options and not strategy.schedule:
                continue  # the ladders hold them already
            for reference in strategy.references or [r.name for r in matrix.references] or [""]:
                schedule, more = strategy.schedule or default, dict[str, Any]()
                if _replays(strategy):
                    source = self._replayed(rows, strategy, reference)
                    schedule, more = Named(**source.schedule), {"replay": source.key}
                arm = self._arm(entry, strategy, schedule, role="strategy", reference=reference, **more)
                twin = self._twin(entry, arm, strategy, schedule)
                # Random picks are their own twin: they would be compared with themselves.
                rows += [arm] if twin.key == arm.key else [replace(arm, twin=twin.key), twin]
                rows += self._cost_twins(entry, arm, default)
                rows += [
                    self._arm(entry, strategy, schedule, role="rung", reference=reference, rung=rung)
                    for rung in rungs
                    if strategy.ladder and rung != 1.0
                ]
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
        label, read = strategy.label or strategy.name, sorted(traits.needs & REFERENCE_SIGNALS)
        if read and not reference:
            raise UsageError(
                f"strategy {label!r} reads the reference's {' and '.join(read)}: "
                "the matrix must name a [[references]] entry, such as holdout"
            )
        own = reference if read else ""
        if "features" in traits.needs and not gives_features(self.references[reference][0]):
            raise UsageError(
                f"strategy {label!r} reads the features of reference {reference!r}, whose two nets have no space of "
                "features in common: name one net (holdout, or a frozen one), or a rule that reads its losses alone"
            )
        if "picks" in traits.needs:
            self._check_replay(instance, strategy, schedule)
        elif strategy.proxy is not None and not traits.reads_proxy:
            raise UsageError(f"strategy {label!r} reads no proxy: leave its proxy out")
        if self.matrix.at(entry.name).batching == "fixed-trained" and traits.ratio == 1.0:
            schedule = Named(name="fixed", ratio=1.0)
        arm = Arm(
            label=label,
            role=role,
            dataset=entry.name,
            reference=own,
            name=strategy.name,
            options=strategy.options,
            schedule={"name": schedule.name, **schedule.parameters()},
            cadence=traits.cadence,
            needs=tuple(sorted(traits.needs)),
            score_mode=strategy.score_mode or self.matrix.score_mode,
            text=repr(instance),
            origin=f"{origin.distribution} {origin.version}",
            signal=traits.signal,
            shared=self._shared(entry, own, traits) | self._proxy(strategy, traits),
            revision=traits.revision,
            **more,
        )
        rate = self.rates.rows.get(name_of(arm)) if self.matrix.budget.seconds is not None else None
        return replace(arm, shared={**arm.shared, "rates": asdict(rate)}) if rate else arm

    def _replayed(self, rows: list[Arm], strategy: StrategyEntry, reference: str) -> Arm:
        """The arm whose steps ``strategy`` replays: the one of that label, with the same reference if it reads one."""
        label, wanted = strategy.label or strategy.name, (strategy.schedule or Named(name="")).parameters()["of"]
        sources = [arm for arm in rows if arm.role == "strategy" and arm.label == wanted and not arm.replay]
        if not sources:
            labels = [arm.label for arm in rows if arm.role == "strategy" and not arm.replay]
            raise UsageError(
                f"strategy {label!r} replays the steps of {wanted!r}, which is no other strategy of this matrix with "
                f"steps of its own{did_you_mean(str(wanted), labels)}"
            )
        if strategy.ladder:
            raise UsageError(f"strategy {label!r} replays whole runs, so it can have no ladder: leave ladder out")
        if not Traits.of(registry("strategies").load(strategy.name, **strategy.options)).exact_count:
            raise UsageError(
                f"strategy {label!r} decides by itself how many it keeps: it cannot replay the steps of another run"
            )
        return next((arm for arm in sources if arm.reference == reference), sources[0])

    def _check_replay(self, instance: Any, strategy: StrategyEntry, schedule: Named) -> None:
        """Refuse a replay of picks whose steps a proxy could not take."""
        label = strategy.label or strategy.name
        if not isinstance(instance, ProxyReplay):
            raise UsageError(
                f"strategy {label!r} reads a proxy's picks, and only proxy-replay says whose they are: name "
                "proxy-replay, and set its option of to the rule that the proxy follows"
            )
        if "width" in strategy.options and self.matrix.proxy_of(strategy).learner is not None:
            raise UsageError(
                f"strategy {label!r} has a width of its proxy and a learner for it: write the width in "
                "proxy.learner, or leave one of them out"
            )
        if self.matrix.budget.cost is not None:
            raise UsageError(
                f"strategy {label!r} replays a proxy's picks step by step, and a budget in flops or seconds gives the "
                "proxy other steps than the learner: give the budget in passes or steps"
            )
        try:
            load_schedule(schedule.name, **schedule.parameters()).mean()
        except UsageError as error:
            raise UsageError(f"strategy {label!r} replays a proxy's picks step by step: {error}") from None

    def proxy_identity(self, arm: Arm) -> list[Any]:
        """Which proxy an arm replays the picks of: the rule that it follows, whose that is, and its width."""
        replay: ProxyReplay = registry("strategies").load(arm.name, **arm.options)
        entry = registry("strategies").entry(replay.of)
        origin = origin_in_ids(f"{entry.distribution} {entry.version}")
        revised = [replay.revision] if replay.revision else []
        return [replay.of, replay.options, origin, replay.width, *revised]

    def _shared(self, entry: DatasetEntry, reference: str, traits: Traits) -> dict[str, Any]:
        loaded, matrix = self.loaded[entry.name], self.matrix.at(entry.name)
        shared: dict[str, Any] = {
            "data": [loaded.fingerprint, loaded.holdout, entry.val, loaded.augmentation, loaded.resolution],
            "learner": [matrix.learner.model_dump(), self.starts.get(entry.name, "")],
            "optimizer": matrix.optimizer.model_dump(),
            "budget": matrix.budget.identity(),
            "batch": [matrix.batch, matrix.batching, matrix.buckets],
            "precision": self.precision,
        }
        if matrix.measures:
            shared["measures"] = matrix.measures
        if entry.spoil is not None:
            shared["data"].append(entry.spoil.identity())
        if matrix.budget.account == "amortised":
            shared["amortise_over"] = matrix.analysis.amortise_over
        if reference:
            shared["reference"] = self.reference_identity(reference)
        return shared

    def _proxy(self, strategy: StrategyEntry, traits: Traits) -> dict[str, Any]:
        """What a rule's proxy is, where it reads one; of replayed picks, that net alone."""
        proxy = self.matrix.proxy_of(strategy)
        start = self.proxy_starts.get(proxy.net, "")
        made = proxy.identity() | ({"start": start} if start else {})
        if "picks" in traits.needs:
            del made["passes"]
            return {"proxy": made} if made else {}
        if not traits.reads_proxy:
            return {}
        return {"proxy": made} | ({"nets": traits.nets} if traits.nets > 1 else {})

    def reference_identity(self, name: str) -> list[Any]:
        """What a reference is: its options where it is trained here, else the content of what it reads."""
        entry = next(r for r in self.matrix.references if r.name == name)
        instance, content = self.references[name]
        return [(entry.spec or entry.name).split(":")[0], entry.options if trained_here(instance) else content]

    def _twin(self, entry: DatasetEntry, arm: Arm, strategy: StrategyEntry, schedule: Named) -> Arm:
        """Random picks with the identical sequence of k, at the same cadence.

        Steps that depend on what the run did (data decide a count, a schedule learns, a budget is a cost) are replayed.
        """
        traits = Traits.of(registry("strategies").load(strategy.name, **strategy.options))
        options = {} if traits.cadence == "batch" else {"cadence": traits.cadence}
        label = "uniform" if traits.cadence == "batch" else f"uniform, each {traits.cadence}"
        shape = load_schedule(**arm.schedule)
        if strategy.schedule:
            label += f" ({shape})"
        own = arm.replay or isinstance(shape, LearnedSchedule) or self.matrix.budget.cost is not None
        if traits.exact_count and not own:
            row = StrategyEntry(name="uniform", label=label, options=options)
            return self._arm(entry, row, schedule, role="twin")
        label = f"uniform, steps of {arm.label}" + (f" ({arm.reference})" if arm.reference else "")
        # Counts that the data decide leave each step its own: they are drawn batch by batch.
        row = StrategyEntry(name="uniform", label=label, options=options if traits.exact_count else {})
        return self._arm(entry, row, schedule, role="twin", replay=arm.key)

    def _cost_twins(self, entry: DatasetEntry, arm: Arm, default: Named) -> list[Arm]:
        """Full training, and as context random picks, on the budget that makes their cost the arm's, seed by seed.

        Where the matrix's own budget is that cost already, ``full`` itself is at equal cost and none is needed.
        """
        analysis, budget = self.matrix.analysis, self.matrix.budget
        declared = declares(analysis, arm.label, "pays", arm.dataset, arm.reference)
        if analysis.cost_twins == "none" or not (declared or analysis.cost_twins == "all"):
            return []
        account, cost = analysis.pays.account, analysis.pays.cost
        if (budget.account, cost) == (account, "total_flops" if budget.flops is not None else "wall_clock"):
            return []
        if cost == "wall_clock" and arm.replay:
            raise UsageError(
                f"strategy {arm.label!r} replays another run, so its seconds are not known before it is run: leave "
                f"{arm.label}:pays out of analysis.primary, or declare another cost in analysis.pays"
            )
        of = arm.label + (f" ({arm.reference})" if arm.reference else "")
        twins = []
        for name, schedule in (("full", Named(name="fixed", ratio=1.0)), ("uniform", default)):
            if isinstance(load_schedule(schedule.name, **schedule.parameters()), LearnedSchedule):
                continue  # how long it must be for a cost is known only after it was run
            row = StrategyEntry(name=name, label=f"{name} at the cost of {of}")
            twin = self._arm(entry, row, schedule, role="cost-twin", cost_of=arm.key)
            twins.append(replace(twin, shared={**twin.shared, "equal_cost": self._equal_cost(arm, twin)}))
        return twins

    def _equal_cost(self, arm: Arm, twin: Arm) -> dict[str, Any]:
        """What is made equal; seconds are those of reference seconds, once they are known."""
        pays = self.matrix.analysis.pays
        equal: dict[str, Any] = {"account": pays.account, "cost": pays.cost}
        if pays.account == "amortised":
            equal["amortise_over"] = self.matrix.analysis.amortise_over
        if pays.cost == "wall_clock":
            rows = (self.rates.rows.get(name_of(of)) for of in (arm, twin))
            equal["rates"] = [asdict(row) for row in rows if row]
        return equal


def _replays(strategy: StrategyEntry) -> bool:
    """Whether its schedule is that of another strategy of the matrix, step by step."""
    schedule = strategy.schedule
    return schedule is not None and schedule.name == "replay" and "of" in schedule.parameters()


def schedule_of(arm: Arm) -> Schedule:
    """The arm's schedule; at cadence ``run`` the pool is cut once, to the schedule's mean."""
    schedule = load_schedule(**arm.schedule)
    return Fixed(schedule.mean()) if arm.cadence == "run" else schedule


def pacer_of(matrix: Matrix, arm: Arm, pool: int, steps: int | None = None) -> Pacer:
    """The steps of an arm on a pool of ``pool`` images; ``steps`` of them where its budget is not the matrix's."""
    matrix = matrix.at(arm.dataset)
    budget = matrix.budget if steps is None else Budget(steps=steps)
    return paced(
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
