"""A run stopped between two steps, as often as you like, ends as if nobody had stopped it."""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch
from pieces import COMMON, EVERY_STEP, Folder, essence, killed_after, listens, stopped

from selbench.harness.execution.executors.local import Local
from selbench.harness.execution.prepared import RunRequest
from selbench.harness.execution.run import run
from selbench.harness.plan.matrix import parse
from selbench.harness.store.checkpoint_file import tidy
from selbench.harness.store.folder import Store
from selbench.harness.tasks.do import do
from selbench.harness.tasks.worker import Worker
from selbench.harness.training import ledger
from selbench.harness.training.trainer import Trainer
from selbench.harness.verify.contents import cell_faults
from selbench.reports.records.fields import misfits
from selbench.reports.records.models import KINDS
from selbench.strategies import UsageError

BANDIT = {"name": "bandit", "interval": 0.15, "images": 16}
PASSES = [
    {"name": "gstds"},
    {"name": "infobatch"},
    {"name": "spectral-oracle", "options": {"draw": "unbiased"}},
    {"name": "greats", "options": {"val_interval": 4}},
    {"name": "glister", "options": {"select_every": 2}},
    {"name": "kakurenbo", "options": {"tau": 0.0}},
    {"name": "static"},
    {"name": "marginal", "options": {"of": "selective-backprop"}},
    {"name": "proxy-replay"},
]
FLOPS = [{"name": "loss", "label": "by bandit", "schedule": BANDIT}]


@pytest.fixture(scope="module")
def folders(tmp_path_factory, cache_dir):
    root = tmp_path_factory.mktemp("kept")
    passes = Folder(COMMON | {"budget": {"passes": 2}, "strategies": PASSES}, root / "passes", cache_dir)
    longer = COMMON | {"budget": {"passes": 10}, "strategies": [{"name": "full"}]}
    flops = Folder(
        COMMON | {"budget": {"flops": 2.5e8, "account": "marginal"}, "strategies": FLOPS}, root / "flops", cache_dir
    )
    return {"passes": passes, "flops": flops, "long": Folder(longer, root / "long", cache_dir)}


CASES = [("passes", entry["name"], "strategy") for entry in PASSES]
CASES += [("flops", "by bandit", "strategy"), ("flops", "", "twin"), ("passes", "full-all", "full-all")]


@pytest.mark.parametrize(("kind", "label", "role"), CASES)
def test_a_run_of_many_pieces_ends_as_one_of_a_single_piece(folders, tmp_path, monkeypatch, kind, label, role):
    folder = folders[kind]
    task = folder.task(label, role)
    whole = folder.whole(task)
    if role == "twin":
        assert task.arm.replay
        shutil.copytree(folder.context.out / "cells", tmp_path / "cells")
        Store(tmp_path).cell_path(task.id).unlink()
    pieces, each = 1, whole["selection"]["steps"] // 3
    while not killed_after(monkeypatch, each, folder.again(tmp_path), task):
        pieces += 1
        assert (tmp_path / "checkpoints" / task.id).is_dir()
    record = Store(tmp_path).cell(task.id)
    assert pieces == -(-whole["selection"]["steps"] // each) and pieces > 2
    assert essence(record) == essence(whole)
    about = record["checkpoints"]
    assert len(about["resumed"]) == pieces - 1 and about["resumed"] == sorted(about["resumed"])
    assert about["written"] >= whole["selection"]["steps"] and about["seconds"] > 0 and "unused" not in about
    assert not (tmp_path / "checkpoints").exists(), "what is done needs no checkpoint"
    assert not list(misfits(KINDS["cells"], record))
    assert not list(cell_faults(KINDS["cells"].model_validate(record)))
    looks = {"greats": -(-whole["selection"]["steps"] // 4), "glister": 1}  # at the 20 images of val
    assert label not in looks or record["ledger"]["probe"]["samples"] == 20 * looks[label]


def test_seconds_add_up_over_the_pieces_and_what_is_written_is_off_the_clock(folders, tmp_path, monkeypatch):
    folder = folders["passes"]
    task = folder.task("gstds")
    folder.whole(task)
    ticks = itertools.count()
    monkeypatch.setattr(ledger, "time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))
    do(folder.again(tmp_path / "whole", 0.0), task)
    while not killed_after(monkeypatch, 3, folder.again(tmp_path / "parts"), task):
        pass
    whole, parts = (Store(tmp_path / name).cell(task.id) for name in ("whole", "parts"))
    assert parts["ledger"] == whole["ledger"] and whole["ledger"]["train"]["seconds"] == whole["selection"]["steps"]
    assert parts["curve"] == whole["curve"]


def test_a_trial_is_gone_on_with_too(folders, tmp_path, monkeypatch):
    folder = folders["passes"]
    cell = folder.task("gstds")
    folder.whole(cell)
    trial = replace(cell, id="f" * 16, kind="tuning", arm=replace(cell.arm, base=cell.arm.key))
    do(folder.again(tmp_path / "whole", 0.0), trial)
    while not killed_after(monkeypatch, 5, folder.again(tmp_path / "parts"), trial):
        pass
    whole, parts = (Store(tmp_path / name).tuning(trial.id) for name in ("whole", "parts"))
    assert essence(parts) == essence(whole) and "checkpoints" not in whole
    assert parts["checkpoints"]["resumed"] and not list(misfits(KINDS["tuning"], parts))


@pytest.mark.parametrize(("label", "kind"), [("gstds", "reference"), ("static", "proxy"), ("proxy-replay", "picks")])
def test_a_net_that_is_trained_for_an_artefact_is_gone_on_with_too(folders, tmp_path, monkeypatch, label, kind):
    folder = folders["passes"]
    folder.whole(folder.task(label))
    task = folder.plan.tasks[folder.task(label).uses[kind]]
    pieces = 1
    while not killed_after(monkeypatch, 2, Worker(replace(folder.context, out=tmp_path, checkpoint=EVERY_STEP)), task):
        pieces += 1
    assert pieces >= 2 and not (tmp_path / "checkpoints").exists()
    whole, parts = Store(folder.context.out), Store(tmp_path)
    for name, tensor in whole.artefact_tensors(task.id).items():
        assert torch.equal(parts.artefact_tensors(task.id)[name], tensor), name
    meta = parts.artefact_meta(task.id)
    assert len(meta["checkpoints"]["resumed"]) == pieces - 1 and not list(misfits(KINDS["artefacts"], meta))
    for phase, account in whole.artefact_meta(task.id)["ledger"].items():
        assert (
            account["flops"] == meta["ledger"][phase]["flops"]
            and account["samples"] == (meta["ledger"][phase]["samples"])
        )


def test_checkpoints_alone_change_nothing_and_none_is_written_before_it_is_due(folders, tmp_path):
    folder = folders["passes"]
    task = folder.task("marginal")
    whole = folder.whole(task)
    for name, minutes in (("often", EVERY_STEP), ("late", 5.0)):
        do(folder.again(tmp_path / name, minutes), task)
        assert not (tmp_path / name / "checkpoints").exists()
    often, late = (Store(tmp_path / name).cell(task.id) for name in ("often", "late"))
    assert essence(often) == essence(late) == essence(whole)
    assert often["checkpoints"]["written"] == whole["selection"]["steps"] and "checkpoints" not in late


def test_what_a_run_left_that_was_killed_behind_its_record_goes(folders, tmp_path, monkeypatch):
    folder = folders["passes"]
    task, other = folder.task("gstds"), folder.task("static")
    at = stopped(folder, tmp_path, monkeypatch, task)
    shutil.copytree(at, at.parent / other.id)
    Store(tmp_path).write_cell(folder.whole(task))
    tidy(Store(tmp_path))
    assert [path.name for path in at.parent.iterdir()] == [other.id]
    tidy(Store(tmp_path / "nothing here"))


def test_the_minutes_asked_for_reach_the_runs(tiny, tmp_path, cache_dir):
    tiny |= {"seeds": 1, "ladder": [1.0], "references": [], "strategies": [{"name": "uniform"}]}
    request = RunRequest(
        tmp_path, cache_dir=cache_dir, device="cpu", workers=1, executor="inline", checkpoint=EVERY_STEP
    )
    assert run(parse(tiny), request).trained == 3
    assert all(record["checkpoints"]["written"] for record in map(json.loads, map(Path.read_text, records(tmp_path))))
    with pytest.raises(UsageError, match="minutes between checkpoints, or 0 for none"):
        run(parse(tiny), replace(request, checkpoint=-1.0))


def records(root):
    return (root / "cells").glob("*.json")


def test_the_description_is_json_and_the_tensors_are_safetensors(folders, tmp_path, monkeypatch):
    from safetensors.torch import load_file

    folder = folders["passes"]
    at = stopped(folder, tmp_path, monkeypatch, folder.task("spectral-oracle"))
    assert sorted(path.suffix for path in at.iterdir()) == [".json", ".safetensors"]
    record = json.loads((at / "checkpoint.json").read_bytes())
    assert len(load_file(at / record["tensors"])) > 50


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_stop_a_run_ends_its_step_and_writes_a_checkpoint(folders, tmp_path, monkeypatch, number):
    folder = folders["passes"]
    task, step, taken = folder.task("gstds"), Trainer.step, []
    whole = folder.whole(task)

    def stop(*_):
        raise KeyboardInterrupt

    def told(self, *arguments):
        taken.append(step(self, *arguments))
        if len(taken) == 4:
            signal.raise_signal(number)

    before = signal.signal(number, stop)
    try:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Trainer, "step", told)
            do(folder.again(tmp_path, 5.0), task)
    finally:
        signal.signal(number, before)
    assert len(taken) == 4
    do(folder.again(tmp_path, 5.0), task)
    record = Store(tmp_path).cell(task.id)
    assert essence(record) == essence(whole)
    assert record["checkpoints"]["resumed"] == [4 / whole["selection"]["steps"]]
    assert record["checkpoints"]["written"] == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_the_workers_of_a_run_that_is_stopped_write_their_checkpoints(folders, tmp_path):
    folder = folders["long"]
    task = folder.task("full", "full")
    whole = folder.whole(task)

    def interrupt():
        while not any(map(listens, psutil.Process().children(recursive=True))):
            time.sleep(0.005)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        Local(1).run(folder.again(tmp_path, 5.0).context, [task], lambda _, outcome: pytest.fail(str(outcome)))
    assert (tmp_path / "checkpoints" / task.id / "checkpoint.json").exists()
    do(folder.again(tmp_path, 5.0), task)
    record = Store(tmp_path).cell(task.id)
    assert essence(record) == essence(whole)
    assert len(record["checkpoints"]["resumed"]) == record["checkpoints"]["written"] == 1
