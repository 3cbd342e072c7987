"""Two runs on one folder, in real processes."""

from __future__ import annotations

import multiprocessing
import time
import tomllib

import pytest

from selbench.harness.matrix import parse
from selbench.harness.plan import narrowed
from selbench.harness.run import Request, run
from selbench.harness.store import Store


def carry_out(table, strategies, out, cache_dir, begin, ended):
    """One run, in this process; says how many cells it planned and trained, and what failed."""
    declared = parse(table)
    request = Request(out=out, cache_dir=cache_dir, device="cpu", executor="inline", declared=declared)
    asked = narrowed(declared, strategies, None)
    begin.wait(120)
    done = run(asked, request)
    ended.put((done.planned, done.trained, done.failed))


@pytest.fixture
def start(tiny, cache_dir):
    """Start runs of the tiny matrix at once, each in a process of its own; gives the processes, and their answers."""
    tiny |= {"strategies": [{"name": "gstds"}, {"name": "uniform"}, {"name": "loss"}], "ladder": [1.0]}
    fork = multiprocessing.get_context("fork")
    started = []

    def go(out, *narrowings):
        begin, ended = fork.Barrier(len(narrowings)), fork.Queue()
        processes = [
            fork.Process(target=carry_out, args=(tiny, strategies, out, cache_dir, begin, ended))
            for strategies in narrowings
        ]
        for process in processes:
            process.start()
        started.extend(processes)
        return processes, lambda: [ended.get(timeout=300) for _ in processes]

    yield go
    for process in started:
        process.kill()


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
    killed.join()
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
