"""A real Ray cluster of several nodes on this machine, one of them lost in mid-run."""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from selbench.harness.datasets.loaded import DataSetLoader
from selbench.harness.execution.executors.inline import Inline
from selbench.harness.execution.executors.ray import Ray
from selbench.harness.execution.prepared import load_references
from selbench.harness.execution.stages import missing_tasks
from selbench.harness.plan.matrix import parse
from selbench.harness.plan.tasks import Planner
from selbench.harness.store.folder import Store, checksum
from selbench.harness.tasks.worker import Context

MATRIX = {
    "name": "cluster",
    "seeds": 2,
    "batch": 32,
    "buckets": 2,
    "ladder": [1.0],
    "budget": {"passes": 2},
    "learner": {"name": "resnet18", "width": 4},
    "datasets": [{"name": "digits", "options": {"limit": 150, "test_limit": 30}, "holdout": 0.2}],
    "references": [{"name": "holdout", "options": {"passes": 1}}],
    "strategies": [{"name": "gstds"}, {"name": "divbs"}],
}

pytest.importorskip("ray", reason="needs the extra selbench[ray]")


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """The plan of a small matrix, what its tasks share, and the records of one process."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("cluster")
    matrix = parse(MATRIX)
    bank = DataSetLoader(None, folder / "cache")
    loaded = {entry.name: bank.load(entry, trains_reference=True) for entry in matrix.datasets}
    plan = Planner(matrix, loaded, load_references(matrix, None), "float32").plan()
    context = Context(matrix, folder / "inline", None, folder / "cache", "cpu", "float32", 1)
    context.out.mkdir()
    Inline().run(context, missing_tasks(plan, Store(context.out)), _must_work)
    return plan, context, records(context.out)


@pytest.fixture
def cluster(monkeypatch):
    """A head without room for tasks, and two nodes with room for one each."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "300")  # on a busy machine the usual 30 do not do
    memory = 80_000_000
    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": memory}
    made = Cluster(initialize_head=True, head_node_args=head)
    nodes = [made.add_node(num_cpus=1, object_store_memory=memory) for _ in range(2)]
    yield made, nodes
    made.shutdown()


def _must_work(task, outcome):
    assert not outcome.error, outcome


def records(out: Path):
    return {path.stem: json.loads(path.read_text()) for path in (out / "cells").glob("*.json")}


def essence(record):
    """What a record says of the result: without where and how fast it was made."""
    record = json.loads(json.dumps(record))
    for name in ("environment", "checksum", "memory_bytes"):
        del record[name]
    for part in (*record["ledger"].values(), *record["curve"]):
        del part["seconds"]
    return record


@pytest.fixture
def unseen(tmp_path):
    """The results folder under a name that means nothing in any other process."""
    if not sys.platform.startswith("linux"):
        pytest.skip("needs /proc")
    opened = os.open(tmp_path, os.O_RDONLY)
    own = os.dup2(opened, 987)
    yield Path(f"/proc/self/fd/{own}")
    os.close(own)
    os.close(opened)


@pytest.mark.parametrize("shared", [True, False], ids=["shared folder", "fetched"])
def test_a_node_killed_in_mid_run_loses_nothing(planned, cluster, tmp_path, unseen, capfd, shared):
    plan, context, alone = planned
    made, nodes = cluster
    context = replace(context, out=tmp_path if shared else unseen)
    heard = {}
    killer = threading.Thread(target=lambda: made.remove_node(nodes[0], allow_graceful=False))

    def report(task, outcome):
        assert task.id not in heard
        heard[task.id] = outcome.error
        if len(heard) == 4:  # both nodes are at a task
            killer.start()

    Ray(address=made.address).run(context, missing_tasks(plan, Store(context.out)), report)
    killer.join()
    assert set(heard) == set(plan.tasks) and not any(heard.values()), heard
    there = records(tmp_path)
    assert set(there) == set(alone) == {task.id for task in plan.cells}
    for id, record in there.items():
        assert record["checksum"] == checksum(record)
        assert essence(record) == essence(alone[id])
    assert not list(tmp_path.glob(".seen-*")) and not list((tmp_path / "failed").glob("*"))
    said = capfd.readouterr().err
    assert "2 machines, 2 tasks at a time" in said
    assert ("written to the results folder by each" in said) == shared
    print(f"counted: nodes lost: 1 of 2; tasks done: {len(heard)}; records equal to one process's: {len(there)}")
