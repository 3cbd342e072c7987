"""The operations of a matrix whose images are not at hand."""

from __future__ import annotations

import pytest
import tomli_w

from selbench.harness.plan.forecast import TimeEstimator
from selbench.harness.plan.operations import operations

TABLE = {
    "name": "sized",
    "seeds": 3,
    "ladder": [1.0],
    "budget": {"passes": 2},
    "learner": {"name": "resnet18", "width": 4},
    "datasets": [{"name": "flowers", "options": {"resolution": 32, "train": "train+val"}, "val": 0.1}],
    "schedule": {"name": "fixed", "ratio": 0.5},
    "strategies": [{"name": "loss"}],
    "timing": {"seeds": 1},
}


def priced(tmp_path, monkeypatch, name="sized", **changed):
    monkeypatch.setattr(TimeEstimator, "_unit", lambda self, dataset: (1.0, 3.0))  # forward; forward and backward
    file = tmp_path / f"{name}.toml"
    file.write_text(tomli_w.dumps(TABLE | changed), encoding="utf-8")
    return operations(str(file))


def test_a_matrix_is_priced_by_published_sizes_alone(tmp_path, monkeypatch):
    found, pool = priced(tmp_path, monkeypatch), 2_040 - 204
    seed = 2 * (3.0 * pool + 3.0 * 2_040 + 1.5 * pool + 2.5 * pool)  # full, full on val too, uniform, loss
    assert found.flops == pytest.approx(4 * seed), "three seeds, one of them timed again"
    assert (found.runs, found.bounded) == (16, 0)
    assert found.gpu_hours(2.0) == pytest.approx(found.flops / 2e12 / 3600)


def test_tuning_runs_count_and_a_cost_twin_costs_what_its_arm_does(tmp_path, monkeypatch):
    pool, analysis = 2_040 - 204, {"cost_twins": "all"}
    twins = priced(tmp_path, monkeypatch, "twins", analysis=analysis)
    assert twins.flops - priced(tmp_path, monkeypatch).flops == pytest.approx(4 * 2 * 2 * 2.5 * pool)
    tuned = {"tuning": "grid", "grid": {"factors": [0.5, 1.0], "seeds": 1}}
    found = priced(tmp_path, monkeypatch, "tuned", analysis=analysis, **tuned)
    of = 3.0 + 1.5 + 3 * 2.5  # full, uniform, loss and its two twins; full on val too has nothing to be judged by
    assert found.flops - twins.flops == pytest.approx(2 * 2 * of * pool)
    assert found.runs - twins.runs == 10
