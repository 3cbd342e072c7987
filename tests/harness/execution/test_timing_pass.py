"""The timing pass: what it runs, in which order, and what it writes."""

from __future__ import annotations

import json

import pytest
import torch

from selbench.harness.execution.prepared import RunRequest
from selbench.harness.execution.run import run
from selbench.harness.execution.timing_pass import missing
from selbench.harness.plan.matrix import parse
from selbench.harness.store.folder import Store, checksum
from selbench.reports.records.fields import LEDGER_PHASES

SHORT = {
    "strategies": [{"name": "gstds"}, {"name": "static"}],
    "timing": {"seeds": 2},
    "ladder": [1.0],
    "budget": {"passes": 1},
}


@pytest.fixture(scope="module")
def timed(tmp_path_factory):
    return tmp_path_factory.mktemp("timed") / "tiny"


def timings(out):
    return [json.loads(p.read_text()) for p in (out / "timing").glob("*.json")]


def test_every_arm_and_artefact_of_a_block_is_timed_once(tiny, timed):
    """In a folder for which nothing has been cached yet."""
    request = RunRequest(out=timed, cache_dir=timed.parent / "none" / "yet", device="cpu", executor="inline")
    done = run(parse(tiny | SHORT), request)
    assert not done.failed and done.trained == done.planned == 12
    rows = timings(timed)
    cells = [json.loads(p.read_text()) for p in (timed / "cells").glob("*.json")]
    for block in (0, 1):
        of = [row for row in rows if row["block"] == block]
        assert sorted(row["position"] for row in of) == list(range(len(of)))
        assert {row["of"] for row in of if row["kind"] == "cell"} == {c["arm"] for c in cells if c["seed"] == block}
        assert sorted(row["kind"] for row in of if row["kind"] != "cell") == ["proxy", "reference"]
    orders = [[r["of"] for r in sorted(rows, key=lambda r: r["position"]) if r["block"] == b] for b in (0, 1)]
    ladder = [[key for key in order if key in set(orders[0]) & set(orders[1])] for order in orders]
    assert ladder[0] != ladder[1]  # each block in an order of its own


def test_a_timed_run_takes_the_steps_of_its_cell_and_evaluates_nothing(timed):
    cells = {(c["arm"], c["seed"]): c for c in (json.loads(p.read_text()) for p in (timed / "cells").glob("*.json"))}
    for row in timings(timed):
        assert row["checksum"] == checksum(row) and row["environment"]["threads"] == torch.get_num_threads()
        phases = sum(row["ledger"][name]["seconds"] for name in LEDGER_PHASES if name != "eval")
        assert row["seconds"] >= 0.999 * phases > 0
        if row["kind"] == "cell":
            cell = cells[row["of"], row["block"]]
            for phase in ("train", "score", "select"):
                assert row["ledger"][phase]["samples"] == cell["ledger"][phase]["samples"]
                assert row["ledger"][phase]["flops"] == cell["ledger"][phase]["flops"]
            assert row["ledger"]["eval"]["seconds"] == 0 < cell["ledger"]["eval"]["seconds"]


def test_what_has_been_timed_is_not_timed_again(train, tiny, timed, planned):
    tiny |= SHORT
    plan, store = planned(tiny), Store(timed)
    assert not missing(store, plan, [0, 1])
    gone = next((timed / "timing").glob("*.json"))
    stamps = {p: p.stat().st_mtime_ns for p in (timed / "timing").iterdir() if p != gone}
    gone.unlink()
    assert len(missing(store, plan, [0, 1])) == 1
    train(tiny, timed)
    assert gone.exists() and stamps == {p: p.stat().st_mtime_ns for p in stamps}


def test_what_the_grid_has_not_finished_is_not_timed(timed, tiny, planned):
    tiny |= {**SHORT, "strategies": [*SHORT["strategies"], {"name": "loss"}]}
    assert not missing(Store(timed), planned(tiny), [0, 1])
