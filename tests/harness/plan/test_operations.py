"""The operations of a matrix whose images are not at hand."""

from __future__ import annotations

import pytest
import tomli_w

from selbench.harness.plan.operations import operations
from selbench.harness.training.flops import learner_flops
from selbench.harness.training.learner import ResNet18

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


def counted(tmp_path, **changed):
    file = tmp_path / "sized.toml"
    file.write_text(tomli_w.dumps(TABLE | changed), encoding="utf-8")
    operations.cache_clear()
    return operations(str(file))


def test_a_matrix_is_priced_by_published_sizes_alone(tmp_path):
    forward, train = learner_flops(ResNet18(width=4), 3, 32, 102)
    candidates = 2 * (2_040 - 204)
    of = {"full": train, "uniform": train / 2, "loss": train / 2 + forward}
    found = counted(tmp_path)
    print(found, candidates * sum(of.values()) * 4)
    assert found.flops == pytest.approx(candidates * 4 * sum(of.values())), "three seeds, one of them timed again"
    assert found.gpu_hours(2.0) == pytest.approx(found.flops / 2e12 / 3600)
