"""A matrix small enough to train in a test."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from selbench.harness.datasets.loaded import DataSetLoader
from selbench.harness.execution.prepared import RunRequest, load_references
from selbench.harness.execution.run import run
from selbench.harness.plan.matrix import Matrix, parse
from selbench.harness.plan.tasks import Plan, Planner
from selbench.harness.tasks.worker import Context, Worker, trains_reference

TINY: dict[str, Any] = {
    "name": "tiny",
    "seeds": 2,
    "batch": 32,
    "buckets": 2,  # few sub-batch sizes, since every new shape costs its kernels' compilation
    "ladder": [0.5, 1.0],
    "budget": {"passes": 2},
    "learner": {"name": "resnet8", "width": 4},
    "proxy": {"passes": 2},
    "datasets": [{"name": "digits", "options": {"limit": 200, "test_limit": 50}, "holdout": 0.2}],
    "references": [{"name": "holdout", "options": {"passes": 2}}],
    "strategies": [{"name": "gstds"}],
}


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit-equality holds at one thread count."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)


@pytest.fixture
def tiny() -> dict[str, Any]:
    """The tiny matrix as a table, free to be changed."""
    return copy.deepcopy(TINY)


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache of decoded images for the whole session."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def planned(cache_dir: Path) -> Callable[[dict[str, Any]], Plan]:
    """Expand a table into a plan."""

    def plan(table: dict[str, Any]) -> Plan:
        matrix = parse(table)
        bank = DataSetLoader(None, cache_dir)
        loaded = {e.name: bank.load(e, trains_reference=trains_reference(matrix)) for e in matrix.datasets}
        return Planner(matrix, loaded, load_references(matrix, None), "float32").plan()

    return plan


@pytest.fixture
def worker(cache_dir: Path, tmp_path: Path) -> Callable[[Matrix], Worker]:
    """A worker in this process, writing under ``tmp_path``."""

    def make(matrix: Matrix) -> Worker:
        return Worker(Context(matrix, tmp_path / "out", None, cache_dir, "cpu", "float32", 1))

    return make


@pytest.fixture
def train(cache_dir: Path) -> Callable[..., Any]:
    """Run a table into a folder, in this process unless another executor is asked for."""

    def go(table: dict[str, Any], out: Path, executor: str = "inline") -> Any:
        return run(parse(table), RunRequest(out=out, cache_dir=cache_dir, device="cpu", workers=1, executor=executor))

    return go
