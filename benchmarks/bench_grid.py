"""Grid throughput: independent cells on one local worker and on several, in turns."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from selbench.harness.execution.prepared import RunRequest
from selbench.harness.execution.run import run
from selbench.harness.plan.matrix import parse

from .conftest import Meter

# Seeds, each with three cells of one shape (``full``, ``uniform``, ``full-all``), passes of a long cell, images if few
SIZES = {"small": (1, 2, {"limit": 200}), "usual": (4, 12, {})}


def seconds(folder: Path, workers: int, seeds: int, passes: int, options: dict[str, int]) -> float:
    """A matrix of three cells a seed, from an empty folder to its last record."""
    size = {"seeds": seeds, "ladder": [1.0], "batch": 64, "buckets": 1, "budget": {"passes": passes}}
    what = {"schedule": {"name": "fixed", "ratio": 1.0}, "learner": {"name": "resnet18", "width": 8}}
    arms = {"datasets": [{"name": "digits", "val": 0.1, "options": options}], "strategies": [{"name": "uniform"}]}
    matrix = parse({"name": "grid", **size, **what, **arms})
    begun = time.perf_counter()
    done = run(matrix, RunRequest(out=folder, cache_dir=folder.parent / "cache", device="cpu", workers=workers))
    assert not done.failed
    return time.perf_counter() - begun


@pytest.mark.parametrize("name", SIZES)
def test_grid(meter: Meter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """k workers against one, k the number of cores, the learner on one thread.

    Starting a worker takes seconds, whatever it is given to do; short and long cells tell it apart from the rest.
    """
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    workers = max(2, os.cpu_count() or 2)
    seeds, long, few = SIZES[name]
    if meter.benchmark.disabled:  # a trial run times nothing
        assert seconds(tmp_path / "trial", workers, seeds, long, few)
        return
    taken = {
        (count, passes): seconds(tmp_path / f"{count}-{passes}", count, seeds, passes, few)
        for passes in (1, long)
        for count in (1, workers)
    }
    # What a few seconds of training tell is lost in those of starting up.
    times = (taken[1, long] - taken[1, 1]) / (taken[workers, long] - taken[workers, 1])
    one, several = taken[1, long], taken[workers, long]
    found = {"one_worker_s": one, "workers_s": several, "times_with_start": one / several}
    found |= {"times": times, "efficiency": times / workers} if name == "usual" else {}
    about = {"suite": "grid", "case": f"{workers} workers, {3 * seeds} cells of {long} passes", "size": workers}
    meter(lambda: seconds(tmp_path / "again", workers, seeds, 1, few), once=True, **about, **found)
