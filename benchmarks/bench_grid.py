"""Grid throughput: independent cells on one local worker and on several, in turns."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from selbench.harness.matrix import parse
from selbench.harness.run import Request, run

from .conftest import Meter

SEEDS = 4
CELLS = 3 * SEEDS
"""Of ``full``, ``uniform`` and ``full-all``, all of one shape and nearly one length."""

SHORT, LONG = 1, 12
"""Passes of each cell."""


def seconds(folder: Path, workers: int, passes: int) -> float:
    """A matrix of ``CELLS`` cells of one shape, from an empty folder to its last record."""
    matrix = parse(
        {
            "name": "grid",
            "seeds": SEEDS,
            "ladder": [1.0],
            "batch": 64,
            "buckets": 1,
            "budget": {"passes": passes},
            "learner": {"name": "resnet18", "width": 8},
            "schedule": {"name": "fixed", "ratio": 1.0},
            "datasets": [{"name": "digits", "val": 0.1}],
            "strategies": [{"name": "uniform"}],
        }
    )
    begun = time.perf_counter()
    done = run(matrix, Request(out=folder, cache_dir=folder.parent / "cache", device="cpu", workers=workers))
    assert not done.failed
    return time.perf_counter() - begun


def test_grid(meter: Meter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """k workers against one, k the number of cores, the learner on one thread.

    Starting a worker takes seconds, whatever it is given to do; short and long cells tell it apart from the rest.
    """
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    workers = max(2, os.cpu_count() or 2)
    taken = {
        (count, passes): seconds(tmp_path / f"{count}-{passes}", count, passes)
        for passes in (SHORT, LONG)
        for count in (1, workers)
    }
    times = (taken[1, LONG] - taken[1, SHORT]) / (taken[workers, LONG] - taken[workers, SHORT])
    meter(
        lambda: seconds(tmp_path / "again", workers, SHORT),
        suite="grid",
        case=f"{workers} workers, {CELLS} cells",
        size=workers,
        once=True,
        one_worker_s=taken[1, LONG],
        workers_s=taken[workers, LONG],
        times_with_start=taken[1, LONG] / taken[workers, LONG],
        times=times,
        efficiency=times / workers,
    )
