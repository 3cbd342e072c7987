"""Scores of every training image by a static rule: the proxies of some seeds, and the mean over them."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from ...strategies import BatchLosses, UsageError
from ...strategies.registry import registry
from ..plan.arms import ReferenceSeconds
from ..plan.matrix import Matrix
from ..plan.tables import StrategyEntry
from ..plan.tasks import Plan, Task
from ..tasks.cached_signals import cached_signals
from ..tasks.worker import Context, Worker
from .executors.inline import Inline
from .executors.queue import Outcome
from .prepared import RunRequest, prepare, thread_count

FORMATS = (".csv", ".npy", ".safetensors")


def write_scores(
    matrix: Matrix, request: RunRequest, rule: str, options: Mapping[str, Any], out: Path, dataset: str = ""
) -> int:
    """Train the proxies of ``rule`` for each seed of ``matrix``, write the mean score of each image; how many.

    Proxies are trained in a folder that is removed. Scores are the rule's own difficulty: high is hard.
    """
    if out.suffix not in FORMATS:
        raise UsageError(f"--out {out}: a score file ends in {', '.join(FORMATS)}")
    instance = registry("strategies").load(rule, **options)
    if not callable(getattr(instance, "difficulty", None)):
        raise UsageError(f"{rule!r} gives no score to each image: name a static rule that does, such as el2n")
    entries = [entry for entry in matrix.datasets if dataset in ("", entry.name)]
    if len(entries) != 1:
        names = ", ".join(entry.name for entry in matrix.datasets)
        raise UsageError(f"--dataset {dataset!r}: name one of {names}")
    if entries[0].spoil is not None:
        raise UsageError(f"data set {entries[0].name!r} is spoiled anew for each seed: leave spoil out of it")
    strategy = StrategyEntry(name=rule, options=dict(options))
    reads = {"reference", "features"} & instance.needs
    # Nothing is withheld for a reference that nobody reads.
    scored = entries if reads else [entries[0].model_copy(update={"holdout": 0})]
    kept = {"references": matrix.references if reads else [], "datasets": scored, "strategies": [strategy]}
    matrix = matrix.model_copy(update={**kept, "tuning": "none", "ladder": [1.0], "measures": {}})
    prepared = replace(prepare(matrix, request), chosen={})  # scores are of no folder, and in what is usual
    plan = prepared.planner(ReferenceSeconds()).plan()
    cells = [task for task in plan.cells if task.arm is not None and task.arm.role == "strategy"]
    with tempfile.TemporaryDirectory(prefix="selbench-scores-") as folder:
        context = Context(
            matrix, Path(folder), prepared.data_dir, prepared.cache_dir, str(prepared.device), prepared.precision,
            thread_count(1, 1), 0.0,
        )  # fmt: skip
        Inline().run(context, _needed(plan, cells), _raised)
        scores = _mean(Worker(context), cells)
    _write(scores, out)
    return len(scores)


def _needed(plan: Plan, cells: list[Task]) -> list[Task]:
    """The artefacts of ``cells``, each after those that it is made from."""
    wanted: dict[str, Task] = {}

    def add(id: str) -> None:
        for before in plan.tasks[id].after:
            add(before)
        wanted.setdefault(id, plan.tasks[id])

    for cell in cells:
        for id in cell.after:
            add(id)
    return list(wanted.values())


def _raised(task: Task, outcome: Outcome) -> None:
    if outcome.error:
        raise UsageError(f"{task.name} failed: {outcome.error}")


def _mean(worker: Worker, cells: list[Task]) -> Tensor:
    """Mean score ``[N]`` over the seeds whose pool an image was in."""
    count = len(worker.loaded(cells[0]).images.train)
    total, seen = torch.zeros(count, dtype=torch.float64), torch.zeros(count, dtype=torch.float64)
    for task in cells:
        assert task.arm is not None and task.seed is not None
        ids, labels = worker.loaded(task).labelled(task.seed, "pool")
        signals = cached_signals(worker, task, worker.loaded(task))
        known = {name: value for name, value in signals.items() if name in task.arm.needs and name != "features"}
        losses = BatchLosses(**known, labels=labels.to(worker.device), index=torch.arange(len(ids)))  # type: ignore[arg-type]
        with torch.no_grad():
            rule = registry("strategies").load(task.arm.name, **task.arm.options)
            score = getattr(rule, "averaged", rule.difficulty)
            total.index_add_(0, ids, score(losses).double().cpu())
        seen.index_add_(0, ids, torch.ones(len(ids), dtype=torch.float64))
    if missing := int((seen == 0).sum()):
        raise UsageError(f"{missing:,} of {count:,} training images were in no pool, for no seed: raise --seeds")
    return (total / seen).float()


def _write(scores: Tensor, out: Path) -> None:
    """Whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.stem}.part{out.suffix}")
    if out.suffix == ".csv":
        with part.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("index", "score"), *enumerate(scores.tolist())])
    elif out.suffix == ".npy":
        np.save(part, scores.numpy(), allow_pickle=False)
    else:
        save_file({"score": scores}, part)
    part.replace(out)
