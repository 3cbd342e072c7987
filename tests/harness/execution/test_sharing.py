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
def start(tiny, cache_dir, tmp_path):
    """Start runs of the tiny matrix at once, each in a process of its own; gives the processes, and their answers.

    They are forked from a server that has imported what is slow to import, and let go all at once.
    """
    tiny |= {"strategies": [{"name": "gstds"}, {"name": "uniform"}, {"name": "loss"}], "ladder": [1.0]}
    running = []

    def go(out, *narrowings):
        signal = tmp_path / f"go-{len(running)}"
        processes, answers = [], []
        for strategies in narrowings:
            here, there = multiprocessing.Pipe()
            processes.append(started(whole_run, there, tiny, strategies, out, cache_dir, signal))
            there.close()
            answers.append(here)
        running.extend(processes)
        assert [answer.recv() for answer in answers] == ["ready"] * len(processes)
        signal.touch()
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
