"""Results folders whose truth is known, in memory: records of the real models, drawn anew for each sample.

Each data set of such a folder is a :class:`World`. An accuracy is its arm's truth, what the seed does to all arms of
the data set, and the run's own noise. It is set as it is drawn, and every test image counts as right, so that test
images add no error unless their bits are given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...reports.effects.contrasts import Contrast, contrasts, verdicts
from ...reports.effects.estimand import Estimand
from ...reports.effects.pairing import Pairs
from ...reports.effects.verdicts import Verdict
from ...reports.records.fields import LEDGER_PHASES, read_as
from ...reports.records.folder import Arm, Cell, Results, Timing
from ...reports.records.matrix import Matrix
from .populations import Array

RUN, SEED_EFFECT = 0.35, 0.4  # SD in points: of a run by itself, and of what a seed does to all runs
RUNGS = (0.125, 0.25, 0.5, 1.0)
DRIFT = 0.05  # of the machine from block to block, which a pair of runs shares
_UNIT = 1e12  # FLOPs of full training
_ENVIRONMENT = {
    **dict.fromkeys(("selbench", "python", "torch", "torchvision", "platform", "cpu", "precision", "machine"), "0"),
    **{"device": "cpu", "cores": 1, "threads": 1},
    **dict.fromkeys(("started", "finished"), "2026-01-01T00:00:00+00:00"),
}


@dataclass(frozen=True)
class Line:
    """An arm and the truth about it."""

    label: str
    role: str
    cost: float  # in shares of full training's
    points: float
    cost_of: int | None = None  # of a cost twin: the position of the arm that it is the twin of
    slowness: float = 1.0  # seconds for each unit of cost

    @property
    def rung(self) -> float:
        return self.cost if self.role == "full" else 1.0


@dataclass(frozen=True)
class World:
    name: str
    lines: tuple[Line, ...]
    margin: float
    primary: tuple[str, ...]
    data: str = ""  # worlds of one name here share a family
    collapse: float = 0.3  # accuracy below which a run has collapsed


class Folder:
    def __init__(self, worlds: Sequence[World], seeds: int, *, blocks: int = 0, cost: str = "total_flops") -> None:
        self.worlds, self.seeds, self.blocks = worlds, seeds, blocks
        self.lines: list[Line] = []
        for world in worlds:
            first = len(self.lines)
            self.lines += [
                line if line.cost_of is None else replace(line, cost_of=first + line.cost_of) for line in world.lines
            ]
        self._world = np.repeat(np.arange(len(worlds)), [len(world.lines) for world in worlds])
        self._points = np.array([line.points for line in self.lines])
        self.matrix = Matrix.model_validate(self._matrix(cost))
        arms = list(self.matrix.arms)
        self._cells = [
            [read_as(Cell, _cell(number * seeds + seed, key, seed, line, self._name(number))) for seed in range(seeds)]
            for number, (key, line) in enumerate(zip(arms, self.lines, strict=True))
        ]
        paid = {line.cost_of for line in self.lines}
        self._timed = [i for i, line in enumerate(self.lines) if blocks and (i in paid or line.cost_of is not None)]
        self._timings = [
            [
                read_as(Timing, _timing(i * blocks + block, arms[i], block, self.lines[i], self._name(i)))
                for block in range(blocks)
            ]
            for i in self._timed
        ]
        self._seconds = np.array([self.lines[i].cost * self.lines[i].slowness for i in self._timed])

    def truth(self, arm: Arm) -> float:
        return self.lines[int(arm.key, 16)].points

    def points(self, rng: np.random.Generator) -> Array:
        """Accuracies in percent ``[arms, seeds]``."""
        shared = rng.normal(0.0, SEED_EFFECT, (len(self.worlds), self.seeds))
        noise = rng.normal(0.0, RUN, (len(self.lines), self.seeds))
        return np.asarray(self._points[:, None] + shared[self._world] + noise)

    def seconds(self, rng: np.random.Generator, variation: float) -> Array:
        """Of the rules and their cost twins in the timing pass ``[arms, blocks]``, of this coefficient of variation."""
        drift = 1 + DRIFT * rng.standard_normal(self.blocks)
        return np.asarray(
            self._seconds[:, None] * drift * (1 + variation * rng.standard_normal((self._seconds.size, self.blocks)))
        )

    def results(
        self,
        points: Array,
        seconds: Array | None = None,
        bits: NDArray[np.bool_] | None = None,
        diverged: NDArray[np.bool_] | None = None,
    ) -> Results:
        """The folder with these accuracies, seconds, correctness bits ``[arms, seeds, images]`` and losses of NaN."""

        def of_run(arm: int, seed: int, accuracy: float) -> dict[str, Any]:
            loss = {"train_loss": None} if diverged is not None and diverged[arm, seed] else {}
            return {"accuracy": accuracy, **({} if bits is None else {"correct": bits[arm, seed]}), **loss}

        cells = tuple(
            cell.model_copy(update=of_run(arm, seed, share))
            for arm, row in enumerate((points / 100).tolist())
            for seed, (cell, share) in enumerate(zip(self._cells[arm], row, strict=True))
        )
        timings = tuple(
            timing.model_copy(update={"seconds": value})
            for row, values in zip(self._timings, () if seconds is None else seconds.tolist(), strict=True)
            for timing, value in zip(row, values, strict=True)
        )
        return Results(Path(), self.matrix, cells, timings=timings)

    def _name(self, line: int) -> str:
        return str(self._world[line])

    def _matrix(self, cost: str) -> Mapping[str, Any]:
        key, seeds = "{:016x}".format, list(range(self.seeds))
        arms = [
            {
                **dict.fromkeys(("reference", "replay", "twin", "signal", "schedule", "settings"), ""),
                **{"key": key(number), "label": line.label, "role": line.role, "dataset": self._name(number)},
                **dict.fromkeys(("strategy", "text", "name"), "full" if line.role != "strategy" else line.label),
                **{"origin": "", "cadence": "batch", "rung": line.rung, "pool": "pool"},
                "cost_of": "" if line.cost_of is None else key(line.cost_of),
            }
            for number, line in enumerate(self.lines)
        ]
        sizes = {"resolution": 16, "pool": 1000, "holdout": 0, "val": 100, "test": 2}
        return {
            **{"version": 1, "name": "made", "title": "made", "identity": key(0), "seeds": seeds, "tuning": "none"},
            **{"learner": {"name": "made", "text": "made"}, "budget": {"passes": 1, "batch": 100}},
            "analysis": {
                **{"alpha": 0.05, "amortise_over": 20, "primary": sorted({p for w in self.worlds for p in w.primary})},
                "pays": {"account": "marginal", "cost": cost, "ladder": "full"},
            },
            "requested": {"strategies": sorted({a["label"] for a in arms if a["role"] == "strategy"}), "seeds": seeds},
            "timing": {"seeds": self.blocks},
            "datasets": [
                {
                    **dict.fromkeys(("spec", "title"), world.name),
                    **dict.fromkeys(("note", "augmentation"), ""),
                    **{"name": str(i), "classes": list("0123456789"), "margin": world.margin, **sizes},
                    **{"fingerprint": world.data or str(i), "collapse": world.collapse},
                }
                for i, world in enumerate(self.worlds)
            ],
            "arms": arms,
        }


def judged(results: Results) -> Iterator[tuple[Contrast, Verdict]]:
    """Contrasts on the declared questions with their verdicts, as a report has them.

    Of the readings off a ladder the one of FLOPs in the declared account suffices, and none where seconds are asked.
    """
    off_ladder = ("full", results.matrix.pays.account, "total_flops")
    flops = results.matrix.pays.cost == "total_flops"

    def wanted(question: str, asked: Estimand) -> bool:
        declared = f"{asked.arm.label}:{question}" in results.matrix.primary
        return declared and (not asked.ladder or (flops and (asked.ladder, asked.account, asked.cost) == off_ladder))

    rows = contrasts(Pairs(results), wanted)
    return zip(rows, verdicts(results, rows), strict=True)


def _ledger(line: Line) -> dict[str, Any]:
    ledger = {name: {"flops": 0.0, "seconds": 0.0, "samples": 0} for name in LEDGER_PHASES if name != "probe"}
    return {**ledger, "train": {"flops": line.cost * _UNIT, "seconds": line.cost, "samples": 1000}}


def _sealed(number: int, line: Line, dataset: str) -> dict[str, Any]:
    known = {"version": 1, "id": f"{number:016x}", "checksum": "0" * 32, "arm_label": line.label}
    return known | {"dataset": dataset, "reference": "", "ledger": _ledger(line), "environment": _ENVIRONMENT}


def _cell(number: int, arm: str, seed: int, line: Line, dataset: str) -> dict[str, Any]:
    point = {"pass": 1.0, "progress": 1.0, "train_loss": 0.1, "val_accuracy": 0.5, "ratio": 1.0, "lr": 0.0}
    return {
        **_sealed(number, line, dataset),
        **{"arm": arm, "seed": seed, "identity": {}, "curve": [{**point, "seconds": 1.0, "total_flops": 1.0}]},
        **{"unit": {"forward": 1.0, "train": 3.0}, "scores_learner": False, "artefacts": [], "memory_bytes": None},
        "result": {
            **dict.fromkeys(("test_accuracy", "test_accuracy_recalibrated"), 1.0),
            **{"test_n": 2, "correct": "wA==", "train_loss": 0.1, "val_accuracy": 0.5},
        },
        "selection": {
            **{"steps": 10, "trained_samples": 1000, "candidate_samples": 1000, "mean_ratio": 1.0, "k": [[100, 10]]},
            **{"class_counts": [100] * 10, "unique": 1.0, "max_repeats": 1, "mean_picked_loss": None},
            "diagnostics": {},
        },
        "faults": 0,
    }


def _timing(number: int, arm: str, block: int, line: Line, dataset: str) -> dict[str, Any]:
    timed = {"kind": "cell", "of": arm, "seed": block, "block": block, "position": 0, "seconds": 1.0}
    return {**_sealed(number, line, dataset), **timed}
