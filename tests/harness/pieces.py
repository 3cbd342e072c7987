"""Runs that are killed between two steps, for the tests of checkpoints."""

from __future__ import annotations

import copy
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import torch

from selbench.harness.datasets.loaded import DataSetLoader
from selbench.harness.execution.executors import inline
from selbench.harness.execution.prepared import RunRequest, load_references
from selbench.harness.execution.run import missing_tasks, run
from selbench.harness.plan.matrix import narrowed, parse
from selbench.harness.plan.tasks import Planner
from selbench.harness.store.folder import Store
from selbench.harness.tasks.do import do
from selbench.harness.tasks.worker import Context, Worker, trains_reference
from selbench.harness.training.trainer import Trainer

EVERY_STEP = 1e-9

COMMON = {
    "name": "kept",
    "seeds": 1,
    "batch": 32,
    "buckets": 2,
    "ladder": [1.0],
    "learner": {"name": "resnet8", "width": 4},
    "proxy": {"passes": 1},
    "datasets": [{"name": "digits", "options": {"limit": 200, "test_limit": 20}, "holdout": 0.2}],
    "references": [{"name": "holdout", "options": {"passes": 3}}],
}


class Folder:
    """The records of a matrix, none of its runs interrupted and each made when it is asked for."""

    def __init__(self, table, root, cache_dir):
        torch.set_num_threads(1)
        matrix, self.datasets = parse(table), DataSetLoader(None, cache_dir)
        loaded = {e.name: self.datasets.load(e, trains_reference=trains_reference(matrix)) for e in matrix.datasets}
        self.plan = Planner(matrix, loaded, load_references(matrix, None), "float32").plan()
        self.context = Context(matrix, root, None, cache_dir, "cpu", "float32", 1, checkpoint=0.0)

    def task(self, label, role="strategy"):
        cells = (task for task in self.plan.cells if task.arm.role == role)
        return next(task for task in cells if label in ("", task.arm.label))

    def whole(self, task):
        """The record of ``task``; all that it needs is made first."""
        wanted = {task.id}
        for other in reversed(self.plan.tasks.values()):
            wanted.update(other.after if other.id in wanted else ())
        part = replace(self.plan, tasks={id: other for id, other in self.plan.tasks.items() if id in wanted})
        errors = []
        todo = missing_tasks(part, Store(self.context.out))
        inline.Inline().run(self.context, todo, lambda _, outcome: errors.append(outcome.error))
        assert not any(errors), errors
        return Store(self.context.out).cell(task.id)

    def again(self, tmp_path, minutes=EVERY_STEP, **changes):
        """A worker on a copy of the folder, where nothing but artefacts is done."""
        if not (tmp_path / "artefacts").exists() and (self.context.out / "artefacts").exists():
            shutil.copytree(self.context.out / "artefacts", tmp_path / "artefacts")
        return Worker(replace(self.context, out=tmp_path, checkpoint=minutes, **changes), self.datasets)


def whole_run(answer, table, strategies, out, cache_dir, met):
    """Run a table in this process, narrowed to some ``strategies``.

    All parties of the barrier ``met`` begin at once, and meet again when each holds its first task.
    """
    torch.set_num_threads(1)
    declared = parse(table)
    asked = narrowed(declared, strategies, None)
    attempt = inline.attempt

    def first(worker, task):
        met.wait()
        inline.attempt = attempt
        return attempt(worker, task)

    inline.attempt = first
    met.wait()
    done = run(asked, RunRequest(out=out, cache_dir=cache_dir, device="cpu", executor="inline", declared=declared))
    answer.send((done.planned, done.trained, done.failed))


def listens(process):
    """Whether a process holds SIGTERM back; one that has ended meanwhile does not."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return bool(int(status.split("SigCgt:")[1].split()[0], 16) >> (signal.SIGTERM - 1) & 1)


class Killed(BaseException):
    """As if the process had gone."""


def killed_after(monkeypatch, steps, worker, task):
    """Do ``task``, and lose the process after so many steps; whether it came to its end."""
    left, step = [steps], Trainer.step

    def counted(self, *arguments):
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return step(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", counted)
        try:
            do(worker, task)
        except Killed:
            return False
    return True


def stopped(folder, tmp_path, monkeypatch, task):
    """The folder of a checkpoint of ``task`` after 5 steps."""
    folder.whole(task)
    assert not killed_after(monkeypatch, 5, folder.again(tmp_path), task)
    return tmp_path / "checkpoints" / task.id


def essence(record):
    """A record without what may differ: seconds, memory, where and when, and of how many pieces it is."""
    record = copy.deepcopy(record)
    for key in ("environment", "checksum", "memory_bytes", "checkpoints"):
        record.pop(key, None)
    for account in record["ledger"].values():
        del account["seconds"]
    for point in record.get("curve", []):
        del point["seconds"]
    return record
