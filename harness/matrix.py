"""A matrix: datasets x references x strategies x seeds, read from TOML and strict about every key."""

from __future__ import annotations

import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ..strategies import UsageError
from ..strategies.errors import did_you_mean
from . import strict
from .datasets.base import Augmentation
from .spoil import Spoil
from .strict import Named, Part

MARGINS = {"digits": 1.0, "cifar10": 0.5, "pets": 1.5, "flowers": 1.5}
"""Declared margins in points, by data set."""

QUESTIONS = ("accuracy", "picking", "pays")
PRIMARY_LIMIT = 3
TUNING_GAP = 1_000_000
"""Tuning seeds stand at least this far above the largest declared seed; no matrix declares more seeds."""
LAST_SEED = 2**53
"""What JSON readers everywhere hold exactly."""
BUDGETS = ("passes", "steps", "flops", "seconds")


class DatasetEntry(Part):
    """One data set. ``spec`` is what is loaded (``imagefolder:PATH``), ``name`` and ``title`` what it is called."""

    name: str
    spec: str = ""
    title: str = ""
    options: dict[str, Any] = Field({})
    holdout: float | int | None = Field(None, ge=0)
    val: float | int = Field(0.1, gt=0)
    margin: float | None = Field(None, gt=0)
    collapse: float | None = Field(None, ge=0, le=1)
    augmentation: Augmentation | None = None
    spoil: Spoil | None = None


class ReferenceEntry(Part):
    """One reference model."""

    name: str
    spec: str = ""
    options: dict[str, Any] = Field({})


class StrategyEntry(Part):
    """One strategy with its hyper-parameters and, where it differs, its own schedule.

    ``ladder`` asks for a budget ladder of its own: the strategy again at each share of the budget below 1.
    ``references`` names those of the matrix that it is run with; with each of them where it is left out.
    """

    name: str
    label: str = ""
    options: dict[str, Any] = Field({})
    schedule: Named | None = None
    score_mode: Literal["eval", "train"] | None = None
    ladder: bool = False
    references: list[str] | None = None


class Budget(Part):
    """How long every arm trains: passes over the pool, optimizer steps, FLOPs, or reference seconds.

    FLOPs and seconds are all that a run costs, selection included, in the ``account`` named. Reference seconds
    come from the times of single operations, measured once and frozen in the results folder.
    """

    passes: float | None = Field(None, gt=0)
    steps: int | None = Field(None, gt=0)
    flops: float | None = Field(None, gt=0)
    seconds: float | None = Field(None, gt=0)
    account: Literal["marginal", "amortised", "standalone"] | None = None

    @property
    def cost(self) -> float | None:
        """The budget where it is a cost; None where it is a number of passes or steps."""
        return self.seconds if self.flops is None else self.flops

    def identity(self) -> dict[str, Any]:
        """What is set, and always the two plain kinds: what a cell's id is made from."""
        return {"passes": self.passes, "steps": self.steps, **self.model_dump(exclude_none=True)}


class Optimizer(Part):
    """SGD with Nesterov momentum under a one-cycle schedule."""

    lr: float = Field(0.1, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(5e-4, ge=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    warmup: float = Field(0.2, ge=0, lt=1)


class Proxy(Part):
    """The short run whose trace static rules read."""

    passes: float = Field(5.0, gt=0)


class Pays(Part):
    """Which of the equal-cost contrasts is the primary one."""

    account: Literal["marginal", "amortised", "standalone"] = "amortised"
    cost: Literal["learner_flops", "total_flops", "wall_clock"] = "total_flops"
    ladder: Literal["full", "uniform"] = "full"


class Timing(Part):
    """The timing pass: how many seeds are run again, one at a time in one process, for their wall-clock."""

    seeds: int = Field(0, ge=0)


class Grid(Part):
    """What tuning tries: multiples of the base learning rate, each with as many seeds of its own."""

    factors: list[float] = Field([0.25, 0.5, 1.0, 2.0])
    seeds: int = Field(2, ge=1, le=1000)


class Analysis(Part):
    """Declared before the run: level, primary contrasts (``label:question``), and how artefacts are shared out.

    ``interval`` names the primary one: ``t``, or the inverted sign-flip test.
    """

    alpha: float = Field(0.05, gt=0, lt=0.5)
    primary: list[str] = Field([])
    pays: Pays = Pays()
    amortise_over: int = Field(20, gt=0)
    interval: Literal["t", "sign-flip"] = "t"


class Matrix(Part):
    """The whole request."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    title: str = ""
    seeds: int | list[int]
    budget: Budget
    batch: int = Field(128, ge=2)
    batching: Literal["fixed-candidates", "fixed-trained"] = "fixed-candidates"
    buckets: int = Field(8, ge=1)
    ladder: list[float] = Field([0.125, 0.25, 0.5, 0.75, 1.0])
    score_mode: Literal["eval", "train"] = "eval"
    tuning: Literal["none", "grid"] = "none"
    grid: Grid | None = None
    schedule: Named = Named(name="sigmoid")
    learner: Named = Named(name="resnet18")
    optimizer: Optimizer = Optimizer()
    proxy: Proxy = Proxy()
    datasets: list[DatasetEntry]
    references: list[ReferenceEntry] = Field([])
    strategies: list[StrategyEntry]
    analysis: Analysis = Analysis()
    timing: Timing = Timing()

    def seed_list(self) -> list[int]:
        """The seeds, one by one."""
        return list(range(self.seeds)) if isinstance(self.seeds, int) else list(self.seeds)

    def tuned(self) -> dict[str, Any] | None:
        """The grid as it is run, ``factors`` ascending and ``tuning_seeds`` among it; None without tuning.

        Tuning seeds count up from the second multiple of :data:`TUNING_GAP` above the largest declared seed, so that
        neither a few more declared seeds nor ``--seeds`` ever move them or come to them.
        """
        if self.tuning == "none":
            return None
        grid = self.grid or Grid()
        first = TUNING_GAP * (2 + max(self.seed_list()) // TUNING_GAP)
        seeds = list(range(first, first + grid.seeds))
        return {"factors": sorted(grid.factors), "seeds": grid.seeds, "tuning_seeds": seeds}

    def identity(self, contents: dict[str, str]) -> str:
        """A digest of everything but which strategies and seeds are asked for.

        ``contents`` holds the content hashes of data sets and references, by name: a folder that has moved
        is still the same data.
        """
        table = self.model_dump(exclude={"seeds", "strategies", "title", "timing", "grid"})
        if (grid := self.tuned()) is not None:
            table["grid"] = grid
        if self.analysis.interval == "t":  # as before there was a choice
            del table["analysis"]["interval"]
        table["budget"] = self.budget.identity()
        for entry in (*table["datasets"], *table["references"]):
            entry["spec"] = entry["spec"].split(":")[0]
        for entry, row in zip(table["datasets"], self.datasets, strict=True):
            if row.spoil is None:  # as before there was a choice
                del entry["spoil"]
            else:
                entry["spoil"] = row.spoil.identity()
        return digest([table, contents])


def digest(value: Any) -> str:
    """16 hexadecimal digits of a JSON-able value's content."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def shipped() -> dict[str, Path]:
    """The matrices that come with the package, by name."""
    folder = resources.files("selbench") / "benchmarks" / "matrices"
    return {Path(str(entry)).stem: Path(str(entry)) for entry in folder.iterdir() if str(entry).endswith(".toml")}


def read(name_or_path: str, overrides: list[str] | None = None, datasets: list[str] | None = None) -> Matrix:
    """Read a matrix by path or shipped name, with ``key=value`` and ``NAME=SPEC`` changes applied.

    Raises
    ------
    UsageError
        In one line: what is wrong, where, and the nearest valid word.
    """
    known = shipped()
    path = strict.find("matrix", name_or_path, known)
    table = strict.load(path, f"shipped matrices: {', '.join(sorted(known))}")
    for text in overrides or []:
        key = strict.override(table, text)
        if key in (f"budget.{kind}" for kind in BUDGETS):  # one kind of budget takes the place of another
            table["budget"] = {name: v for name, v in table["budget"].items() if name not in BUDGETS or name == key[7:]}
    for change in datasets or []:
        _respec(table, change)
    return parse(table, str(path))


def parse(table: dict[str, Any], where: str = "matrix") -> Matrix:
    """Check a table and make a :class:`Matrix` of it.

    Raises
    ------
    UsageError
        For an unknown key, a value out of bounds, or parts that do not fit together.
    """
    matrix = strict.validate(Matrix, table, where)
    _check(matrix, where)
    return matrix


def _respec(table: dict[str, Any], change: str) -> None:
    name, separator, spec = change.partition("=")
    if not separator or not spec:
        raise UsageError(f"--dataset {change!r}: write NAME=SPEC, such as --dataset cifar10=imagefolder:PATH")
    entries = [entry for entry in table.get("datasets", []) if isinstance(entry, dict)]
    names = [str(entry.get("name")) for entry in entries]
    if name not in names:
        raise UsageError(f"--dataset {change!r}: the matrix has no data set {name!r}{did_you_mean(name, names)}")
    entries[names.index(name)]["spec"] = spec


def _check(matrix: Matrix, where: str) -> None:
    if isinstance(matrix.seeds, int) and matrix.seeds > TUNING_GAP:
        raise UsageError(f"{where}: seeds: {matrix.seeds:,} are more than the {TUNING_GAP:,} that there may be")
    seeds = matrix.seed_list()
    if seeds and max(seeds) > LAST_SEED:
        raise UsageError(f"{where}: seeds: {max(seeds)} is above {LAST_SEED}, the last one: take smaller numbers")
    if not seeds or min(seeds) < 0:
        raise UsageError(f"{where}: seeds: a matrix needs at least one seed from 0 up, such as seeds = 8")
    if len(set(seeds)) < len(seeds):
        raise UsageError(f"{where}: seeds: {seeds} names a seed twice; two runs of one seed are one run")
    for name, rows in (("datasets", matrix.datasets), ("strategies", matrix.strategies)):
        if not rows:
            raise UsageError(f"{where}: {name}: name at least one")
    if 1.0 not in matrix.ladder or any(not 0 < rung <= 1 for rung in matrix.ladder):
        raise UsageError(f"{where}: ladder: shares of the budget in (0, 1], the whole (1) among them")
    _check_grid(matrix, where)
    budget = matrix.budget
    if [getattr(budget, kind) for kind in BUDGETS].count(None) != len(BUDGETS) - 1:
        raise UsageError(f"{where}: budget: give exactly one of {', '.join(BUDGETS)}")
    if budget.cost is not None and budget.account is None:
        raise UsageError(
            f'{where}: budget: flops and seconds name their account: account = "marginal", "amortised" or "standalone"'
        )
    if budget.cost is None and budget.account is not None:
        raise UsageError(f"{where}: budget: account belongs to a budget in flops or seconds")
    if matrix.analysis.pays.cost == "wall_clock" and not matrix.timing.seeds:
        raise UsageError(
            f"{where}: analysis.pays.cost: verdicts on wall_clock need a timing pass: set timing.seeds, such as 5"
        )
    labels = [entry.label or entry.name for entry in matrix.strategies]
    _unique(labels, f"{where}: strategies: two are labelled", "label")
    _unique([entry.name for entry in matrix.datasets], f"{where}: datasets: two are named", "name")
    _unique([entry.name for entry in matrix.references], f"{where}: references: two are named", "name")
    _check_references(matrix, where)
    for place, entry in enumerate(matrix.datasets):
        if entry.spoil is not None:
            entry.spoil.check(f"{where}: datasets.{place}")
        if entry.margin is None and entry.name not in MARGINS:
            raise UsageError(
                f"{where}: datasets: {entry.name!r} has no margin: declare one in points, such as margin = 1.0"
            )
    if len(matrix.analysis.primary) > PRIMARY_LIMIT:
        raise UsageError(f"{where}: analysis.primary: at most {PRIMARY_LIMIT} primary contrasts a data set")
    for text in matrix.analysis.primary:
        label, _, question = text.rpartition(":")
        if label not in labels:
            raise UsageError(f"{where}: analysis.primary: {text!r} names no strategy here{did_you_mean(label, labels)}")
        if question not in QUESTIONS:
            raise UsageError(f"{where}: analysis.primary: {text!r} must end in one of {', '.join(QUESTIONS)}")


def _check_references(matrix: Matrix, where: str) -> None:
    known = [entry.name for entry in matrix.references]
    for place, entry in enumerate(matrix.strategies):
        if entry.references == []:
            raise UsageError(f"{where}: strategies.{place}.references: name at least one, or leave the key out")
        for name in entry.references or []:
            if name not in known:
                raise UsageError(
                    f"{where}: strategies.{place}.references: the matrix has no [[references]] entry "
                    f"{name!r}{did_you_mean(name, known)}"
                )


def _check_grid(matrix: Matrix, where: str) -> None:
    if matrix.grid is None:
        return
    if matrix.tuning == "none":
        raise UsageError(f'{where}: grid: nothing is tuned with tuning = "none": set tuning = "grid", or remove [grid]')
    factors = matrix.grid.factors
    if len({*factors}) < max(2, len(factors)) or 1.0 not in factors or min(factors) <= 0:
        raise UsageError(
            f"{where}: grid.factors: {factors} must be two or more different multiples of the base learning rate, "
            "above 0 and with 1 among them, such as [0.25, 0.5, 1.0, 2.0]"
        )


def _unique(names: list[str], what: str, key: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{what} {name!r}: give one another {key}")
