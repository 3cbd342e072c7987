"""Trackers: event files and an MLflow store read back, and one that fails costs no cell."""

from __future__ import annotations

import json
import logging
import sys
import time
from dataclasses import replace
from functools import partial
from typing import ClassVar

import pytest
from pieces import COMMON, EVERY_STEP, Folder, killed_after

from selbench.harness.execution import trackers
from selbench.harness.execution.prepared import RunRequest
from selbench.harness.execution.run import run
from selbench.harness.execution.trackers import MLflow, TensorBoard, TrackedCell, Tracking
from selbench.harness.plan.matrix import parse
from selbench.harness.store.folder import Store
from selbench.harness.tasks.do import do
from selbench.harness.tasks.worker import Worker
from selbench.strategies import UsageError
from selbench.strategies.registry import Registry

POINTS = [
    {"progress": 0.5, "train_loss": 2.0, "val_accuracy": None, "seconds": 1.0},
    {"progress": 1.0, "train_loss": 1.0, "val_accuracy": 0.5, "seconds": 2.0},
]
RECORD = {
    "id": "abc",
    "arm_label": "gstds",
    "dataset": "digits",
    "reference": "holdout",
    "seed": 3,
    "identity": {"rung": 1.0},
    "curve": POINTS,
    "result": {"test_accuracy": 0.75, "correct": "AAAA", "train_loss": 1.0, "val_accuracy": None},
}
NAME = "digits/gstds (holdout)/seed-3"


def scalars(out):
    """What TensorBoard reads of the cell, by tag: steps and values."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(out / "tensorboard" / NAME))
    events.Reload()
    return {tag: [(at.step, at.value) for at in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def whole():
    return TrackedCell.of(RECORD)


def half():
    """The cell while it trains."""
    return replace(whole(), results={}, curve=whole().curve[:1])


def test_event_files_hold_the_curve_of_a_cell(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    TensorBoard(tmp_path, "m").cell(TrackedCell.of(RECORD))
    found = scalars(tmp_path)
    assert found["curve/train_loss"] == [(500, 2.0), (1000, 1.0)] and found["curve/val_accuracy"] == [(1000, 0.5)]
    assert found["result/test_accuracy"] == [(1000, 0.75)] and "result/correct" not in found


def test_an_mlflow_store_in_a_folder_holds_the_cell(tmp_path, monkeypatch):
    pytest.importorskip("mlflow", reason="mlflow is not installed")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    MLflow(tmp_path, "m").cell(TrackedCell.of(RECORD))
    client, experiment = MLflow(tmp_path, "m").store  # a resumed run goes on in the same experiment
    (found,) = client.search_runs([experiment])
    assert found.info.run_name == NAME and found.info.status == "FINISHED" and found.data.params["seed"] == "3"
    assert found.data.metrics["test_accuracy"] == 0.75 and found.data.tags["selbench.id"] == "abc"
    curve = client.get_metric_history(found.info.run_id, "seconds")
    assert [(at.step, at.value) for at in curve] == [(500, 1.0), (1000, 2.0)]


def test_event_files_grow_while_a_cell_trains_and_a_resumed_one_is_not_doubled(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    killed, board = TensorBoard(tmp_path, "m"), TensorBoard(tmp_path, "m")
    killed.points(half())
    assert scalars(tmp_path)["curve/train_loss"] == [(500, 2.0)]
    for _ in range(2):
        board.points(half())  # of the run that goes on
    assert scalars(tmp_path)["curve/train_loss"] == [(500, 2.0)]
    board.cell(whole())
    found = scalars(tmp_path)
    assert found["curve/train_loss"] == [(500, 2.0), (1000, 1.0)] and found["result/test_accuracy"] == [(1000, 0.75)]
    assert not board.open


def test_an_mlflow_run_grows_while_its_cell_trains_and_goes_on_after_a_kill(tmp_path, monkeypatch):
    pytest.importorskip("mlflow", reason="mlflow is not installed")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    killed, after = MLflow(tmp_path, "m"), MLflow(tmp_path, "m")
    killed.points(half())
    client, experiment = after.store
    (found,) = client.search_runs([experiment])
    assert found.info.status == "RUNNING" and found.data.metrics["train_loss"] == 2.0
    after.points(half())
    after.cell(whole())
    (found,) = client.search_runs([experiment])
    assert found.info.status == "FINISHED" and found.data.metrics["test_accuracy"] == 0.75
    curve = client.get_metric_history(found.info.run_id, "seconds")
    assert [(at.step, at.value) for at in curve] == [(500, 1.0), (1000, 2.0)]
    after.points(half())
    after.failed(half())
    assert sorted(run.info.status for run in client.search_runs([experiment])) == ["FAILED", "FINISHED"]


class Recorder:
    cells: ClassVar[list[TrackedCell]] = []

    def __init__(self, out, matrix):
        assert matrix == "tracked"

    def cell(self, cell):
        self.cells.append(cell)


class Failing(Recorder):
    def cell(self, cell):
        super().cell(cell)
        raise OSError("no such host")


class Live(Recorder):
    """One that listens to cells that train."""

    seen: ClassVar[list[tuple[str, TrackedCell]]] = []

    def __init__(self, out, matrix):
        super().__init__(out, matrix)
        self.seen.clear()

    def cell(self, cell):
        self.seen.append(("cell", cell))

    def points(self, cell):
        self.seen.append(("points", cell))

    def failed(self, cell):
        self.seen.append(("failed", cell))


@pytest.fixture
def registered(monkeypatch):
    """Three trackers that a plugin brings; none of their cells are seen yet."""
    Recorder.cells, load = [], Registry.load
    ours = {"recorder": Recorder, "failing": Failing, "live": Live}

    def with_ours(self, name, /, **given):
        return ours[name](**given) if self.kind == "trackers" else load(self, name, **given)

    monkeypatch.setattr(Registry, "load", with_ours)


def matrix(rule="loss"):
    return parse(
        {
            "name": "tracked",
            "seeds": 1,
            "batch": 32,
            "ladder": [1.0],
            "budget": {"steps": 2},
            "learner": {"name": "resnet8", "width": 4},
            "datasets": [{"name": "digits", "options": {"limit": 80, "test_limit": 16}}],
            "strategies": [{"name": rule}],
        }
    )


def test_a_run_sends_each_finished_cell_and_a_failing_tracker_costs_none(registered, tmp_path, caplog):
    request = RunRequest(
        tmp_path / "out", None, tmp_path / "cache", "cpu", 1, "inline", trackers=["failing", "recorder"]
    )
    with caplog.at_level(logging.WARNING, "selbench"):
        done = run(matrix(), request)
    cells = [*(done.out / "cells").glob("*.json")]
    assert not done.failed and done.trained == len(cells) > 2
    assert len(Recorder.cells) == done.trained + 1, "the failing one is asked once"
    assert caplog.text.count("tracker failing fails and is left out: OSError: no such host") == 1
    records = {row["id"]: row for row in (json.loads(path.read_text()) for path in cells)}
    last = Recorder.cells[-1]
    assert last.results["test_accuracy"] == records[last.id]["result"]["test_accuracy"]
    assert [*last.points()][-1][0] == 1000


def test_a_run_follows_its_cells_while_they_train(registered, tmp_path, monkeypatch):
    monkeypatch.setattr(trackers, "LOOK", 0.001)
    write = Store.write_curve

    def seen_at_once(self, id, points):
        """A cell goes on once its points were told."""
        write(self, id, points)
        until = time.monotonic() + 60
        while ("points", id, len(points)) not in [(kind, cell.id, len(cell.curve)) for kind, cell in Live.seen]:
            assert time.monotonic() < until, "nobody looks"
            time.sleep(0.001)

    monkeypatch.setattr(Store, "write_curve", seen_at_once)
    request = RunRequest(tmp_path / "out", None, tmp_path / "cache", "cpu", 1, "inline", trackers=["live"])
    done = run(matrix("full"), request)
    ended = [cell.id for kind, cell in Live.seen if kind == "cell"]
    live = [cell for kind, cell in Live.seen if kind == "points"]
    assert not done.failed and len(ended) == done.trained and {cell.id for cell in live} == {*ended}
    assert all(cell.curve and not cell.results for cell in live) and not (done.out / "logs").exists()


def test_points_come_while_a_cell_trains_and_a_resumed_one_begins_with_those_it_had(
    registered, tmp_path, cache_dir, monkeypatch
):
    table = COMMON | {"budget": {"passes": 2}, "references": [], "strategies": [{"name": "loss"}]}
    folder = Folder(table, tmp_path, cache_dir)
    task, worker = folder.task("full", "full"), Worker(replace(folder.context, checkpoint=EVERY_STEP, live=True))

    def begun():
        tracking = Tracking(["live"], tmp_path, "tracked")
        tracking.begin(task)
        tracking.look()
        return tracking

    tracking = begun()
    assert tracking.live and not killed_after(monkeypatch, 6, worker, task)
    tracking.look()
    tracking.look()
    ((kind, seen),) = Live.seen
    assert kind == "points" and len(seen.curve) == 1 and not seen.results
    tracking = begun()
    assert not Live.seen, "what an earlier attempt left is not told"
    do(worker, task)
    tracking.look()
    tracking.cell(task, partial(worker.store.cell, task.id))
    (_, more), (last, whole) = Live.seen
    assert last == "cell" and len(whole.curve) == 2 and more.curve == whole.curve and more.curve[0] == seen.curve[0]
    assert (seen.id, seen.name, seen.params) == (whole.id, whole.name, whole.params)
    assert worker.store.cell(task.id)["checkpoints"]["resumed"] and not (tmp_path / "logs").exists()
    tracking.begin(task)
    tracking.failed(task)
    assert Live.seen[-1][0] == "failed" and not Live.seen[-1][1].curve


def test_one_that_is_not_installed_is_refused_before_the_run(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match=r"pip install selbench\[tensorboard\]"):
        Tracking(["tensorboard"], tmp_path, "m")
    with pytest.raises(UsageError, match="did you mean 'mlflow'"):
        Tracking(["mlfow"], tmp_path, "m")
