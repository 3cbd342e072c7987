"""Runs killed by SIGKILL, some of them inside a checkpoint's write, end bit for bit as if they had not been."""

from __future__ import annotations

import json
import os
import random
import shutil
from dataclasses import replace

import pytest
import torch
from killing import at_a_random_moment, begun, inside_a_write, timed, unfinished
from pieces import EVERY_STEP

from selbench.harness.datasets.loaded import DataSetLoader
from selbench.harness.execution.executors.inline import Inline
from selbench.harness.execution.prepared import load_references
from selbench.harness.execution.run import missing_tasks
from selbench.harness.plan.matrix import parse
from selbench.harness.plan.tasks import Planner
from selbench.harness.store.checkpoint_file import tidy
from selbench.harness.store.folder import Store, sound
from selbench.harness.tasks.worker import Context, trains_reference

KILLS = int(os.environ.get("SELBENCH_KILLS", "0"))
"""In all; without it a few, so that the suite stays quick."""

MATRIX = {
    "name": "killed",
    "seeds": 1,
    "batch": 32,
    "buckets": 2,
    "ladder": [1.0],
    "learner": {"name": "resnet8", "width": 4},
    "proxy": {"passes": 1},
    "datasets": [{"name": "digits", "options": {"limit": 240, "test_limit": 40}, "holdout": 0.2}],
    "references": [{"name": "holdout", "options": {"passes": 1}}],
}
BANDIT = {"name": "bandit", "interval": 0.1, "images": 16}
PASSES = {"budget": {"passes": 4}}
FLOPS = {"budget": {"flops": 9e8, "account": "marginal"}}
RULES = {
    "selective-backprop": (PASSES, {"options": {"history": 64}}, "strategy"),
    "infobatch": (PASSES, {}, "strategy"),
    "gstds": (PASSES, {}, "strategy"),
    "jest": (PASSES, {"options": {"chunks": 4}}, "strategy"),
    "spectral-oracle": (PASSES, {"options": {"draw": "unbiased"}}, "strategy"),
    "static": (PASSES, {}, "strategy"),
    "loss by a bandit": (PASSES, {"name": "loss", "schedule": BANDIT}, "strategy"),
    "loss at a cost": (FLOPS, {"name": "loss"}, "strategy"),
    "twin of loss at a cost": (FLOPS, {"name": "loss"}, "twin"),
    "proxy-replay": (PASSES, {}, "strategy"),
}
CASES = list(RULES) if KILLS else list(RULES)[:1]
EACH = max(1, -(-KILLS // (2 * len(CASES))))


@pytest.fixture
def whole(request, tmp_path):
    """A run that nobody interrupted: what it shares, its task, its seconds, and its record."""
    torch.set_num_threads(1)
    budget, entry, role = RULES[request.param]
    matrix = parse(MATRIX | budget | {"strategies": [{"name": request.param, **entry}]})
    bank = DataSetLoader(None, tmp_path / "cache")
    loaded = {each.name: bank.load(each, trains_reference=trains_reference(matrix)) for each in matrix.datasets}
    plan = Planner(matrix, loaded, load_references(matrix, None), "float32").plan()
    task = next(task for task in plan.cells if task.arm.role == role)
    wanted = {task.id}
    for other in reversed(plan.tasks.values()):
        wanted.update(other.after if other.id in wanted else ())
    part = replace(plan, tasks={id: other for id, other in plan.tasks.items() if id in wanted})
    context = Context(matrix, tmp_path / "whole", None, tmp_path / "cache", "cpu", "float32", 1, checkpoint=0.0)
    errors = []
    Inline().run(context, missing_tasks(part, Store(context.out)), lambda _, outcome: errors.append(outcome.error))
    assert not any(errors), errors
    return context, task, Store(context.out).cell(task.id)


def essence(record):
    """A record without what may differ: seconds, memory, where and when, and of how many pieces it is."""
    record = json.loads(json.dumps(record))
    for key in ("environment", "checksum", "memory_bytes", "checkpoints"):
        record.pop(key, None)
    for part in (*record["ledger"].values(), *record["curve"]):
        del part["seconds"]
    return record


@pytest.mark.parametrize("whole", CASES, indirect=True)
def test_a_run_killed_again_and_again_ends_as_if_it_had_not_been(whole, tmp_path):
    context, task, alone = whole
    draw = random.Random(task.arm.text)
    parts = replace(context, out=tmp_path / "parts", checkpoint=EVERY_STEP)
    shutil.copytree(context.out, parts.out)
    record, folder = Store(parts.out).cell_path(task.id), parts.out / "checkpoints" / task.id
    record.unlink()
    seconds = timed(parts, task)
    kills = left = finished = 0
    ways = [at_a_random_moment, inside_a_write] * EACH
    while ways:
        if record.exists():
            finished += compared(parts, task, alone)
            record.unlink()
        if ways[-1](parts, task, draw, seconds):
            ways.pop()
            kills += 1
            left += bool(unfinished(folder))
            assert not record.exists() or sound(record)
    if not record.exists():
        last = begun(parts, task)
        last.join()
        assert last.exitcode == 0
    finished += compared(parts, task, alone)
    tidy(Store(parts.out))  # as every run begins: a kill may have come between a record and the end of its checkpoint
    assert not folder.parent.exists()
    assert left, "no kill was inside a write"
    print(f"counted: {task.arm.label}: kills {kills}, inside a write {left}, runs ended bit-identical {finished}")


def compared(context, task, alone):
    """The record that was made in pieces is the other one; counts as one."""
    record = Store(context.out).cell(task.id)
    assert record is not None and essence(record) == essence(alone)
    assert record["result"]["weights_digest"] == alone["result"]["weights_digest"]
    assert not record.get("checkpoints", {}).get("unused")
    return 1
