"""The whole loop, in real processes: done once, resumed, and failing well."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import psutil
import pytest
import tomli_w

from selbench.harness.datasets.spec import dataset
from selbench.harness.execution.prepared import thread_count
from selbench.harness.store.folder import Store, checksum
from selbench.reports.build import build
from selbench.strategies import UsageError


@pytest.fixture(scope="module")
def finished(request, tmp_path_factory):
    """A tiny matrix, run once for the module."""
    return tmp_path_factory.mktemp("run") / "tiny"


def records(out: Path):
    return {p.stem: json.loads(p.read_text()) for p in (out / "cells").glob("*.json")}


def essence(record):
    """A record without what may differ between two runs of it: seconds, memory, and when."""
    record = json.loads(json.dumps(record))
    for key in ("environment", "checksum", "memory_bytes"):
        del record[key]
    for account in record["ledger"].values():
        del account["seconds"]
    for point in record["curve"]:
        del point["seconds"]
    return record


def test_a_matrix_is_run_gone_on_with_and_extended(train, tiny, finished):
    tiny |= {"strategies": [{"name": "gstds"}, {"name": "static"}], "budget": {"passes": 1}}
    done = train(tiny, finished)
    assert done.planned == done.trained == 16 and not done.failed
    first = records(finished)
    assert len(first) == 16

    # Again: nothing to do, nothing touched.
    stamps = {p: p.stat().st_mtime_ns for p in (finished / "cells").iterdir()}
    assert train(tiny, finished).trained == 0
    assert stamps == {p: p.stat().st_mtime_ns for p in (finished / "cells").iterdir()}

    # One record gone, one damaged: those two are trained again, to the same result.
    gone, damaged = sorted(first)[:2]
    (finished / "cells" / f"{gone}.json").unlink()
    path = finished / "cells" / f"{damaged}.json"
    path.write_bytes(path.read_bytes()[:-20])
    assert train(tiny, finished).trained == 2
    again = records(finished)
    for id in (gone, damaged):
        assert essence(again[id]) == essence(first[id])

    # A strategy more: only its cells are trained.
    tiny["strategies"].append({"name": "loss"})
    assert train(tiny, finished).trained == 2

    with pytest.raises(UsageError, match="another matrix"):
        train({**tiny, "batch": 16}, finished)


def test_records_are_whole_and_consistent(finished, tiny):
    matrix = tomllib.loads((finished / "matrix.toml").read_text())
    labels = list(base64.b64decode(matrix["datasets"][0]["test_labels"]))
    assert labels == dataset("digits", tiny["datasets"][0]["options"]).load(None, finished).test_labels.tolist()
    arms = {arm["key"]: arm for arm in matrix["arms"]}
    for id, record in records(finished).items():
        assert record["result"]["test_n"] == len(labels)
        assert record["checksum"] == checksum(record) and record["id"] == id
        arm = arms[record["arm"]]
        assert (record["arm_label"], record["dataset"]) == (arm["label"], "digits")
        result = record["result"]
        bits = np.unpackbits(np.frombuffer(base64.b64decode(result["correct"]), dtype=np.uint8))[: result["test_n"]]
        assert bits.mean() == pytest.approx(result["test_accuracy"])
        ledger, last = record["ledger"], record["curve"][-1]
        total = sum(account["flops"] for phase, account in ledger.items() if phase != "eval")
        assert last["total_flops"] == pytest.approx(total) and last["progress"] == 1.0
        assert record["selection"]["trained_samples"] == ledger["train"]["samples"]
        assert ledger["train"]["flops"] == pytest.approx(ledger["train"]["samples"] * record["unit"]["train"])
        for artefact in record["artefacts"]:
            assert (finished / "artefacts" / artefact / "meta.json").exists()
        assert str(finished) not in json.dumps(record)
    costs = {r["arm_label"]: r["ledger"] for r in records(finished).values() if arms[r["arm"]]["rung"] == 1.0}
    assert costs["gstds"]["select"]["flops"] > 0 == costs["full"]["select"]["flops"]
    assert costs["loss"]["score"]["flops"] > 0 == costs["gstds"]["score"]["flops"]


def test_twins_have_the_identical_sequence_of_counts(finished):
    matrix = tomllib.loads((finished / "matrix.toml").read_text())
    by_arm = {(r["arm"], r["seed"]): r["selection"]["k"] for r in records(finished).values()}
    twins = [(arm["key"], arm["twin"]) for arm in matrix["arms"] if arm["role"] == "strategy"]
    assert len(twins) == 3
    for key, twin in twins:
        for seed in (0, 1):
            assert by_arm[key, seed] == by_arm[twin, seed]


def test_a_plugin_joins_the_report_and_a_failing_one_fails_its_own_cells_alone(train, tiny, tmp_path, installed_plugin):
    tiny["strategies"] = [{"name": "raises-in-select"}, {"name": "every-other"}]
    tiny["seeds"] = 1
    done = train(tiny, tmp_path / "out", executor="local")
    page = build(tmp_path / "out", figures=False).read_text()
    summary = json.loads((tmp_path / "out" / "report" / "summary.json").read_text())
    (row,) = [arm for arm in summary["arms"] if arm["label"] == "every-other"]
    assert row["n"] == 1 and row["origin"] == "selbench-tests-plugin 1.2"
    assert summary["cells"]["failed"] == 1 and "this strategy always fails" in page and "every-other" in page
    assert len(done.failed) == 1 and done.trained == done.planned - 1
    (failure,) = (json.loads(p.read_text()) for p in (tmp_path / "out" / "failed").iterdir())
    assert failure["arm_label"] == "raises-in-select" and failure["origin"] == "selbench-tests-plugin 1.2"
    assert "this strategy always fails" in failure["error"] and "Traceback" in failure["traceback"]


def test_counts_that_depend_on_the_data_are_replayed_for_the_twin(train, tiny, tmp_path, installed_plugin):
    tiny["strategies"] = [{"name": "own-count"}]
    tiny["seeds"] = 1
    out = tmp_path / "out"
    assert not train(tiny, out).failed
    cells = {r["arm_label"]: r["selection"] for r in records(out).values()}
    ours, twin = cells["own-count"], cells["uniform, steps of own-count"]
    assert ours["pace"] == twin["pace"] and ours["k"] == twin["k"] == [[32, 3]]
    # A third of the pool in the first pass, half of it in the second: one batch, and two.
    assert [(size, steps) for size, _, steps, *_ in ours["pace"]] == [(128, 1), (64, 2)]
    assert ours["trained_samples"] / ours["candidate_samples"] == ours["mean_ratio"] == 96 / 256


REPLAY = {"name": "replay", "of": "loss"}
LEARNS = {"name": "bandit", "ratios": [0.25, 0.5, 0.75], "interval": 0.2, "images": 16}


def test_a_twin_and_another_strategy_replay_what_a_schedule_learnt_seed_by_seed(train, tiny, tmp_path):
    tiny |= {"seeds": 2, "ladder": [1.0], "budget": {"passes": 4}}
    tiny["strategies"] = [{"name": "degree", "schedule": REPLAY}, {"name": "loss", "schedule": LEARNS}]
    tiny["references"] = [{"name": "holdout", "options": {"passes": 1}}]
    tiny["datasets"][0]["holdout"] = 0.25
    assert not train(tiny, tmp_path / "out").failed
    cells = {(r["arm_label"], r["seed"]): r for r in records(tmp_path / "out").values()}
    pace = {key: record["selection"]["pace"] for key, record in cells.items()}
    for seed in (0, 1):
        assert pace["loss", seed] == pace["uniform, steps of loss", seed]
        assert pace["degree", seed] == pace["loss", seed] == pace["uniform, steps of degree (holdout)", seed]
        probed = [cells[label, seed]["ledger"]["probe"]["samples"] for label in ("loss", "uniform, steps of loss")]
        assert probed[0] > 0 == probed[1]
    assert pace["loss", 0] != pace["loss", 1]
    assert any(len(cells["loss", seed]["selection"]["k"]) > 1 for seed in (0, 1))


@pytest.mark.parametrize(
    ("strategies", "says"),
    [
        ([{"name": "loss", "schedule": {"name": "replay", "of": "los"}}], "replays the steps of 'los'"),
        (
            [{"name": "uniform", "schedule": {"name": "replay", "of": "loss"}, "ladder": True}, {"name": "loss"}],
            "no ladder",
        ),
        (
            [{"name": "infobatch", "schedule": {"name": "replay", "of": "loss"}}, {"name": "loss"}],
            "cannot replay",
        ),
        ([{"name": "loss", "references": ["holdot"]}], r"strategies.0.references: .* no .* entry 'holdot'"),
        ([{"name": "loss", "references": []}], "name at least one"),
    ],
)
def test_replays_and_references_that_cannot_be_are_refused(train, tiny, tmp_path, strategies, says):
    with pytest.raises(UsageError, match=says):
        train({**tiny, "strategies": strategies}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_store_does_not_take_a_half_written_cell_for_done(finished):
    store = Store(finished)
    (finished / "cells" / ".abc.json.tmp").write_text("{")
    assert not store.has_cell("abc")


def test_a_worker_ends_with_its_parent_and_the_next_run_goes_on(tiny, tmp_path, cache_dir):
    """SIGKILL leaves no orphan training on and no damaged record."""
    tiny["budget"] = {"passes": 20}
    matrix, out = tmp_path / "tiny.toml", tmp_path / "out"
    matrix.write_text(tomli_w.dumps(tiny))
    command = [sys.executable, "-m", "selbench", "run", str(matrix), "--out", str(out), "--cache-dir", str(cache_dir)]
    process = subprocess.Popen([*command, "--workers", "1"], stderr=subprocess.DEVNULL)
    while process.poll() is None and not list((out / "cells").glob("*.json")):
        time.sleep(0.02)
    process.send_signal(signal.SIGSTOP)  # it starts no further worker
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=600)
    assert not alive
    store = Store(out)
    assert all(store.cell(path.stem) for path in (out / "cells").glob("*.json"))


@pytest.mark.parametrize(
    ("asked", "threads"), [(None, 4), ("", 4), ("1", 1), ("3", 3), ("0", 4), ("2,1", 4), ("many", 4)]
)
def test_workers_share_the_cores_unless_the_environment_says_otherwise(monkeypatch, asked, threads):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if asked is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert thread_count(8, 2) == threads
