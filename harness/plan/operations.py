"""The operations of a shipped matrix, planned on the published sizes of its data sets, whose files are not needed."""

from __future__ import annotations

import os
from collections import Counter
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ..datasets.loaded import DataSetLoader
from ..references.spec import reference
from ..store.folder import Store
from .forecast import Inventory, TimeEstimator, kind_of
from .matrix import read
from .tasks import Planner, Task
from .tuning import with_tuning

ASSUMED_TFLOPS = 100.0
"""What a GPU is assumed to sustain in training, in 10^12 FLOPs a second: no run of this suite on one was measured."""


class Operations(NamedTuple):
    """Of every run of a matrix: cells, tuning runs and those that are timed again."""

    flops: float  # of training and the learner's own scoring; picking, references and evaluation left out
    runs: int
    bounded: int  # of the runs: their steps are known only as they run, and they count as full training

    def gpu_hours(self, tflops: float = ASSUMED_TFLOPS) -> float:
        """Hours of one GPU that sustains ``tflops``."""
        return self.flops / (tflops * 1e12) / 3600


@cache
def operations(name: str) -> Operations:
    """Of the matrix ``name``, as :meth:`TimeEstimator.flops` counts them for ``run --plan``."""
    matrix, nowhere = read(name), Store(Path(os.devnull))
    references = {entry.name: (reference(entry.spec or entry.name, entry.options), "") for entry in matrix.references}
    withholds = any(instance.needs_holdout for instance, _ in references.values())
    loader = DataSetLoader(None, nowhere.root, blank=True)
    loaded = {entry.name: loader.load(entry, trains_reference=withholds) for entry in matrix.datasets}
    plan = with_tuning(Planner(matrix, loaded, references, "bf16"), matrix.tuned(), nowhere)
    count = TimeEstimator(Inventory(plan, nowhere), matrix, loaded).flops
    kinds: dict[tuple[str, ...], Task] = {}
    times: Counter[tuple[str, ...]] = Counter()
    timed = set(matrix.seed_list()[: matrix.timing.seeds])
    for task in plan.tasks.values():
        if task.arm is not None or task.kind == "proxy":
            kinds.setdefault(kind_of(task), task)
            times[kind_of(task)] += 1 + (task.kind != "tuning" and task.seed in timed)
    known = {kind: count(task) for kind, task in kinds.items()}
    most = {arm.dataset: known["cell", arm.key] or 0.0 for arm in plan.arms if arm.role == "full" and arm.rung == 1.0}
    flops = sum(times[kind] * (most[kinds[kind].dataset] if of is None else of) for kind, of in known.items())
    return Operations(flops, times.total(), sum(times[kind] for kind, of in known.items() if of is None))
