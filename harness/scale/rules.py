"""The strategies of a workload, as far as their cost goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ...strategies import UsageError
from ...strategies.errors import did_you_mean
from ...strategies.interface import LEARNER_SIGNALS, REFERENCE_SIGNALS, Traits
from ...strategies.registry import registry
from ..steps.schedules import Fixed, Schedule, known_ahead, load_schedule
from ..toml import Named
from .workload import StrategyRow, Workload


@dataclass
class Rule:
    """One strategy as it would be run.

    Parameters
    ----------
    label : str
    instance : object
        The strategy itself.
    schedule : Schedule
        Its keep ratio; a rule at cadence ``run`` gets the mean, fixed.
    width : int
        Features d of the reference.
    counted : callable, optional
        FLOPs of one call on n candidates keeping k, where the strategy does not state them.
    """

    label: str
    instance: Any
    schedule: Schedule
    width: int
    counted: Callable[[int, int], float] | None = field(default=None)

    def __post_init__(self) -> None:
        self.traits = Traits.of(self.instance)
        if self.traits.cadence == "run":
            self.schedule = Fixed(self.schedule.mean())

    @property
    def keeps_all(self) -> bool:
        """Whether it is training without selection."""
        return self.traits.ratio == 1.0

    @property
    def scores(self) -> bool:
        """Whether each candidate batch costs a forward pass of the learner."""
        return self.traits.cadence == "batch" and bool(self.traits.needs & LEARNER_SIGNALS)

    @property
    def reads_reference(self) -> bool:
        """Whether the reference model is read."""
        return bool(self.traits.needs & REFERENCE_SIGNALS)

    @property
    def reads_proxy(self) -> bool:
        """Whether a proxy is trained for it."""
        needs = self.traits.needs
        return "trace" in needs or (self.traits.cadence == "run" and bool(needs & LEARNER_SIGNALS))

    @property
    def watches(self) -> bool:
        """Whether each training step's losses are noted for it."""
        return self.traits.cadence == "epoch" or callable(getattr(self.instance, "observe", None))

    def flops(self, n: int, k: int) -> float:
        """FLOPs of one call on ``n`` candidates keeping ``k``: stated by the strategy, else counted."""
        stated = getattr(self.instance, "flops", None)
        if callable(stated):
            return float(stated(n, self.width if "features" in self.traits.needs else 0, k))
        if self.counted is None:
            raise UsageError(f"strategy {self.label!r} states no flops(n, d, k): without measuring, nobody knows them")
        return self.counted(n, k)


def rules_of(workload: Workload, asked: list[str], width: int) -> list[Rule]:
    """The workload's strategies, or those asked for: by label or name, else registered ones with their defaults.

    Raises
    ------
    UsageError
        For an unknown strategy, option or schedule, or one that needs a reference where the workload has none.
    """
    rows = list(workload.strategies)
    for name in asked:
        if not any(name in (row.shown, row.name) for row in rows):
            known = registry("strategies").found()
            if name not in known:
                raise UsageError(f"--strategy {name!r}: there is none of that name{did_you_mean(name, known)}")
            rows.append(StrategyRow(name=name))
    if asked:
        rows = [row for row in rows if {row.shown, row.name} & set(asked)]
    return [_rule(row, workload.schedule, width) for row in rows if row.name != "full"]


def _rule(row: StrategyRow, default: Named, width: int) -> Rule:
    instance = registry("strategies").load(row.name, **row.options)
    spec = row.schedule or default
    rule = Rule(row.shown, instance, known_ahead(load_schedule(spec.name, **spec.parameters())), width)
    if "picks" in rule.traits.needs:
        raise UsageError(
            f"strategy {row.shown!r} has a net trained beforehand, whose cost is not predicted here: leave it out"
        )
    if "features" in rule.traits.needs and not width:
        raise UsageError(
            f"strategy {row.shown!r} reads the reference's features: give the workload a reference.network, "
            "or the width of the features (features = 2048)"
        )
    return rule
