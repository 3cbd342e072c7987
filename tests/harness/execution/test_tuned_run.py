"""Tuning in whole runs: records, resuming, failures, and what comes after it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tomllib
from collections import Counter
from dataclasses import replace

import pytest
import tomli_w

from selbench.harness.execution import calibration
from selbench.harness.plan.tuning import beyond
from selbench.harness.store.folder import Store, checksum
from selbench.harness.tasks import do as work
from selbench.harness.verify import verify
from selbench.reports.records.folder import Results
from selbench.reports.summary import summarise


def tuned(tiny, **changes):
    """Two learning rates, each of which is an end of the grid and stays one; one tuning seed, one reported seed."""
    grid = {"tuning": "grid", "grid": {"factors": [1.0, 4.0], "seeds": 1, "extend": 0}}
    return tiny | {"seeds": 1, "ladder": [1.0], "budget": {"passes": 1}, **grid, **changes}


def read(out, folder):
    return [json.loads(path.read_text()) for path in sorted((out / folder).glob("*.json"))]


def resolved(out):
    return tomllib.loads((out / "matrix.toml").read_text())


def stamps(folder):
    return {path: path.stat().st_mtime_ns for path in folder.iterdir()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return tmp_path_factory.mktemp("tuned") / "tiny"


def table(tiny):
    strategies = [{"name": "gstds", "ladder": True}, {"name": "static"}]
    return tuned(tiny, ladder=[0.5, 1.0], strategies=strategies, timing={"seeds": 1})


def test_every_arm_is_reported_at_the_rate_that_val_chose(train, tiny, finished):
    done = train(table(tiny), finished)
    # full and uniform at two shares, gstds at two, static and its twin; full-all is tuned by full's runs
    assert not done.failed and done.tuned == 8 * 2 and done.trained == done.planned == 9
    matrix = resolved(finished)
    assert matrix["tuning"] == "grid"
    assert matrix["grid"] == {"factors": [1.0, 4.0], "seeds": 1, "tuning_seeds": [2_000_000], "extend": 0}
    tries = {(row["arm"], row["factor"]): row for row in read(finished, "tuning")}
    cells = {row["arm"]: row for row in read(finished, "cells")}
    full = next(arm for arm in matrix["arms"] if arm["role"] == "full" and arm["rung"] == 1.0)
    for arm in matrix["arms"]:
        assert arm["lr"] == 0.1 * arm["lr_factor"]
        assert (arm["base"] == arm["key"]) == (arm["lr_factor"] == 1.0)
        if arm["role"] == "full-all":
            assert (arm["lr_from"], arm["lr_factor"]) == ("full", full["lr_factor"])
        else:
            by_factor = {f: tries[arm["base"], f]["val_accuracy"] for f in (1.0, 4.0)}
            assert arm["lr_from"] == "val" and by_factor[arm["lr_factor"]] == max(by_factor.values())
        top = max(point["lr"] for point in cells[arm["key"]]["curve"])
        assert 0 < top <= arm["lr"] and cells[arm["key"]]["identity"].get("lr_factor", 1.0) == arm["lr_factor"]
    assert len({arm["lr_factor"] for arm in matrix["arms"]}) == 2, "both rates win somewhere, or this shows little"


def test_tuning_records_are_whole_and_their_seeds_apart(finished):
    reported = {row["seed"] for row in read(finished, "cells")}
    metas = {p.parent.name: json.loads(p.read_text()) for p in (finished / "artefacts").glob("*/meta.json")}
    for row in read(finished, "tuning"):
        assert row["checksum"] == checksum(row) and row["seed"] not in reported
        assert {"test_accuracy", "correct", "result"}.isdisjoint(row)
        assert row["lr"] == 0.1 * row["factor"] and row["environment"]["finished"] and row["ledger"]["train"]["flops"]
        assert 0 < row["mean_ratio"] <= 1 and (row["role"] == "full") == (row["mean_ratio"] == 1.0)
        assert all(metas[id]["seed"] == row["seed"] for id in row["artefacts"])
    assert {meta["seed"] for meta in metas.values()} == {*reported, 2_000_000}


def test_the_timing_pass_times_the_tuned_arms(finished):
    times = [row["of"] for row in read(finished, "timing") if row["kind"] == "cell"]
    assert sorted(times) == sorted(arm["key"] for arm in resolved(finished)["arms"])


def test_what_is_there_is_not_done_again_and_more_seeds_change_no_choice(train, tiny, finished):
    before, matrix = {f: stamps(finished / f) for f in ("tuning", "cells")}, resolved(finished)
    again = train(table(tiny), finished)
    assert (again.trained, again.tuned, again.failed) == (0, 0, [])
    assert before == {f: stamps(finished / f) for f in ("tuning", "cells")} and resolved(finished) == matrix

    # A damaged record is made again, to the same result.
    path = next((finished / "tuning").iterdir())
    first = json.loads(path.read_text())
    path.write_bytes(path.read_bytes()[:-20])
    done = train({**table(tiny), "seeds": 2, "timing": {"seeds": 0}}, finished)
    assert (done.trained, done.tuned) == (9, 1)
    assert json.loads(path.read_text())["val_accuracy"] == first["val_accuracy"]
    assert [arm["key"] for arm in resolved(finished)["arms"]] == [arm["key"] for arm in matrix["arms"]]


KILLED = """\
import os, signal, sys
from selbench.harness.cli.commands import main
from selbench.harness.tasks import do
left, tuned = [2], do.train_tuning_run
def killed(*given):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return tuned(*given)
do.train_tuning_run = killed
main()
"""
"""The command, gone at its third tuning run."""


def test_a_run_killed_while_tuning_goes_on_where_it_was(train, tiny, tmp_path, cache_dir):
    changes, out = tuned(tiny, strategies=[{"name": "loss"}], references=[]), tmp_path / "out"
    matrix = tmp_path / "tiny.toml"
    matrix.write_text(tomli_w.dumps(changes))
    arguments = ["run", matrix, "--out", out, "--cache-dir", cache_dir, "--executor", "inline", "--device", "cpu"]
    ended = subprocess.run([sys.executable, "-c", KILLED, *map(str, arguments)], stderr=subprocess.PIPE, text=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert "tuning: each arm's learning rate" in ended.stderr and "cells:" not in ended.stderr
    store, found = Store(out), sorted(path.stem for path in (out / "tuning").glob("*.json"))
    assert len(found) == 2 and all(store.tuning(id) for id in found)
    bases = {arm["base"] for arm in resolved(out)["arms"]}
    assert {store.tuning(id)["arm"] for id in found} <= bases, "a report on what is there finds its arms"
    before = {id: store.tuning_path(id).stat().st_mtime_ns for id in found}
    done = train(changes, out)
    assert (done.tuned, done.trained, done.failed) == (4, 4, [])
    assert before == {id: store.tuning_path(id).stat().st_mtime_ns for id in found}
    assert len(resolved(out)["arms"]) == 4


def test_an_arm_whose_tuning_fails_is_not_run_at_another_rate(train, tiny, tmp_path, monkeypatch):
    changes, out = tuned(tiny, strategies=[{"name": "loss"}], references=[]), tmp_path / "out"
    real = work.train_tuning_run

    def breaks(worker, task):
        if task.arm.label == "full" and task.arm.lr_factor == 4.0:
            raise RuntimeError("out of paper")
        return real(worker, task)

    monkeypatch.setattr(work, "train_tuning_run", breaks)
    done = train(changes, out)
    assert (done.tuned, done.trained, done.planned) == (5, 2, 4)
    assert {row["arm_label"] for row in read(out, "cells")} == {"uniform", "loss"}
    failures = {(row["arm_label"], row["seed"]): row for row in read(out, "failed")}
    assert set(failures) == {("full", 0), ("full-all", 0), ("full", 2_000_000)}
    for seed in (("full", 0), ("full-all", 0)):
        said = failures[seed]["error"]
        assert "its tuning failed: tuning of full at 4 x lr on digits, seed 2000000: RuntimeError: out of paper" in said
    keys = {arm["label"]: arm["key"] for arm in resolved(out)["arms"]}
    assert failures["full", 0]["arm"] == failures["full", 2_000_000]["arm"] == keys["full"]

    # With the fault mended only what is missing is done, and nothing is left of the failure.
    monkeypatch.undo()
    done = train(changes, out)
    assert (done.tuned, done.trained, done.failed) == (1, 2, [])
    assert not read(out, "failed") and len(resolved(out)["arms"]) == 4


def test_a_failing_strategy_takes_its_twin_along_and_nothing_else(train, tiny, tmp_path, installed_plugin):
    changes = tuned(tiny, strategies=[{"name": "raises-in-select"}, {"name": "own-count"}], references=[])
    out = tmp_path / "out"
    done = train(changes, out)
    assert done.tuned == 8 and done.trained == 5 and done.planned == 6
    assert {row["arm_label"] for row in read(out, "failed")} == {"raises-in-select"}
    arms = {arm["label"]: arm for arm in resolved(out)["arms"]}
    ours, twin = arms["own-count"], arms["uniform, steps of own-count"]
    assert ours["twin"] == twin["key"] and twin["replay"] == ours["key"]
    paces = {row["arm"]: row["selection"]["pace"] for row in read(out, "cells")}
    assert paces[ours["key"]] == paces[twin["key"]]
    tried = {(row["arm_label"], row["factor"]): row["selection"]["pace"] for row in read(out, "tuning")}
    for factor in (1.0, 4.0):
        assert tried["own-count", factor] == tried["uniform, steps of own-count", factor]


@pytest.mark.parametrize("budget", [{"seconds": 0.05}, {"flops": 3.6e7}])
def test_budgets_in_cost_are_tuned_with_their_ladders_and_replayed_twins(train, tiny, tmp_path, monkeypatch, budget):
    measure, budget = calibration.measure, {**budget, "account": "marginal"}

    def at_one_speed(*given):
        """What was measured, at the prices of a machine that takes 0.2 ms a sample, so that runs have several steps."""
        rate = measure(*given)
        return replace(rate, begin=0.0, steps=[[size, keep, keep * 2e-4] for size, keep, _ in rate.steps])

    monkeypatch.setattr(calibration, "measure", at_one_speed)
    strategies = [{"name": "gstds", "ladder": True}]
    changes, out = tuned(tiny, ladder=[0.5, 1.0], budget=budget, strategies=strategies), tmp_path / "out"
    done = train(changes, out)
    assert not done.failed and done.tuned == 7 * 2 and done.trained == 8
    again = train(changes, out)
    assert (again.tuned, again.trained, again.failed) == (0, 0, [])
    steps = {}
    for row in read(out, "tuning"):
        steps.setdefault((row["arm_label"], row["rung"]), []).append(sum(run[2] for run in row["selection"]["pace"]))
    # The price of a step does not hang on the learning rate, so neither does the number of steps.
    assert all(len(seen) == 2 and len(set(seen)) == 1 for seen in steps.values())
    assert steps["gstds", 1.0] == steps["uniform, steps of gstds (holdout)", 1.0] > steps["gstds", 0.5]


def test_the_grid_grows_for_all_arms_where_one_is_best_at_its_end(train, tiny, tmp_path, monkeypatch):
    """``full`` gains with every doubling of the rate, the other with none; a killed run goes on where it was."""
    real = work.train_tuning_run

    def scored(worker, task):
        record = real(worker, task)
        factor = task.arm.lr_factor
        record["val_accuracy"] = min(0.1 * factor, 0.7) if task.arm.label == "full" else 0.5 - 0.02 * abs(factor - 1)
        if (task.arm.label, factor) == stop:
            raise KeyboardInterrupt
        return record

    monkeypatch.setattr(work, "train_tuning_run", scored)
    changes = tuned(tiny, strategies=[{"name": "loss"}], references=[], grid={"factors": [0.5, 1.0, 2.0], "seeds": 1})
    out, stop = tmp_path / "out", ("loss", 8.0)
    with pytest.raises(KeyboardInterrupt):
        train(changes, out)
    assert resolved(out)["grid"]["extended"] == {"digits": [4.0, 8.0]} and not read(out, "cells")
    stop = ()
    done = train(changes, out)
    tries = {(row["arm_label"], row["factor"]) for row in read(out, "tuning")}
    assert tries == {(label, factor) for label in ("full", "uniform", "loss") for factor in (0.5, 1.0, 2.0, 4.0, 8.0)}
    assert done.trained == 4 and not done.failed and Counter(verify(out).counts)["tuning"] == len(tries)
    assert verify(out).sound and "extend" not in resolved(out)["grid"]
    chosen = {arm["label"]: arm["lr_factor"] for arm in resolved(out)["arms"]}
    assert chosen == {"full": 8.0, "full-all": 8.0, "uniform": 1.0, "loss": 1.0}
    results = Results.read(out)
    assert not results.unreadable and results.matrix.grid.of("digits") == (0.5, 1.0, 2.0, 4.0, 8.0)
    notes = {row["strategy"]: row["note"] for row in summarise(results)["contrasts"] if row["question"] == "accuracy"}
    assert "best at an end of the learning rates tried: full" in notes["loss"]
    again = train(changes, out)
    assert (again.tuned, again.trained) == (0, 0)


@pytest.mark.parametrize(
    ("best", "extended", "added"),
    [
        ([1.0, 1.0], {}, {}),
        ([1.0, 2.0], {}, {"digits": [4.0]}),
        ([0.5, 2.0], {}, {"digits": [0.25, 4.0]}),
        ([1.0, 2.0], {"digits": [4.0]}, {}),  # what was the end lies inside now
        ([1.0, 4.0], {"digits": [4.0]}, {"digits": [8.0]}),
        ([0.5, 8.0], {"digits": [4.0, 8.0]}, {"digits": [0.25]}),  # two factors a side are the bound
        ([1.0, 4.0], {"other": [4.0]}, {}),
    ],
)
def test_the_grid_grows_by_a_factor_of_two_past_each_end_within_the_bound(planned, tiny, best, extended, added):
    arms = [arm for arm in planned(tuned(tiny)).arms if arm.label in ("full", "uniform")]
    chosen = dict(zip((arm.key for arm in arms), best, strict=True))
    assert beyond(arms, chosen, {"factors": [0.5, 1.0, 2.0]}, extended) == added
    assert beyond(arms, chosen, {"factors": [0.5, 1.0, 2.0], "extend": 0}, extended) == {}
