"""``matrix.toml``, the matrix as run. Keys that came later may be missing; keys that are not named here are kept."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NotRequired

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import AfterValidator, Field, model_validator
from typing_extensions import TypedDict

from .analysis import Analysis, Look, Open, Pays
from .fields import OPEN, AsTuple, Count, Counts, Id, Names, Number, Role, read_as, unpacked
from .sealing import ResultsError, open_toml, reason


class Learner(TypedDict):
    """Shown, not interpreted; its parameters stand beside the name, and ``text`` has it in words."""

    __pydantic_config__ = OPEN  # type: ignore[misc]
    name: str
    text: str


class Budget(TypedDict, total=False):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    passes: Number
    steps: Number
    flops: Number
    seconds: Number
    batch: Number
    buckets: Number


class Dataset(Open):
    """A data set of the matrix: ``margin`` in points, ``collapse`` an accuracy in [0, 1], the rest as shown.

    ``budget`` and ``learner`` are the data set's own where there are unlike ones; empty where the matrix's hold.
    ``fingerprint`` is of its images and labels: two of one fingerprint are one data set under two settings.
    ``test_labels`` are as :func:`pack_labels` writes them; empty in folders of older versions.
    """

    name: str
    spec: str
    title: str
    note: str
    resolution: int
    augmentation: str
    classes: Names
    pool: int
    holdout: int
    val: int
    test: int
    margin: Annotated[float, Field(ge=0)]
    collapse: float
    budget: dict[str, Any] = Field({})
    fingerprint: str
    learner: dict[str, Any] = Field({})
    test_labels: str = ""

    @cached_property
    def labels(self) -> NDArray[np.int64] | None:
        """The class of each test image ``[test]``, in the order of correctness bits; None where they are not known."""
        if not self.test_labels:
            return None
        packed, kind = unpacked(self.test_labels, "its test labels"), _label_type(len(self.classes))
        if len(packed) != self.test * kind.itemsize:
            raise ValueError(f"the test labels of {self.name!r} are not those of {self.test} images")
        labels = np.frombuffer(packed, dtype=kind).astype(np.int64)
        if labels.size and labels.max() >= len(self.classes):
            raise ValueError(f"a test label of {self.name!r} is none of its {len(self.classes)} classes")
        labels.flags.writeable = False
        return labels

    @model_validator(mode="after")
    def _labels_fit(self) -> Dataset:
        _ = self.labels
        return self


def pack_labels(labels: ArrayLike, classes: int) -> str:
    """Labels ``[n]`` below ``classes`` in base64: one, two or four bytes each, little-endian, as the classes need."""
    return base64.b64encode(np.asarray(labels).astype(_label_type(classes)).tobytes()).decode()


def _label_type(classes: int) -> np.dtype[Any]:
    return np.dtype("u1" if classes <= 1 << 8 else "<u2" if classes <= 1 << 16 else "<u4")


class Arm(Open):
    """One row of the comparison: everything but the seed. ``rung`` is its share of the budget, in (0, 1].

    A role ``rung`` is a strategy on a smaller budget, on the way up to the ``strategy`` itself. ``lr`` is the
    learning rate it ran at (None where an old folder does not say), ``lr_factor`` times that of its ``base`` arm
    (itself where untuned), chosen by ``lr_from``: ``declared``, on ``val``, or as ``full``'s was. A role ``cost-twin``
    is full training or random picks on a budget of its own: what the arm ``cost_of`` cost at the same seed. ``proxy``
    is the arm's own where it is not the matrix's.
    """

    key: Id
    label: str
    role: Role
    dataset: str
    reference: str
    strategy: str
    text: str
    name: str
    origin: str
    cadence: str
    signal: str
    schedule: str
    rung: float
    pool: str
    replay: str
    twin: str
    settings: str
    cost_of: str = ""
    proxy: dict[str, Any] = Field({})
    lr: Annotated[float, Field(gt=0)] | None = None
    lr_factor: Annotated[float, Field(gt=0)] = 1.0
    base: str = ""
    lr_from: Literal["declared", "val", "full"] = "declared"

    @model_validator(mode="after")
    def _rung_is_a_share(self) -> Arm:
        if self.role == "rung" and not 0 < self.rung < 1:
            raise ValueError(f"rung {self.rung:g} of {self.label!r} is no share below the whole budget")
        return self


def _apart(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values or len(set(values)) < len(values):
        raise ValueError("values are missing or named twice")
    return values


Factors = Annotated[tuple[Annotated[float, Field(gt=0)], ...], AsTuple, AfterValidator(_apart)]


class Grid(Open):
    """The learning rates that each arm was tuned over, as factors of its base, and the seeds it was tuned with."""

    factors: Factors
    seeds: Annotated[Counts, AfterValidator(_apart)] = Field(alias="tuning_seeds")
    extended: dict[str, Factors] = Field({})  # those that were added, by data set, where an arm was best at an end

    def of(self, dataset: str) -> tuple[float, ...]:
        return self._with(self.extended.get(dataset, ()))

    @property
    def every(self) -> tuple[float, ...]:
        return self._with(factor for factors in self.extended.values() for factor in factors)

    def _with(self, more: Iterable[float]) -> tuple[float, ...]:
        return tuple(sorted({*self.factors, *added})) if (added := tuple(more)) else self.factors

    def at_edge(self, arm: Arm) -> bool:
        """Whether the arm's factor was chosen at an end, so that a better one may lie beyond."""
        tried = self.of(arm.dataset)
        return arm.lr_from != "declared" and len(tried) > 1 and arm.lr_factor in (min(tried), max(tried))


class Declared(Open):
    strategies: Names
    seeds: Counts


class Requested(Declared):
    matrix: str | None = None
    set: Names = ()


class TimingPass(Open):
    seeds: Count = 0


class One(Open):
    """A matrix alone, or one of those that a merged folder was made of."""

    name: str
    title: str
    identity: str
    requested: Requested
    declared: Declared | None = None
    timing: TimingPass = TimingPass()


class Merged(One):
    datasets: Names


class Study(TypedDict):
    """A question that the matrix asks; what its options mean is for the analysis to say."""

    analysis: str
    question: str
    options: NotRequired[dict[str, Any]]


def _with_options(studies: tuple[Study, ...]) -> tuple[Study, ...]:
    return tuple({"options": {}, **study} for study in studies)


class Request(NamedTuple):
    """One matrix as it was asked for; it declares that too where an older version did not write down what it did."""

    name: str
    source: str  # what was named to ``selbench run``
    overrides: tuple[str, ...]  # by ``--set``
    datasets: tuple[str, ...]
    declared_strategies: tuple[str, ...]
    declared_seeds: tuple[int, ...]
    strategies: tuple[str, ...]
    seeds: tuple[int, ...]
    timing_seeds: int

    @classmethod
    def of(cls, one: One, datasets: tuple[str, ...]) -> Request:
        asked, declared = one.requested, one.declared or one.requested
        return cls(
            name=one.name,
            source=one.name if asked.matrix is None else asked.matrix,
            overrides=asked.set,
            datasets=datasets,
            declared_strategies=declared.strategies,
            declared_seeds=declared.seeds,
            strategies=asked.strategies,
            seeds=asked.seeds,
            timing_seeds=one.timing.seeds,
        )


class Matrix(One):
    """The matrix as run, resolved.

    ``requests`` has one entry, or one for each matrix that a merged folder was made of (``parts``); ``requested`` is
    all of it together.
    """

    version: int
    identity: Id
    seeds: Counts
    tuning: Literal["none", "grid"]
    tuned_over: Grid | None = Field(None, alias="grid")
    learner: Learner
    budget: Budget
    optimizer: dict[str, Any] = Field({})
    analysis: Analysis
    dataset_rows: Annotated[tuple[Dataset, ...], AsTuple] = Field(alias="datasets")
    arm_rows: Annotated[tuple[Arm, ...], AsTuple] = Field(alias="arms")
    parts: Annotated[tuple[Merged, ...], AsTuple] = ()
    looks: Annotated[tuple[Look, ...], AsTuple] = ()
    studies: Annotated[tuple[Study, ...], AsTuple, AfterValidator(_with_options)] = ()

    @cached_property
    def datasets(self) -> Mapping[str, Dataset]:
        return {row.name: row for row in self.dataset_rows}

    @cached_property
    def arms(self) -> Mapping[str, Arm]:
        """By key; those of a folder without tuning are their own base, at the optimizer's learning rate."""
        untuned = {"lr": self.optimizer.get("lr")}
        return {
            row.key: row.model_copy(update={**untuned, "base": row.key} | row.model_dump(include=row.model_fields_set))
            if not {"lr", "base"} <= row.model_fields_set
            else row
            for row in self.arm_rows
        }

    @cached_property
    def grid(self) -> Grid | None:
        return self.tuned_over if self.tuning == "grid" else None

    @cached_property
    def requests(self) -> tuple[Request, ...]:
        parts = tuple(Request.of(part, part.datasets) for part in self.parts)
        return parts or (Request.of(self, tuple(self.datasets)),)

    @property
    def alpha(self) -> float:
        return self.analysis.alpha

    @property
    def amortise_over(self) -> float:
        return self.analysis.amortise_over

    @cached_property
    def interval(self) -> str:
        return self.analysis.interval

    @property
    def scope(self) -> str:
        return self.analysis.scope

    @property
    def primary(self) -> tuple[str, ...]:
        return self.analysis.primary

    @property
    def pays(self) -> Pays:
        return self.analysis.pays

    @model_validator(mode="after")
    def _holds_together(self) -> Matrix:
        if len(self.arms) < len(self.arm_rows):
            raise ValueError("two arms have the same key")
        if len(self.datasets) < len(self.dataset_rows):
            raise ValueError("two data sets have the same name")
        for arm in self.arm_rows:
            if arm.dataset not in self.datasets:
                raise ValueError(f"arm {arm.label!r} is on the unknown dataset {arm.dataset!r}")
            if arm.twin and arm.twin not in self.arms:
                raise ValueError(f"the twin {arm.twin!r} of arm {arm.label!r} is not among the arms")
            if (arm.role == "cost-twin") != bool(arm.cost_of) or (arm.cost_of and arm.cost_of not in self.arms):
                raise ValueError(f"arm {arm.label!r} is the cost twin of no arm here: {arm.cost_of!r}")
        if self.tuning == "grid" and self.tuned_over is None:
            raise ValueError("field 'grid' is missing")
        if undeclared := sorted({look.seeds for look in self.looks} - set(self.analysis.looks)):
            raise ValueError(f"a look at {undeclared[0]} seeds is recorded, which analysis.looks does not declare")
        if self.grid is not None and set(self.grid.seeds) & set(self.seeds):
            raise ValueError("grid.tuning_seeds holds a seed that is reported as well")
        return self


def same_data(matrix: Matrix) -> list[list[str]]:
    """The names of data sets, those of one fingerprint together: one data set under several settings."""
    groups: dict[str, list[str]] = {}
    for name, dataset in matrix.datasets.items():
        groups.setdefault(dataset.fingerprint or name, []).append(name)
    return list(groups.values())


def read_table(file: Path) -> dict[str, Any]:
    """The table in a ``matrix.toml``; one without a checksum, of an older version, is taken as it is."""
    try:
        return open_toml(file.read_bytes())[0]
    except FileNotFoundError as error:
        raise ResultsError(f"{file.parent} is no results folder: it holds no matrix.toml") from error
    except OSError as error:
        raise ResultsError(f"{file}: cannot be read ({reason(error)})") from error
    except ResultsError as error:
        raise ResultsError(f"{file}: {error}; put a sound copy back") from error


def read_matrix(file: Path) -> Matrix:
    try:
        return read_as(Matrix, read_table(file))
    except ResultsError as error:
        raise ResultsError(str(error) if str(file.parent) in str(error) else f"{file}: {error}") from None


def flat(value: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Dotted names and values, as text; tables in a list go by their name."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from flat(item, f"{at}.{key}" if at else str(key))
    elif isinstance(value, list) and value and all(isinstance(item, Mapping) and "name" in item for item in value):
        for item in value:
            yield from flat({key: part for key, part in item.items() if key != "name"}, f"{at}.{item['name']}")
    else:
        yield at, value if isinstance(value, str) else json.dumps(value, default=str)


def unlike(a: Any, b: Any) -> Iterator[tuple[str, str | None, str | None]]:
    """Each key whose values differ, with both; None where a side lacks it."""
    ours, theirs = dict(flat(a)), dict(flat(b))
    for key in dict.fromkeys([*ours, *theirs]):
        if ours.get(key) != theirs.get(key):
            yield key, ours.get(key), theirs.get(key)
