"""The tables that a matrix is made of, each strict about its keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, PrivateAttr

from ..datasets.spec import DatasetSpec
from ..toml import Named, StrictModel

BUDGETS = ("passes", "steps", "flops", "seconds")
EXTEND = 2  # factors of the learning rate beyond each end of the grid


class Budget(StrictModel):
    """How long every arm trains; FLOPs and reference seconds are all that a run costs, selection included."""

    passes: float | None = Field(None, gt=0)
    steps: int | None = Field(None, gt=0)
    flops: float | None = Field(None, gt=0)
    seconds: float | None = Field(None, gt=0)
    account: Literal["marginal", "amortised", "standalone"] | None = None

    @property
    def cost(self) -> float | None:
        return self.seconds if self.flops is None else self.flops

    def identity(self) -> dict[str, Any]:
        """What is set, and always the two plain kinds: what a cell's id is made from."""
        return {"passes": self.passes, "steps": self.steps, **self.model_dump(exclude_none=True)}


class Optimizer(StrictModel):
    """SGD with Nesterov momentum under a one-cycle schedule."""

    lr: float = Field(0.1, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(5e-4, ge=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    warmup: float = Field(0.2, ge=0, lt=1)


class DatasetSettings(StrictModel):
    """What one data set's entry has in place of the matrix's; of the optimizer, the keys that are given."""

    batch: int | None = Field(None, ge=2)
    batching: Literal["fixed-candidates", "fixed-trained"] | None = None
    budget: Budget | None = None
    learner: Named | None = None
    optimizer: Optimizer | None = None
    tuning: Literal["none"] | None = None  # the entry's arms run at the rate declared

    def over(self, optimizer: Optimizer) -> dict[str, Any]:
        changes = {name: value for name, value in self if value is not None}
        if self.optimizer is not None:
            own = self.optimizer.model_dump(exclude_unset=True)
            changes["optimizer"] = optimizer.model_copy(update=own)
        return changes

    def identity(self) -> dict[str, Any]:
        table = self.model_dump(exclude_none=True, exclude_unset=True)
        return table | ({} if self.budget is None else {"budget": self.budget.identity()})


class DatasetEntry(DatasetSpec):
    margin: float | None = Field(None, gt=0)  # in points
    collapse: float | None = Field(None, ge=0, le=1)  # the accuracy below which a run has collapsed
    settings: DatasetSettings | None = None  # in place of the matrix's: one data set can be run under several


class ReferenceEntry(StrictModel):
    name: str
    spec: str = ""
    options: dict[str, Any] = Field({})


@dataclass(frozen=True)
class Sweep:
    """What made an arm out of an entry with lists: the entry's place and label, and the arm's values by parameter."""

    place: int
    label: str
    values: dict[str, Any]


class Proxy(StrictModel):
    """The run before training that rules read: of a net of its own where ``learner`` is given, else of the target's."""

    passes: float = Field(5.0, gt=0)
    learner: Named | None = None

    @property
    def net(self) -> str:
        """What its own net is called, with its parameters; empty where that is the target's."""
        return "" if self.learner is None else str(self.learner)

    def identity(self) -> dict[str, Any]:
        return self.model_dump(exclude_none=True)


class StrategyEntry(StrictModel):
    """One strategy with its hyper-parameters and, where it differs, its own schedule."""

    name: str
    label: str = ""
    options: dict[str, Any] = Field({})
    schedule: Named | None = None
    score_mode: Literal["eval", "train"] | None = None
    ladder: bool = False  # the strategy again at each share of the budget below 1
    references: list[str] | None = None  # those of the matrix that it is run with; each where left out
    datasets: list[str] | None = None
    proxy: Proxy | None = None  # in place of the matrix's: the keys that are given
    _sweep: Sweep | None = PrivateAttr(None)  # no part of an identity


class Pays(StrictModel):
    """Which of the equal-cost contrasts is the primary one."""

    account: Literal["marginal", "amortised", "standalone"] = "amortised"
    cost: Literal["learner_flops", "total_flops", "wall_clock"] = "total_flops"
    ladder: Literal["full", "uniform"] = "full"


class Timing(StrictModel):
    """The timing pass: how many seeds are run again, one at a time in one process, for their wall-clock."""

    seeds: int = Field(0, ge=0)


class Grid(StrictModel):
    """What tuning tries: multiples of the base learning rate, each with as many seeds of its own.

    Where an arm is best at an end, up to ``extend`` factors of 2 beyond it are tried for all arms of its data set.
    """

    factors: list[float] = Field([0.25, 0.5, 1.0, 2.0])
    seeds: int = Field(2, ge=1, le=1000)
    extend: int = Field(EXTEND, ge=0, le=10)


class Analysis(StrictModel):
    """Declared before the run: level, primary contrasts, and how artefacts are shared out."""

    alpha: float = Field(0.05, gt=0, lt=0.5)
    primary: list[str] = Field([])  # label:question
    primary_datasets: list[str] = Field([])  # where they are declared; everywhere if left out
    primary_references: list[str] = Field([])
    pays: Pays = Pays()
    amortise_over: int = Field(20, gt=0)
    interval: Literal["t", "sign-flip"] = "t"
    scope: Literal["population", "test-set"] = "population"  # what the test images stand for
    looks: list[int] = Field([])  # numbers of seeds, ascending, at which the primary contrasts are judged
    spending: Literal["equal", "pocock", "obrien-fleming"] = "equal"  # how the looks share alpha
    cost_twins: Literal["declared", "all", "none"] = "declared"  # whose cost full training gets as its budget

    def declared(self) -> dict[str, Any]:
        """The table without what came later and is not used: identities stay what they were before."""
        later = ("interval", "scope", "looks", "spending", "primary_datasets", "primary_references", "cost_twins")
        unused = {name for name in later if getattr(self, name) == type(self).model_fields[name].default}
        return self.model_dump(exclude=unused | (set() if self.looks else {"spending"}))


class Study(StrictModel):
    analysis: str  # which one reads the runs
    question: str
    options: dict[str, Any] = Field({})
