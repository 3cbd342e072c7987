"""A workload: what would be trained, read from TOML and strict about every key."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, Field, ValidationError

from ...strategies import UsageError
from ...strategies.errors import did_you_mean
from ..datasets.base import Augmentation
from ..matrix import Named, Part
from ..schedules import load_schedule

Model = TypeVar("Model", bound=BaseModel)


class Reference(Part):
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


class StrategyRow(Part):
    """One strategy with its hyper-parameters and, where it differs, its own schedule."""

    name: str
    label: str = ""
    options: dict[str, Any] = Field(default_factory=dict)
    schedule: Named | None = None

    @property
    def shown(self) -> str:
        """The label, by default the name."""
        return self.label or self.name


class Workload(Part):
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
    path = Path(name_or_path)
    if not name_or_path.endswith(".toml"):
        known = shipped()
        if name_or_path not in known:
            raise UsageError(
                f"no workload named {name_or_path!r}{did_you_mean(name_or_path, known)} (or give a .toml path)"
            )
        path = known[name_or_path]
    table = load_table(path)
    for override in overrides or []:
        _override(table, override)
    return parse(table, str(path))


def load_table(path: Path) -> dict[str, Any]:
    """A TOML file's content.

    Raises
    ------
    UsageError
        Where there is none, or it is damaged.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; correct the path") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: not a readable TOML file: {error}") from None


def validate(model: type[Model], table: dict[str, Any], where: str) -> Model:
    """A table as ``model``; the first thing wrong with it becomes a :class:`UsageError` of one line."""
    try:
        return model.model_validate(table)
    except ValidationError as error:
        raise UsageError(f"{where}: {_explain(model, error)}") from None


def parse(table: dict[str, Any], where: str = "workload") -> Workload:
    """Check a table and make a :class:`Workload` of it.

    Raises
    ------
    UsageError
        For an unknown key, a value out of bounds, or sizes that cannot work.
    """
    workload = validate(Workload, table, where)
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


def _override(table: dict[str, Any], text: str) -> None:
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise UsageError(f"--set {text!r}: write key=value, such as --set passes=10")
    *parents, last = key.split(".")
    at: Any = table
    for parent in parents:
        at = at.setdefault(parent, {}) if isinstance(at, dict) else None
    if not isinstance(at, dict):
        raise UsageError(f"--set {text!r}: {'.'.join(parents)!r} is no table; set the whole list, key=[...]")
    try:
        at[last] = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        at[last] = value  # a bare word is a string


def _explain(model: type[BaseModel], error: ValidationError) -> str:
    first = error.errors()[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown key {path!r}{did_you_mean(str(first['loc'][-1]), _keys(model, first['loc'][:-1]))}"
    if first["type"] == "missing":
        return f"{path!r} is missing"
    return f"{path}: {first['msg'][0].lower()}{first['msg'][1:]}, but it is {first['input']!r}"


def _keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The keys of the table that ``location`` stands in."""
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            annotation = model.model_fields[part].annotation
            inner = [k for k in (annotation, *get_args(annotation)) if isinstance(k, type) and issubclass(k, BaseModel)]
            if inner:
                model = inner[0]
    return list(model.model_fields)
