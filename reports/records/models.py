"""The fields and types of every kind of record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Cost = Annotated[float, Field(ge=0)]
Id = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$")]
Pair = Annotated[list[Count], Field(min_length=2, max_length=2)]
Pace = Annotated[list[float], Field(min_length=6, max_length=6)]

_LATER = {"probe"}
"""Phases that older versions did not have."""


class Part(BaseModel):
    """A table; numbers are finite, and no type stands for another."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Account(Part):
    flops: Cost
    seconds: Cost
    samples: Count


def _phases(ledger: dict[str, Account]) -> dict[str, Account]:
    if not set(PHASES) - _LATER <= set(ledger) <= set(PHASES):
        raise ValueError(f"its phases must be {', '.join(PHASES)}, and are {', '.join(ledger)}")
    return ledger


Ledger = Annotated[dict[str, Account], AfterValidator(_phases)]


class Environment(Part):
    """Where it was measured; later versions may say more."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)
    selbench: str
    python: str
    torch: str
    torchvision: str
    platform: str
    cpu: str
    cores: int | None
    device: str
    threads: Annotated[int, Field(ge=1)]
    precision: str
    machine: str
    started: Time
    finished: Time


class Point(Part):
    passes: Cost = Field(alias="pass")
    progress: Share
    train_loss: float | None
    val_accuracy: Share | None
    ratio: Cost
    lr: Cost
    seconds: Cost
    total_flops: Cost


class Unit(Part):
    forward: Cost
    train: Cost


class Result(Part):
    test_accuracy: Share
    test_accuracy_recalibrated: Share
    test_n: Annotated[int, Field(ge=1)]
    correct: str
    train_loss: float | None
    val_accuracy: Share | None
    weights_digest: Digest | None = None


class Checkpoints(Part):
    written: Count
    seconds: Cost
    bytes: Count
    resumed: list[Share]
    unused: str = ""


class Probe(Part):
    stride: Annotated[int, Field(ge=1)]
    counts: str


class Selection(Part):
    steps: Count
    trained_samples: Count
    candidate_samples: Count
    mean_ratio: Cost
    k: list[Pair]
    pace: list[Pace] | None = None
    class_counts: list[Count]
    unique: Share
    max_repeats: Count
    probe: Probe | None = None
    mean_picked_loss: float | None
    diagnostics: dict[str, float | None]
    uncounted: list[str] = []
    spoiled: dict[str, dict[str, Share]] = {}
    schedule: dict[str, Any] = {}


class Tail(Part):
    """One selection beside random ones; ``lacking`` says why it has no exponent."""

    size: Count
    effective: Cost
    exponent: float | None = None
    level: float | None = None
    random_exponents: list[float] = []
    random_levels: list[float] = []
    lacking: str = ""


class Spectrum(Part):
    reference: str
    features: Count
    components: Count
    first: Count
    last: Count
    pool: float | None
    hard: Tail
    soft: Tail | None


class Residuals(Part):
    reference: str
    images: Count
    directions: Count
    points: list[Annotated[list[Share | Cost | list[Cost] | None], Field(min_length=3, max_length=3)]]


class Distance(Part):
    reference: str
    samples: Count
    draws: Count
    size: Cost
    quantile: Share
    minimum: Cost
    low: Cost
    random_minimum: Cost
    random_low: Cost


class Measures(Part):
    spectrum: Spectrum | None = None
    residuals: Residuals | None = None
    distance: Distance | None = None


class Sealed(Part):
    version: int
    id: Id
    checksum: Digest


class Cell(Sealed):
    arm: Id
    arm_label: str
    seed: Count
    dataset: str
    reference: str
    identity: dict[str, Any]
    curve: Annotated[list[Point], Field(min_length=1)]
    unit: Unit
    scores_learner: bool
    artefacts: list[Id]
    result: Result
    selection: Selection
    ledger: Ledger
    memory_bytes: Count | None
    faults: Count
    checkpoints: Checkpoints | None = None
    measures: Measures | None = None
    environment: Environment


class Steps(Part):
    pace: list[Pace]


class Tuning(Sealed):
    arm: Id
    arm_label: str
    role: str
    rung: Annotated[float, Field(gt=0, le=1)]
    dataset: str
    reference: str
    seed: Count
    factor: Annotated[float, Field(gt=0)]
    lr: Annotated[float, Field(gt=0)]
    val_accuracy: Share | None
    train_loss: float | None
    mean_ratio: Cost
    selection: Steps
    ledger: Ledger
    artefacts: list[Id]
    checkpoints: Checkpoints | None = None
    environment: Environment


class Timing(Sealed):
    kind: str
    of: Id
    arm_label: str
    seed: Count | None
    block: Count
    position: Count
    dataset: str
    reference: str
    seconds: Cost
    ledger: Ledger
    environment: Environment


class Artefact(Part):
    version: int
    id: Id
    kind: str
    name: str
    dataset: str
    seed: Count | None
    ledger: Ledger
    external: str
    quality: dict[str, float | None]
    needs: list[Id]
    environment: Environment
    checkpoints: Checkpoints | None = None
    tensors: Digest | None = None
    checksum: Digest | None = None


class Failed(Part):
    version: int
    id: Id
    arm: str
    arm_label: str
    seed: Count | None
    dataset: str
    reference: str
    error: str
    law: str | None
    traceback: str
    origin: str
    when: Time
    checksum: Digest | None = None


class ArmRow(Part):
    """An arm of ``matrix.toml``, as far as records are held against it."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)
    key: Id
    label: str
    role: str
    dataset: str
    reference: str
    text: str
    rung: float
    pool: str
    replay: str
    twin: str


class DatasetRow(Part):
    """A data set of ``matrix.toml``, as far as records are held against it."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)
    name: str
    resolution: int
    augmentation: str
    classes: list[str]
    pool: int
    test: int
    fingerprint: str


class Matrix(Part):
    """``matrix.toml``, as far as records are held against it."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)
    version: int
    name: str
    identity: Id
    seeds: list[Count]
    datasets: list[DatasetRow]
    arms: list[ArmRow]
    learner: dict[str, Any]
    budget: dict[str, Any]


KINDS: Mapping[str, type[Part]] = {
    "cells": Cell,
    "tuning": Tuning,
    "timing": Timing,
    "artefacts": Artefact,
    "failed": Failed,
}
"""What lies in each folder of records."""


def misfits(kind: type[Part], table: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """What does not fit ``kind``, and whether it is only a field that this version does not know."""
    try:
        kind.model_validate(table)
    except ValidationError as error:
        for row in error.errors():
            at = ".".join(map(str, row["loc"]))
            unknown = row["type"] == "extra_forbidden"
            missing = row["type"] == "missing"
            yield (
                f"field {at!r} is unknown to this version"
                if unknown
                else f"field {at!r} is missing"
                if missing
                else f"field {at!r}: {row['msg']}",
                unknown,
            )


PHASES = ("data", "score", "reference", "select", "train", "probe", "eval")
"""``probe`` is what a schedule that learns looks at; ``eval`` is kept apart: off the clock and in no total."""


PROBED = 1024
"""Samples of the pool, at most, whose number of picks is recorded one by one."""
