"""Measures in real cells: recorded, off the clock, without a say in what is trained."""

from __future__ import annotations

import contextlib
import copy
import json
import shutil

import pytest

from selbench.harness.plan.matrix import parse
from selbench.harness.store.folder import Store
from selbench.harness.tasks.do import do
from selbench.harness.tasks.worker import Context, Worker
from selbench.harness.training.trainer import Trainer
from selbench.reports.records.fields import misfits
from selbench.reports.records.models import KINDS
from selbench.strategies import UsageError

NET = "untrained:squeezenet1_1"
MEASURES = {
    "spectrum": {"reference": NET, "draws": 3, "first": 2, "last": 12, "components": 32},
    "residuals": {"reference": NET, "directions": 8, "images": 64},
    "distance": {"reference": NET, "draws": 4, "samples": 2},
}
STRATEGIES = [{"name": "loss"}, {"name": "k-center"}, {"name": "infobatch", "options": {"anneal": 1.0}}]


@pytest.fixture
def table(tiny):
    tiny.update(seeds=1, schedule={"name": "fixed", "ratio": 0.5}, strategies=STRATEGIES)
    tiny["references"] = [{"name": NET, "options": {"resolution": 32}}]
    tiny["datasets"] = [{"name": "digits", "options": {"limit": 200, "test_limit": 50}}]
    return tiny


def records(out):
    found = [json.loads(path.read_text()) for path in (out / "cells").glob("*.json")]
    return {(one["arm_label"], one["identity"]["rung"]): one for one in found}


def test_cells_are_measured_and_otherwise_the_same(table, train, tmp_path):
    plain, measured = copy.deepcopy(table), table
    measured["measures"] = MEASURES
    assert not train(plain, tmp_path / "plain").failed
    assert not train(measured, tmp_path / "measured").failed
    without, found = records(tmp_path / "plain"), records(tmp_path / "measured")
    assert without.keys() == found.keys()
    for key, record in found.items():
        assert not list(misfits(KINDS["cells"], record))
        assert record["result"] == without[key]["result"] and record["id"] != without[key]["id"]
        assert record["artefacts"] == without[key]["artefacts"]  # what it is measured by is no cost of its
        for phase, account in without[key]["ledger"].items():
            assert record["ledger"][phase]["flops"] == account["flops"]
        assert ("measures" in record) == (key[1] == 1 and key[0] != "full-all")

    full = found["full", 1]["measures"]
    assert full["spectrum"] is None and full["distance"] is None and len(full["residuals"]["points"]) == 2
    chosen = found["k-center", 1]
    assert chosen["measures"]["spectrum"]["hard"]["size"] == chosen["measures"]["distance"]["size"] == 90
    assert chosen["measures"]["spectrum"]["hard"]["effective"] == 90
    assert chosen["measures"]["distance"]["low"] > chosen["measures"]["distance"]["random_low"]
    curve = [(point["progress"], point["total_flops"]) for point in chosen["curve"]]
    assert [(p, cost) for p, cost, _ in chosen["measures"]["residuals"]["points"]] == curve
    assert found["loss", 1]["measures"]["distance"]["size"] == 16
    assert found["loss", 1]["measures"]["spectrum"]["soft"] is None
    soft = found["infobatch", 1]["measures"]["spectrum"]["soft"]
    assert soft["effective"] != found["infobatch", 1]["measures"]["spectrum"]["hard"]["effective"]


def test_measures_that_cannot_work_are_refused_before_training(table, planned):
    table["measures"] = {"spectrum": {"reference": "holdout"}}
    with pytest.raises(UsageError, match=r"measures\.spectrum\.reference"):
        planned(table)


def test_features_to_measure_by_come_before_the_cells(table, planned):
    table["measures"], table["strategies"] = {"distance": MEASURES["distance"]}, [{"name": "loss"}]
    plan = planned(table)
    features = [task.id for task in plan.tasks.values() if task.kind == "features"]
    assert len(features) == 1
    for task in plan.cells:
        measured = task.arm.rung == 1 and task.arm.pool == "pool"
        assert (features[0] in task.after) == measured and features[0] not in task.uses.values()


class Killed(BaseException):
    """As if the process had gone."""


def test_a_run_in_pieces_is_measured_as_one_of_a_single_piece(table, train, planned, cache_dir, tmp_path, monkeypatch):
    table.update(measures=MEASURES, strategies=[{"name": "infobatch"}])
    assert not train(table, tmp_path / "whole").failed
    whole = records(tmp_path / "whole")["infobatch", 1]
    shutil.copytree(tmp_path / "whole" / "artefacts", tmp_path / "parts" / "artefacts")
    task = next(task for task in planned(table).cells if task.id == whole["id"])
    context = Context(parse(table), tmp_path / "parts", None, cache_dir, "cpu", "float32", 1, checkpoint=1e-9)
    step, pieces, done = Trainer.step, 0, False

    def counted(self, *arguments):
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return step(self, *arguments)

    monkeypatch.setattr(Trainer, "step", counted)
    while not done:
        left, pieces = [4], pieces + 1
        with contextlib.suppress(Killed):
            do(Worker(context), task)
            done = True
    parts = Store(tmp_path / "parts").cell(task.id)
    assert pieces > 2 and parts["measures"] == whole["measures"] and parts["result"] == whole["result"]
