"""The records of a results folder: what the harness writes, the report reads, and ``selbench verify`` checks.

These models define the on-disk format. A field's name on disk is its alias where it has one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cached_property, partial
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from .fields import (
    AsTuple,
    Cost,
    Count,
    Counts,
    Digest,
    Environment,
    Id,
    Ids,
    Ledger,
    Names,
    Part,
    Positive,
    Role,
    Share,
    Time,
    unpacked,
)
from .measured import Measures

PROBED = 1024  # samples of the pool, at most, whose number of picks is recorded one by one
Pace = Annotated[tuple[Annotated[tuple[Count, Count, Count, Share, float, Count], AsTuple], ...], AsTuple]
"""Runs of equal steps, each: candidates, picks, steps, first progress, progress a step, first epoch."""

close = partial(math.isclose, rel_tol=1e-9, abs_tol=1e-9)  # up to the rounding of sums


class Point(Part):
    """One point of a training curve; ``seconds`` and ``total_flops`` are cumulative, evaluation off the clock."""

    passes: Cost = Field(alias="pass")
    progress: Share
    train_loss: float | None
    val_accuracy: Share | None
    ratio: Cost
    lr: Cost
    seconds: Cost
    total_flops: Cost


class Unit(Part):
    forward: Cost  # FLOPs of one sample
    train: Cost  # forward and backward


class Result(Part):
    """How a run ended. Accuracies are in [0, 1], and None where training diverged or nothing was held out."""

    test_accuracy: Share
    test_accuracy_recalibrated: Share
    test_n: Positive
    packed: str = Field(alias="correct")
    train_loss: float | None
    val_accuracy: Share | None
    weights_digest: Digest | None = None

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each test image was classified correctly, ``[test_n]``."""
        packed, n = np.frombuffer(unpacked(self.packed, "its correctness bits"), dtype=np.uint8), self.test_n
        if len(packed) != (n + 7) // 8:
            raise ValueError(f"its correctness bits do not hold {n} test images")
        bits = np.unpackbits(packed).astype(np.bool_)
        right = int(np.count_nonzero(bits))
        if bits[n:].any() or not close(self.test_accuracy * n, right):
            raise ValueError(f"its test accuracy {self.test_accuracy:g} is not that of its {right} correctness bits")
        bits = bits[:n]
        bits.flags.writeable = False
        return bits

    @model_validator(mode="after")
    def _holds_together(self) -> Result:
        _ = self.correct
        again = self.test_accuracy_recalibrated * self.test_n
        if not close(again, round(again)):
            raise ValueError(f"its recalibrated accuracy is no share of {self.test_n} test images")
        return self


class Checkpoints(Part):
    written: Count
    seconds: Cost
    bytes: Count
    resumed: Annotated[tuple[Share, ...], AsTuple]  # at these shares of the run
    unused: str = ""


class Probe(Part):
    """How often each of the pool's ids 0, s, 2s, ... was picked, s being ``stride``."""

    stride: Positive
    packed: str = Field(alias="counts")

    @cached_property
    def counts(self) -> NDArray[np.uint16]:
        """``[images]``, clipped at 65535."""
        packed = unpacked(self.packed, "its pick counts by image")
        if len(packed) % 2 or not 0 < len(packed) <= 2 * PROBED:
            raise ValueError(f"its pick counts by image are {len(packed)} bytes, not those of 1 to {PROBED} images")
        return np.frombuffer(packed, dtype="<u2").astype(np.uint16)

    @model_validator(mode="after")
    def _can_be_read(self) -> Probe:
        _ = self.counts
        return self


class Shares(Part):
    pool: Share
    trained: Share


class Picks(Part):
    """What was picked: counts, realised keep ratio, class balance, repeats.

    ``k`` has runs of (picks, steps); ``uncounted`` names operators of the strategy without a FLOP formula, whose
    cost is on the ledger as zero; ``understated`` is the FLOPs that the strategy declares for a call, and those counted
    in it, where it declares too few and the ledger has the count; ``schedule`` is what a learning schedule reports.
    """

    steps: Count
    trained_samples: Count
    candidate_samples: Count
    mean_ratio: Cost
    k: Annotated[tuple[Annotated[tuple[Count, Count], AsTuple], ...], AsTuple]
    pace: Pace | None = None
    class_counts: Counts
    unique: Share
    max_repeats: Count
    probed: Probe | None = Field(None, alias="probe")
    mean_picked_loss: float | None
    diagnostics: dict[str, float | None]
    uncounted: Names = ()
    understated: Annotated[tuple[float, Cost], AsTuple] | None = None
    marked: dict[str, Shares] = Field({}, alias="spoiled")
    schedule: dict[str, Any] = Field({})

    @cached_property
    def probe(self) -> NDArray[np.uint16] | None:
        """Pick counts of some of the pool's ids; None in records of older versions."""
        return None if self.probed is None else self.probed.counts

    @cached_property
    def probe_stride(self) -> int:
        return 0 if self.probed is None else self.probed.stride

    @cached_property
    def spoiled(self) -> Mapping[str, tuple[float, float]]:
        """Of each corruption (``wrong`` labels, ``copies``) its shares in the pool and among the samples trained on."""
        return {name: (shares.pool, shares.trained) for name, shares in self.marked.items()}


class Unsealed(Part):
    """What every record has; older versions wrote descriptions and failures without a checksum."""

    version: int
    id: Id
    checksum: Digest | None = None


class Sealed(Unsealed):
    checksum: Digest


class Cell(Sealed):
    """One finished run: an arm with one seed. Accuracies are in [0, 1]."""

    arm: Id
    arm_label: str
    seed: Count
    dataset: str
    reference: str
    identity: dict[str, Any]
    curve: Annotated[tuple[Point, ...], Field(strict=False, min_length=1)]
    unit: Unit
    scores_learner: bool
    pool_scored: Count = 0
    """Images of the pool that the learner was run over for fresh scores, at cadence ``epoch``."""
    artefacts: Ids
    result: Result
    picks: Picks = Field(alias="selection")
    ledger: Ledger
    memory_bytes: Count | None
    faults: Count
    code: dict[str, str] = Field({})
    """Digests of the code that it rests on, by what that is of, such as ``strategy gstds``; empty in older records."""
    checkpoints: Checkpoints | None = None
    measures: Measures | None = None
    same_as: Id | None = None
    """The cell whose training this is too: the cost twin, with as many steps, of another rule that cost the same."""
    environment: Environment

    __eq__, __hash__ = object.__eq__, object.__hash__

    @cached_property
    def accuracy(self) -> float:
        """On the test split, from the correctness bits."""
        return float(self.correct.mean())

    @cached_property
    def accuracy_recalibrated(self) -> float:
        """With the running statistics of batch normalisation taken anew."""
        return self.result.test_accuracy_recalibrated

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        return self.result.correct

    @cached_property
    def train_loss(self) -> float | None:
        return self.result.train_loss

    @cached_property
    def val_accuracy(self) -> float | None:
        return self.result.val_accuracy


class Steps(Part):
    pace: Pace


class Tuning(Sealed):
    """One tuning run: an arm's ``base`` at ``factor`` times its learning rate, judged on ``val`` alone.

    ``val_accuracy`` is None where the run diverged, which counts as the lowest.
    """

    base: Id = Field(alias="arm")
    arm_label: str
    role: Role
    rung: Annotated[float, Field(gt=0, le=1)]
    dataset: str
    reference: str
    seed: Count
    factor: Annotated[float, Field(gt=0)]
    lr: Annotated[float, Field(gt=0)]
    val_accuracy: Share | None
    train_loss: float | None
    mean_ratio: Cost
    steps: Steps = Field(alias="selection")
    ledger: Ledger
    artefacts: Ids
    code: dict[str, str] = Field({})
    checkpoints: Checkpoints | None = None
    environment: Environment


class Timing(Sealed):
    """One run of the timing pass: a cell (``of`` an arm) or an artefact (``of`` its id), made again on the clock.

    ``seconds`` is the whole run, the loop's own overhead with it and evaluation without; ``block`` is the seed in
    whose block it was run, as number ``position`` of a random order.
    """

    kind: Literal["cell", "features", "reference", "proxy", "picks"]
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


class Artefact(Unsealed):
    """What cells needed from another computation, and what that cost."""

    kind: str
    name: str
    dataset: str
    seed: Count | None
    ledger: Ledger
    external: str
    quality: dict[str, float | None]
    needs: Ids
    environment: Environment
    code: dict[str, str] = Field({})
    checkpoints: Checkpoints | None = None
    tensors: Digest | None = None


class Failure(Unsealed):
    """A cell, or an artefact (``arm`` is then empty), that failed, with its reason."""

    arm: str
    label: str = Field(alias="arm_label")
    seed: Count | None
    dataset: str
    reference: str
    error: str
    law: str | None
    traceback: str
    origin: str
    when: Time


KINDS: Mapping[str, type[Unsealed]] = {
    "cells": Cell,
    "tuning": Tuning,
    "timing": Timing,
    "artefacts": Artefact,
    "failed": Failure,
}
"""What lies in each folder of records."""


def code_versions(runs: Iterable[Cell | Tuning | Artefact]) -> dict[str, set[str]]:
    """Digests of the code that runs rest on, by what it is of."""
    found: dict[str, set[str]] = {}
    for run in runs:
        for part, version in run.code.items():
            found.setdefault(part, set()).add(version)
    return found


def closure(ids: Iterable[str], artefacts: Mapping[str, Artefact]) -> frozenset[str] | None:
    """Artefacts that ``ids`` rest on, themselves included; None where one of them has no readable record."""
    seen: set[str] = set()
    waiting = list(ids)
    while waiting:
        id = waiting.pop()
        if id in seen:
            continue
        if id not in artefacts:
            return None
        seen.add(id)
        waiting.extend(artefacts[id].needs)
    return frozenset(seen)
