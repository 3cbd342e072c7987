"""Trackers: event files and an MLflow store read back, and one that fails costs no cell."""

from __future__ import annotations

import json
import logging
import sys
from typing import ClassVar

import pytest

from selbench.harness.execution.prepared import RunRequest
from selbench.harness.execution.run import run
from selbench.harness.execution.trackers import MLflow, TensorBoard, TrackedCell, Tracking
from selbench.harness.plan.matrix import parse
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


def test_event_files_hold_the_curve_of_a_cell(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    TensorBoard(tmp_path, "m").cell(TrackedCell.of(RECORD))
    events = EventAccumulator(str(tmp_path / "tensorboard" / NAME))
    events.Reload()
    found = {tag: [(at.step, at.value) for at in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
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


@pytest.fixture
def registered(monkeypatch):
    """Two trackers that a plugin brings; none of their cells are seen yet."""
    Recorder.cells, load = [], Registry.load
    ours = {"recorder": Recorder, "failing": Failing}

    def with_ours(self, name, /, **given):
        return ours[name](**given) if self.kind == "trackers" else load(self, name, **given)

    monkeypatch.setattr(Registry, "load", with_ours)


def matrix():
    return parse(
        {
            "name": "tracked",
            "seeds": 1,
            "batch": 32,
            "ladder": [1.0],
            "budget": {"steps": 2},
            "learner": {"name": "resnet8", "width": 4},
            "datasets": [{"name": "digits", "options": {"limit": 80, "test_limit": 16}}],
            "strategies": [{"name": "loss"}],
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


def test_one_that_is_not_installed_is_refused_before_the_run(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match=r"pip install selbench\[tensorboard\]"):
        Tracking(["tensorboard"], tmp_path, "m")
    with pytest.raises(UsageError, match="did you mean 'mlflow'"):
        Tracking(["mlfow"], tmp_path, "m")
