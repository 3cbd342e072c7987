"""A workload small enough to measure in a test."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from selbench.harness.scale import operations

TINY: dict[str, Any] = {
    "name": "tiny",
    "images": 200,
    "resolution": 8,
    "channels": 1,
    "classes": 4,
    "passes": 2,
    "batch": [16, 32],
    "features": 8,
    "augmentation": "shift",
    "learner": {"name": "resnet8", "width": 4},
    "reference": {"network": "learner", "passes": 1, "images": 40},
    "strategies": [{"name": name} for name in ("gstds", "loss", "static", "uniform")],
}


def least(patch: pytest.MonkeyPatch) -> None:
    """Few steps, few repeats."""
    patch.setattr(operations, "EFFORT", 0.01)
    patch.setattr(operations, "_STEPS", 4)


@pytest.fixture(scope="session")
def tiny_table() -> dict[str, Any]:
    """The workload as a table, to be left as it is."""
    return TINY


@pytest.fixture
def tiny() -> dict[str, Any]:
    """The workload as a table, free to be changed."""
    return copy.deepcopy(TINY)


@pytest.fixture(scope="module")
def hasty_module() -> Iterator[None]:
    """Measure as little as there can be, in one thread."""
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        least(patch)
        torch.set_num_threads(1)
        yield
    torch.set_num_threads(threads)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure as little as there can be."""
    least(monkeypatch)
