"""What lies in a results folder, as plain dataclasses: the matrix, its arms, and one class for each kind of record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .measured import Measures

PHASES = ("data", "score", "reference", "select", "train", "probe")
"""The phases that count; ``eval`` is on the ledger but in no total."""

Role = Literal["strategy", "rung", "full", "uniform", "twin", "full-all"]
LadderName = Literal["full", "uniform"]
TimedKind = Literal["cell", "features", "reference", "proxy", "picks"]
TIMED_KINDS: tuple[TimedKind, ...] = ("cell", "features", "reference", "proxy", "picks")
LADDERS: tuple[LadderName, ...] = ("full", "uniform")
ACCOUNTS = ("marginal", "amortised", "standalone")
COSTS = ("learner_flops", "total_flops", "wall_clock")
ROLES = ("strategy", "rung", "full", "uniform", "twin", "full-all")
TUNINGS = ("none", "grid")
INTERVALS = ("t", "sign-flip")
LR_SOURCES = ("declared", "val", "full")

TIMED = "timing pass"
ORDINARY = "ordinary cells"
"""Where seconds are from. Only those of a timing pass carry verdicts; those of ordinary cells are indications."""


class ResultsError(ValueError):
    """The folder, or one of its files, cannot be read: one line with the file and the reason."""


@dataclass(frozen=True)
class Dataset:
    """A data set of the matrix: ``margin`` in points, ``collapse`` an accuracy in [0, 1], the rest as shown.

    ``budget`` and ``learner`` are the data set's own where there are unlike ones; empty where the matrix's hold.
    ``fingerprint`` is of its images and labels: two of one fingerprint are one data set under two settings.
    """

    name: str
    spec: str
    title: str
    note: str
    resolution: int
    classes: tuple[str, ...]
    pool: int
    holdout: int
    val: int
    test: int
    margin: float
    collapse: float
    budget: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str = ""
    learner: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Arm:
    """One row of the comparison: everything but the seed. ``rung`` is its share of the budget, in (0, 1].

    A role ``rung`` is a strategy on a smaller budget, on the way up to the ``strategy`` itself. ``lr`` is the
    learning rate it ran at (None where an old folder does not say), ``lr_factor`` times that of its ``base`` arm
    (itself where untuned), chosen by ``lr_from``: ``declared``, on ``val``, or as ``full``'s was.
    """

    key: str
    label: str
    role: Role
    dataset: str
    reference: str
    strategy: str
    name: str
    origin: str
    cadence: str
    signal: str
    schedule: str
    rung: float
    twin: str
    settings: str
    lr: float | None = None
    lr_factor: float = 1.0
    base: str = ""
    lr_from: str = "declared"


@dataclass(frozen=True)
class Pays:
    """Which of the many contrasts at equal cost is the primary one."""

    account: str = "amortised"
    cost: str = "total_flops"
    ladder: str = "full"


@dataclass(frozen=True)
class Grid:
    """The learning rates that each arm was tuned over, as factors of its base, and the seeds it was tuned with."""

    factors: tuple[float, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Request:
    """One matrix as it was asked for.

    ``source`` is what was named to ``selbench run``, and ``overrides`` the settings changed by ``--set``;
    ``timing_seeds`` is how many seeds a timing pass was asked for, 0 without one. What the matrix declares is what
    was asked for where an older version did not write it down.
    """

    name: str
    source: str
    overrides: tuple[str, ...]
    datasets: tuple[str, ...]
    declared_strategies: tuple[str, ...]
    declared_seeds: tuple[int, ...]
    strategies: tuple[str, ...]
    seeds: tuple[int, ...]
    timing_seeds: int


@dataclass(frozen=True)
class Matrix:
    """The matrix as run, resolved. ``learner`` and ``budget`` are shown, not interpreted.

    ``requests`` has one entry, or one for each matrix that a merged folder was made of; what is ``requested`` is all
    of it together. ``grid`` is None untuned. ``studies`` are the questions it asks, each with ``analysis``,
    ``question`` and ``options``; what options mean is for the analysis to say.
    """

    name: str
    title: str
    identity: str
    seeds: tuple[int, ...]
    tuning: str
    grid: Grid | None
    learner: Mapping[str, Any]
    budget: Mapping[str, Any]
    alpha: float
    amortise_over: float
    interval: str
    primary: tuple[str, ...]
    pays: Pays
    requests: tuple[Request, ...]
    requested_strategies: tuple[str, ...]
    requested_seeds: tuple[int, ...]
    timing_seeds: int
    datasets: Mapping[str, Dataset]
    arms: Mapping[str, Arm]
    studies: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Phase:
    """One line of a ledger: floating-point operations, seconds, and samples worked on."""

    flops: float
    seconds: float
    samples: float


@dataclass(frozen=True)
class Point:
    """One point of a training curve; ``seconds`` and ``total_flops`` are cumulative, evaluation off the clock."""

    passes: float
    progress: float
    train_loss: float | None
    val_accuracy: float | None
    ratio: float
    lr: float
    seconds: float
    total_flops: float


@dataclass(frozen=True)
class Picks:
    """What was picked: counts, realised keep ratio, class balance, repeats.

    ``uncounted`` names operators of the strategy that went into the ledger as zero, for want of a formula.
    ``probe`` says how often each of the pool's ids 0, s, 2s, ... was picked, s being ``probe_stride``; None (and 0)
    in records that do not tell.
    ``spoiled`` gives of each thing that is wrong with the pool on purpose (``wrong`` labels, ``copies``) its shares
    in the pool and among the samples trained on.
    """

    steps: int
    trained_samples: int
    candidate_samples: int
    mean_ratio: float
    k: tuple[tuple[int, int], ...]
    class_counts: tuple[int, ...]
    unique: float | None
    max_repeats: int | None
    mean_picked_loss: float | None
    diagnostics: Mapping[str, float | None]
    uncounted: tuple[str, ...] = ()
    probe: NDArray[np.uint16] | None = field(default=None, compare=False)
    probe_stride: int = 0
    spoiled: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Cell:
    """One finished run. ``accuracy`` and ``accuracy_recalibrated`` in [0, 1]; ``correct`` is bool ``[test_n]``."""

    id: str
    arm: str
    seed: int
    arm_label: str
    dataset: str
    reference: str
    identity: Mapping[str, Any]
    environment: Mapping[str, Any]
    curve: tuple[Point, ...]
    ledger: Mapping[str, Phase]
    forward_flops: float
    train_flops: float
    scores_learner: bool
    memory_bytes: int | None
    artefacts: tuple[str, ...]
    accuracy: float
    accuracy_recalibrated: float | None
    correct: NDArray[np.bool_]
    train_loss: float | None
    val_accuracy: float | None
    picks: Picks
    measures: Measures | None = None


@dataclass(frozen=True)
class Artefact:
    """What cells needed from another computation, and what that cost."""

    id: str
    kind: str
    name: str
    dataset: str
    seed: int | None
    ledger: Mapping[str, Phase]
    external: str
    quality: Mapping[str, float]
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Timing:
    """One run of the timing pass: a cell (``of`` an arm) or an artefact (``of`` its id), made again on the clock.

    ``seconds`` is the whole run, the loop's own overhead with it and evaluation without; ``block`` is the seed in
    whose block it was run, as number ``position`` of a random order.
    """

    id: str
    kind: TimedKind
    of: str
    arm_label: str
    seed: int | None
    block: int
    position: int
    dataset: str
    reference: str
    seconds: float
    ledger: Mapping[str, Phase]
    environment: Mapping[str, Any]


@dataclass(frozen=True)
class Tuning:
    """One tuning run: an arm's ``base`` at ``factor`` times its learning rate, judged on ``val`` alone.

    ``val_accuracy`` in [0, 1]; None where the run diverged, which counts as the lowest.
    """

    id: str
    base: str
    seed: int
    factor: float
    lr: float
    val_accuracy: float | None
    mean_ratio: float | None
    ledger: Mapping[str, Phase]
    artefacts: tuple[str, ...]
    environment: Mapping[str, Any]


@dataclass(frozen=True)
class Failure:
    """A cell, or an artefact (``arm`` is then empty), that failed, with its reason."""

    id: str
    arm: str
    label: str
    seed: int | None
    dataset: str
    reference: str
    error: str
    law: str | None
    traceback: str
    origin: str


@dataclass(frozen=True)
class Unreadable:
    """A record that is there but cannot be used: ``file`` relative to the results folder."""

    file: str
    reason: str
