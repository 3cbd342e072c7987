"""What travels to another machine and back, and how a cluster is met: without a cluster, and without Ray."""

from __future__ import annotations

import pickle
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from selbench.harness.execution.executors import ray_node as node
from selbench.harness.execution.executors.queue import Outcome, Queue
from selbench.harness.execution.executors.ray import RETRIES, Run
from selbench.harness.execution.executors.ray_node import (
    MachineFacts,
    RemoteTask,
    inputs,
    machine_facts,
    pack,
    run_remote_task,
    unpack,
    versions,
    with_local_folders,
)
from selbench.harness.plan.matrix import parse
from selbench.harness.plan.tasks import has_result
from selbench.harness.store.folder import Store
from selbench.harness.tasks.do import do
from selbench.strategies import UsageError

LIMITS = {"cell_limit": None, "memory_limit": None}


class Lost(Exception):
    """A machine is gone."""


class FakeRay:
    """One process that plays a cluster: tasks are done when they are asked for."""

    exceptions = SimpleNamespace(
        RayError=Exception, WorkerCrashedError=Lost, NodeDiedError=Lost, OutOfMemoryError=Lost, GetTimeoutError=Lost
    )

    def __init__(self, *cpus, gpus=0):
        self.cpus, self.gpus, self.store, self.most, self.open = cpus, gpus, {}, 0, set()

    def nodes(self):
        resources = [{"CPU": float(n), **({"GPU": float(self.gpus)} if self.gpus else {})} for n in self.cpus]
        return [
            {"Alive": True, "NodeID": str(i), "NodeManagerAddress": f"10.0.0.{i}", "Resources": of}
            for i, of in enumerate(resources)
        ]

    def remote(self, **options):
        def wrap(function):
            def send(*arguments):
                name = f"ref {len(self.store)}"
                self.store[name] = (function, arguments)
                self.open.add(name)
                self.most = max(self.most, len(self.open))
                return name

            return SimpleNamespace(remote=send)

        return wrap

    def put(self, value):
        name = f"ref {len(self.store)}"
        self.store[name] = (lambda given: given, (value,))
        return name

    def wait(self, references, num_returns, timeout):
        return references[:num_returns], references[num_returns:]

    def get(self, reference, timeout=None):
        self.open.discard(reference)
        function, arguments = self.store[reference]
        return function(*arguments)


@pytest.fixture
def small(tiny, planned, worker):
    """A worker, and the tasks of one seed of gstds with what it needs."""
    tiny["seeds"], tiny["ladder"] = 1, [1.0]
    tiny["datasets"][0]["options"] = {"limit": 100, "test_limit": 20}
    plan = planned(tiny)
    cell = next(task for task in plan.cells if task.arm.label == "gstds")
    wanted = [*(plan.tasks[id] for id in cell.after), cell]
    made = worker(parse(tiny))
    made.context.out.mkdir()
    return made, wanted


def here(context, task, token="", inputs=None):
    return RemoteTask(context, task, token, inputs, LIMITS)


def test_a_result_travels_as_it_is_and_the_first_one_counts(small, tmp_path):
    worker, tasks = small
    ours = worker.store
    theirs = Store(tmp_path / "theirs")
    for task in tasks:
        do(worker, task)
    assert inputs(ours, tasks[-1]) == [("artefact", tasks[0].id)]
    for kind, id in (("artefact", tasks[0].id), ("cell", tasks[-1].id)):
        assert not has_result(theirs, kind, id)
        parcel = pack(ours, kind, id)
        unpack(theirs, kind, id, parcel)
        assert has_result(theirs, kind, id) and pack(theirs, kind, id) == parcel
    record = theirs.cell(tasks[-1].id)
    changed = {**record, "environment": {"machine": "another"}}
    ours.write_cell(changed)
    unpack(theirs, "cell", record["id"], pack(ours, "cell", record["id"]))
    assert theirs.cell(record["id"]) == record
    theirs.cell_path(record["id"]).write_bytes(b"{}")  # half of a record is none
    unpack(theirs, "cell", record["id"], pack(ours, "cell", record["id"]))
    assert theirs.cell(record["id"])["environment"] == {"machine": "another"}


def test_a_machine_without_the_folder_is_sent_what_it_needs_and_sends_back_what_it_made(small):
    worker, (reference, cell) = small
    do(worker, reference)
    sent = [("artefact", reference.id, pack(worker.store, "artefact", reference.id))]
    outcome, parcel = run_remote_task(here(worker.context, cell, "no such file", sent), lambda content: content)
    assert outcome == Outcome() and list(parcel) == [f"{cell.id}.json"]
    assert not worker.store.has_cell(cell.id)
    unpack(worker.store, "cell", cell.id, parcel)
    there = worker.store.cell(cell.id)
    do(worker, cell)
    again = worker.store.cell(cell.id)
    assert there["result"] == again["result"] and there["selection"] == again["selection"]
    assert list(worker.context.cache_dir.glob("fetched-*")) == []


def test_a_machine_that_joins_without_the_folder_says_so(small):
    worker, (reference, _) = small
    outcome, parcel = run_remote_task(here(worker.context, reference, "no such file"), dict)
    assert "is not seen on this machine" in outcome.error and not parcel


def test_what_is_there_is_not_done_again_and_other_data_are_refused(small):
    worker, (reference, _) = small
    (worker.context.out / "token").touch()
    wrong = replace(worker.context, fingerprints={"digits": "other"})
    outcome, _ = run_remote_task(here(wrong, reference, "token"), dict)
    assert outcome.error.startswith("UsageError: data set 'digits' differs from the one that the run was planned with")
    do(worker, reference)
    assert run_remote_task(here(wrong, reference, "token"), dict) == (Outcome(), {})


def test_each_machine_has_folders_of_its_own(small, tmp_path, monkeypatch):
    worker, _ = small
    here, there = tmp_path / "here", tmp_path / "there"
    there.mkdir()
    context = replace(worker.context, data_dir=here)
    monkeypatch.delenv("SELBENCH_DATA_DIR", raising=False)
    with pytest.raises(UsageError, match=r"no such folder there, and its \$SELBENCH_DATA_DIR is not set"):
        with_local_folders(context)
    monkeypatch.setenv("SELBENCH_DATA_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match="nowhere, which is none either"):
        with_local_folders(context)
    assert "no such folder there" in machine_facts(context, "token").lacks
    monkeypatch.setenv("SELBENCH_DATA_DIR", str(there))
    monkeypatch.setenv("SELBENCH_CACHE_DIR", str(tmp_path / "cache"))
    assert (with_local_folders(context).data_dir, with_local_folders(context).cache_dir) == (there, tmp_path / "cache")
    here.mkdir()
    assert with_local_folders(context).data_dir == here
    assert machine_facts(context, "token") == MachineFacts(versions(), False, "")
    context.out.joinpath("token").touch()
    assert machine_facts(context, "token").shared


def started(ray, worker, workers=None, **context):
    executor = SimpleNamespace(ray=ray, workers=workers, limits=LIMITS)
    (worker.context.out / "token").touch()
    return Run(executor, replace(worker.context, **context), "token")


@pytest.fixture(autouse=True)
def no_real_ray(monkeypatch):
    """What the driver imports of Ray to name a machine."""
    name = "ray.util.scheduling_strategies"
    fake = SimpleNamespace(NodeAffinitySchedulingStrategy=lambda id, soft: (id, soft))
    for module in ("ray", "ray.util"):
        monkeypatch.setitem(sys.modules, module, SimpleNamespace())
    monkeypatch.setitem(sys.modules, name, fake)


@pytest.mark.parametrize("shared", [True, False])
def test_the_driver_does_a_graph_whether_or_not_machines_see_the_folder(small, monkeypatch, capsys, shared):
    worker, tasks = small
    if not shared:
        monkeypatch.setattr(node, "_sees", lambda context, token: False)
    monkeypatch.setattr(
        "selbench.harness.execution.executors.ray.carry_out", lambda errand: run_remote_task(errand, ray.get)
    )
    ray = FakeRay(1)
    heard = []
    started(ray, worker).all(Queue(tasks), lambda task, outcome: heard.append((task.id, outcome.error)))
    assert heard == [(task.id, "") for task in tasks]
    assert all(worker.store.has_cell(task.id) or worker.store.has_artefact(task.id) for task in tasks)
    said = capsys.readouterr().err
    assert said.startswith("Ray: 1 machines, 1 tasks at a time; results are ")
    assert ("written to the results folder by each" in said) == shared
    assert ("fetched from 10.0.0.0, where" in said) != shared


def cells(plan):
    return [replace(task, after=()) for task in plan.cells]


@pytest.mark.parametrize(("workers", "room"), [(None, 6), (2, 2), (9, 6)])
def test_tasks_at_a_time_follow_the_machines(tiny, planned, small, monkeypatch, workers, room):
    worker, _ = small
    ray = FakeRay(4, 2, 7, 1)  # with two threads a task: 2 + 1 + 3 + 0, and GPUs for 1 each
    monkeypatch.setattr("selbench.harness.execution.executors.ray.carry_out", lambda errand: (Outcome("no"), {}))
    todo = [replace(task, id=f"{task.id}-{i}") for task in cells(planned(tiny)) for i in range(3)]
    run = started(ray, worker, workers, threads=2)
    assert run._room() == room
    heard = []
    run.all(Queue(todo), lambda task, outcome: heard.append(task.id))
    assert sorted(heard) == sorted(task.id for task in todo) and ray.most == room
    ray.gpus = 1
    assert started(ray, worker, threads=2, device="cuda")._room() == 3


def test_a_machine_lost_too_often_fails_its_task_and_what_needs_it(small, monkeypatch):
    worker, (reference, cell) = small

    def gone(errand):
        raise Lost

    monkeypatch.setattr("selbench.harness.execution.executors.ray.carry_out", gone)
    heard = {}
    started(FakeRay(1), worker).all(Queue([reference, cell]), lambda task, outcome: heard.update({task.id: outcome}))
    assert f"lost {RETRIES + 1} times" in heard[reference.id].error
    assert heard[cell.id].error.startswith(f"not run: it needs {reference.name}")


def test_a_cluster_that_cannot_work_is_refused_before_anything_is_run(small, monkeypatch, tmp_path):
    worker, _ = small
    with pytest.raises(UsageError, match="no machine of the Ray cluster has the 8 CPUs of one task"):
        started(FakeRay(4, 4), worker, threads=8)
    with pytest.raises(UsageError, match="has the 1 CPUs and a GPU of one task"):
        started(FakeRay(4), worker, device="cuda")
    with pytest.raises(UsageError, match="--device cuda:1: Ray gives each task a GPU of its own; use --device cuda"):
        started(FakeRay(4), worker, device="cuda:1")
    monkeypatch.delenv("SELBENCH_DATA_DIR", raising=False)
    with pytest.raises(UsageError, match=r"machine 10\.0\.0\.0 of the Ray cluster: --data-dir .*no such folder there"):
        started(FakeRay(4), worker, data_dir=tmp_path / "none")
    monkeypatch.setattr(
        "selbench.harness.execution.executors.ray.machine_facts",
        lambda *_: MachineFacts("selbench 0, torch 0", True, ""),
    )
    with pytest.raises(UsageError, match=r"10\.0\.0\.0 of the Ray cluster has selbench 0, torch 0, and this one"):
        started(FakeRay(4), worker)


def test_errands_hold_nothing_but_the_task(small):
    """No whole plan travels with each task."""
    worker, (_, cell) = small
    assert len(pickle.dumps(here(worker.context, cell))) < 20_000
