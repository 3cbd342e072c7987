"""The timing pass: the only source of wall-clock verdicts.

Cells of a grid run side by side, so their seconds are indications. Here every arm of a few seeds is run again,
one at a time in this process, arms interleaved and in random order within each seed's block, with nothing
evaluated; and so is every artefact that they use.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ...reports.records.fields import record_of
from ...reports.records.models import Timing
from .. import environment as here
from ..identity import digest
from ..plan.tasks import Plan, Task, has_result
from ..steps.pacer import Recorded
from ..store.folder import VERSION, Store
from ..streams import permutation
from ..tasks import artefacts
from ..tasks.cell import prepare
from ..tasks.worker import Context, Worker
from ..training.ledger import Ledger
from .executors.outcome import Outcome, outcome_of

WARM_STEPS = 2
"""Steps of every (B, k) before the first timed run: a new shape pays for its kernels once."""


Timed = tuple[int, int, Task]
"""A block's seed, a position in its random order, and the task there."""


def timing_id(task: Task, block: int) -> str:
    return digest(["timing", task.id, block])


def missing(store: Store, plan: Plan, seeds: list[int]) -> list[Timed]:
    """The runs to time, block by block, in each block's random order.

    Features have no seed, and are timed in every block. Only finished tasks can be timed.
    """
    rows: list[Timed] = []
    for seed in seeds:
        tasks = [task for task in plan.tasks.values() if task.seed in (seed, None)]
        for position, at in enumerate(permutation(len(tasks), seed, "timing").tolist()):
            task = tasks[at]
            if has_result(store, task.kind, task.id) and not store.has_timing(timing_id(task, seed)):
                rows.append((seed, position, task))
    return rows


def time_all(context: Context, todo: list[Timed], report: Callable[[Task, str, Outcome], None]) -> None:
    """Time each of ``todo``; ``report`` is called as each ends."""
    worker, warm = Worker(context), WarmUp()
    for block, position, task in todo:
        id = timing_id(task, block)
        report(task, id, outcome_of(partial(_time, worker, task, id, block, position, warm)))


def _time(worker: Worker, task: Task, id: str, block: int, position: int, warm: WarmUp) -> None:
    started = here.now()
    ledger, seconds = _cell(worker, task, warm) if task.kind == "cell" else _artefact(worker, task)
    record = {
        **_named(task, id, block, position),
        "seconds": seconds,
        "ledger": ledger.to_json(),
        "environment": worker.environment(started),
    }
    worker.store.write_timing(record_of(Timing, record))


def _named(task: Task, id: str, block: int, position: int) -> dict[str, Any]:
    return {
        "version": VERSION,
        "id": id,
        "kind": task.kind,
        "of": task.arm.key if task.arm else task.id,
        "arm_label": task.arm.label if task.arm else "",
        "seed": task.seed,
        "block": block,
        "position": position,
        "dataset": task.dataset,
        "reference": task.reference,
    }


def _artefact(worker: Worker, task: Task) -> tuple[Ledger, float]:
    """Make an artefact again with an empty cache, and discard it."""
    # Beside the real cache: a system's folder for temporary files may be memory.
    worker.context.cache_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=worker.context.cache_dir) as empty:
        context = replace(worker.context, cache_dir=Path(empty), checkpoint=0.0)
        _, ledger, _ = artefacts.made(Worker(context, worker.datasets), task)
    return ledger, ledger.total("seconds")


def _cell(worker: Worker, task: Task, warm: WarmUp) -> tuple[Ledger, float]:
    """Train a cell with nothing evaluated: its ledger, and all the seconds that passed, the loop's own among them."""
    warm.up(worker, task)
    trainer = prepare(worker, task)
    trainer.clock.settle()
    begin = trainer.ledger.total("seconds")
    begun = time.perf_counter()
    trainer.run()
    if trainer.device.type == "cuda":
        torch.cuda.synchronize()
    return trainer.ledger, begin + time.perf_counter() - begun


class WarmUp:
    """The shapes that this process has run: compiling kernels for a new one must not count as an arm's cost."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, int, int]] = set()

    def up(self, worker: Worker, task: Task) -> None:
        """Run a few steps of each size in the cell's record that has not been seen."""
        record = worker.store.cell(task.id)
        assert record is not None and task.arm is not None
        sizes = sorted({(int(row[0]), int(row[1])) for row in record["selection"]["pace"]})
        new = [size for size in sizes if (task.arm.text, *size) not in self.seen]
        if new:
            trainer = prepare(worker, task, metered=False)
            trainer.pacer = Recorded(len(trainer.samples), [[*size, WARM_STEPS, 0.0, 0.0, 0] for size in new])
            trainer.run()
            self.seen.update((task.arm.text, *size) for size in new)
