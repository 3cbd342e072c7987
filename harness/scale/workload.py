"""A workload: what would be trained, read from TOML and strict about every key."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import Field

from ...strategies import UsageError
from .. import toml as strict
from ..datasets.base import Augmentation
from ..steps.schedules import load_schedule
from ..toml import Named, StrictModel


class Reference(StrictModel):
    """The reference model, as far as it costs anything.

    Parameters
    ----------
    network : str
        A net of torchvision by name, ``learner`` (the learner's own net), or empty: features from a file, for free.
    resolution : int or None
        Side of the images that it sees; the learner's by default.
    cached : bool
        Features are taken once from each image and read again; else the network runs on every candidate batch.
    passes, images : float, int
        Passes of training over images withheld for it, where it is trained here.
    """

    network: str = ""
    resolution: int | None = Field(None, ge=8, le=4096)
    cached: bool = True
    passes: float = Field(0.0, ge=0)
    images: int = Field(0, ge=0)


class StrategyRow(StrictModel):
    """One strategy with its hyper-parameters and, where it differs, its own schedule."""

    name: str
    label: str = ""
    options: dict[str, Any] = Field(default_factory=dict)
    schedule: Named | None = None

    @property
    def shown(self) -> str:
        """The label, by default the name."""
        return self.label or self.name


class Workload(StrictModel):
    """What would be trained.

    Parameters
    ----------
    images, resolution, channels, classes : int
        The pool: how many, side of the learner's views in pixels, colours, classes.
    passes : float
        Over the pool.
    batch : int or list of int
        Candidate batch B, or several to compare; the first is the headline.
    learner : table
        ``name`` of a registered learner (with its parameters, such as ``width``) or of a net of torchvision.
    features : int or None
        Width d of the reference's features; that of its network by default.
    schedule : table
        The keep ratio over training.
    buckets : int
        A moving ratio is rounded to multiples of 1/buckets.
    augmentation : str
        Of the training views.
    proxy_passes : float
        Passes of the proxy that rules at cadence ``run`` learn from.
    amortise_over : int
        Runs that share a reference or a proxy.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    title: str = ""
    images: int = Field(ge=2)
    resolution: int = Field(ge=4, le=4096)
    channels: int = Field(3, ge=1, le=64)
    classes: int = Field(ge=2)
    passes: float = Field(gt=0)
    batch: int | list[int]
    learner: Named = Named(name="resnet18")
    features: int | None = Field(None, ge=1)
    schedule: Named = Named(name="sigmoid")
    buckets: int = Field(8, ge=1)
    augmentation: Augmentation = "crop-flip"
    proxy_passes: float = Field(5.0, gt=0)
    amortise_over: int = Field(20, ge=1)
    reference: Reference = Reference()
    strategies: list[StrategyRow]

    @property
    def batches(self) -> list[int]:
        """The candidate batches, the headline first."""
        return [self.batch] if isinstance(self.batch, int) else list(self.batch)


def shipped() -> dict[str, Path]:
    """The workloads that come with the package, by name."""
    folder = resources.files("selbench") / "benchmarks" / "scale"
    return {Path(str(entry)).stem: Path(str(entry)) for entry in folder.iterdir() if str(entry).endswith(".toml")}


def read(name_or_path: str, overrides: list[str] | None = None) -> Workload:
    """Read a workload by path or shipped name, with ``key=value`` changes applied.

    Raises
    ------
    UsageError
        In one line: what is wrong, where, and the nearest valid word.
    """
    path = strict.find("workload", name_or_path, shipped())
    table = strict.load(path)
    for text in overrides or []:
        strict.override(table, text)
    return parse(table, str(path))


def parse(table: dict[str, Any], where: str = "workload") -> Workload:
    """Check a table and make a :class:`Workload` of it.

    Raises
    ------
    UsageError
        For an unknown key, a value out of bounds, or sizes that cannot work.
    """
    workload = strict.validate(Workload, table, where)
    if not workload.batches:
        raise UsageError(f"{where}: batch: name at least one candidate batch, such as 512")
    for batch in workload.batches:
        if not 2 <= batch <= workload.images:
            raise UsageError(f"{where}: batch = {batch} must lie between 2 and the pool's {workload.images:,} images")
    if not workload.strategies:
        raise UsageError(f"{where}: strategies: name at least one")
    labels = [row.shown for row in workload.strategies]
    for label in labels:
        if labels.count(label) > 1:
            raise UsageError(f"{where}: strategies: two are labelled {label!r}: give one another label")
    if bool(workload.reference.passes) != bool(workload.reference.images):
        raise UsageError(f"{where}: reference: passes and images go together: what it is trained on here, and how long")
    load_schedule(workload.schedule.name, **workload.schedule.parameters())
    return workload
