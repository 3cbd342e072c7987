"""Matrix files of any content: a matrix that can be planned, or one line that says what is wrong."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import pytest
import tomli_w
import torch
from fuzzing import damaged, fuzz, mutated, told
from sklearn.datasets import load_digits

from selbench.harness.datasets.loaded import DataSetLoader
from selbench.harness.datasets.sets import digits
from selbench.harness.execution.prepared import load_references
from selbench.harness.plan import matrix as matrices
from selbench.harness.plan.tasks import Planner
from selbench.harness.tasks.worker import trains_reference
from selbench.harness.toml import load
from selbench.strategies import UsageError
from selbench.strategies.registry import registry

SHIPPED = sorted(matrices.shipped().values())
SMALL: dict[str, Any] = {
    "name": "small",
    "seeds": [0, 3],
    "batch": 32,
    "buckets": 2,
    "ladder": [0.5, 1.0],
    "tuning": "grid",
    "grid": {"factors": [0.5, 1.0], "seeds": 1, "extend": 0},
    "budget": {"passes": 1.5},
    "learner": {"name": "resnet18", "width": 4},
    "optimizer": {"lr": 0.1, "warmup": 0.2},
    "schedule": {"name": "budget-matched", "share": 0.4, "shape": {"name": "linear", "start": 0.2, "end": 0.9}},
    "datasets": [
        {
            "name": "digits",
            "title": "Digits",
            "options": {"limit": 200, "test_limit": 50, "classes": ["3", "7", "1"], "resolution": 8},
            "holdout": 0.2,
            "val": 20,
            "spoil": {"label_noise": 0.2, "kind": "pairs", "duplicates": 0.1, "imbalance": 0.5},
        }
    ],
    "references": [{"name": "holdout", "options": {"passes": 2}}],
    "strategies": [
        {"name": "gstds", "ladder": True},
        {"name": "rho", "label": "mine", "score_mode": "train", "schedule": {"name": "step", "ratios": [0.3, 0.6]}},
        {"name": "el2n", "options": {}},
    ],
    "analysis": {"primary": ["gstds:accuracy", "mine:pays"], "pays": {"cost": "learner_flops"}},
    "timing": {"seeds": 1},
}


@pytest.fixture(scope="module")
def tables() -> list[dict[str, Any]]:
    shipped = [load(path) for path in SHIPPED]
    return [copy.deepcopy(SMALL)] * 2 * len(shipped) + shipped  # the small one needs no files, and so gets further


@pytest.fixture(autouse=True)
def scans_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scans = load_digits(return_X_y=True)
    monkeypatch.setattr(digits, "_table", lambda: scans)


def planned(matrix: matrices.Matrix, folder: Path) -> int:
    """What ``selbench run`` does before it trains anything."""
    bank = DataSetLoader(folder, folder / "cache")
    references = load_references(matrix, folder)
    loaded = {entry.name: bank.load(entry, trains_reference=trains_reference(matrix)) for entry in matrix.datasets}
    registry("learners").load(matrix.learner.name, **matrix.learner.parameters()).fingerprint(folder)
    return len(Planner(matrix, loaded, references, "float32").plan().tasks)


def read_and_plan(file: Path, folder: Path) -> str:
    try:
        matrix = matrices.read(str(file))
    except UsageError as error:
        assert str(file) in told(error)
        return "refused"
    matrix.identity({})
    try:
        assert planned(matrix, folder)
    except UsageError as error:
        told(error)
        return "refused at planning"
    return "planned"


def test_what_is_changed_can_be_planned(tmp_path: Path, tables: list[dict[str, Any]]) -> None:
    file = tmp_path / "matrix.toml"
    for table in (SMALL, {**SMALL, "schedule": {"name": "sigmoid"}, "budget": {"flops": 1e9, "account": "amortised"}}):
        file.write_text(tomli_w.dumps(table), encoding="utf-8")
        assert read_and_plan(file, tmp_path) == "planned"


def test_bytes(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    whole = [path.read_bytes() for path in SHIPPED] + [tomli_w.dumps(SMALL).encode()] * 3
    file = tmp_path / "matrix.toml"

    def case(numbers: random.Random) -> str:
        file.write_bytes(damaged(numbers, numbers.choice(whole)))
        return read_and_plan(file, tmp_path)

    assert len(fuzz("matrix bytes", case)) > 1


def test_structures(tmp_path: Path, tables: list[dict[str, Any]]) -> None:
    torch.set_num_threads(1)
    file = tmp_path / "matrix.toml"

    def case(numbers: random.Random) -> str:
        table = numbers.choice(tables)
        for _ in range(numbers.choice((1, 1, 1, 2, 4))):
            table = mutated(numbers, table)
        try:
            text = tomli_w.dumps(table)
        except (TypeError, ValueError, AttributeError):
            return "not TOML"
        file.write_text(text, encoding="utf-8")
        return read_and_plan(file, tmp_path)

    assert len(fuzz("matrix structures", case)) > 2
