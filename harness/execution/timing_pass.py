"""The timing pass: the only source of wall-clock verdicts.

Cells of a grid run side by side, so their seconds are indications. Here every arm of a few seeds is run again,
one at a time in this process, arms interleaved and in random order within each seed's block, with nothing
evaluated; and so is every artefact that they use.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

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
from .executors.queue import Outcome, outcome_of

WARM_STEPS = 2
"""Steps of every (B, k) before the first timed run: a new shape pays for its kernels once."""

Timed = tuple[int, int, Task]
"""A block's seed, a position in its random order, and the task there."""
Shape = tuple[str, int, int]
"""A strategy and its (B, k) that this process has run: compiling kernels must not count as an arm's cost."""


def timing_id(task: Task, block: int) -> str:
    return digest(["timing", task.id, block])


def missing(store: Store, plan: Plan, seeds: list[int]) -> list[Timed]:
    """The finished tasks to time, in each block's random order; features have no seed: they are in every block."""
    rows: list[Timed] = []
    for seed in seeds:
        tasks = [task for task in plan.tasks.values() if task.seed in (seed, None)]
        for position, at in enumerate(permutation(len(tasks), seed, "timing").tolist()):
            task = tasks[at]
            if has_result(store, task.kind, task.id) and not store.has_timing(timing_id(task, seed)):
                rows.append((seed, position, task))
    return rows


def time_all(context: Context, todo: list[Timed]) -> Iterator[tuple[Task, str, Outcome]]:
    """Time each of ``todo``: the task, the record's id, and how it ended."""
    worker, warm = Worker(context), set[Shape]()
    for block, position, task in todo:
        id = timing_id(task, block)
        yield task, id, outcome_of(partial(_time, worker, task, id, block, position, warm))


def _time(worker: Worker, task: Task, id: str, block: int, position: int, warm: set[Shape]) -> None:
    started = here.now()
    ledger, seconds = _cell(worker, task, warm) if task.kind == "cell" else _artefact(worker, task)
    record = {
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
        "seconds": seconds,
        "ledger": ledger.to_json(),
        "environment": worker.environment(started),
    }
    worker.store.write_timing(record_of(Timing, record))


def _artefact(worker: Worker, task: Task) -> tuple[Ledger, float]:
    """Make an artefact again with an empty cache, and discard it."""
    # Beside the real cache: a system's folder for temporary files may be memory.
    worker.context.cache_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=worker.context.cache_dir) as empty:
        context = replace(worker.context, cache_dir=Path(empty), checkpoint=0.0)
        _, ledger, _ = artefacts.made(Worker(context, worker.datasets), task)
    return ledger, ledger.total("seconds")


def _cell(worker: Worker, task: Task, warm: set[Shape]) -> tuple[Ledger, float]:
    """Train a cell with nothing evaluated: its ledger, and all the seconds that passed, the loop's own among them."""
    _warm_up(worker, task, warm)
    trainer = prepare(worker, task)
    trainer.clock.settle()
    begin = trainer.ledger.total("seconds")
    begun = time.perf_counter()
    trainer.run()
    if trainer.device.type == "cuda":
        torch.cuda.synchronize()
    return trainer.ledger, begin + time.perf_counter() - begun


def _warm_up(worker: Worker, task: Task, seen: set[Shape]) -> None:
    """Run a few steps of each size in the cell's record that has not been seen."""
    record = worker.store.cell(task.id)
    assert record is not None and task.arm is not None
    shapes = {(task.arm.text, int(row[0]), int(row[1])) for row in record["selection"]["pace"]}
    if new := sorted(shapes - seen):
        trainer = prepare(worker, task, metered=False)
        trainer.pacer = Recorded(len(trainer.samples), [[*size, WARM_STEPS, 0.0, 0.0, 0] for _, *size in new])
        trainer.run()
        seen.update(new)
