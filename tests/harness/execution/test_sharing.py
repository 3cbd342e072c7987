"""Two runs on one folder, in real processes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import tomllib

import pytest

from selbench.harness.store.folder import Store

ONE_RUN = """
import json, sys, time
from pathlib import Path
from selbench.harness.execution.prepared import RunRequest
from selbench.harness.execution.run import run
from selbench.harness.plan.matrix import narrowed, parse

given = json.loads(sys.argv[1])
declared, go = parse(given["table"]), Path(given["go"])
out, cache = Path(given["out"]), Path(given["cache"])
asked = narrowed(declared, given["strategies"], None)
print("ready", flush=True)
while not go.exists():
    time.sleep(0.01)
done = run(asked, RunRequest(out=out, cache_dir=cache, device="cpu", executor="inline", declared=declared))
print(json.dumps([done.planned, done.trained, done.failed]))
"""


@pytest.fixture
def start(tiny, cache_dir, tmp_path):
    """Start runs of the tiny matrix at once, each in a process of its own; gives the processes, and their answers."""
    tiny |= {"strategies": [{"name": "gstds"}, {"name": "uniform"}, {"name": "loss"}], "ladder": [1.0]}
    started = []

    def go(out, *narrowings):
        signal = tmp_path / f"go-{len(started)}"
        given = {"table": tiny, "out": str(out), "cache": str(cache_dir), "go": str(signal)}
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", ONE_RUN, json.dumps({**given, "strategies": strategies})],
                stdout=subprocess.PIPE,
                text=True,
            )
            for strategies in narrowings
        ]
        started.extend(processes)
        assert [process.stdout.readline() for process in processes] == ["ready\n"] * len(processes)
        signal.touch()
        return processes, lambda: [json.loads(process.communicate(timeout=300)[0]) for process in processes]

    yield go
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def essences(out):
    """The records, without what may differ between two runs: seconds, memory, and when."""
    store, found = Store(out), {}
    for path in (out / "cells").glob("*.json"):
        record = store.cell(path.stem)
        assert record is not None, f"{path} is damaged"
        for key in ("environment", "checksum", "memory_bytes"):
            del record[key]
        for row in [*record["ledger"].values(), *record["curve"]]:
            del row["seconds"]
        found[path.stem] = record
    return found


def test_two_runs_share_the_cells_and_one_that_is_killed_leaves_its_own_to_the_other(start, tmp_path):
    alone, shared, left = tmp_path / "alone", tmp_path / "shared", tmp_path / "left"
    ((planned, trained, failed),) = start(alone, [])[1]()
    assert planned == trained and not failed
    ended = start(shared, [], [])[1]()
    assert sum(trained for _, trained, _ in ended) == planned, "a cell was trained twice, or not at all"
    assert all(trained for _, trained, _ in ended), "one run did everything"
    assert essences(shared) == essences(alone)
    assert not (shared / "claims").exists()

    # Now one is killed while it holds a claim.
    (killed,), _ = start(left, [])
    claims = left / "claims"
    for _ in range(6000):
        if claims.is_dir() and any(claims.iterdir()):
            break
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    assert list(claims.iterdir())
    ((_, _, failed),) = start(left, [])[1]()
    assert not failed and essences(left) == essences(alone)
    assert not claims.exists()


def test_arms_of_two_runs_that_begin_at_once_are_all_in_the_matrix(start, tmp_path):
    out = tmp_path / "out"
    start(out, ["gstds"], ["loss"])[1]()
    table = tomllib.loads((out / "matrix.toml").read_text())
    assert {"gstds", "loss", "full", "uniform"} <= {arm["label"] for arm in table["arms"]}
    assert {"gstds", "loss"} <= set(table["requested"]["strategies"])
    assert len(list((out / "cells").iterdir())) == 2 * len(table["arms"])
