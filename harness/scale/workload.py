"""A workload: what would be trained, read from TOML and strict about every key; its strategies, as far as they cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import Field

from ...strategies import UsageError
from ...strategies.errors import did_you_mean
from ...strategies.interface import HELD_OUT_SIGNALS, LEARNER_SIGNALS, REFERENCE_SIGNALS, Traits
from ...strategies.registry import registry
from .. import toml as strict
from ..datasets.base import Augmentation
from ..steps.schedules import Fixed, Schedule, known_ahead, load_schedule
from ..toml import Named, StrictModel


class Reference(StrictModel):
    """The reference model, as far as it costs anything."""

    network: str = ""  # a net of torchvision, ``learner`` (its own net), or empty: features from a file, for free
    resolution: int | None = Field(None, ge=8, le=4096)  # of the images that it sees; the learner's by default
    cached: bool = True  # features are taken once from each image; else the network runs on every candidate batch
    passes: float = Field(0.0, ge=0)  # of training over ``images`` withheld for it, where it is trained here
    images: int = Field(0, ge=0)


class StrategyRow(StrictModel):
    name: str
    label: str = ""
    options: dict[str, Any] = Field(default_factory=dict)
    schedule: Named | None = None

    @property
    def shown(self) -> str:
        return self.label or self.name


class Workload(StrictModel):
    """What would be trained."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    title: str = ""
    images: int = Field(ge=2)  # in the pool
    resolution: int = Field(ge=4, le=4096)  # side of the learner's views, in pixels
    channels: int = Field(3, ge=1, le=64)
    classes: int = Field(ge=2)
    passes: float = Field(gt=0)  # over the pool
    batch: int | list[int]  # candidates B, or several sizes to compare; the first is the headline
    learner: Named = Named(name="resnet18")  # a registered learner with its parameters, or a net of torchvision
    features: int | None = Field(None, ge=1)  # width d of the reference's; that of its network by default
    schedule: Named = Named(name="sigmoid")  # of the keep ratio
    buckets: int = Field(8, ge=1)  # a moving ratio is rounded to multiples of 1/buckets
    augmentation: Augmentation = "crop-flip"
    proxy_passes: float = Field(5.0, gt=0)  # of the proxy that rules at cadence ``run`` learn from
    amortise_over: int = Field(20, ge=1)  # runs that share a reference or a proxy
    reference: Reference = Reference()
    strategies: list[StrategyRow]

    @property
    def batches(self) -> list[int]:
        return [self.batch] if isinstance(self.batch, int) else list(self.batch)


def shipped() -> dict[str, Path]:
    folder = resources.files("selbench") / "benchmarks" / "scale"
    return {Path(str(entry)).stem: Path(str(entry)) for entry in folder.iterdir() if str(entry).endswith(".toml")}


def read(name_or_path: str, overrides: list[str] | None = None) -> Workload:
    """Read a workload by path or shipped name, with ``key=value`` changes applied."""
    path = strict.find("workload", name_or_path, shipped())
    table = strict.load(path)
    for text in overrides or []:
        strict.override(table, text)
    return parse(table, str(path))


def parse(table: dict[str, Any], where: str = "workload") -> Workload:
    workload = strict.validate(Workload, table, where)
    if not workload.batches:
        raise UsageError(f"{where}: batch: name at least one candidate batch, such as 512")
    if wrong := [batch for batch in workload.batches if not 2 <= batch <= workload.images]:
        raise UsageError(f"{where}: batch = {wrong[0]} must lie between 2 and the pool's {workload.images:,} images")
    if not workload.strategies:
        raise UsageError(f"{where}: strategies: name at least one")
    labels = [row.shown for row in workload.strategies]
    if twice := [label for label in labels if labels.count(label) > 1]:
        raise UsageError(f"{where}: strategies: two are labelled {twice[0]!r}: give one another label")
    if bool(workload.reference.passes) != bool(workload.reference.images):
        raise UsageError(f"{where}: reference: passes and images go together: what it is trained on here, and how long")
    load_schedule(workload.schedule.name, **workload.schedule.parameters())
    return workload


@dataclass
class Rule:
    label: str
    instance: Any
    schedule: Schedule  # a rule at cadence ``run`` gets the mean, fixed
    width: int  # features d of the reference
    counted: Callable[[int, int], float] | None = None  # FLOPs of a call on n keeping k, where it does not state them

    def __post_init__(self) -> None:
        self.traits = Traits.of(self.instance)
        if self.traits.cadence == "run":
            self.schedule = Fixed(self.schedule.mean())

    @property
    def keeps_all(self) -> bool:
        return self.traits.ratio == 1.0

    @property
    def scores(self) -> bool:
        """Whether each candidate batch costs a forward pass of the learner."""
        return self.traits.cadence == "batch" and bool(self.traits.needs & LEARNER_SIGNALS)

    @property
    def reads_reference(self) -> bool:
        return bool(self.traits.needs & REFERENCE_SIGNALS)

    @property
    def reads_proxy(self) -> bool:
        return self.traits.reads_proxy

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
    """The workload's strategies, or those asked for: by label or name, else registered ones with their defaults."""
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
    if rule.traits.needs & HELD_OUT_SIGNALS or rule.traits.scores_pool:
        raise UsageError(
            f"strategy {row.shown!r} looks at val or scores the whole pool anew, whose cost is not predicted here: "
            "leave it out"
        )
    if "features" in rule.traits.needs and not width:
        raise UsageError(
            f"strategy {row.shown!r} reads the reference's features: give the workload a reference.network, "
            "or the width of the features (features = 2048)"
        )
    return rule
