"""Two runs on one folder, in real processes."""

from __future__ import annotations

import multiprocessing
import time
import tomllib

import pytest
from killing import started
from pieces import whole_run

from selbench.harness.store.folder import Store


@pytest.fixture
def start(tiny, cache_dir):
    """Start runs of the tiny matrix at once, each in a process of its own; gives the processes, and their answers.

    They are forked from a server that has imported what is slow to import. Each waits for the others before it begins
    and at its first task, and so for ever where this process is one of the parties and does not come.
    """
    tiny |= {"strategies": [{"name": "gstds"}, {"name": "uniform"}, {"name": "loss"}]}
    tiny |= {"seeds": 1, "ladder": [1.0], "budget": {"passes": 1}}
    running, barriers = [], []  # a barrier goes with its last name in this process

    def go(out, *narrowings, met=None):
        met = met or multiprocessing.get_context("forkserver").Barrier(len(narrowings), timeout=600)
        barriers.append(met)
        processes, answers = [], []
        for strategies in narrowings:
            here, there = multiprocessing.Pipe()
            processes.append(started(whole_run, there, tiny, strategies, out, cache_dir, met))
            there.close()
            answers.append(here)
        running.extend(processes)
        return processes, lambda: [answer.recv() for answer in answers]

    yield go
    for process in running:
        process.kill()
        process.join()


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

    # Now one is killed while it holds a claim: it waits for us before it does the task.
    met = multiprocessing.get_context("forkserver").Barrier(2, timeout=600)
    (killed,), _ = start(left, [], met=met)
    met.wait()
    claims = left / "claims"
    while killed.is_alive() and not met.n_waiting:
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
    assert len(list((out / "cells").iterdir())) == len(table["arms"])
